# SPDX-License-Identifier: Apache-2.0
"""The virtual machine is what the tests in it take for granted: else they would pass by skipping."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.vm_short,
    pytest.mark.skipif(not os.environ.get("BERTH_VM"), reason="runs in the virtual machine (tests/vm/run)"),
]


def test_kernel_is_the_oldest_supported():
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    assert (major, minor) >= (6, 1)


def test_cgroups_are_version_2_alone_with_every_controller_delegated():
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    assert [m[1] for m in mounts if m[2] in ("cgroup", "cgroup2")] == ["/sys/fs/cgroup"]
    delegated = set(Path("/sys/fs/cgroup/cgroup.subtree_control").read_text().split())
    assert {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"} <= delegated


def test_apparmor_is_enabled():
    assert Path("/sys/module/apparmor/parameters/enabled").read_text().strip() == "Y"
    assert Path("/sys/kernel/security/apparmor/profiles").exists()


def test_root_has_every_capability():
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert int(status["CapBnd"], 16) == (1 << (last + 1)) - 1


def test_runs_a_container_with_the_runtime_under_test(tmp_path):
    bundle = tmp_path / "bundle"
    subprocess.run(["/berth/examples/busybox/make-bundle", bundle, "cat", "/proc/self/cgroup"], check=True)
    runtime = os.environ["BERTH_OCI"]
    if not os.path.exists(runtime):
        pytest.skip(f"{runtime} is not built")
    done = subprocess.run([runtime, "run", "--bundle", bundle, "machine-test"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "0::/\n"  # a cgroup namespace of its own
