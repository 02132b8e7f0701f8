# SPDX-License-Identifier: Apache-2.0
"""Root file systems that lie: links where mount points and devices should be, fifos where files should be, mounts whose
destinations lead out. See test_hostile.py for the known attacks."""

import os
import stat

import pytest

from support import hostile, oci
from support.hostile import HANG, PROC_MAGIC, canary  # noqa: F401

TMPFS, SYSFS, DEVPTS, MQUEUE, CGROUP2 = "1021994", "62656572", "1cd1", "19800202", "63677270"
DEVICES = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}


def plant_link(path, target) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    elif path.exists():
        path.unlink()
    os.symlink(target, path)


POINTS = {
    "/proc": ({PROC_MAGIC}, ()),
    "/dev": ({TMPFS}, ()),
    "/sys": ({SYSFS}, ("/sys/fs/cgroup",)),
    "/dev/pts": ({DEVPTS}, ("/dev",)),
    "/dev/shm": ({TMPFS}, ("/dev",)),
    "/dev/mqueue": ({MQUEUE}, ("/dev",)),
    "/sys/fs/cgroup": ({TMPFS, CGROUP2}, ("/sys",)),
}
TARGETS = {"absolute": "{host}", "relative": "{relative}", "proc": "/proc/1/root{host}", "missing": "{host}/new"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("point", POINTS)
def test_mount_point_is_a_link(runtime, bundle, canary, point, target):
    """Defence: mount points are looked up, and made, inside the root. Without it the mount (or its directory, or the
    device nodes and links in /dev) lands in the canary, and is missing in the container."""
    magics, dropped = POINTS[point]
    for destination in dropped:
        bundle.drop_mount(destination)
    plant_link(bundle.rootfs / point[1:], TARGETS[target].format(host=canary.path, relative=canary.relative()))
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    hostile.arm(bundle)
    seen = hostile.attempt(runtime, bundle, f"statfs {point}")
    if seen is not None:
        assert seen[f"statfs.{point}"].split()[0] in magics, seen
        bundle.args("/bin/hostile", "escape", str(canary.secret), canary.token)
        again = hostile.judge(runtime.run(bundle, timeout=HANG))
        assert again is None or again["escapes"] == "0", again


@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize("target", ["{host}/secret", "{relative}/secret", "{host}/new", "{relative}/new/er",
                                    "/proc/1/root{host}/new"])
def test_bind_destination_is_a_link(runtime, bundle, canary, work, target, kind):
    """Defence: a destination that is missing is made inside the root. Without it a file or directory appears in the
    canary, or the bind is invisible in the container."""
    source = work / "source"
    if kind == "file":
        source.write_text("bound")
    else:
        source.mkdir()
        (source / "in").write_text("bound")
    plant_link(bundle.rootfs / "etc/target", target.format(host=canary.path, relative=canary.relative()))
    bundle.mount("/etc/target", source=source, options=["bind"])
    path = "/etc/target" if kind == "file" else "/etc/target/in"
    seen = hostile.attempt(runtime, bundle, f"cat {path}")
    if seen is not None:
        assert seen[f"cat.{path}"] == "bound", seen


@pytest.mark.parametrize("what", ["link", "relative-link", "dangling", "file", "fifo", "directory", "other-device"])
@pytest.mark.parametrize("name", ["null", "zero", "tty"])
def test_device_is_something_else(runtime, bundle, canary, name, what):
    """Defence: default devices are made in the image's own /dev without following links, and what is there
    already must be that device. Without it the container works with a file that the attacker chose, or the
    runtime hangs."""
    hostile.without_dev(bundle)
    path = bundle.rootfs / "dev" / name
    links = {"link": canary.secret, "relative-link": canary.relative() + "/secret", "dangling": canary.path / "new"}
    if what in links:
        os.symlink(links[what], path)
    elif what == "file":
        path.write_text("hidden")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    else:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 11))
    seen = hostile.attempt(runtime, bundle, f"stat /dev/{name}")
    if seen is not None:
        assert seen, "the process's output went into what the image has as /dev/null"
        fields = seen[f"stat./dev/{name}"].split()
        assert (fields[0], fields[3]) == ("char", DEVICES[name]), seen


def test_listed_device_behind_a_link(runtime, bundle, canary):
    """Defence: the same for linux.devices, whose directories the image may have as links. Without it the node is
    made in the canary."""
    hostile.without_dev(bundle)
    os.symlink(canary.path, bundle.rootfs / "dev/linked")
    bundle.linux["devices"] = [{"path": "/dev/linked/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}]
    hostile.attempt(runtime, bundle, "stat /dev/linked/zero")


def test_device_links_behind_a_link(runtime, bundle, canary):
    """Defence: /dev/fd, /dev/stdin and /dev/ptmx are made inside the root. Without it they appear in the canary."""
    hostile.without_dev(bundle)
    plant_link(bundle.rootfs / "dev", canary.path)
    hostile.attempt(runtime, bundle, "stat /dev/fd")


def test_device_nodes_of_the_image_are_useless(runtime, bundle):
    """Defence: the devices cgroup denies all that is not listed, wherever the node lies. Without it a node in
    the image opens the host's device (here /dev/kmsg)."""
    os.mknod(bundle.rootfs / "kmsg", stat.S_IFCHR | 0o666, os.makedev(1, 11))
    os.mknod(bundle.rootfs / "disk", stat.S_IFBLK | 0o666, os.makedev(*disk()))
    seen = runtime.probe(bundle, "open /kmsg r", "open /disk r")
    assert seen == {"open./kmsg": "EPERM", "open./disk": "EPERM"}


def disk() -> tuple[int, int]:
    device = os.stat("/").st_dev
    return os.major(device), os.minor(device)


# -- files that the runtime reads from the image


def plant_passwd(path, what, canary) -> None:
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "huge":
        with open(path, "wb") as file:
            file.truncate(64 << 30)
    elif what == "one-line":
        path.write_bytes(b"root:x:0:0:" + b"x" * (8 << 20))
    elif what == "directory":
        path.mkdir()
    elif what == "host":
        (canary.path.parent / "passwd").write_text("root:x:0:0::/pwned:/bin/sh\n")
        os.symlink(canary.path.parent / "passwd", path)
    elif what == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o666)
    else:
        os.symlink(what, path)


@pytest.mark.parametrize("file", ["passwd", "group"])
@pytest.mark.parametrize("what", ["fifo", "huge", "one-line", "directory", "host", "socket", "/dev/zero", "/proc/kmsg",
                                  "passwd"])
def test_account_files(runtime, bundle, canary, file, what):
    """Defence: HOME comes from a regular file of the image, read without blocking and up to a limit. Without it
    run and exec hang on a fifo or a device, read without end, or take the host's file."""
    container = runtime.paused(runtime.bundle())
    for rootfs in (bundle.rootfs, container.bundle.rootfs):
        plant_passwd(rootfs / "etc" / file, what, canary)
    seen = hostile.attempt(runtime, bundle, "env")
    assert seen is None or "/pwned" not in seen.values(), seen
    seen = hostile.judge(container.exec(*oci.probe_argv("env"), timeout=HANG, check=False))
    assert seen is None or "/pwned" not in seen.values(), seen


@pytest.mark.parametrize("what", ["fifo", "directory", "loop", "dangling"])
def test_program_is_no_file(runtime, bundle, what):
    """Defence: the program is looked up without being opened for reading. Without it a fifo blocks the runtime."""
    path = bundle.rootfs / "bin/program"
    if what == "fifo":
        os.mkfifo(path, 0o755)
    elif what == "directory":
        path.mkdir()
    else:
        os.symlink("program" if what == "loop" else "/nowhere", path)
    for argv0 in ("/bin/program", "program"):
        result = runtime.run(bundle.args(argv0), timeout=HANG)
        assert result.rc != 0 and result.error.strip(), result


# -- masked and read-only paths


@pytest.mark.parametrize("target", ["/real", "../real", "/a/../real"])
def test_masked_and_readonly_paths_through_links(runtime, bundle, target):
    """Defence: paths are masked where the container's own lookup of them ends. Without it a link in the image
    (which the container sees through) leaves the real file open."""
    (bundle.rootfs / "real/deep").mkdir(parents=True)
    (bundle.rootfs / "real/file").write_text("hidden")
    (bundle.rootfs / "real/deep/file").write_text("hidden")
    (bundle.rootfs / "real/written").write_text("old")
    (bundle.rootfs / "a").mkdir()
    os.symlink(target, bundle.rootfs / "link")
    bundle.linux["maskedPaths"] += ["/link/file", "/link/deep"]
    bundle.linux["readonlyPaths"] += ["/link/written"]
    seen = hostile.attempt(runtime, bundle, "cat /link/file", "cat /real/file", "cat /real/deep/file",
                           "write /real/written new")
    if seen is not None:
        assert seen == {"cat./link/file": "", "cat./real/file": "", "cat./real/deep/file": "ENOENT",
                        "write./real/written": "EROFS"}


@pytest.mark.parametrize("list_name", ["maskedPaths", "readonlyPaths"])
def test_masked_path_leads_to_the_host(runtime, bundle, canary, list_name):
    """Defence: masking stays inside the root. Without it a container that shares mounts with the host (or none
    at all, before pivot_root) would mask the host's files."""
    for name, target in {"one": canary.path, "two": canary.relative(), "three": f"/proc/1/root{canary.path}"}.items():
        os.symlink(target, bundle.rootfs / name)
    bundle.linux[list_name] += ["/one", "/two/secret", "/three", "/one/missing/path"]
    seen = hostile.attempt(runtime, bundle, "stat /bin/probe")
    assert seen is None or seen["stat./bin/probe"].startswith("file"), seen


def test_loops_of_links_are_no_hang(runtime, bundle):
    """Defence: lookups are bounded (ELOOP). Without it the runtime resolves for ever."""
    os.symlink("/loop/x", bundle.rootfs / "loop")
    bundle.linux["maskedPaths"] += ["/loop/y"]
    bundle.mount("/loop/z", kind="tmpfs", options=[])
    hostile.attempt(runtime, bundle, "stat /bin/probe")


# -- copies and shifted mounts


def test_tmpcopyup_from_links(runtime, bundle, canary):
    """Defence: the copied directory is found inside the root, and links in it are copied as links. Without it
    the tmpfs holds the canary's secret."""
    plant_link(bundle.rootfs / "data", canary.path)
    (bundle.rootfs / "more").mkdir()
    os.symlink(canary.path, bundle.rootfs / "more/directory")
    os.symlink(canary.secret, bundle.rootfs / "more/file")
    os.symlink(canary.relative() + "/secret", bundle.rootfs / "more/relative")
    for destination in ("/data", "/more"):
        bundle.mount(destination, kind="tmpfs", options=["tmpcopyup"])
    seen = hostile.attempt(runtime, bundle, "readdir /data", "cat /data/secret", "cat /more/file", "cat /more/relative",
                           "cat /more/directory/secret", "stat /more/file")
    if seen is not None:
        assert canary.token not in "".join(seen.values()), seen
        assert "secret" not in seen["dir./data"], seen
        assert seen["stat./more/file"].startswith("link"), seen


@pytest.mark.needs("special files in tmpcopyup")
def test_tmpcopyup_of_special_files(runtime, bundle):
    """Defence: fifos and sockets are not opened. Without it the copy hangs."""
    (bundle.rootfs / "more").mkdir()
    os.mkfifo(bundle.rootfs / "more/fifo")
    os.mknod(bundle.rootfs / "more/socket", stat.S_IFSOCK | 0o666)
    os.mknod(bundle.rootfs / "more/kmsg", stat.S_IFCHR | 0o666, os.makedev(1, 11))
    bundle.mount("/more", kind="tmpfs", options=["tmpcopyup"])
    seen = hostile.attempt(runtime, bundle, "open /more/kmsg r")
    assert seen is None or seen["open./more/kmsg"] != "ok", seen


@pytest.mark.needs("idmapped mounts")
def test_idmapped_mount_behind_a_link(runtime, bundle, canary, work):
    """Defence: an idmapped mount is attached inside the root as any other, and the mapping is the mount's, not a
    chown. Without it the canary is covered, or the source's owners change."""
    source = work / "source"
    source.mkdir()
    (source / "file").write_text("bound")
    plant_link(bundle.rootfs / "target", canary.path)
    mapping = [{"containerID": 0, "hostID": 1000, "size": 1000}]
    bundle.mount("/target", source=source, options=["bind"], uidMappings=mapping, gidMappings=mapping)
    seen = hostile.attempt(runtime, bundle, "cat /target/file")
    assert seen is None or seen["cat./target/file"] == "bound", seen
    assert (source / "file").stat().st_uid == 0


def test_user_namespace_with_hostile_devices(runtime, bundle, canary, work):
    """Defence: in a user namespace, where devices are bound rather than made, the binds stay inside the root, on the
    devices' own names. Without it the canary gets files, or another file of the container is covered by a device."""
    precious = work / "precious"
    precious.write_text("precious")
    hostile.without_dev(bundle).mount("/precious", source=precious, options=["bind"])
    os.symlink("/precious", bundle.rootfs / "dev/full")
    os.symlink(canary.secret, bundle.rootfs / "dev/null")
    os.symlink(canary.path / "new", bundle.rootfs / "dev/zero")
    bundle.user_namespace().drop_mount("/sys").drop_mount("/sys/fs/cgroup")
    seen = hostile.attempt(runtime, bundle, "stat /precious", "stat /dev/null")
    if seen is not None:
        assert seen["stat./precious"].startswith("file"), seen
