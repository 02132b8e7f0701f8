# SPDX-License-Identifier: Apache-2.0
"""The shim that waits for the next container (docs/shim.md, "The handshake")."""

import os
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest


def waiting(daemon) -> list[int]:
    """Children of the daemon that are shims without a container."""
    children = Path(f"/proc/{daemon.pid}/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    return [pid for pid in pids if b"run\0--------" in command_of(pid)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return b""


def one_waiting(daemon) -> int:
    deadline = time.monotonic() + 30
    while not (found := waiting(daemon)):
        assert time.monotonic() < deadline
        time.sleep(0.005)  # another process's start has no event here
    assert len(found) == 1
    return found[0]


def wait_gone(pidfd: int) -> None:
    assert select.select([pidfd], [], [], 30)[0]
    os.close(pidfd)


def test_the_next_container_gets_it(engine):
    engine.run("true")
    spare = one_waiting(engine)
    name = engine.start_container("sleep", "1000")
    identity = engine.inspect(name)["Id"]
    assert Path(f"/proc/{spare}/cmdline").read_bytes().split(b"\0")[2].decode() == identity
    assert one_waiting(engine) != spare
    engine.out("rm", "-f", name)


def test_a_killed_one_is_not_missed(engine):
    engine.run("true")
    spare = one_waiting(engine)
    pidfd = os.pidfd_open(spare)
    os.kill(spare, signal.SIGKILL)
    wait_gone(pidfd)
    assert engine.run("echo", "fine").stdout == "fine\n"


def test_many_starts_at_once_need_only_one(engine):
    running = [engine.popen("run", "--rm", "--network", "none", "busybox", "true", stdout=subprocess.DEVNULL)
               for _ in range(6)]
    assert [process.wait(60) for process in running] == [0] * 6
    one_waiting(engine)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_daemon_however_that_ends(make_daemon, number):
    daemon = make_daemon()
    daemon.run("true")
    pidfd = os.pidfd_open(one_waiting(daemon))
    daemon.restart(number)
    wait_gone(pidfd)
    daemon.run("true")
    one_waiting(daemon)
