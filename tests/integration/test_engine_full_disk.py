# SPDX-License-Identifier: Apache-2.0
"""A data root whose disk is full: what runs goes on, what is asked for is refused in words, and removing helps.

Disks are filled by containers, as they are outside of tests: by one that ends at the error, and by one that takes every
block as soon as it is free.
"""

import os
import subprocess

import pytest

from support.daemon import IMAGE, shared_archive
from support.images import wait_for

SIZE = 40 << 20
NO_SPACE = "no space left on device"
# So many creations may still fit into blocks that were taken before.
CREATIONS = 20


class Disk:
    def __init__(self, path):
        self.path = path

    @property
    def free(self) -> int:
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize


@pytest.fixture
def disk(tmp_path):
    """A small file system. It is set up before daemons are, so it goes after them."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "berth-full-disk", path], check=True)
    try:
        yield Disk(path)
    finally:
        left = subprocess.run(["umount", path], stderr=subprocess.PIPE, text=True)
        if left.returncode:
            subprocess.run(["umount", "-l", path], check=True)
    assert left.returncode == 0, left.stderr


@pytest.fixture
def small(disk, make_daemon):
    """A daemon with its data on it, and a running container `keep`."""
    made = make_daemon(start=False)
    made.data_root = disk.path / "data"
    made.start()
    made.load(shared_archive())
    made.cli("run", "-d", "--name", "keep", "--network", "none", IMAGE, "sh", "-c", "while :; do sleep 1000; done")
    return made


def fill(daemon) -> None:
    """The container `fill` has ended because the disk is full."""
    done = daemon.cli("run", "--name", "fill", "--network", "none", IMAGE, "dd", "if=/dev/zero", "of=/big", "bs=64k", check=False)
    assert done.returncode == 1 and NO_SPACE in done.stderr.lower(), done.stderr


def start_hog(daemon, disk) -> None:
    """The container `fill` takes every block that gets free, until it is removed."""
    daemon.cli("run", "-d", "--name", "fill", "--network", "none", "--log-driver", "none", IMAGE,
               "sh", "-c", "while :; do cat /dev/zero >> /big; done")
    wait_for(lambda: disk.free == 0)


def names(daemon) -> set:
    return set(daemon.out("ps", "-a", "--format", "{{.Names}}").split())


def states(daemon) -> dict:
    """What must survive of each container."""
    kept = ("Status", "Running", "Pid", "ExitCode", "Error", "OOMKilled", "StartedAt", "FinishedAt")
    return {name: {key: daemon.inspect(name)["State"][key] for key in kept} for name in names(daemon)}


def run_works(daemon) -> bool:
    return daemon.out("run", "--rm", "--network", "none", IMAGE, "sh", "-c", "echo wrote > /x && cat /x") == "wrote"


def test_the_end_of_the_one_who_filled_it_is_recorded(small, disk):
    fill(small)
    assert disk.free < 1 << 20
    found = small.inspect("fill")["State"]
    assert (found["Status"], found["ExitCode"], found["Error"]) == ("exited", 1, "")
    assert small.inspect("keep")["State"]["Running"]
    small.kill()
    small.start()
    assert small.inspect("fill")["State"] == found


def test_creating_is_refused_and_leaves_nothing(small, disk):
    start_hog(small, disk)
    made, error = set(), ""
    while not error:
        assert len(made) < CREATIONS, "containers are created on a full disk"
        done = small.cli("create", "--name", f"more{len(made)}", "--network", "none", IMAGE, check=False)
        if done.returncode:
            error = done.stderr
        else:
            made.add(f"more{len(made)}")
    assert NO_SPACE in error and "free some space, e.g. with `berth system prune`" in error
    assert names(small) == {"keep", "fill"} | made
    for folder in ("s", "containers"):
        assert len(os.listdir(small.data_root / folder)) == 2 + len(made), folder


def test_what_runs_goes_on(small, disk):
    with small.popen("run", "-i", "--name", "echo", "--network", "none", IMAGE, "cat", stdin=subprocess.PIPE) as client:
        client.stdin.write(b"first\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"first\n"
        start_hog(small, disk)
        # More than its log can take.
        lines = [b"line %d\n" % number for number in range(20_000)]
        found, _ = client.communicate(b"".join(lines), timeout=60)
        assert found == b"".join(lines)
        assert client.returncode == 0
    assert small.out("exec", "keep", "echo", "executed") == "executed"
    assert "sleep" in small.out("top", "keep")
    assert small.inspect("echo")["State"]["ExitCode"] == 0


def test_ends_are_recorded(small, disk):
    small.cli("run", "-d", "--name", "ends", "--network", "none", IMAGE,
              "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    small.wait_for_output("ends", "ready")
    start_hog(small, disk)
    small.cli("stop", "ends")
    small.kill()
    small.start()
    found = small.inspect("ends")["State"]
    assert (found["Status"], found["ExitCode"]) == ("exited", 7)


def test_the_daemon_comes_up_on_it(small, disk):
    small.cli("create", "--name", "created", "--network", "none", IMAGE)
    start_hog(small, disk)
    before = states(small)
    assert {name: state["Status"] for name, state in before.items()} == {
        "keep": "running", "fill": "running", "created": "created"}
    small.kill()
    small.start()
    assert states(small) == before
    assert small.out("exec", "keep", "echo", "executed") == "executed"
    small.restart()  # no kill: the databases were closed
    assert states(small) == before


def test_removing_makes_room(small, disk):
    """Twice: what was held back for it has to be there again."""
    keep = states(small)["keep"]
    for _ in range(2):
        fill(small)
        small.kill()
        small.start()
        small.cli("rm", "fill")
        wait_for(lambda: disk.free > SIZE // 2)
        assert names(small) == {"keep"}
        assert run_works(small)
    assert states(small) == {"keep": keep}


def test_the_one_who_takes_it_all_is_removed(small, disk):
    keep = states(small)["keep"]
    for _ in range(2):
        start_hog(small, disk)
        small.kill()
        small.start()
        small.cli("rm", "-f", "fill")
        wait_for(lambda: disk.free > SIZE // 2)
        assert names(small) == {"keep"}
        assert run_works(small)
    assert states(small) == {"keep": keep}
