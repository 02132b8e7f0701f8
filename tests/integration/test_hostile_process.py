# SPDX-License-Identifier: Apache-2.0
"""What a container learns of, and does to, the runtime's own processes: its binary (CVE-2019-5736), its descriptors and
working directory (CVE-2024-21626). See test_hostile.py."""

import hashlib
import os
import shutil
import subprocess

import pytest

from support import hostile, oci
from support.hostile import HANG, canary  # noqa: F401


# -- CVE-2019-5736: the runtime's binary is overwritten through /proc/PID/exe


def blocking_self_exe(bundle, binary) -> list[str]:
    """Arguments that execute /proc/self/exe, which is the runtime until execve replaces it, and keep that process:
    it opens a config.json that is a fifo."""
    hostile.add_libraries(bundle.rootfs, binary)
    (bundle.rootfs / "x").mkdir()
    os.symlink("/proc/self/exe", bundle.rootfs / "x" / binary.name)
    (bundle.rootfs / "fifo").mkdir()
    os.mkfifo(bundle.rootfs / "fifo/config.json")
    return [f"/x/{binary.name}", "--root", "/tmp/state", "run", "--bundle", "/fifo", "inner"]


def thief(runtime, bundle, binary) -> oci.Container:
    st = binary.stat()
    hostile.arm(bundle).args("/bin/hostile", "steal-exe", str(st.st_dev), str(st.st_ino), "20")
    bundle.process["noNewPrivileges"] = False
    container = runtime.run_detached(bundle)
    container.out.until("ready=1\n")
    return container


def assert_not_stolen(container, binary, digest):
    report = oci.facts(hostile.stop(container))
    assert hashlib.sha256(binary.read_bytes()).hexdigest() == digest, f"the runtime was overwritten: {report}"
    assert report["wrote"] == "0", report


@pytest.mark.parametrize("privileged", [False, True], ids=["plain", "privileged"])
@pytest.mark.parametrize("way", ["exec", "run", "script"])
def test_cve_2019_5736_runtime_binary(runtime, way, privileged):
    """Defence: what a container can reach as /proc/PID/exe of the runtime is no writable file of the host (a sealed
    copy or a read-only mount). Without it the attacker keeps a descriptor of the binary, reopens it for writing
    once nothing executes it, and the copy's checksum changes. A privileged container may also mount: what protects the
    binary must be no flag of a mount that it can lift."""
    original = runtime.binary
    binary = hostile.attack_runtime_binary(runtime)
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    try:
        first = runtime.bundle()
        argv = blocking_self_exe(first, binary)
        (first.rootfs / "x/script").write_text(f"#!/x/{binary.name}\n")
        (first.rootfs / "x/script").chmod(0o755)
        second = runtime.bundle()
        if privileged:
            first.capabilities(*hostile.ALL_CAPABILITIES)
            second.capabilities(*hostile.ALL_CAPABILITIES)
        container = thief(runtime, first, binary)
        if way == "run":
            second.namespace("pid", f"/proc/{container.pid}/ns/pid")
            second.args(*blocking_self_exe(second, binary)).write()
            commands = [("run", "--bundle", second.path, runtime.new_id())]
        elif way == "exec":
            commands = [("exec", container.id, *argv)]
        else:
            commands = [("exec", container.id, "/x/script")] * 10
        for command in commands:
            runtime.cmd(*command, check=False, timeout=HANG + 10)
        assert_not_stolen(container, binary, digest)
    finally:
        runtime.binary = original


def test_the_thief_bites(runtime, bundle, root_maker, work):
    """No defence of the runtime: proof that the attack above works on a program that joins a container without
    any."""
    naive = work / "busybox"
    shutil.copy2(root_maker.programs["busybox"], naive)
    digest = hashlib.sha256(naive.read_bytes()).hexdigest()
    (bundle.rootfs / "x").mkdir()
    os.symlink("/proc/self/exe", bundle.rootfs / "x/sleep")
    container = thief(runtime, bundle.capabilities(*hostile.ALL_CAPABILITIES), naive)
    joined = [naive, "nsenter", "-t", str(container.pid), "-m", "-p", "/x/sleep", "60"]
    subprocess.run(joined, check=False, timeout=HANG)
    with pytest.raises(AssertionError, match="overwritten"):
        assert_not_stolen(container, naive, digest)


@pytest.mark.parametrize("kind", ["plain", "user-namespace"])
@pytest.mark.parametrize("way", ["exec", "run"])
def test_joining_processes_show_nothing(runtime, bundle, canary, way, kind):
    """Defence: a process that enters the container's namespaces is not dumpable from before it can be seen there until
    execve (neither joining nor dropping capabilities does that by itself), and closes what it holds of the host.
    Without it the container reads the canary through /proc/PID/{fd,cwd,root}, or traces what runs the runtime.
    Worst in a user namespace, whose root may trace whoever is in it and dumpable."""
    hostile.arm(bundle).args("/bin/hostile", "peek", str(canary.secret), canary.token, "60")
    neighbour = runtime.bundle().args("/bin/true")
    if kind == "user-namespace":
        for one in (bundle, neighbour):
            one.user_namespace().capabilities("CAP_SYS_PTRACE", "CAP_KILL", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    container = runtime.run_detached(bundle)
    container.out.until("ready=1\n")
    if way == "exec":
        for _ in range(20):
            container.exec("/bin/true", timeout=HANG)
    else:
        neighbour.namespace("pid", f"/proc/{container.pid}/ns/pid")
        if kind == "user-namespace":
            neighbour.namespace("user", f"/proc/{container.pid}/ns/user")
        for _ in range(10):
            runtime.run(neighbour, check=True, timeout=HANG)
    report = hostile.stop(container)
    assert oci.facts(report)["found"] == "0", report
    assert int(oci.facts(report)["looked"]) > 0, report


# -- CVE-2024-21626: descriptors of the host stay open, and the working directory leads to one


def escape_verbs(canary) -> list[str]:
    return ["/bin/hostile", "escape", str(canary.secret), canary.token]


def assert_confined(result):
    seen = hostile.judge(result)
    if seen is not None:
        assert seen["escapes"] == "0", result
        assert not seen["cwd"].startswith("(unreachable)"), result


CWDS = ["/proc/self/fd/{fd}", "/link-to-fd-{fd}", "/proc/1/fd/{fd}", "/proc/thread-self/fd/{fd}"]


@pytest.mark.parametrize("cwd", CWDS)
def test_cve_2024_21626_cwd_of_run(runtime, bundle, canary, cwd):
    """Defence: no descriptor of the host is open when the process changes to its cwd, magic links are not followed
    there, and the cwd is checked to lie below the root. Without it `..` leads to the host and the canary is read.
    The canary's own directory is handed to the runtime as descriptor 9, too."""
    hostile.arm(bundle).args(*escape_verbs(canary))
    for fd in range(3, 14):
        os.symlink(f"/proc/self/fd/{fd}", bundle.rootfs / f"link-to-fd-{fd}")
    for fd in range(3, 14):
        bundle.process["cwd"] = cwd.format(fd=fd)
        bundle.write()
        argv = runtime.command_line("run", "--bundle", bundle.path, runtime.new_id())
        assert_confined(runtime.call(with_descriptor(9, canary.path, argv), check=False, timeout=HANG))


@pytest.mark.parametrize("cwd", CWDS)
def test_cve_2024_21626_cwd_of_exec(runtime, bundle, canary, cwd):
    """The same for exec, where the process comes from the host while the attacker already runs."""
    for fd in range(3, 14):
        os.symlink(f"/proc/self/fd/{fd}", bundle.rootfs / f"link-to-fd-{fd}")
    container = runtime.paused(hostile.arm(bundle))
    for fd in range(3, 14):
        argv = runtime.command_line("exec", "--cwd", cwd.format(fd=fd), container.id, *escape_verbs(canary))
        assert_confined(runtime.call(with_descriptor(9, canary.path, argv), check=False, timeout=HANG))


@pytest.mark.parametrize("target", ["{host}", "{relative}", "/proc/1/root{host}", "/proc/self/cwd", "/proc/self/root"])
def test_cwd_through_links_of_the_image(runtime, bundle, canary, target):
    """Defence: the cwd is resolved, and made when it is missing, after the change of the root. Without it the
    process starts in a directory of the host, or the runtime makes one there."""
    hostile.arm(bundle).args(*escape_verbs(canary))
    os.symlink(target.format(host=canary.path, relative=canary.relative()), bundle.rootfs / "link")
    for below in ("", "/new", "/.."):
        bundle.process["cwd"] = "/link" + below
        assert_confined(runtime.run(bundle, timeout=HANG))


def with_descriptor(fd: int, path, argv) -> list[str]:
    """The command with `path` open as descriptor `fd`, inheritable, as a careless caller would leave it."""
    return ["/bin/sh", "-c", f'exec {fd}<"$0" "$@"', str(path), *argv]


def open_descriptors(seen) -> set[str]:
    return {key[3:] for key in seen if key.startswith("fd.")}


def test_inherited_descriptors_are_closed(runtime, bundle, canary):
    """Defence: everything above stderr is closed before execve, in run and in exec. Without it the process sees what
    the runtime or its caller had open."""
    bundle.probe("fds").write()
    argv = runtime.command_line("run", "--bundle", bundle.path, runtime.new_id())
    seen = runtime.call(with_descriptor(7, canary.path, argv), timeout=HANG).facts
    assert open_descriptors(seen) == {"0", "1", "2"}, seen

    container = runtime.paused(runtime.bundle())
    argv = runtime.command_line("exec", container.id, *oci.probe_argv("fds"))
    seen = runtime.call(with_descriptor(7, canary.path, argv), timeout=HANG).facts
    assert open_descriptors(seen) == {"0", "1", "2"}, seen


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_hooks_inherit_no_descriptors(runtime, bundle, canary, kind):
    """The same for hooks, which the runtime executes itself."""
    seen = bundle.path / "hook.out"
    bundle.hook(kind, "/bin/sh", ["sh", "-c", f"ls /proc/$$/fd > {seen}"]).write()
    argv = runtime.command_line("run", "--bundle", bundle.path, runtime.new_id())
    runtime.call(with_descriptor(7, canary.path, argv), timeout=HANG)
    assert "7" not in seen.read_text().split()


def test_hooks_of_the_image_inherit_no_descriptors(runtime, bundle, canary):
    bundle.hook("startContainer", "/bin/sh", ["sh", "-c", "/bin/probe fds > /hook.out"]).write()
    argv = runtime.command_line("run", "--bundle", bundle.path, runtime.new_id())
    runtime.call(with_descriptor(7, canary.path, argv), timeout=HANG)
    seen = (bundle.rootfs / "hook.out").read_text()
    assert open_descriptors(oci.facts(seen)) == {"0", "1", "2"}, seen


def test_preserved_descriptors_are_no_more_than_asked_for(runtime, bundle, canary):
    """Defence: --preserve-fds N keeps 3 … 3+N-1 and closes the rest. Without it descriptor 5 is seen."""
    bundle.probe("fds").write()
    argv = runtime.command_line("run", "--bundle", bundle.path, "--preserve-fds", "1", runtime.new_id())
    inner = with_descriptor(3, canary.secret, argv)
    seen = runtime.call(with_descriptor(5, canary.path, inner), timeout=HANG).facts
    assert open_descriptors(seen) == {"0", "1", "2", "3"}, seen
