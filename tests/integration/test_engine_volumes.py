# SPDX-License-Identifier: Apache-2.0
"""Volumes, bind mounts, `docker cp`."""

import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from support.daemon import IMAGE, untar

pytestmark = pytest.mark.novm  # slow there, and no other on cgroup v2


def inside(engine, command, *flags, **more) -> str:
    return engine.run("sh", "-c", command, flags=flags, **more).stdout.strip()


def refused(engine, *flags, status=125) -> str:
    return engine.fails("run", "--rm", "--network", "none", *flags, IMAGE, "true", status=status)


# --- the volumes' own endpoints ------------------------------------------------------------------------------------


def test_create_inspect_list_remove(engine):
    assert engine.out("volume", "create", "--label", "a=b", "one") == "one"
    found = engine.get("/volumes/one").json
    assert found["Driver"] == "local" and found["Scope"] == "local" and found["Labels"] == {"a": "b"}
    assert found["Mountpoint"] == f"{engine.data_root}/volumes/one/_data" and os.path.isdir(found["Mountpoint"])
    assert found["CreatedAt"]
    # The same once more is the same volume.
    assert engine.out("volume", "create", "one") == "one"
    engine.cli("volume", "create")
    names = engine.out("volume", "ls", "-q").split()
    assert len(names) == 2 and "one" in names and max(map(len, names)) == 64
    assert engine.out("volume", "ls", "-q", "--filter", "label=a=b") == "one"
    assert engine.out("volume", "ls", "-q", "--filter", "name=on") == "one"
    assert engine.out("volume", "ls", "-q", "--filter", "driver=other") == ""
    engine.cli("volume", "rm", "one")
    assert not os.path.exists(found["Mountpoint"])
    answer = engine.get("/volumes/one")
    assert (answer.status, answer.message) == (404, "get one: no such volume")


def test_refusals(engine):
    answer = engine.post("/volumes/create", {"Name": "a/b"})
    assert answer.status == 400 and "includes invalid characters for a local volume name" in answer.message
    answer = engine.post("/volumes/create", {"Name": "xx", "Driver": "nonsense"})
    assert answer.status in (400, 404, 500) and "nonsense" in answer.message
    answer = engine.post("/volumes/create", {"Name": "xx", "DriverOpts": {"nonsense": "1"}})
    assert answer.status == 400 and "nonsense" in answer.message


def test_in_use(engine):
    name = engine.start_container(flags=["-v", "used:/data"])
    answer = engine.delete("/volumes/used")
    assert answer.status == 409
    assert "volume is in use" in answer.message and engine.inspect(name)["Id"] in answer.message
    assert engine.out("volume", "ls", "-q", "--filter", "dangling=true") == ""
    engine.cli("rm", "-f", name)
    assert engine.out("volume", "ls", "-q", "--filter", "dangling=true") == "used"


def test_prune(engine):
    engine.cli("volume", "create", "named")
    engine.cli("volume", "create")
    report = engine.post("/volumes/prune").json
    assert len(report["VolumesDeleted"]) == 1 and report["SpaceReclaimed"] >= 0
    assert engine.out("volume", "ls", "-q") == "named"
    engine.cli("volume", "prune", "-a", "-f")
    assert engine.out("volume", "ls", "-q") == ""


def test_usage(engine):
    engine.cli("run", "--rm", "--network", "none", "-v", "big:/v", IMAGE, "dd", "if=/dev/zero", "of=/v/x", "bs=1M", "count=3")
    found = [volume for volume in engine.get("/system/df").json["Volumes"] if volume["Name"] == "big"][0]
    assert found["UsageData"]["Size"] >= 3 << 20 and found["UsageData"]["RefCount"] == 0


def test_tmpfs_options(engine):
    engine.cli("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,uid=1000", "ram")
    assert "size=1024k" in inside(engine, "grep ' /ram ' /proc/mounts", "-v", "ram:/ram")
    assert "/volumes/ram" not in Path(f"/proc/{engine.pid}/mounts").read_text()


def test_bind_options(engine, tmp_path):
    (tmp_path / "file").write_text("bound")
    engine.cli("volume", "create", "--opt", "type=none", "--opt", f"device={tmp_path}", "--opt", "o=bind", "there")
    assert inside(engine, "cat /there/file", "-v", "there:/there") == "bound"
    engine.cli("volume", "rm", "there")
    assert (tmp_path / "file").exists()


# --- in containers -------------------------------------------------------------------------------------------------


def test_named_volume_keeps(engine):
    inside(engine, "echo kept > /data/x", "-v", "keeps:/data")
    assert inside(engine, "cat /data/x", "-v", "keeps:/data") == "kept"


def test_copy_up(engine):
    assert inside(engine, "cat /var/data/file", "-v", "filled:/var/data") == "from the image"
    assert inside(engine, "ls /var/data", "-v", "empty:/var/data:nocopy") == ""
    assert inside(engine, "ls /var/data", "--mount", "type=volume,src=also-empty,dst=/var/data,volume-nocopy=true") == ""
    # What is in it already stays.
    inside(engine, "echo own > /v/own", "-v", "owned:/v")
    assert inside(engine, "ls /var/data", "-v", "owned:/var/data") == "own"


def test_anonymous_volumes(engine):
    name = engine.start_container(flags=["-v", "/data"])
    volume = engine.inspect(name)["Mounts"][0]
    assert volume["Type"] == "volume" and len(volume["Name"]) == 64 and volume["Destination"] == "/data" and volume["RW"]
    engine.cli("rm", "-f", name)
    assert volume["Name"] in engine.out("volume", "ls", "-q")
    name = engine.start_container(flags=["-v", "/data"])
    volume = engine.inspect(name)["Mounts"][0]["Name"]
    engine.cli("rm", "-f", "-v", name)
    assert volume not in engine.out("volume", "ls", "-q")


def test_rm_takes_anonymous_volumes_along(engine):
    before = engine.out("volume", "ls", "-q")
    inside(engine, "touch /a/x", "-v", "/a")
    assert engine.out("volume", "ls", "-q") == before


def test_bind(engine, tmp_path):
    (tmp_path / "file").write_text("host")
    assert inside(engine, "cat /b/file; echo c > /b/new", "-v", f"{tmp_path}:/b") == "host"
    assert (tmp_path / "new").read_text() == "c\n"
    done = engine.run("touch", "/b/x", flags=["-v", f"{tmp_path}:/b:ro"], check=False)
    assert "Read-only file system" in done.stderr
    found = inside(engine, "cat /one", "-v", f"{tmp_path}/file:/one")
    assert found == "host"


def test_bind_makes_the_source_with_v_alone(engine, tmp_path):
    inside(engine, "true", "-v", f"{tmp_path}/made:/b")
    assert (tmp_path / "made").is_dir()
    text = refused(engine, "--mount", f"type=bind,src={tmp_path}/absent,dst=/b")
    assert f"invalid mount config for type \"bind\": bind source path does not exist: {tmp_path}/absent" in text
    assert not (tmp_path / "absent").exists()


def test_wrong_mounts(engine):
    for flags, words in (
            (["-v", "rel/ative:/x"], "includes invalid characters for a local volume name"),
            (["-v", "name:relative"], "mount path must be absolute"),
            (["-v", "/a:/x", "-v", "/b:/x"], "Duplicate mount point: /x"),
            (["-v", "/:/"], "destination can't be '/'"),
            (["-v", "name:/x:nonsense"], "invalid mode: nonsense"),
            (["--mount", "type=volume,dst=relative"], "mount path must be absolute"),
    ):
        assert words in refused(engine, *flags), flags


def test_propagation(engine, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path], check=True)
    try:
        subprocess.run(["mount", "--make-shared", tmp_path], check=True)
        assert "shared:" in inside(engine, "grep ' /p ' /proc/self/mountinfo", "-v", f"{tmp_path}:/p:rshared")
        assert "master:" in inside(engine, "grep ' /p ' /proc/self/mountinfo", "-v", f"{tmp_path}:/p:rslave")
        text = inside(engine, "grep ' /p ' /proc/self/mountinfo", "-v", f"{tmp_path}:/p")
        assert "shared:" not in text and "master:" not in text
        # What appears on the host later appears in the container.
        name = engine.start_container(flags=["-v", f"{tmp_path}:/p:rslave"])
        (tmp_path / "later").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=701", "none", tmp_path / "later"], check=True)
        assert engine.out("exec", name, "stat", "-c", "%a", "/p/later") == "701"
        subprocess.run(["umount", tmp_path / "later"], check=True)
        engine.cli("rm", "-f", name)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_read_only_is_recursive(engine, tmp_path):
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "below"], check=True)
    try:
        done = engine.run("touch", "/b/below/x", flags=["--mount", f"type=bind,src={tmp_path},dst=/b,readonly"], check=False)
        assert "Read-only file system" in done.stderr
        engine.run("touch", "/b/below/x", flags=["--mount", f"type=bind,src={tmp_path},dst=/b,readonly,bind-recursive=writable"])
        assert inside(engine, "grep -c ' /b' /proc/mounts", "--mount", f"type=bind,src={tmp_path},dst=/b,bind-recursive=disabled") == "1"
    finally:
        subprocess.run(["umount", tmp_path / "below"], check=True)


def test_subpath(engine):
    inside(engine, "mkdir -p /v/a/b; echo deep > /v/a/b/x", "-v", "paths:/v")
    assert inside(engine, "cat /s/x", "--mount", "type=volume,src=paths,dst=/s,volume-subpath=a/b") == "deep"
    text = refused(engine, "--mount", "type=volume,src=paths,dst=/s,volume-subpath=../escape")
    assert "subpath" in text
    inside(engine, "ln -s / /v/out", "-v", "paths:/v")
    done = engine.cli("run", "--rm", "--network", "none", "--mount", "type=volume,src=paths,dst=/s,volume-subpath=out/etc", IMAGE, "ls", "/s", check=False)
    assert done.returncode != 0 or "shadow" not in done.stdout


def test_volumes_from(engine):
    name = engine.start_container("sh", "-c", "echo shared > /data/x; sleep 1000", flags=["-v", "/data", "-v", "/tmp:/host"])
    engine.cli("exec", name, "sh", "-c", "while [ ! -e /data/x ]; do sleep 0.02; done")
    assert inside(engine, "cat /data/x; test -d /host && echo host", "--volumes-from", name).split() == ["shared", "host"]
    done = engine.run("touch", "/data/y", flags=["--volumes-from", f"{name}:ro"], check=False)
    assert "Read-only" in done.stderr
    assert "No such container: nonsense" in refused(engine, "--volumes-from", "nonsense")


def test_order_of_mounts(engine, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/inner").mkdir()
    assert inside(engine, "ls /m /m/inner", "-v", "in-order:/m/inner", "-v", f"{tmp_path}/a:/m").split() == ["/m:", "inner", "/m/inner:"]


def test_links_in_the_image_do_not_lead_out(engine):
    """A destination through a link is looked up inside the container."""
    name = engine.new_name()
    engine.cli("run", "--name", name, "--network", "none", IMAGE, "ln", "-s", "/tmp", "/link")
    engine.cli("commit", name, "linked")
    try:
        marker = f"berth-marker-{os.getpid()}"
        engine.cli("run", "--rm", "--network", "none", "-v", "linked-volume:/link/x", "linked", "touch", f"/tmp/x/{marker}")
        assert os.path.exists(f"{engine.data_root}/volumes/linked-volume/_data/{marker}") and not os.path.exists(f"/tmp/x/{marker}")
    finally:
        engine.cli("rm", "-f", name)
        engine.cli("rmi", "-f", "linked")


# --- docker cp -----------------------------------------------------------------------------------------------------


def test_copy_both_ways(engine, tmp_path):
    name = engine.start_container()
    (tmp_path / "file").write_text("copied")
    (tmp_path / "file").chmod(0o640)
    engine.cli("cp", tmp_path / "file", f"{name}:/tmp/renamed")
    assert engine.out("exec", name, "sh", "-c", "cat /tmp/renamed; stat -c ' %a' /tmp/renamed") == "copied 640"
    engine.cli("exec", name, "sh", "-c", "mkdir -p /d/e; echo deep > /d/e/f; ln -s e/f /d/link")
    engine.cli("cp", f"{name}:/d", tmp_path / "out")
    assert (tmp_path / "out/e/f").read_text() == "deep\n" and os.readlink(tmp_path / "out/link") == "e/f"
    engine.cli("cp", f"{tmp_path}/out/.", f"{name}:/tmp")
    assert engine.out("exec", name, "cat", "/tmp/e/f") == "deep"
    engine.cli("cp", "-L", f"{name}:/d/link", tmp_path / "followed")
    assert (tmp_path / "followed").read_text() == "deep\n"


def test_copy_of_a_stopped_one(engine, tmp_path):
    identity = engine.out("create", "--network", "none", "-v", "cp-volume:/v", IMAGE, "cat", "/etc/new", "/v/x")
    (tmp_path / "new").write_text("new\n")
    engine.cli("cp", tmp_path / "new", f"{identity}:/etc/new")
    engine.cli("cp", tmp_path / "new", f"{identity}:/v/x")
    assert engine.out("start", "-a", identity) == "new\nnew"
    engine.cli("cp", f"{identity}:/v/x", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "new\n"


def test_copy_by_streams(engine):
    name = engine.start_container()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("x")
        info.size, info.uid, info.mtime = 3, 1000, 1_600_000_000
        tar.addfile(info, io.BytesIO(b"abc"))
    answer = engine.request("PUT", f"/containers/{name}/archive?path=/tmp", out.getvalue(), headers={"Content-Type": "application/x-tar"})
    assert answer.status == 200, answer
    assert engine.out("exec", name, "stat", "-c", "%u %s %Y", "/tmp/x") == "1000 3 1600000000"
    answer = engine.get(f"/containers/{name}/archive?path=/tmp/x")
    assert untar(answer.body)["x"].uid == 1000 and "X-Docker-Container-Path-Stat" in answer.headers
    head = engine.request("HEAD", f"/containers/{name}/archive?path=/tmp/x")
    assert head.status == 200 and head.headers["X-Docker-Container-Path-Stat"] == answer.headers["X-Docker-Container-Path-Stat"]


def test_copy_refusals(engine, tmp_path):
    name = engine.start_container(flags=["--read-only", "-v", f"{tmp_path}:/ro:ro"])
    (tmp_path / "x").write_text("x")
    answer = engine.get(f"/containers/{name}/archive?path=/no/such")
    assert answer.status == 404 and "Could not find the file /no/such in container" in answer.message
    assert engine.get(f"/containers/{name}/archive").status == 400
    assert "read-only" in engine.fails("cp", tmp_path / "x", f"{name}:/x").lower()
    assert "read-only" in engine.fails("cp", tmp_path / "x", f"{name}:/ro/y").lower()
    answer = engine.request("PUT", f"/containers/{name}/archive?path=/etc/passwd", b"", headers={"Content-Type": "application/x-tar"})
    assert answer.status in (400, 403, 500)


def test_links_do_not_lead_out(engine, tmp_path):
    """CVE-2018-15664: a link in the container that is an absolute path is one inside it."""
    name = engine.start_container("sh", "-c", "ln -s /etc /tmp/out; ln -s ../../../../../../etc /tmp/up; touch /ready; sleep 1000")
    engine.cli("exec", name, "sh", "-c", "while [ ! -e /ready ]; do sleep 0.02; done")
    engine.cli("cp", f"{name}:/tmp/out/passwd", tmp_path / "passwd")
    assert "user:x:1000" in (tmp_path / "passwd").read_text() and len((tmp_path / "passwd").read_text().splitlines()) == 3
    marker = tmp_path / f"berth-marker-{os.getpid()}"
    marker.write_text("x")
    for link in ("out", "up"):
        engine.cli("cp", marker, f"{name}:/tmp/{link}/")
        assert not os.path.exists(f"/etc/{marker.name}")
        engine.cli("exec", name, "rm", f"/etc/{marker.name}")


def test_race_of_links(engine, tmp_path):
    """The container swaps a folder and a link to / while files are copied: never does one land outside."""
    name = engine.start_container("sh", "-c", "mkdir /tmp/d; ln -s / /tmp/l; while :; do mv /tmp/d /tmp/x; mv /tmp/l /tmp/d; mv /tmp/d /tmp/l; mv /tmp/x /tmp/d; done")
    marker = f"berth-race-{os.getpid()}"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(marker))
    end = time.monotonic() + 3
    count = 0
    while time.monotonic() < end:
        engine.request("PUT", f"/containers/{name}/archive?path=/tmp/d", out.getvalue(), headers={"Content-Type": "application/x-tar"})
        answer = engine.get(f"/containers/{name}/archive?path=/tmp/d/etc/hostname")
        if answer.status == 200:
            content = tarfile.open(fileobj=io.BytesIO(answer.body)).extractfile("hostname")
            assert content is None or content.read().strip() != Path("/etc/hostname").read_bytes().strip()
        count += 1
    assert count > 10 and not os.path.exists(f"/{marker}")


def test_python_client(engine):
    volume = engine.client.volumes.create("py", labels={"x": "y"})
    assert volume.attrs["Labels"] == {"x": "y"}
    text = engine.client.containers.run(IMAGE, ["sh", "-c", "echo a > /v/x; cat /v/x"], volumes={"py": {"bind": "/v", "mode": "rw"}}, network_mode="none", remove=True)
    assert text == b"a\n"
    volume.remove()


def test_volumes_outlive_the_daemon(make_daemon):
    made = make_daemon()
    made.run("sh", "-c", "echo x > /v/x", flags=["-v", "lives:/v"])
    made.kill()
    made.start()
    assert made.run("cat", "/v/x", flags=["-v", "lives:/v"]).stdout == "x\n"
