# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: OCI runtimes to compare, a bundle, a mount namespace in which all of them work, tables.

Times are taken by spawn_timer.c: an interpreter between fork and wait would be a good part of what is measured.
"""

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = REPOSITORY / "build/release/bin"
BUILT = REPOSITORY / "build/bench"

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MNT_DETACH = 2


def private_mounts_without_unified():
    """crun 1.8 refuses a hybrid cgroup layout, so all are measured in a mount namespace where there is none."""
    if os.geteuid() != 0:
        sys.exit("benchmarks run containers with cgroups: as root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        sys.exit(f"a private mount namespace: {os.strerror(ctypes.get_errno())}")
    if os.path.ismount("/sys/fs/cgroup/unified"):
        libc.umount2(b"/sys/fs/cgroup/unified", MNT_DETACH)


def runtimes():
    """{name: path} of those that are here, ours first."""
    ours = os.environ.get("BERTH_OCI") or str(BIN / "berth-oci")
    found = {}
    if os.access(ours, os.X_OK):
        found["berth-oci"] = ours
    else:
        print(f"{ours} is not built: peers alone")
    for name in ("crun", "runc"):
        path = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin")
        if path:
            told = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            version = told.split("\n")[0]
            found[name] = path
            print(f"{name}: {version.removeprefix(name).removeprefix(' version').strip()}")
    return found


@contextmanager
def scratch(where=None):
    path = Path(tempfile.mkdtemp(prefix="berth-bench-", dir=where))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def runtime_folder(path):
    """A tmpfs, as /run is on every host: what engines keep there would wait for the disk's file system otherwise. Whoever
    asked for it unmounts it."""
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "berth-bench", path], check=True)


def make_bundle(path, *command):
    subprocess.run([REPOSITORY / "examples/busybox/make-bundle", path, *command], check=True)
    return path


def spawn_timer():
    source, target = REPOSITORY / "bench/spawn_timer.c", BUILT / "spawn_timer"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        BUILT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["clang-19", "-O2", "-D_GNU_SOURCE", "-o", target, source], check=True)
    return str(target)


def _times(arguments):
    done = subprocess.run([spawn_timer(), *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(1)
    times = {}
    for line in done.stdout.splitlines():
        index, microseconds = line.split()
        times.setdefault(int(index), []).append(int(microseconds) / 1000)
    return times


def interleaved(commands, rounds, warm_up=3):
    """{name: [ms, …]} for {name: command}: each round runs every command once."""
    arguments = []
    for command in commands.values():
        arguments += [*command, "--"]
    _times([warm_up, *arguments[:-1]])
    times = _times([rounds, *arguments[:-1]])
    return {name: times[index] for index, name in enumerate(commands)}


def at_once(command, count):
    """ms until the last of `count` has ended."""
    return _times(["-p", count, *command])[0][0]


def table(title, rows, peer, unit="ms"):
    """Prints rows {name: [value, …]} with the ratio of the medians to the peer's."""
    print(f"\n{title}")
    print(f"  {'':<12}{'median':>10}{'p90':>10}{'min':>10}   against {peer}")
    base = statistics.median(rows[peer]) if peer in rows else None
    for name, values in rows.items():
        values = sorted(values)
        median, p90 = statistics.median(values), values[min(len(values) - 1, int(len(values) * 0.9))]
        ratio = f"{median / base:.2f}" if base else "–"
        print(f"  {name:<12}{median:>10.1f}{p90:>10.1f}{values[0]:>10.1f}   {ratio:>5}   {unit}")
