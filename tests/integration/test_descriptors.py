# SPDX-License-Identifier: Apache-2.0
"""What the caller and the runtime have open, while the container is made: nothing of it may lead its process to the
host, nor be kept by it. What a program that runs finds open is in test_hostile_process.py and test_process.py."""

import fcntl
import os
import shutil
import subprocess

import pytest

from support import host
from support.hostile import HANG, Canary, canary  # noqa: F401
from support.oci import Stream

DESCRIPTORS = range(3, 41)
WAYS = ["direct", "link", "script"]


# -- CVE-2024-21626, second form: execve itself resolves its path through a descriptor of the host


class Trap:
    """A program of the host, and the ways in which an image may ask for it by a descriptor's number."""

    def __init__(self, canary: Canary, probe):
        self.token = f"escaped-{canary.token}"
        self.program = canary.path.parent / "program"
        shutil.copy2(probe, self.program)
        climb = "../" * 16 + str(self.program).lstrip("/")
        self.paths = {fd: f"/proc/self/fd/{fd}/{climb}" for fd in DESCRIPTORS}

    def set(self, rootfs, way: str) -> dict[int, list[str]]:
        """Prepares the image; the arguments to try, by descriptor. Whatever executes the program says the token."""
        if way == "direct":
            return {fd: [path, "say", self.token] for fd, path in self.paths.items()}
        attempts = {}
        for fd, path in self.paths.items():
            tool = rootfs / "bin" / (f"tool-{fd}" if way == "link" else f"{fd}-{self.token}")
            if way == "link":
                tool.symlink_to(path)
                attempts[fd] = [f"/bin/{tool.name}", "say", self.token]
            else:
                tool.write_text(f"#!{path} say\n")  # says the name of the script, which holds the token
                tool.chmod(0o755)
                attempts[fd] = [f"/bin/{tool.name}"]
        return attempts

    def assert_not_executed(self, result) -> None:
        assert self.token not in result.out, result
        assert result.rc != 0 and result.error.strip(), result


@pytest.fixture
def trap(canary, probe_binary) -> Trap:  # noqa: F811
    return Trap(canary, probe_binary)


@pytest.fixture
def careless(canary):  # noqa: F811
    """A descriptor of a directory of the host that the caller leaves open and inheritable."""
    opened = os.open(canary.path, os.O_RDONLY | os.O_DIRECTORY)
    moved = fcntl.fcntl(opened, fcntl.F_DUPFD, 9)
    os.close(opened)
    assert moved in DESCRIPTORS
    yield moved
    os.close(moved)


@pytest.mark.parametrize("way", WAYS)
def test_run_executes_nothing_by_a_descriptor(runtime, bundle, trap, careless, way):
    """Defence: descriptors are closed before the program is looked up. Close-on-exec comes too late: execve resolves
    its path while they are open. Without it one of the numbers (at least the caller's) leads above the root, and the
    host's program says the token."""
    for argv in trap.set(bundle.rootfs, way).values():
        result = runtime.run(bundle.args(*argv), pass_fds=(careless,), timeout=HANG)
        trap.assert_not_executed(result)


@pytest.mark.parametrize("way", WAYS)
def test_exec_executes_nothing_by_a_descriptor(runtime, bundle, trap, careless, way):
    """The same for exec, which comes from the host while the container runs."""
    attempts = trap.set(bundle.rootfs, way)
    container = runtime.paused(bundle)
    for argv in attempts.values():
        result = container.exec(*argv, check=False, pass_fds=(careless,), timeout=HANG)
        trap.assert_not_executed(result)


@pytest.mark.parametrize("way", WAYS)
def test_the_trap_catches(bundle, trap, careless, way):
    """No defence of the runtime: proof that the attack works on a program that changes its root and closes nothing."""
    host.require_program("unshare")
    argv = trap.set(bundle.rootfs, way)[careless]
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    result = subprocess.run(["unshare", "-mpf", "sh", "-c", script, bundle.rootfs, *argv], pass_fds=(careless,),
                            capture_output=True, text=True)
    assert trap.token in result.stdout, result


def test_a_start_container_hook_executes_nothing_by_a_descriptor(runtime, bundle, trap, careless):
    """The hook's path is resolved in the container as well."""
    for path in trap.paths.values():
        bundle.config["hooks"] = {"startContainer": [{"path": path, "args": ["hook", "write", "/hook-ran", "x"]}]}
        result = runtime.run(bundle, pass_fds=(careless,), timeout=HANG)
        assert result.rc != 0 and "hook" in result.error, result
        assert not (bundle.rootfs / "hook-ran").exists()


# -- while it waits for start


@pytest.mark.needs("descriptors closed before start, not at execve")
def test_a_created_container_holds_no_descriptor_of_its_caller(runtime, bundle):
    """Defence: the first process closes what it inherited before it waits for `start`. If it did so at execve, the
    reader of the caller's pipe would see no end while the container is only created."""
    reader, opened = os.pipe()
    writer = fcntl.fcntl(opened, fcntl.F_DUPFD, 7)
    os.close(opened)
    pipe = Stream(reader)
    try:
        container = runtime.create(bundle, pass_fds=(writer,))
    finally:
        os.close(writer)
    try:
        assert pipe.all() == ""
    finally:
        pipe.close()
    assert container.state()["status"] == "created"


@pytest.mark.needs("descriptors closed before start, not at execve")
def test_a_created_container_has_stdio_and_its_socket_only(runtime, bundle, canary):  # noqa: F811
    """The same seen from the other side: no directory or file of the host is open in the waiting process, but what it
    needs for `start` and its root."""
    container = runtime.create(bundle)
    links = [os.readlink(f"/proc/{container.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{container.pid}/fd")
             if int(fd) > 2]
    assert not [link for link in links if str(runtime.root) in link or link.startswith("/sys")], links
