# SPDX-License-Identifier: Apache-2.0
"""Propagation of mounts between host and container."""

import subprocess
from pathlib import Path

import pytest

from support import oci
from support.oci import MS_PRIVATE, MS_SHARED, mount_at

needs = pytest.mark.needs


@pytest.fixture
def shared(runtime) -> Path:
    """A shared tmpfs mount on the host."""
    path = runtime.work / "shared"
    path.mkdir()
    oci.mount("tmpfs", path, "tmpfs", 0, "size=64k")
    oci.mount(None, path, None, MS_SHARED)
    (path / "sub").mkdir()
    yield path
    oci.mount(None, path, None, MS_PRIVATE)
    subprocess.run(["umount", "-R", "-l", path], check=True)


@pytest.mark.parametrize("option,reaches",
                         [("rslave", True), ("rshared", True), ("rprivate", False), ("slave", True),
                                            ("shared", True), ("private", False)])
def test_a_later_host_mount_reaches_the_container(runtime, bundle, shared, option, reaches):
    bundle.linux["rootfsPropagation"] = "rshared" if "shared" in option else "rslave"
    container = runtime.paused(bundle.mount("/mnt", source=shared, options=["rbind", option]))
    oci.mount("tmpfs", shared / "sub", "tmpfs")
    (shared / "sub/late").touch()
    seen = container.exec_probe("stat /mnt/sub/late")["stat./mnt/sub/late"]
    assert seen.startswith("file") == reaches, seen


@pytest.mark.parametrize("option,tags", [("rprivate", set()), ("rslave", {"master"}), ("rshared", {"shared"}),
                                         ("runbindable", {"unbindable"})])
def test_the_propagation_of_a_mount(runtime, bundle, shared, option, tags):
    bundle.linux["rootfsPropagation"] = "rshared" if option == "rshared" else "rslave"
    bundle.mount("/mnt", source=shared, options=["rbind", option])
    found = mount_at(runtime.paused(bundle).mounts(), "/mnt")
    assert found.propagation & {"shared", "master", "unbindable"} == tags


def test_a_container_mount_reaches_the_host_when_shared(runtime, bundle, shared):
    bundle.linux["rootfsPropagation"] = "rshared"
    bundle.capabilities("CAP_SYS_ADMIN")
    bundle.mount("/mnt", source=shared, options=["rbind", "rshared"])
    assert runtime.run(bundle.shell("mount -t tmpfs tmpfs /mnt/sub")).rc == 0
    assert mount_at(oci.mounts_of(), str(shared / "sub"))


@needs("an entry of propagation alone")
@pytest.mark.parametrize("more", [{}, {"type": ""}, {"type": "", "source": ""}],
                         ids=["absent", "no-type", "empty"])
@pytest.mark.parametrize("first,then,tags", [("rprivate", "unbindable", {"unbindable"}),
                                             ("rprivate", "rshared", {"shared"}), ("rslave", "rprivate", set())])
def test_an_entry_of_propagation_alone_changes_an_earlier_mount(runtime, bundle, shared, first, then, tags, more):
    """Without a type there is nothing to mount: the entry is a remount of what is there. Taken for a mount it fails,
    or covers the first one."""
    bundle.linux["rootfsPropagation"] = "rshared" if then == "rshared" else "rslave"
    bundle.mount("/mnt", source=shared, options=["rbind", first])
    bundle.mounts.append({"destination": "/mnt", "options": [then], **more})
    container = runtime.paused(bundle)
    assert mount_at(container.mounts(), "/mnt").propagation & {"shared", "master", "unbindable"} == tags
    assert len([m for m in container.mounts() if m.point == "/mnt"]) == 1
    assert container.exec_probe("stat /mnt/sub")["stat./mnt/sub"].startswith("dir")


@pytest.mark.parametrize("value,tags", [
    ("private", set()), ("rprivate", set()),
    pytest.param("unbindable", {"unbindable"}, marks=needs("an unbindable root"))])
def test_rootfs_propagation(runtime, bundle, value, tags):
    bundle.linux["rootfsPropagation"] = value
    found = mount_at(runtime.paused(bundle).mounts(), "/")
    assert found.propagation & {"shared", "unbindable"} == tags


@needs("a shared root")
def test_rootfs_propagation_shared(runtime, bundle):
    bundle.linux["rootfsPropagation"] = "shared"
    assert "shared" in mount_at(runtime.paused(bundle).mounts(), "/").propagation
