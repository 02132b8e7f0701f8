# SPDX-License-Identifier: Apache-2.0
"""Namespaces: new, joined by path, shared with the host; user mappings and time offsets."""

import contextlib
import json
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import host, oci

needs = pytest.mark.needs

FILES = {"cgroup": "cgroup", "ipc": "ipc", "mount": "mnt", "network": "net", "pid": "pid", "time": "time",
         "user": "user", "uts": "uts"}
SIMPLE = ["cgroup", "ipc", "network", "pid", "uts"]


def host_ns(kind: str) -> str:
    return str(os.stat(f"/proc/self/ns/{FILES[kind]}").st_ino)


def seen_ns(facts: dict, kind: str) -> str:
    return facts[f"ns.{FILES[kind]}"]


def share_with_host(bundle, kind):
    bundle.drop_namespace(kind)
    if kind == "uts":
        bundle.config.pop("hostname")
    if kind == "ipc":
        bundle.drop_mount("/dev/mqueue")
    if kind == "network":  # sysfs shows the network namespace: mounting it needs the user namespace's owner
        bundle.mount_entry("/sys").update(type="bind", source="/sys", options=["rbind", "ro"])


@pytest.mark.parametrize("kind", SIMPLE + ["mount"])
def test_a_new_namespace(runtime, bundle, kind):
    assert seen_ns(runtime.probe(bundle.namespace(kind), "ns"), kind) != host_ns(kind)


@pytest.mark.parametrize("kind", SIMPLE)
def test_a_namespace_that_is_not_listed_is_the_hosts(runtime, bundle, kind):
    share_with_host(bundle, kind)
    assert seen_ns(runtime.probe(bundle, "ns"), kind) == host_ns(kind)


@pytest.mark.parametrize("kind", SIMPLE)
def test_a_namespace_joined_by_path(runtime, kind):
    first = runtime.paused(runtime.bundle().namespace(kind))
    second = runtime.bundle().namespace(kind, f"/proc/{first.pid}/ns/{FILES[kind]}")
    if kind == "uts":
        second.config.pop("hostname")
    assert seen_ns(runtime.probe(second, "ns"), kind) == str(first.ns(FILES[kind]))


def test_a_bound_network_namespace_is_joined(runtime, bundle):
    """The way of `ip netns`: a namespace without process, kept by a bind mount."""
    path = runtime.work / "netns"
    path.touch()
    subprocess.run(["unshare", "-n", "mount", "--bind", "/proc/self/ns/net", path], check=True)
    try:
        assert seen_ns(runtime.probe(bundle.namespace("network", path), "ns"),
                       "network") == str(path.stat().st_ino)
    finally:
        oci.umount(path)


def test_all_namespaces_joined_at_once(runtime):
    first = runtime.paused()
    second = runtime.bundle()
    second.config.pop("hostname")
    for kind in ("pid", "network", "ipc", "uts"):
        second.namespace(kind, f"/proc/{first.pid}/ns/{FILES[kind]}")
    facts = runtime.probe(second, "ns", "process")
    for kind in ("pid", "network", "ipc", "uts"):
        assert seen_ns(facts, kind) == str(first.ns(FILES[kind]))
    assert facts["hostname"] == "berth-test"
    assert facts["pid"] != "1"


def test_pid_1_in_a_new_pid_namespace(runtime, bundle):
    facts = runtime.probe(bundle, "process")
    assert (facts["pid"], facts["ppid"]) == ("1", "0")


def test_processes_of_a_pid_namespace_end_with_its_first(runtime, bundle):
    container = runtime.run_detached(bundle.shell("sleep 1000 & echo ready; exec sleep 1000")).ready()
    container.kill("KILL")
    container.wait()
    container.out.all()


def test_hostname_is_set(runtime, bundle):
    bundle.config["hostname"] = "some.host"
    assert runtime.probe(bundle, "process")["hostname"] == "some.host"


@needs("domainname (spec 1.1)")
def test_domainname_is_set(runtime, bundle):
    bundle.config["domainname"] = "example.org"
    assert runtime.probe(bundle, "process")["domainname"] == "example.org"


def test_hostname_of_the_host_is_untouched(runtime, bundle):
    before = os.uname().nodename
    runtime.probe(bundle, "process")
    assert os.uname().nodename == before


def test_loopback_is_up_in_a_new_network_namespace(runtime, bundle):
    facts = runtime.probe(bundle, "ifaces")
    assert facts["iface.lo"] == "up"
    assert "iface.eth0" not in facts


def test_a_cgroup_namespace_hides_the_path(runtime, bundle):
    text = runtime.probe(bundle.namespace("cgroup"), "cat /proc/self/cgroup")["cat./proc/self/cgroup"]
    assert all(line.endswith(":/") for line in text.split("|")), text


def test_without_cgroup_namespace_the_path_is_seen(runtime, bundle):
    text = runtime.probe(bundle, "cat /proc/self/cgroup")["cat./proc/self/cgroup"]
    assert f"{runtime.cgroup_parent}/bundle0" in text


# -- time

@needs("the time namespace (spec 1.1)")
@pytest.mark.parametrize("clock,offset", [("boottime", 86400), ("monotonic", 7 * 86400)])
def test_a_time_offset_moves_the_clock(runtime, bundle, clock, offset):
    import time

    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {clock: {"secs": offset, "nanosecs": 5}}
    number = time.CLOCK_BOOTTIME if clock == "boottime" else time.CLOCK_MONOTONIC
    before = int(time.clock_gettime(number))
    facts = runtime.probe(bundle, "clock", "cat /proc/self/timens_offsets", "ns")
    assert before + offset <= int(facts[clock]) <= int(time.clock_gettime(number)) + offset
    assert seen_ns(facts, "time") != host_ns("time")
    assert f"{clock} {offset} 5" in " ".join(facts["cat./proc/self/timens_offsets"].replace("|", " ").split())


@needs("the time namespace (spec 1.1)")
def test_a_time_namespace_is_joined(runtime):
    first = runtime.bundle().namespace("time")
    first.linux["timeOffsets"] = {"monotonic": {"secs": 5000, "nanosecs": 0}}
    running = runtime.paused(first)
    second = runtime.bundle().namespace("time", f"/proc/{running.pid}/ns/time")
    facts = runtime.probe(second, "ns")
    assert seen_ns(facts, "time") == str(running.ns("time"))


@needs("the time namespace (spec 1.1)")
def test_time_offsets_need_a_time_namespace(runtime, bundle):
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 1, "nanosecs": 0}}
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "timeOffsets" in result.error, result
    runtime.assert_clean()


# -- user

def test_a_user_namespace_maps_root(runtime, bundle):
    bundle.user_namespace(first=100000, size=65536)
    facts = runtime.probe(bundle, "ids", "cat /proc/self/uid_map", "cat /proc/self/gid_map", "ns",
                          "stat /etc/passwd")
    assert facts["uid"] == "0 0 0 0"
    assert facts["cat./proc/self/uid_map"].split() == ["0", "100000", "65536"]
    assert facts["cat./proc/self/gid_map"].split() == ["0", "100000", "65536"]
    assert seen_ns(facts, "user") != host_ns("user")
    assert facts["stat./etc/passwd"].split()[2] == "0:0"


def test_a_user_namespace_with_several_ranges(runtime, bundle):
    bundle.user_namespace()
    ranges = [{"containerID": 0, "hostID": 100000, "size": 10},
              {"containerID": 1000, "hostID": 300000, "size": 5}]
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = ranges
    bundle.process["user"] = {"uid": 1000, "gid": 1004}
    facts = runtime.probe(bundle, "ids", "cat /proc/self/uid_map")
    assert facts["uid"] == "1000 1000 1000 1000"
    assert facts["gid"].split()[0] == "1004"
    map_lines = facts["cat./proc/self/uid_map"].split("|")
    assert [line.split() for line in map_lines] == [["0", "100000", "10"], ["1000", "300000", "5"]]


def test_the_host_sees_the_mapped_user(runtime, bundle):
    container = runtime.paused(bundle.user_namespace(first=200000))
    assert os.stat(f"/proc/{container.pid}").st_uid == 200000


def test_root_of_a_user_namespace_has_capabilities_inside_only(runtime, bundle):
    bundle.user_namespace().capabilities("CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_MKNOD")
    facts = runtime.probe(bundle, "caps", "mknod /tmp/null c 1 3")
    assert int(facts["effective"], 16) == 1 << 21 | 1 | 1 << 27
    assert facts["mknod./tmp/null"] == "EPERM"


def test_a_user_namespace_is_joined(runtime):
    first = runtime.paused(runtime.bundle().user_namespace())
    second = runtime.bundle().user_namespace()
    del second.linux["uidMappings"], second.linux["gidMappings"]
    second.namespace("user", f"/proc/{first.pid}/ns/user")
    for kind in ("network", "ipc", "uts"):
        second.namespace(kind, f"/proc/{first.pid}/ns/{FILES[kind]}")
    second.config.pop("hostname")
    if runtime.foreign:
        second.linux["uidMappings"] = second.linux["gidMappings"] = first.bundle.linux["uidMappings"]
        pytest.skip("runc 1.1 wants mappings beside a user namespace's path")
    facts = runtime.probe(second, "ns", "ids")
    assert seen_ns(facts, "user") == str(first.ns("user"))
    assert facts["uid"] == "0 0 0 0"


def test_devices_in_a_user_namespace_work(runtime, bundle):
    facts = runtime.probe(bundle.user_namespace(), "write /dev/null x", "open /dev/zero r",
                          "open /dev/random r")
    assert set(facts.values()) == {"ok"}


def test_a_user_namespace_with_a_terminal(runtime, bundle):
    bundle.user_namespace()
    bundle.process["terminal"] = True
    socket = runtime.console_socket()
    container = runtime.create(bundle.probe("tty", "stat /dev/pts/0"), "--console-socket", socket.path)
    terminal, _ = socket.receive()
    container.start()
    facts = oci.facts(terminal.all())
    terminal.close()
    assert facts["tty.0"] == "/dev/pts/0"
    assert facts["stat./dev/pts/0"].split()[2] in ("0:5", "0:0")


def test_a_mount_namespace_keeps_mounts_from_the_host(runtime, bundle):
    container = runtime.paused(bundle.mount("/mnt", kind="tmpfs", options=["size=64k"]))
    assert oci.mount_at(container.mounts(), "/mnt")
    assert not [m for m in oci.mounts_of() if str(runtime.work) in m.point]


def test_the_host_root_is_out_of_reach(runtime, bundle):
    """After pivot_root nothing of the old root is mounted in the container."""
    container = runtime.paused(bundle)
    points = {m.point for m in container.mounts()}
    assert {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"} <= points
    assert not any(m.point.startswith("/tmp") or "oldroot" in m.point for m in container.mounts())
    assert oci.mount_at(container.mounts(), "/").root.endswith("/rootfs")


def test_no_pivot(runtime, bundle):
    """--no-pivot (MS_MOVE) is for a root on a ramfs; it works elsewhere too."""
    facts = runtime.run(bundle.probe("stat /bin/probe", "readdir /"), "--no-pivot", check=True).facts
    assert facts["stat./bin/probe"].startswith("file")
    assert "rootfs" not in facts["dir./"]


# -- root of a user namespace that somebody else made

@pytest.fixture
def nested(runtime):
    """Commands as root of a new user namespace with a mount namespace of its own (`unshare -Urm`)."""
    host.require_program("unshare")
    prefix = ["unshare", "--user", "--map-root-user", "--mount"]
    tried = subprocess.run([*prefix, "unshare", "-pf", "--mount-proc", "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"user namespaces with a procfs are not permitted here: {tried.stderr.strip()}")
    return lambda *argv: [*prefix, *argv]


@needs("containers without a user namespace of their own for root of one")
@pytest.mark.parametrize("way", ["run", "create"])
def test_root_of_a_user_namespace_needs_no_other(runtime, bundle, nested, way):
    """What counts is CAP_SYS_ADMIN over the mount namespace, not whether the user namespace is the host's (podman
    unshare, rootless podman): refused as "rootless needs a user namespace" otherwise."""
    bundle.drop_mount("/sys/fs/cgroup")
    bundle.mount_entry("/dev/pts")["options"].remove("gid=5")  # only root is mapped
    del bundle.linux["resources"]
    bundle.probe("ids", "ns", "caps", "stat /dev/null", "write /dev/null x").write()
    ident = runtime.new_id()
    if way == "run":
        script = [*runtime.command_line("run", "--bundle", bundle.path, ident)]
    else:
        lines = [runtime.command_line("create", "--bundle", bundle.path, ident), runtime.command_line("start", ident)]
        script = ["sh", "-c", " && ".join(shlex.join(line) for line in lines)]
    result = runtime.call(nested(*script), check=False)
    assert result.rc == 0, result
    if way == "create":
        runtime.leftovers()
        runtime.call(nested(*runtime.command_line("delete", "--force", ident)))
    seen = result.facts
    assert seen["uid"] == "0 0 0 0"
    assert int(seen["bounding"], 16) == 1 << 29 | 1 << 5 | 1 << 10
    assert seen_ns(seen, "user") != host_ns("user") and seen_ns(seen, "mount") != host_ns("mount")
    assert seen["write./dev/null"] == "ok"
    runtime.assert_clean()


def subordinate_user():
    """A user who may map ranges of ids (subuid(5)), with the first of them."""
    for line in Path("/etc/subuid").read_text().splitlines() if os.path.exists("/etc/subuid") else []:
        name, first, _ = line.split(":")
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name), int(first)
    pytest.skip("no user with subordinate ids (/etc/subuid)")


@pytest.mark.vm_short
@pytest.mark.parametrize("ranges", [1, 2])
def test_an_unprivileged_user_maps_by_the_tools(runtime, bundle, ranges):
    """Without root's rights: newuidmap(1) for ranges; the one own id can be mapped without it."""
    user, first = subordinate_user()
    home = Path(tempfile.mkdtemp(prefix="berth-user-"))
    try:
        shutil.copytree(bundle.rootfs, home / "rootfs", symlinks=True, ignore=shutil.ignore_patterns("dev", "proc", "sys"))
        (home / "tools").mkdir()
        shutil.copy(runtime.binary, home / "tools/berth-oci")
        ids = {"uid": user.pw_uid, "gid": user.pw_gid}
        for folder in [home, *home.rglob("*")]:
            if not folder.is_symlink():
                os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": ids["uid"], "group": ids["gid"], "extra_groups": [], "cwd": home, "timeout": 60,
                   "env": {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(home)}, "capture_output": True, "text": True}
        assert subprocess.run(["tools/berth-oci", "spec", "--rootless"], **as_user).returncode == 0
        config = json.loads((home / "config.json").read_text())
        config["process"] |= {"terminal": False, "args": ["/bin/sh", "-c", "cat /proc/self/uid_map"]}
        for kind in ("uid", "gid"):
            maps = [{"containerID": 0, "hostID": ids[kind], "size": 1}, {"containerID": 1, "hostID": first, "size": 65536}]
            config["linux"][kind + "Mappings"] = maps[:ranges]
        (home / "config.json").write_text(json.dumps(config))
        result = subprocess.run(["tools/berth-oci", "run", f"user-{os.getpid()}"], **as_user)
        assert result.returncode == 0, result.stderr
        expected = [["0", str(user.pw_uid), "1"], ["1", str(first), "65536"]][:ranges]
        assert [line.split() for line in result.stdout.splitlines()] == expected
    finally:
        shutil.rmtree(home)
