# SPDX-License-Identifier: Apache-2.0
"""Device files: the defaults, the configured, and the links of /dev."""

import os
import stat
from pathlib import Path

import pytest

needs = pytest.mark.needs

DEFAULTS = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
         "stderr": "/proc/self/fd/2",
         "ptmx": "pts/ptmx"}


def test_default_devices(runtime, bundle):
    seen = runtime.probe(bundle, *[f"stat /dev/{name}" for name in DEFAULTS])
    for name, number in DEFAULTS.items():
        assert seen[f"stat./dev/{name}"].split()[:4] == ["char", "0666", "0:0", number]


def test_default_links(runtime, bundle):
    seen = runtime.probe(bundle, *[f"stat /dev/{name}" for name in LINKS])
    assert {name: seen[f"link./dev/{name}"] for name in LINKS} == LINKS


def test_no_other_devices(runtime, bundle):
    names = set(runtime.probe(bundle, "readdir /dev")["dir./dev"].split())
    assert names <= set(DEFAULTS) | set(LINKS) | {"pts", "shm", "mqueue", "core", "console"}


def test_no_console_without_a_terminal(runtime, bundle):
    seen = runtime.probe(bundle, "stat /dev/console")["stat./dev/console"]
    assert seen == "ENOENT"


def test_null_swallows_and_zero_gives(runtime, bundle):
    result = runtime.run(bundle.shell("echo lost > /dev/null; head -c 3 /dev/zero | od -An -tx1"), check=True)
    assert result.out.split() == ["00", "00", "00"]


@pytest.mark.parametrize("device,expected", [
    ({"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}, "char 0666 0:0 1:3"),
    ({"path": "/dev/mine", "type": "u", "major": 1, "minor": 5, "fileMode": 0o600}, "char 0600 0:0 1:5"),
    ({"path": "/dev/mine", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 12, "gid": 34},
     "char 0640 12:34 10:229"),
    ({"path": "/dev/mine", "type": "b", "major": 7, "minor": 77, "fileMode": 0o660}, "block 0660 0:0 7:77"),
    ({"path": "/dev/mine", "type": "p", "fileMode": 0o622}, "fifo 0622 0:0 0:0"),
    ({"path": "/dev/deep/er/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666},
     "char 0666 0:0 1:3"),
    ({"path": "/opt/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}, "char 0666 0:0 1:3"),
], ids=["default-mode", "u", "owner", "block", "fifo", "deep", "outside-dev"])
def test_configured_devices(runtime, bundle, device, expected):
    bundle.linux["devices"] = [device]
    result = runtime.run(bundle.probe(f"stat {device['path']}"))
    if result.rc != 0 and device["type"] == "u" and runtime.foreign:
        pytest.skip("runc 1.1 has its doubts about unbuffered devices")
    seen = result.facts[f"stat.{device['path']}"].split()
    if "fileMode" not in device:
        seen[1] = "0666"  # the specification leaves the default open
    assert seen[:4] == expected.split()


def test_a_configured_device_replaces_a_default(runtime, bundle):
    bundle.linux["devices"] = [{"path": "/dev/tty", "type": "c", "major": 5, "minor": 0, "fileMode": 0o620,
                                "gid": 5}]
    seen = runtime.probe(bundle, "stat /dev/tty")["stat./dev/tty"].split()
    assert seen[1:3] == ["0620", "0:5"]


def test_devices_are_usable_under_a_user_namespace(runtime, bundle):
    bundle.user_namespace()
    bundle.linux["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}]
    bundle.resources["devices"].append({"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"})
    path = Path("/dev/mine")
    if path.exists():
        pytest.skip("/dev/mine exists on this machine")
    # mknod is not possible there: the host's device of that name would be bound.
    bundle.linux["devices"][0]["path"] = "/dev/zero"
    assert runtime.probe(bundle, "open /dev/zero r")["open./dev/zero"] == "ok"


def test_a_bound_dev_is_left_alone(runtime, bundle):
    """Where /dev is a bind mount of the user's, the runtime makes nothing in it."""
    own = runtime.work / "own-dev"
    own.mkdir()
    for name, number in (("null", 3), ("zero", 5)):
        os.mknod(own / name, stat.S_IFCHR | 0o666, os.makedev(1, number))
    for directory in ("pts", "shm", "mqueue"):
        (own / directory).mkdir()
    bundle.mount_entry("/dev").update(type="bind", source=str(own), options=["rbind"])
    names = runtime.probe(bundle, "readdir /dev")["dir./dev"].split()
    assert sorted(names) == ["mqueue", "null", "pts", "shm", "zero"]


def test_an_image_with_files_in_dev(runtime, bundle):
    """What an image has at /dev/null is covered by the tmpfs, or replaced where there is none."""
    (bundle.rootfs / "dev/null").write_text("from the image")
    seen = runtime.probe(bundle, "stat /dev/null")["stat./dev/null"]
    assert seen.split()[3] == "1:3"
    assert (bundle.rootfs / "dev/null").read_text() == "from the image"
