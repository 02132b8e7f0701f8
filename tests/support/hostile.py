# SPDX-License-Identifier: Apache-2.0
"""What the tests of hostile images share: host files that must stay untouched, the attacker's program, races.

A hostile image has two acceptable ends: the runtime refuses it (and says why), or the container runs and the
attack had no effect. `judge` tells them apart; it is never acceptable that the runtime hangs.
"""

import contextlib
import functools
import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from support import oci

SOURCES = Path(__file__).resolve().parent
PROGRAMS = SOURCES.parent.parent / "build/tests"

HANG = 15
"""Seconds after which a runtime is taken to hang; a container starts in well under one."""

PROC_MAGIC, DEVPTS_MAGIC = "9fa0", "1cd1"

SYSCTL, SYSCTL_FILE = "net.ipv4.ip_default_ttl", "/proc/sys/net/ipv4/ip_default_ttl"
"""Harmless: each network namespace has its own. It stands for core_pattern and its like."""

ALL_CAPABILITIES = ["CAP_" + name for name in (
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE "
    "DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD "
    "NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN "
    "SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG "
    "WAKE_ALARM").split()]
"""What a privileged container has (CAP_SYS_RESOURCE is missing on some machines and not needed)."""

steps = pytest.mark.noasan
"""Tests with `Steps`: LeakSanitizer does not work in a traced process."""

race_time = pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.deep)])
"""How long a race is tried: the longer, the more likely it would be won."""


class Canary:
    """A directory of the host, outside of every root file system, that an attack is aimed at."""

    def __init__(self, path: Path):
        self.path = path
        self.token = secrets.token_hex(12)
        path.mkdir(parents=True)
        self.secret = path / "secret"
        self.secret.write_text(self.token)
        (path / "empty").mkdir()
        self.before = self._snapshot()

    def _snapshot(self) -> dict:
        found = {}
        for entry in [self.path, *sorted(self.path.rglob("*"))]:
            st = entry.lstat()
            content = entry.read_bytes() if stat.S_ISREG(st.st_mode) else b""
            found[str(entry.relative_to(self.path))] = (st.st_mode, st.st_uid, st.st_gid, st.st_rdev, content)
        return found

    def assert_untouched(self) -> None:
        assert self._snapshot() == self.before, "the attack changed files of the host"

    def relative(self) -> str:
        """The same directory by a relative link that climbs above any root."""
        return "../" * 24 + str(self.path).lstrip("/")


@pytest.fixture
def canary(runtime) -> Canary:
    """Depends on the runtime, whose end removes the directory: this comes before. To be imported by its users."""
    made = Canary(runtime.work / "host/canary")
    yield made
    made.assert_untouched()


@functools.cache
def program(name: str = "hostile") -> Path:
    """support/<name>.c, compiled when it is newer than the program."""
    source, target = SOURCES / f"{name}.c", PROGRAMS / name
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        PROGRAMS.mkdir(parents=True, exist_ok=True)
        fresh = f"{target}.{os.getpid()}"
        subprocess.run(["cc", "-static", "-O1", "-o", fresh, source], check=True)
        os.rename(fresh, target)
    return target


def arm(bundle: oci.Bundle) -> oci.Bundle:
    """Puts the attacker's program into the image."""
    shutil.copy2(program(), bundle.rootfs / "bin/hostile")
    return bundle


def without_dev(bundle: oci.Bundle) -> oci.Bundle:
    """Lets the image's own /dev show: no tmpfs covers it. The root file system is then what the runtime
    finds its devices, its console and /dev/null on."""
    for destination in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(destination)
    return bundle


def judge(result: oci.Result) -> dict[str, str] | None:
    """What the container saw, or None if it was refused in words before its program ran."""
    if result.rc == 0:
        return result.facts
    assert result.error.strip(), f"refused without a word: {result}"
    assert not result.facts, f"the program ran, and failed: {result}"
    return None


def attempt(runtime: oci.Runtime, bundle: oci.Bundle, *verbs: str, flags=(), **more) -> dict[str, str] | None:
    """Runs the probe in a hostile container; see `judge`."""
    return judge(runtime.run(bundle.probe(*verbs), *flags, timeout=HANG, **more))


@contextlib.contextmanager
def exchanging(first: Path, second: Path):
    """While the block runs, another process swaps the two as fast as it can."""
    swapper = subprocess.Popen([program(), "exchange", first, second], stdout=subprocess.PIPE)
    try:
        assert swapper.stdout.readline() == b"ready=1\n"
        yield
        assert swapper.poll() is None, "the swapping process died: there was no race"
    finally:
        swapper.kill()
        swapper.wait()
        swapper.stdout.close()


def rounds(seconds: float, most: int = 200):
    """Counts attempts until the time is over; a longer race has as many more."""
    end = time.monotonic() + seconds
    for number in range(int(most * max(1, seconds / 5))):
        if time.monotonic() > end:
            return
        yield number


class Steps:
    """A race by steps: an attempt for each moment at which an exchange of two files can matter, that is before each
    system call of the runtime that walks a path with `needle` in it (support/race_step.c).

        for step in Steps(runtime, needle, first, second):
            with step: ...one command of the runtime...
    """

    def __init__(self, runtime: oci.Runtime, needle: str, first: Path, second: Path, modes=("on", "once"), most=200):
        self.runtime, self.needle, self.first, self.second = runtime, needle, first, second
        self.modes, self.most = modes, most
        self.names = (os.lstat(first).st_ino, first, second)
        self.report = runtime.work / "race_step.report"
        self.tried = 0

    def __iter__(self):
        for mode in self.modes:
            for number in range(self.most):
                self.report.unlink(missing_ok=True)
                self.head = [program("race_step"), self.report, self.needle, number, mode, self.first, self.second]
                yield self
                self._restore()
                calls = int(self.report.read_text())
                if number >= calls:
                    break
                self.tried += 1
        assert self.tried, f"the runtime never looked up {self.needle}: there was no race"

    def _restore(self) -> None:
        inode, first, second = self.names
        if os.lstat(first).st_ino != inode:
            spare = first.with_name("exchanging")
            os.rename(first, spare)
            os.rename(second, first)
            os.rename(spare, second)

    def __enter__(self) -> "Steps":
        plain = self.runtime.command_line
        self.runtime.command_line = lambda *args, **more: [*map(str, self.head), *plain(*args, **more)]
        return self

    def __exit__(self, *_) -> None:
        del self.runtime.command_line


def run_on_terminal(runtime: oci.Runtime, bundle: oci.Bundle, traced=contextlib.nullcontext()):
    """`run --detach --console-socket`: what the container wrote to its terminal, or None if it was refused."""
    bundle.process["terminal"] = True
    console = runtime.console_socket()
    try:
        with traced:
            container = runtime.run_detached(bundle, "--console-socket", console.path, timeout=HANG)
    except oci.CommandFailed as failed:
        if failed.result.rc == -1:
            raise
        return judge(failed.result)
    finally:
        with contextlib.suppress(FileNotFoundError):
            console.path.unlink()
    master, _ = console.receive()
    try:
        text = master.all()
    finally:
        master.close()
    container.wait()
    container.delete("--force", check=False)
    return oci.facts(text)


def attack_runtime_binary(runtime: oci.Runtime) -> Path:
    """Lets the test use a copy of the runtime, which may be overwritten. Dynamic ones get their libraries' names
    resolved in the image by `add_libraries`."""
    copy = runtime.work / "host-bin" / runtime.binary.name
    copy.parent.mkdir()
    shutil.copy2(os.path.realpath(runtime.binary), copy)
    runtime.binary = copy
    return copy


def add_libraries(rootfs: Path, binary: Path) -> None:
    """What the program needs to be executed inside the image (nothing if it is static)."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True)
    for word in listed.stdout.split():
        if word.startswith("/") and os.path.isfile(word):
            target = rootfs / word.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(word, target)


def stop(container: oci.Container) -> str:
    """Ends a watching attacker; its report. Its pid namespace ends only when all that was in it has been reaped."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(container.pidfd, signal.SIGTERM)
    report = container.out.all()
    container.runtime.leftovers()  # reaps orphans
    container.wait()
    return report
