# SPDX-License-Identifier: Apache-2.0
"""What this machine offers: the reasons for which a test may be skipped whatever the runtime."""

import functools
import os
import subprocess
from pathlib import Path

import pytest

CGROUP_ROOT = Path("/sys/fs/cgroup")


@functools.cache
def cgroup_mode() -> str:
    """"v2" (one unified hierarchy), or "v1" (one directory for each controller, also when hybrid)."""
    return "v2" if (CGROUP_ROOT / "cgroup.controllers").exists() else "v1"


@functools.cache
def hierarchies() -> dict[str, Path]:
    """Mount points of the cgroup hierarchies by controller name; "unified" is the cgroup2 mount."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        mount_point = Path(left.split()[4])
        kind, _, options = right.split(" ", 2)
        if not mount_point.is_relative_to(CGROUP_ROOT):
            continue
        if kind == "cgroup2":
            found["unified"] = mount_point
            for name in (mount_point / "cgroup.controllers").read_text().split():
                found.setdefault(name, mount_point)
        elif kind == "cgroup":
            for option in options.split(","):
                if option.startswith("name=") or option not in ("rw", "ro", "xattr", "clone_children"):
                    found[option] = mount_point
    return found


def controllers() -> set[str]:
    return {name for name in hierarchies() if name != "unified" and "=" not in name}


def require_controller(name: str) -> None:
    if name not in controllers():
        pytest.skip(f"this machine has no {name} cgroup controller")


def require_idmapped_mounts(path) -> None:
    """Whether a mount of the file system of `path` can be idmapped is the file system's matter."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True).stdout.strip()
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    since = {"ext2/ext3": (5, 12), "xfs": (5, 12), "btrfs": (5, 15), "erofs": (5, 19), "tmpfs": (6, 3)}.get(kind)
    if since is None or release < since:
        pytest.skip(f"{kind} can't be idmapped on this kernel")


def require_v1() -> None:
    if cgroup_mode() != "v1":
        pytest.skip("this machine has no cgroup v1 hierarchies")


def require_v2() -> None:
    if cgroup_mode() != "v2":
        pytest.skip("this machine has no pure cgroup v2")


def require_file(path: str) -> None:
    if not os.path.exists(path):
        pytest.skip(f"this machine has no {path}")


def require_program(*names: str) -> None:
    import shutil

    for name in names:
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed")


def require_capability(number: int, name: str) -> None:
    """The capability must be in the bounding set of the test run."""
    if not bounding_set() >> number & 1:
        pytest.skip(f"{name} is not in the bounding set here")


@functools.cache
def bounding_set() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return 0


def kernel_at_least(major: int, minor: int) -> bool:
    release = os.uname().release.split(".")
    return (int(release[0]), int(release[1].split("-")[0])) >= (major, minor)
