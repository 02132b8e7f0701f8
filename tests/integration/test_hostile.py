# SPDX-License-Identifier: Apache-2.0
"""Known ways to redirect what a runtime mounts and writes, each written as the attack itself (see runc's advisories).
test_hostile_process.py has those that are aimed at the runtime's processes.

Attacks aim at canaries: files of the test's own directory, or a sysctl of the container's own network namespace.
Each docstring says which defence the test proves, and what is seen when it is taken out. Races are tried twice: by
another process that swaps as fast as it can, and in steps, which is exhaustive (support/race_step.c).
"""

import json
import os
import shutil
import signal
import stat
import subprocess

import pytest

from support import hostile, oci
from support.hostile import HANG, SYSCTL, SYSCTL_FILE, canary  # noqa: F401


# -- CVE-2019-16884 (and CVE-2019-19921, CVE-2023-27561): a mount on /proc hides the files that the runtime writes to


def fake_proc(path) -> str:
    for name in ("self/attr/exec", "self/attr/apparmor/exec", "self/oom_score_adj", "thread-self/attr/exec",
                 SYSCTL_FILE.removeprefix("/proc/")):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("fake")
    return str(path)


PROC_MOUNTS = {
    "plain": ("/proc", {}),
    "dotted": ("/proc/../proc", {}),
    "link": ("/volume", {"volume": "/proc"}),
    "relative-link": ("/volume", {"volume": "../../../proc"}),
    "linked-parent": ("/a/proc", {"a": "/"}),
    "two-links": ("/b/volume", {"b": "/c", "c/volume": "/proc"}),
    "self": ("/proc/self/attr", {}),
    "link-to-self": ("/volume", {"volume": "/proc/self"}),
    "sys": ("/proc/sys/net", {}),
}


@pytest.mark.parametrize("case", PROC_MOUNTS)
@pytest.mark.parametrize("kind", ["bind", "rbind", "tmpfs"])
def test_cve_2019_16884_mount_over_proc(runtime, bundle, work, case, kind):
    """Defence: where a mount's destination leads to, after all links of the image, must not lie in procfs.
    Without it the container's /proc is the attacker's directory, and label and sysctl writes go there."""
    destination, links = PROC_MOUNTS[case]
    for name, target in links.items():
        (bundle.rootfs / name).parent.mkdir(exist_ok=True)
        os.symlink(target, bundle.rootfs / name)
    if kind == "tmpfs":
        bundle.mount(destination, kind="tmpfs", options=[])
    else:
        bundle.mount(destination, source=fake_proc(work / "fake"), options=[kind])
    points = ["/proc", "/proc/self/attr", "/proc/self", "/proc/sys/net"]
    seen = hostile.attempt(runtime, bundle, *(f"statfs {p}" for p in points))
    if seen is not None:
        for point in points:
            assert seen[f"statfs.{point}"].split()[0] == hostile.PROC_MAGIC, seen


def test_proc_must_be_a_directory_of_the_image(runtime, bundle, canary):
    """Defence: proc is never mounted through a link: what is a link now may lead elsewhere a moment later. Without
    it /proc is mounted on /elsewhere, and /proc can be swapped."""
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "elsewhere").mkdir()
    os.symlink("/elsewhere", bundle.rootfs / "proc")
    seen = hostile.attempt(runtime, bundle, "stat /proc", "statfs /proc")
    if seen is not None:
        assert seen["stat./proc"].startswith("dir") and seen["statfs./proc"].split()[0] == hostile.PROC_MAGIC, seen


def test_harmless_files_of_proc_may_be_covered(runtime, bundle, work):
    """The refusal above is no refusal of everything: lxcfs binds its own /proc/uptime and others."""
    (work / "uptime").write_text("1.00 2.00\n")
    bundle.mount("/proc/uptime", source=work / "uptime", options=["bind"])
    assert runtime.probe(bundle, "cat /proc/uptime")["cat./proc/uptime"] == "1.00 2.00"


# -- CVE-2021-30465: a mount's destination is exchanged for a link between check and mount


def volumes(bundle, work, canary, tries=1):
    """Two volumes below one directory of the host. Won, the race mounts vol2 over that directory, so that
    volumes/vol2 is then a link of the attacker's to any place of the host, and the next mount of vol2 shows it."""
    base = work / "host/volumes"
    for name in ("vol1/mnt", "vol1/last", "vol2"):
        (base / name).mkdir(parents=True)
    os.symlink(base, base / "vol1/swap")
    os.symlink(canary.path, base / "vol2/vol2")
    bundle.mount("/shared", source=base / "vol1")
    for _ in range(tries):
        bundle.mount("/shared/mnt", source=base / "vol2")
    bundle.mount("/shared/last", source=base / "vol2")
    return base / "vol1/mnt", base / "vol1/swap"


def assert_no_host_directory(result, canary):
    seen = hostile.judge(result)
    assert seen is None or canary.token not in result.out, f"a directory of the host is mounted: {result}"


def test_cve_2021_30465_link(runtime, bundle, work, canary):
    """Defence: links in a destination are resolved inside the root file system. Without it the first mount covers a
    host directory and the last one shows the canary."""
    directory, link = volumes(bundle, work, canary)
    os.rename(directory, directory.with_name("old"))
    os.rename(link, directory)
    result = runtime.run(bundle.probe("readdir /shared/last", "cat /shared/last/secret"), timeout=HANG)
    assert_no_host_directory(result, canary)


@hostile.race_time
def test_cve_2021_30465_race(runtime, bundle, work, canary, seconds):
    """Defence: the descriptor that was resolved inside the root is what is mounted on (move_mount by descriptor,
    sources opened before), never a path that is walked a second time. Without it one of the rounds sees the
    canary."""
    directory, link = volumes(bundle, work, canary, tries=6)
    bundle.probe("readdir /shared/last", "cat /shared/last/secret")
    with hostile.exchanging(directory, link):
        for _ in hostile.rounds(seconds):
            assert_no_host_directory(runtime.run(bundle, timeout=HANG), canary)


@hostile.steps
def test_cve_2021_30465_steps(runtime, bundle, work, canary):
    """The same race, at each of the moments at which it could be won."""
    directory, link = volumes(bundle, work, canary)
    bundle.probe("readdir /shared/last", "cat /shared/last/secret")
    for step in hostile.Steps(runtime, "mnt", directory, link):
        with step:
            result = runtime.run(bundle, timeout=HANG)
        assert_no_host_directory(result, canary)


# -- CVE-2025-31133: a file is masked with what the image has as /dev/null


def mask(bundle) -> list[str]:
    """A masked file, and what the container then tries: to write through the mask to the sysctl."""
    (bundle.rootfs / "mask").write_text("hidden")
    bundle.linux["maskedPaths"] = ["/mask"]
    return ["stat /mask", "write /mask 77", "cat /mask", f"cat {SYSCTL_FILE}"]


def assert_masked(seen):
    if seen is not None:
        assert seen, "the process's output went into what the image has as /dev/null"
        assert seen[f"cat.{SYSCTL_FILE}"] == "64", f"the mask is a writable sysctl: {seen}"
        assert seen["stat./mask"].startswith("char ") and seen["stat./mask"].split()[3] == "1:3", seen
        assert seen["cat./mask"] == "", f"the masked file shows: {seen}"


def plant(path, what: str) -> None:
    """Puts a hostile file where the image should have a device, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "file":
        path.write_text("hidden")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    elif what == "other-device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    else:
        os.symlink(what, path)


@pytest.mark.parametrize("what", [SYSCTL_FILE, "/nowhere", "/etc/passwd", "file", "fifo", "directory", "other-device"])
def test_cve_2025_31133_dev_null(runtime, bundle, what):
    """Defence: files are masked with a null device that was checked to be one, from the host's descriptor rather
    than the image's name. Without it the mask is a writable sysctl (an arbitrary bind mount), or a missing
    source is ignored and the file is not masked at all."""
    hostile.without_dev(bundle)
    plant(bundle.rootfs / "dev/null", what)
    assert_masked(hostile.attempt(runtime, bundle, *mask(bundle)))


def shared_null(bundle, work):
    """A volume that is the container's /dev, where another container can swap null for a link."""
    volume = work / "dev"
    volume.mkdir()
    os.mknod(volume / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (volume / "null").chmod(0o666)
    os.symlink(SYSCTL_FILE, volume / "swap")
    hostile.without_dev(bundle).mount("/dev", source=volume, options=["bind"])
    return volume / "null", volume / "swap"


@hostile.race_time
def test_cve_2025_31133_race(runtime, bundle, work, seconds):
    """Defence: as above, against a swap at any moment. Without it one of the rounds gets the sysctl as its mask."""
    null, link = shared_null(bundle, work)
    verbs = mask(bundle)
    with hostile.exchanging(null, link):
        for _ in hostile.rounds(seconds):
            assert_masked(hostile.attempt(runtime, bundle, *verbs))


@hostile.steps
def test_cve_2025_31133_steps(runtime, bundle, work):
    """The same race, at each of the moments at which it could be won."""
    null, link = shared_null(bundle, work)
    bundle.probe(*mask(bundle))
    for step in hostile.Steps(runtime, "null", null, link):
        with step:
            result = runtime.run(bundle, timeout=HANG)
        assert_masked(hostile.judge(result))


# -- CVE-2025-52565: the console's bind mount is redirected


def volume_with_file(bundle, work):
    """A volume's file, which belongs to the host."""
    (work / "volume").mkdir()
    precious = work / "volume/precious"
    precious.write_text("precious")
    bundle.mount("/volume", source=work / "volume")
    return precious


@pytest.mark.parametrize("name", ["console", "ptmx", "pts", "tty"])
@pytest.mark.parametrize("what", ["/volume/precious", SYSCTL_FILE, "/volume", "file", "fifo", "directory"])
def test_cve_2025_52565_dev_console(runtime, bundle, work, name, what):
    """Defence: /dev/console is never opened or mounted on through a link, nor truncated; the terminal comes from the
    runtime's own devpts (TIOCGPTPEER), not from a name in the image. Without it the volume's file is truncated, or
    covered by the terminal, or the container hangs on a fifo."""
    precious = volume_with_file(bundle, work)
    bundle.drop_mount("/dev").drop_mount("/dev/shm").drop_mount("/dev/mqueue")
    plant(bundle.rootfs / "dev" / name, what)
    bundle.probe("statfs /volume/precious", f"statfs {SYSCTL_FILE}", "statfs /dev/console")
    seen = hostile.run_on_terminal(runtime, bundle)
    assert precious.read_text() == "precious", "a file of the host was truncated"
    if seen is not None:
        assert seen[f"statfs.{SYSCTL_FILE}"].split()[0] == hostile.PROC_MAGIC, seen
        assert seen["statfs./volume/precious"].split()[0] != hostile.DEVPTS_MAGIC, seen
        assert seen["statfs./dev/console"].split()[0] == hostile.DEVPTS_MAGIC, seen


def shared_terminal(bundle, work, swapped):
    """A volume that is the container's /dev, where another container can swap the directory of the terminals, or the
    file that the console is mounted on."""
    volume = work / "dev"
    (volume / "pts").mkdir(parents=True)
    os.mknod(volume / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.symlink("pts/ptmx", volume / "ptmx")
    (volume / "console").write_text("")
    if swapped == "pts":
        (volume / "swap").mkdir()
        for number in range(8):
            os.symlink(SYSCTL_FILE, volume / "swap" / str(number))
    else:
        os.symlink(SYSCTL_FILE, volume / "swap")
    bundle.drop_mount("/dev").drop_mount("/dev/shm").drop_mount("/dev/mqueue")
    bundle.mounts.insert(1, {"destination": "/dev", "type": "bind", "source": str(volume), "options": ["bind"]})
    bundle.shell(f"probe statfs {SYSCTL_FILE} + write /dev/console 77 + say ."
                 f"; [ -c {SYSCTL_FILE} ] || probe cat {SYSCTL_FILE}")
    return volume / swapped, volume / "swap"


def assert_console_is_no_sysctl(seen):
    if seen is not None:
        assert seen[f"statfs.{SYSCTL_FILE}"].split()[0] == hostile.PROC_MAGIC, f"the console covers it: {seen}"
        assert seen[f"cat.{SYSCTL_FILE}"] == "64", f"/dev/console is a sysctl: {seen}"


@hostile.race_time
@pytest.mark.parametrize("swapped", ["pts", "console"])
def test_cve_2025_52565_race(runtime, bundle, work, swapped, seconds):
    """Defence: as above, against a swap at any moment. Without it /dev/console is one of the sysctl's names, and
    writable though /proc/sys is read-only, or the console covers the sysctl."""
    name, link = shared_terminal(bundle, work, swapped)
    with hostile.exchanging(name, link):
        for _ in hostile.rounds(seconds):
            assert_console_is_no_sysctl(hostile.run_on_terminal(runtime, bundle))


@pytest.mark.parametrize("swapped", ["pts", "console"])
@hostile.steps
def test_cve_2025_52565_steps(runtime, bundle, work, swapped):
    """The same race, at each of the moments at which it could be won."""
    name, link = shared_terminal(bundle, work, swapped)
    for step in hostile.Steps(runtime, swapped, name, link):
        assert_console_is_no_sysctl(hostile.run_on_terminal(runtime, bundle, step))


# -- CVE-2025-52881: the runtime's own writes to /proc are redirected


def sysctl_in(container) -> str:
    """The value in the container's network namespace, as the host sees it."""
    argv = ["nsenter", f"--net=/proc/{container.pid}/ns/net", "cat", SYSCTL_FILE]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("how", ["file", "link", "linked-directory"])
def test_cve_2025_52881_no_procfs(runtime, bundle, work, how):
    """Defence: sysctls and labels are written through a procfs of the runtime's own (a detached mount), never
    through the name /proc of the image. Without it the write goes to a file of the image, or of a volume of the
    host."""
    precious = volume_with_file(bundle, work)
    bundle.drop_mount("/proc")
    fake = bundle.rootfs / SYSCTL_FILE[1:]
    if how == "linked-directory":
        fake.parent.parent.mkdir(parents=True)
        os.symlink("/volume", fake.parent)
        precious.rename(precious.with_name(fake.name))
        precious = precious.with_name(fake.name)
    else:
        fake.parent.mkdir(parents=True)
        plant(fake, "file" if how == "file" else "/volume/precious")
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    bundle.linux["sysctl"] = {SYSCTL: "77"}
    bundle.process["oomScoreAdj"] = 77
    (bundle.rootfs / "proc/self").mkdir()
    (bundle.rootfs / "proc/self/oom_score_adj").write_text("hidden")
    bundle.pause()
    try:
        container = runtime.run_detached(bundle, timeout=HANG)
    except oci.CommandFailed as failed:
        hostile.judge(failed.result)
    else:
        container.ready()
        assert sysctl_in(container) == "77", "the sysctl was written to somewhere else"
    assert precious.read_text() == "precious", "a file of the host was written to"
    assert (bundle.rootfs / "proc/self/oom_score_adj").read_text() == "hidden"
    if how == "file":
        assert fake.read_text() == "hidden", "a file of the image was written to"


def shared_with_link_to_proc(bundle, work):
    """A volume in which another container can swap the destination of a mount for a link to /proc; what is
    mounted is the attacker's idea of a /proc."""
    fake_proc(work / "fake")
    shared = work / "shared"
    (shared / "mnt").mkdir(parents=True)
    os.symlink("/proc", shared / "swap")
    bundle.mount("/shared", source=shared)
    bundle.mount("/shared/mnt", source=work / "fake", options=["bind"])
    bundle.linux["sysctl"] = {SYSCTL: "77"}
    bundle.probe("statfs /proc", f"cat {SYSCTL_FILE}")
    return shared / "mnt", shared / "swap"


def assert_sysctl_went_to_proc(result, work):
    fake = work / "fake" / SYSCTL_FILE.removeprefix("/proc/")
    assert fake.read_text() == "fake", "the sysctl was written to the attacker's file"
    seen = hostile.judge(result)
    if seen is not None:
        assert seen["statfs./proc"].split()[0] == hostile.PROC_MAGIC, seen
        assert seen[f"cat.{SYSCTL_FILE}"] == "77", seen


@hostile.race_time
def test_cve_2025_52881_race(runtime, bundle, work, seconds):
    """Defence: a mount that was resolved to a place outside of procfs stays there, and writes do not depend on what
    lies on /proc. Without it a round ends with the attacker's directory on /proc, and the sysctl in its file."""
    directory, link = shared_with_link_to_proc(bundle, work)
    with hostile.exchanging(directory, link):
        for _ in hostile.rounds(seconds):
            assert_sysctl_went_to_proc(runtime.run(bundle, timeout=HANG), work)


@hostile.steps
def test_cve_2025_52881_steps(runtime, bundle, work):
    """The same race, at each of the moments at which it could be won."""
    directory, link = shared_with_link_to_proc(bundle, work)
    for step in hostile.Steps(runtime, "mnt", directory, link):
        with step:
            result = runtime.run(bundle, timeout=HANG)
        assert_sysctl_went_to_proc(result, work)


def test_cve_2025_52881_exec(runtime, bundle, work):
    """Defence: exec does not write through the container's /proc, which a privileged container can cover. Without it
    the labels, the oom score and the like end in the attacker's files."""
    files = [f"/proc/{base}/{name}" for base in ("self", "thread-self")
             for name in ("attr/exec", "attr/apparmor/exec", "oom_score_adj", "loginuid", "setgroups", "fd/0")]
    hostile.arm(bundle).args("/bin/hostile", "fake-proc", *files).capabilities("CAP_SYS_ADMIN", "CAP_KILL")
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    container = runtime.run_detached(bundle)
    container.out.until("ready=1\n")
    process = dict(bundle.process) | {"args": oci.probe_argv("ids", "pause"), "oomScoreAdj": 77}
    process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [29]}
    (work / "process.json").write_text(json.dumps(process))
    pid_file = work / "exec.pid"
    result = runtime.cmd("exec", "--process", work / "process.json", "--detach", "--pid-file", pid_file, container.id,
                         check=False, timeout=HANG)
    if result.rc == 0:
        pid = int(pid_file.read_text())
        with open(f"/proc/{pid}/oom_score_adj") as real:
            assert real.read().strip() == "77"
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # before the container can end, whose pid namespace it is in
    else:
        assert result.error.strip(), result
    for name in files:
        with open(f"/proc/{container.pid}/root{name}") as fake:
            assert fake.read() == "fake\n", f"{name} was written to"


@pytest.fixture
def apparmor_profile():
    """The name of a profile that allows everything, loaded for the time of one test."""
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        pytest.skip("this kernel has no AppArmor")
    if not shutil.which("apparmor_parser"):
        pytest.skip("no apparmor_parser")
    name = f"berth-test-{os.getpid()}"
    rules = "file, capability, network, signal, ptrace, mount, umount, pivot_root, unix, dbus,"
    text = f"profile {name} flags=(attach_disconnected) {{ {rules} }}\n"

    def parser(flag):
        return subprocess.run(["apparmor_parser", "-K", flag], input=text, text=True, capture_output=True)

    loaded = parser("-r")
    if loaded.returncode != 0:
        pytest.skip(f"no AppArmor profile can be loaded: {loaded.stderr.strip()}")
    yield name
    parser("-R")


@pytest.mark.vm_short
def test_apparmor_profile_is_set(runtime, bundle, apparmor_profile):
    bundle.process["apparmorProfile"] = apparmor_profile
    assert runtime.probe(bundle, "cat /proc/self/attr/current")["cat./proc/self/attr/current"].startswith(apparmor_profile)


@pytest.mark.vm_short
def test_apparmor_label_is_really_set(runtime, bundle, work, apparmor_profile):
    """Defence: as for sysctls; a profile that can't be set is an error, not a silent absence."""
    bundle.process["apparmorProfile"] = apparmor_profile
    (bundle.rootfs / "volume").symlink_to("/proc")
    bundle.mount("/volume", source=fake_proc(work / "fake"), options=["bind"])
    seen = hostile.attempt(runtime, bundle, "cat /proc/self/attr/current")
    assert seen is None or seen["cat./proc/self/attr/current"].startswith(apparmor_profile), seen
