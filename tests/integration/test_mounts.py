# SPDX-License-Identifier: Apache-2.0
"""Mounts: kinds, options, propagation, where they land, and what is hidden or read-only."""

import os
from pathlib import Path

import pytest

from support import host, oci
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


# -- bind

def test_bind_takes_one_mount(runtime, bundle, source):
    bundle.mount("/mnt", source=source, options=["bind"])
    facts = runtime.probe(bundle, "cat /mnt/file", "cat /mnt/sub/file")
    assert (facts["cat./mnt/file"], facts["cat./mnt/sub/file"]) == ("outer", "ENOENT")


def test_rbind_takes_the_mounts_below(runtime, bundle, source):
    bundle.mount("/mnt", source=source, options=["rbind"])
    assert runtime.probe(bundle, "cat /mnt/sub/file")["cat./mnt/sub/file"] == "inner"


def test_a_bind_is_writable_by_default(runtime, bundle, source):
    runtime.probe(bundle.mount("/mnt", source=source), "write /mnt/new hello")
    assert (source / "new").read_text() == "hello"


def test_a_read_only_bind(runtime, bundle, source):
    bundle.mount("/mnt", source=source, options=["rbind", "ro"])
    facts = runtime.probe(bundle, "write /mnt/new x", "write /mnt/sub/new x", "cat /mnt/file")
    assert facts["write./mnt/new"] == "EROFS"
    assert facts["write./mnt/sub/new"] == "ok"
    assert facts["cat./mnt/file"] == "outer"


@needs("recursive mount attributes (spec 1.1)")
def test_rro_reaches_the_mounts_below(runtime, bundle, source):
    bundle.mount("/mnt", source=source, options=["rbind", "rro"])
    facts = runtime.probe(bundle, "write /mnt/new x", "write /mnt/sub/new x")
    assert set(facts.values()) == {"EROFS"}


@needs("recursive mount attributes (spec 1.1)")
@pytest.mark.parametrize("option,flag", [("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"),
                                         ("rnoatime", "noatime"), ("rnodiratime", "nodiratime"),
                                         ("rnosymfollow", "nosymfollow")])
def test_recursive_attributes(runtime, bundle, source, option, flag):
    bundle.mount("/mnt", source=source, options=["rbind", option])
    mounts = mounts_seen(runtime, bundle)
    for point in ("/mnt", "/mnt/sub"):
        assert flag in mount_at(mounts, point).options


@needs("recursive mount attributes (spec 1.1)")
def test_a_recursive_attribute_is_taken_off(runtime, bundle, source):
    oci.mount(None, source / "sub", None, 32 | 1, None)  # MS_REMOUNT | MS_RDONLY
    bundle.mount("/mnt", source=source, options=["rbind", "rrw"])
    mounts = mounts_seen(runtime, bundle)
    assert "rw" in mount_at(mounts, "/mnt/sub").options


@pytest.mark.parametrize("option,flag", [("nosuid", "nosuid"), ("nodev", "nodev"), ("noexec", "noexec"),
                                         ("noatime", "noatime"), ("nodiratime", "nodiratime"),
                                         ("relatime", "relatime"), ("ro", "ro")])
def test_options_of_a_bind(runtime, bundle, source, option, flag):
    bundle.mount("/mnt", source=source, options=["bind", option])
    assert flag in mount_at(mounts_seen(runtime, bundle), "/mnt").options


@pytest.mark.parametrize("options,present,absent", [
    (["nosuid", "suid"], set(), {"nosuid"}),
    (["ro", "rw"], {"rw"}, {"ro"}),
    (["noexec", "exec"], set(), {"noexec"}),
    (["nodev", "dev"], set(), {"nodev"}),
])
def test_the_last_of_two_opposite_options_counts(runtime, bundle, options, present, absent):
    bundle.mount("/mnt", kind="tmpfs", options=options)
    found = mount_at(mounts_seen(runtime, bundle), "/mnt").options
    assert present <= found and not absent & found


@needs("nosymfollow (spec 1.1)")
def test_nosymfollow(runtime, bundle, source):
    (source / "link").symlink_to("file")
    bundle.mount("/mnt", source=source, options=["bind", "nosymfollow"])
    assert runtime.probe(bundle, "cat /mnt/link")["cat./mnt/link"] == "ELOOP"


def test_noexec_is_enforced(runtime, bundle, source):
    (source / "tool").write_bytes((bundle.rootfs / "bin/probe").read_bytes())
    (source / "tool").chmod(0o755)
    bundle.mount("/mnt", source=source, options=["bind", "noexec"])
    assert runtime.run(bundle.shell("/mnt/tool say x")).rc == 126


def test_a_file_bind_makes_its_destination(runtime, bundle, source):
    bundle.mount("/new/dir/file", source=source / "file", options=["bind", "ro"])
    facts = runtime.probe(bundle, "cat /new/dir/file", "write /new/dir/file x")
    assert facts["cat./new/dir/file"] == "outer"
    assert facts["write./new/dir/file"] == "EROFS"
    assert (bundle.rootfs / "new/dir/file").read_text() == ""


def test_a_directory_destination_is_made(runtime, bundle, source):
    bundle.mount("/a/b/c", source=source)
    assert runtime.probe(bundle, "cat /a/b/c/file")["cat./a/b/c/file"] == "outer"
    assert (bundle.rootfs / "a/b/c").is_dir()


def test_a_relative_source_is_in_the_bundle(runtime, bundle):
    (bundle.path / "data").mkdir()
    (bundle.path / "data/file").write_text("bundled")
    bundle.mount("/mnt", source="data", options=["bind"])
    assert runtime.probe(bundle, "cat /mnt/file")["cat./mnt/file"] == "bundled"


@pytest.mark.parametrize("destination", ["mnt", "mnt/../mnt", "/mnt/", "//mnt", "/./mnt"])
def test_forms_of_a_destination(runtime, bundle, source, destination):
    bundle.mount(destination, source=source)
    assert runtime.probe(bundle, "cat /mnt/file")["cat./mnt/file"] == "outer"


def test_bind_option_without_a_type(runtime, bundle, source):
    bundle.mounts.append({"destination": "/mnt", "source": str(source), "options": ["bind"]})
    assert runtime.probe(bundle, "cat /mnt/file")["cat./mnt/file"] == "outer"


def test_type_none_with_bind(runtime, bundle, source):
    bundle.mount("/mnt", kind="none", source=source, options=["rbind", "rw"])
    assert runtime.probe(bundle, "cat /mnt/file")["cat./mnt/file"] == "outer"


def test_a_device_file_is_bound(runtime, bundle):
    bundle.mount("/dev/mine", source="/dev/null", options=["bind"])
    assert runtime.probe(bundle, "write /dev/mine x", "stat /dev/mine")["stat./dev/mine"].startswith("char")


def test_a_socket_is_bound(runtime, bundle):
    import socket

    path = runtime.work / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        bundle.mount("/run/app.sock", source=path, options=["bind"])
        assert runtime.probe(bundle, "stat /run/app.sock")["stat./run/app.sock"].startswith("sock")


def test_mounts_are_made_in_order(runtime, bundle, source):
    bundle.mount("/mnt", kind="tmpfs", options=["size=64k"])
    bundle.mount("/mnt/inner", source=source)
    assert runtime.probe(bundle, "cat /mnt/inner/file")["cat./mnt/inner/file"] == "outer"


def test_a_later_mount_covers_an_earlier_one(runtime, bundle, source):
    bundle.mount("/mnt", source=source)
    bundle.mount("/mnt", kind="tmpfs", options=[])
    assert runtime.probe(bundle, "cat /mnt/file")["cat./mnt/file"] == "ENOENT"


def test_a_source_with_unusual_characters(runtime, bundle):
    odd = runtime.work / "with space,comma:colon\\back"
    odd.mkdir()
    (odd / "file").write_text("odd")
    bundle.mount("/with space", source=odd)
    assert runtime.probe(bundle, "cat '/with space/file'")["cat./with space/file"] == "odd"


# -- symlinks in the root file system

@pytest.mark.parametrize("target", ["/real", "real", "../../../../../../real", "/../real"])
def test_a_symlinked_destination_stays_in_the_root(runtime, bundle, source, target):
    (bundle.rootfs / "real").mkdir()
    (bundle.rootfs / "link").symlink_to(target)
    bundle.mount("/link", source=source)
    assert runtime.probe(bundle, "cat /real/file")["cat./real/file"] == "outer"


def test_a_symlinked_parent_stays_in_the_root(runtime, bundle, source):
    outside = runtime.work / "outside"
    outside.mkdir()
    (bundle.rootfs / "link").symlink_to(outside)
    bundle.mount("/link/dir", source=source)
    result = runtime.run(bundle.probe("cat /link/dir/file"))
    assert list(outside.iterdir()) == []
    if result.rc == 0:
        assert result.facts["cat./link/dir/file"] == "outer"
        assert (bundle.rootfs / str(outside)[1:] / "dir").is_dir()


# -- file systems

def test_tmpfs_size_and_mode(runtime, bundle):
    bundle.mount("/mnt", kind="tmpfs", options=["size=1m", "mode=1750", "nr_inodes=100"])
    facts = runtime.probe(bundle, "statfs /mnt", "stat /mnt")
    assert facts["statfs./mnt"].split()[0] == "1021994"
    assert facts["statfs./mnt"].split()[2] == str(1 << 20)
    assert facts["stat./mnt"].split()[1] == "1750"


def test_tmpfs_owner(runtime, bundle):
    bundle.mount("/mnt", kind="tmpfs", options=["uid=1000", "gid=1001"])
    assert runtime.probe(bundle, "stat /mnt")["stat./mnt"].split()[2] == "1000:1001"


def test_tmpfs_takes_the_mode_of_the_directory_it_covers(runtime, bundle):
    (bundle.rootfs / "covered").mkdir()
    (bundle.rootfs / "covered").chmod(0o711)
    bundle.mount("/covered", kind="tmpfs", options=[])
    assert runtime.probe(bundle, "stat /covered")["stat./covered"].split()[1] == "0711"


def test_tmpcopyup(runtime, bundle):
    covered = bundle.rootfs / "covered"
    (covered / "dir").mkdir(parents=True)
    (covered / "dir/file").write_text("kept")
    (covered / "dir/file").chmod(0o640)
    (covered / "link").symlink_to("dir/file")
    os.chown(covered / "dir/file", 1000, 1001)
    bundle.mount("/covered", kind="tmpfs", source="tmpfs", options=["tmpcopyup"])
    bundle.capabilities("CAP_DAC_OVERRIDE")
    facts = runtime.probe(bundle, "cat /covered/link", "stat /covered/dir/file", "write /covered/new x",
                          "statfs /covered")
    assert facts["cat./covered/link"] == "kept"
    assert facts["stat./covered/dir/file"].split()[:3] == ["file", "0640", "1000:1001"]
    assert facts["write./covered/new"] == "ok"
    assert facts["statfs./covered"].split()[0] == "1021994"
    assert not (covered / "new").exists()


def test_tmpfs_read_only(runtime, bundle):
    bundle.mount("/mnt", kind="tmpfs", options=["ro"])
    assert runtime.probe(bundle, "write /mnt/x y")["write./mnt/x"] == "EROFS"


def test_proc_shows_the_containers_processes(runtime, bundle):
    listing = runtime.probe(bundle, "readdir /proc")["dir./proc"].split()
    assert [name for name in listing if name.isdigit()] == ["1"]


def test_proc_options(runtime, bundle):
    bundle.mount_entry("/proc")["options"] = ["nosuid", "nodev", "noexec", "hidepid=2"]
    found = mount_at(mounts_seen(runtime, bundle), "/proc")
    assert {"nosuid", "nodev", "noexec"} <= found.options
    assert found.data.get("hidepid") in ("invisible", "2")


def test_sysfs_is_of_the_network_namespace(runtime, bundle):
    assert runtime.probe(bundle, "readdir /sys/class/net")["dir./sys/class/net"].split() == ["lo"]


def test_sysfs_read_only(runtime, bundle):
    found = mount_at(mounts_seen(runtime, bundle), "/sys")
    assert found.type == "sysfs" and {"ro", "nosuid", "noexec", "nodev"} <= found.options


def test_devpts_is_new(runtime, bundle):
    found = mount_at(mounts_seen(runtime, bundle), "/dev/pts")
    assert found.type == "devpts"
    assert (found.data["mode"], found.data["ptmxmode"], found.data["gid"]) == ("620", "666", "5")
    assert runtime.probe(bundle, "readdir /dev/pts")["dir./dev/pts"].split() == ["ptmx"]


def test_mqueue(runtime, bundle):
    found = mount_at(mounts_seen(runtime, bundle), "/dev/mqueue")
    assert found.type == "mqueue" and {"nosuid", "noexec", "nodev"} <= found.options


def test_dev_options(runtime, bundle):
    found = mount_at(mounts_seen(runtime, bundle), "/dev")
    assert found.type == "tmpfs" and "nosuid" in found.options
    assert (found.data["size"], found.data["mode"]) == ("65536k", "755")


def test_overlay(runtime, bundle):
    for name in ("lower", "upper", "work"):
        (runtime.work / f"overlay/{name}").mkdir(parents=True)
    top = runtime.work / "overlay"
    (top / "lower/file").write_text("below")
    bundle.mount("/mnt", kind="overlay", source="overlay",
                 options=[f"lowerdir={top}/lower", f"upperdir={top}/upper", f"workdir={top}/work"])
    facts = runtime.probe(bundle, "cat /mnt/file", "write /mnt/file above")
    assert facts["cat./mnt/file"] == "below" and facts["write./mnt/file"] == "ok"
    assert (top / "upper/file").read_text() == "above"


def test_remount_changes_an_earlier_mount(runtime, bundle):
    bundle.mount("/mnt", kind="tmpfs", options=["size=64k"])
    bundle.mount("/mnt", kind="tmpfs", options=["remount", "ro", "size=64k"])
    mounts = [m for m in mounts_seen(runtime, bundle) if m.point == "/mnt"]
    assert len(mounts) == 1
    assert "ro" in mounts[0].options


def test_a_bind_remount_changes_an_earlier_mount(runtime, bundle, source):
    bundle.mount("/mnt", source=source, options=["bind"])
    bundle.mount("/mnt", source=source, options=["bind", "remount", "ro", "nosuid"])
    mounts = [m for m in mounts_seen(runtime, bundle) if m.point == "/mnt"]
    assert {"ro", "nosuid"} <= mounts[-1].options


# -- cgroup

def test_cgroup_v1_mount_shows_each_hierarchy(runtime, bundle):
    host.require_v1()
    container = runtime.paused(bundle)
    points = {m.point: m for m in container.mounts() if m.point.startswith("/sys/fs/cgroup")}
    assert points["/sys/fs/cgroup"].type == "tmpfs"
    for controller in host.controllers():
        name = host.hierarchies()[controller].name
        if name == "unified":
            continue
        entry = points[f"/sys/fs/cgroup/{name}"]
        assert entry.type == "cgroup" and "ro" in entry.options
        # Only the container's own part of the hierarchy is visible.
        assert entry.root == f"{runtime.cgroup_parent}/bundle0"


@needs("the unified hierarchy of a hybrid host")
def test_a_hybrid_hosts_unified_hierarchy_is_mounted_too(runtime, bundle):
    host.require_v1()
    if "unified" not in host.hierarchies():
        pytest.skip("this machine has no unified hierarchy beside v1")
    found = mount_at(mounts_seen(runtime, bundle), "/sys/fs/cgroup/unified")
    assert found and found.type == "cgroup2" and "ro" in found.options


def test_cgroup_v1_mount_in_a_cgroup_namespace(runtime, bundle):
    host.require_v1()
    container = runtime.paused(bundle.namespace("cgroup"))
    seen = container.exec("/bin/cat", "/sys/fs/cgroup/pids/cgroup.procs").out.split()
    assert seen[0] == "1"


def test_cgroup_mount_is_read_only(runtime, bundle):
    name = "pids/tasks" if host.cgroup_mode() == "v1" else "cgroup.procs"
    bundle.capabilities("CAP_DAC_OVERRIDE")
    assert runtime.probe(bundle, f"open /sys/fs/cgroup/{name} w")[f"open./sys/fs/cgroup/{name}"] == "EROFS"


def test_cgroup_mount_can_be_writable(runtime, bundle):
    options = bundle.mount_entry("/sys/fs/cgroup")["options"]
    options.remove("ro")
    bundle.namespace("cgroup").capabilities("CAP_DAC_OVERRIDE")
    base = "/sys/fs/cgroup/pids" if host.cgroup_mode() == "v1" else "/sys/fs/cgroup"
    assert runtime.probe(bundle, f"mkdir {base}/child")[f"mkdir.{base}/child"] == "ok"
    runtime.assert_clean()


def test_cgroup_v1_links_of_joint_controllers(runtime, bundle):
    host.require_v1()
    joint = {name: path for name, path in host.hierarchies().items() if "," in path.name}
    if not joint:
        pytest.skip("no two controllers share a hierarchy here")
    for name, path in joint.items():
        facts = runtime.probe(bundle, f"stat /sys/fs/cgroup/{name}")
        assert facts.get(f"link./sys/fs/cgroup/{name}", path.name) == path.name


def test_cgroup_v2_mount(runtime, bundle):
    host.require_v2()
    found = mount_at(mounts_seen(runtime, bundle.namespace("cgroup")), "/sys/fs/cgroup")
    assert found.type == "cgroup2" and "ro" in found.options and found.root == "/"


# -- idmapped mounts

IDMAP = {"uidMappings": [{"containerID": 0, "hostID": 70000, "size": 1000}],
         "gidMappings": [{"containerID": 0, "hostID": 70000, "size": 1000}]}


@needs("idmapped mounts (spec 1.1)")
@pytest.mark.parametrize("option,inner", [("idmap", "0:0"), ("ridmap", "70000:70000")])
def test_an_idmapped_mount(runtime, bundle, option, inner):
    """Files of host user 0 appear as 70000 through the mapping; `ridmap` also below."""
    path = runtime.work / "mapped"
    path.mkdir()
    host.require_idmapped_mounts(path)
    (path / "sub").mkdir()
    oci.mount("tmpfs", path / "sub", "tmpfs")
    try:
        if option == "ridmap":
            host.require_idmapped_mounts(path / "sub")
        (path / "file").touch()
        (path / "sub/file").touch()
        bundle.mount("/mnt", source=path, options=["rbind", option], **IDMAP)
        facts = runtime.probe(bundle, "stat /mnt/file", "stat /mnt/sub/file")
        assert facts["stat./mnt/file"].split()[2] == "70000:70000"
        assert facts["stat./mnt/sub/file"].split()[2] == inner
    finally:
        oci.umount(path / "sub")


@needs("idmapped mounts (spec 1.1)")
def test_an_idmapped_mount_writes_as_mapped(runtime, bundle):
    path = runtime.work / "mapped"
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    host.require_idmapped_mounts(path)
    bundle.process["user"] = {"uid": 70005, "gid": 70006}
    bundle.mount("/mnt", source=path, options=["bind", "idmap"], **IDMAP)
    assert runtime.probe(bundle, "write /mnt/new x")["write./mnt/new"] == "ok"
    assert ((path / "new").stat().st_uid, (path / "new").stat().st_gid) == (5, 6)


@needs("idmapped mounts (spec 1.1)")
def test_an_idmapped_mount_uses_the_containers_mapping_by_default(runtime, bundle):
    path = runtime.work / "mapped"
    path.mkdir()
    (path / "file").touch()
    os.chown(path / "file", 7, 8)
    host.require_idmapped_mounts(path)
    bundle.user_namespace()
    bundle.mount("/mnt", source=path, options=["bind", "idmap"])
    assert runtime.probe(bundle, "stat /mnt/file")["stat./mnt/file"].split()[2] == "7:8"
