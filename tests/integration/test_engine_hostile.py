# SPDX-License-Identifier: Apache-2.0
"""What an image, a container or a client may try against the daemon and the host. Runtime attacks proper are in
test_hostile.py, symlink races of `docker cp` in test_engine_copy.py."""

import contextlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from support import images
from support.daemon import IMAGE, docker_archive


@contextlib.contextmanager
def null_device_stays():
    """The host's /dev/null is as it was; put right again where it isn't."""
    before = os.stat("/dev/null")
    try:
        yield
        after = os.stat("/dev/null")
    finally:
        os.chmod("/dev/null", stat.S_IMODE(before.st_mode))
        os.chown("/dev/null", before.st_uid, before.st_gid)
        os.utime("/dev/null", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


CHANGE = "chmod 606 {0}; chown 1:1 {0}; touch -d '2001-01-01 00:00' {0}; echo x > {0} && echo still null"


def test_masked_files_are_not_the_hosts_null_device_to_change(engine):
    """A masked file shows the host's null device: its mode, owner and times are not the container's."""
    with null_device_stays():
        done = engine.run("sh", "-c", CHANGE.format("/proc/keys"), check=False)
    assert done.stdout.strip() == "still null", done
    assert done.stderr.count("Read-only file system") == 3, done


def test_standard_input_is_not_the_hosts_null_device_to_change(engine):
    name = engine.start_container()
    with null_device_stays():
        ran = engine.run("sh", "-c", CHANGE.format("/proc/self/fd/0"), check=False)
        joined = engine.cli("exec", name, "sh", "-c", CHANGE.format("/proc/self/fd/0"), check=False)
    for done in (ran, joined):
        assert done.stdout.strip() == "still null", done
        assert done.stderr.count("Read-only file system") == 3, done
    assert engine.run("cat").stdout == "" and engine.out("exec", name, "cat") == ""


@pytest.mark.parametrize("body", [{"Cmd": ["x" * 100_000]}, {"Cmd": ["id"], "WorkingDir": "/" + "x" * 100_000},
                                  {"Cmd": ["id"], "User": "x" * 100_000}, {"Cmd": ["x" * 3_000_000]}],
                         ids=["program", "folder", "user", "megabytes"])
def test_exec_with_long_words_does_not_end_the_container(engine, body):
    name = engine.start_container()
    created = engine.post(f"/containers/{name}/exec", {"AttachStdout": True, "AttachStderr": True, **body})
    assert created.status == 201, created
    engine.post(f"/exec/{created.json['Id']}/start", {"Detach": False})
    assert engine.get(f"/exec/{created.json['Id']}/json").json["ExitCode"] in (126, 127)
    assert engine.out("exec", name, "echo", "alive") == "alive"


def test_a_long_program_name_is_told(engine):
    created = engine.post("/containers/create", {"Image": IMAGE, "Cmd": ["x" * 100_000], "HostConfig": {"NetworkMode": "none"}})
    answer = engine.post(f"/containers/{created.json['Id']}/start")
    assert answer.status == 400 and "exec: \\\"xxx" in answer.body.decode(), answer
    assert engine.delete(f"/containers/{created.json['Id']}").status == 204


def test_an_images_stop_signal_that_there_is_not(engine, tmp_path):
    """As with dockerd SIGTERM is sent instead."""
    program = Path(shutil.which("busybox")).read_bytes()
    archive = docker_archive(tmp_path / "image.tar", "stop:evil", [images.tar_entry("busybox", program, mode=0o755)],
                             {"Cmd": ["/busybox", "sleep", "1000"], "StopSignal": "SIGEVIL"})
    engine.load(archive)
    name = engine.new_name()
    engine.cli("run", "-d", "--name", name, "--network", "none", "stop:evil")
    assert engine.post(f"/containers/{name}/kill?signal=CONT").status == 204
    assert engine.post(f"/containers/{name}/stop?t=0").status == 204
    assert engine.delete(f"/containers/{name}").status == 204
    engine.cli("rmi", "stop:evil")


def test_working_folder_is_there_after_create(engine, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    name = engine.new_name()
    engine.cli("create", "--name", name, "--network", "none", "--user", "user", "-w", "/new/folder", IMAGE,
               "sh", "-c", "cat file; ls -ld . | cut -c 1-10; stat -c %u .")
    engine.cli("cp", tmp_path / "file", f"{name}:/new/folder/")
    assert engine.out("start", "-a", name).split("\n") == ["from the host", "drwxr-xr-x", "0"]


def test_working_folder_that_is_a_file(engine):
    text = engine.fails("create", "--network", "none", "-w", "/etc/passwd", IMAGE, "true")
    assert "Cannot mkdir: /etc/passwd is not a directory" in text
