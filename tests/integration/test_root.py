# SPDX-License-Identifier: Apache-2.0
"""The root file system: read-only, masked and read-only paths, and mounts over /proc."""

from pathlib import Path

import pytest

from support import oci
from support.oci import mount_at, parse_mounts

needs = pytest.mark.needs


@pytest.fixture
def source(runtime) -> Path:
    """A directory with a file, and a tmpfs mounted in it, to be bind mounted."""
    path = runtime.work / "source"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_text("outer\n")
    oci.mount("tmpfs", path / "sub", "tmpfs", 0, "size=64k")
    (path / "sub/file").write_text("inner\n")
    yield path
    oci.umount(path / "sub")


def mounts_seen(runtime, bundle):
    return parse_mounts(runtime.run(bundle.args("/bin/cat", "/proc/self/mountinfo"), check=True).out)


def test_a_read_only_root(runtime, bundle):
    bundle.config["root"]["readonly"] = True
    bundle.mount("/mnt", kind="tmpfs", options=[])
    facts = runtime.probe(bundle, "write /new x", "write /mnt/new x", "write /dev/shm/new x")
    assert (facts["write./new"], facts["write./mnt/new"], facts["write./dev/shm/new"]) == ("EROFS", "ok",
                                                                                           "ok")


def test_a_read_only_root_still_gets_mount_points(runtime, bundle, source):
    bundle.config["root"]["readonly"] = True
    bundle.mount("/made/for/it", source=source)
    assert runtime.probe(bundle, "cat /made/for/it/file")["cat./made/for/it/file"] == "outer"


def test_an_absolute_root_path(runtime, bundle):
    elsewhere = runtime.work / "elsewhere"
    runtime.root_maker.make(elsewhere)
    bundle.config["root"]["path"] = str(elsewhere)
    assert runtime.run(bundle).rc == 0


def test_masked_files_and_directories(runtime, bundle):
    (bundle.rootfs / "secret").write_text("secret")
    (bundle.rootfs / "secrets").mkdir()
    (bundle.rootfs / "secrets/key").write_text("secret")
    bundle.linux["maskedPaths"] += ["/secret", "/secrets", "/not/there"]
    facts = runtime.probe(bundle, "cat /secret", "readdir /secrets", "write /secrets/x y", "stat /not",
                          "stat /secret",
                          "readdir /sys/firmware", "cat /proc/keys")
    assert facts["cat./secret"] == "" and facts["cat./proc/keys"] == ""
    assert facts["stat./secret"].startswith("char") and " 1:3 " in facts["stat./secret"]
    assert facts["dir./secrets"].strip() == "" and facts["dir./sys/firmware"].strip() in ("", "ENOENT")
    assert facts["write./secrets/x"] == "EROFS"
    assert facts["stat./not"] == "ENOENT"


def test_read_only_paths(runtime, bundle, source):
    bundle.mount("/mnt", source=source)
    (bundle.rootfs / "conf").write_text("x")
    bundle.linux["readonlyPaths"] += ["/conf", "/mnt", "/not/there"]
    bundle.capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    facts = runtime.probe(bundle, "write /conf y", "write /mnt/new y", "write /proc/sys/kernel/hostname y",
                          "cat /conf", "stat /not")
    for path in ("/conf", "/mnt/new", "/proc/sys/kernel/hostname"):
        assert facts[f"write.{path}"] == "EROFS"
    assert facts["cat./conf"] == "x"
    assert facts["stat./not"] == "ENOENT"


def test_a_read_only_path_keeps_the_flags_of_its_mount(runtime, bundle):
    bundle.mount_entry("/proc")["options"] = ["nosuid", "nodev", "noexec"]
    found = mount_at(mounts_seen(runtime, bundle), "/proc/sys")
    assert {"ro", "nosuid", "nodev", "noexec"} <= found.options


def test_mounts_over_proc_are_refused_except_the_known(runtime, bundle, source):
    bundle.mount("/proc/self", source=source)
    result = runtime.run(bundle)
    assert result.rc != 0 and "/proc" in result.error, result


@pytest.mark.parametrize("name", ["uptime", "meminfo", "cpuinfo", "loadavg", "diskstats", "stat", "swaps"])
def test_lxcfs_may_replace_files_of_proc(runtime, bundle, source, name):
    bundle.mount(f"/proc/{name}", source=source / "file", options=["bind"])
    assert runtime.probe(bundle, f"cat /proc/{name}")[f"cat./proc/{name}"] == "outer"


@needs("life without /proc in the container")
def test_a_bundle_without_mounts(runtime, bundle):
    bundle.config["mounts"] = []
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    facts = runtime.probe(bundle, "stat /proc/self", "stat /bin/probe")
    assert facts["stat./proc/self"] == "ENOENT"


def test_many_mounts(runtime, bundle, source):
    for i in range(100):
        bundle.mount(f"/mnt/{i}", source=source, options=["bind", "ro"])
    facts = runtime.probe(bundle, "cat /mnt/0/file", "cat /mnt/99/file")
    assert set(facts.values()) == {"outer"}


@needs("locked mount flags kept (runc 1.2)")
def test_options_of_root_mounts_are_kept_by_the_user_namespace(runtime, bundle, source):
    """A bind of a nosuid,nodev mount into a user namespace may not loosen locked flags, nor fail on them."""
    oci.mount(None, source / "sub", None, 32 | 2 | 4 | 8, None)  # remount: nosuid, nodev, noexec
    bundle.user_namespace()
    bundle.mount("/mnt", source=source / "sub", options=["bind", "ro"])
    found = mount_at(mounts_seen(runtime, bundle), "/mnt")
    assert {"ro", "nosuid", "nodev", "noexec"} <= found.options
