# SPDX-License-Identifier: Apache-2.0
"""What the process gets: user, capabilities, limits, environment, terminal, descriptors, scheduling."""

import ctypes
import os
import signal
import subprocess

import pytest

from support import host
from support.oci import Stream, facts

needs = pytest.mark.needs
BIT = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_ADMIN": 21, "CAP_AUDIT_WRITE": 29}


def bits(*names: str) -> int:
    return sum(1 << BIT[name] for name in names)


def caps(seen: dict) -> dict[str, int]:
    return {kind: int(seen[kind], 16)
            for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}


# -- capabilities

def test_each_capability_set_is_its_own(runtime, bundle):
    bundle.process["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"],
        "effective": ["CAP_CHOWN"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "inheritable": ["CAP_NET_BIND_SERVICE", "CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    seen = caps(runtime.probe(bundle, "caps"))
    # At exec by another user than root: permitted and effective become the ambient set.
    assert seen == {"bounding": bits("CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"),
                    "inheritable": bits("CAP_NET_BIND_SERVICE", "CAP_KILL"),
                    "ambient": bits("CAP_KILL"), "permitted": bits("CAP_KILL"), "effective": bits("CAP_KILL")}


def test_root_gets_the_bounding_set_at_exec(runtime, bundle):
    bundle.capabilities("CAP_CHOWN", "CAP_KILL", kinds=("bounding", "effective", "permitted"))
    seen = caps(runtime.probe(bundle, "caps"))
    assert seen["effective"] == seen["permitted"] == seen["bounding"] == bits("CAP_CHOWN", "CAP_KILL")
    assert seen["inheritable"] == seen["ambient"] == 0


def test_no_capabilities_at_all(runtime, bundle):
    bundle.process["capabilities"] = {}
    assert set(caps(runtime.probe(bundle, "caps")).values()) == {0}


def test_ambient_capabilities_reach_a_user(runtime, bundle):
    names = ["CAP_NET_BIND_SERVICE"]
    bundle.process["capabilities"] = {kind: names for kind in
                                      ("bounding", "effective", "inheritable", "permitted", "ambient")}
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert caps(runtime.probe(bundle, "caps"))["effective"] == bits("CAP_NET_BIND_SERVICE")


def test_another_user_has_none_without_ambient(runtime, bundle):
    bundle.capabilities("CAP_CHOWN")
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    seen = caps(runtime.probe(bundle, "caps"))
    assert (seen["bounding"], seen["effective"], seen["permitted"]) == (bits("CAP_CHOWN"), 0, 0)


def test_a_capability_is_enforced(runtime, bundle):
    bundle.capabilities("CAP_KILL")
    assert runtime.run(bundle.shell("chown 5 /etc/passwd")).rc != 0
    bundle.capabilities("CAP_KILL", "CAP_CHOWN")
    assert runtime.run(bundle.shell("chown 5 /etc/passwd")).rc == 0


# -- limits

LIMITS = ["cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
          "sigpending",
          "msgqueue"]


@pytest.mark.parametrize("name", LIMITS)
def test_rlimit(runtime, bundle, name):
    size = 1 << 30 if name in ("as", "data", "stack", "fsize", "rss") else 100
    bundle.process["rlimits"] = [{"type": f"RLIMIT_{name.upper()}", "soft": size - 1, "hard": size}]
    assert runtime.probe(bundle, f"rlimit {name}")[f"rlimit.{name}"] == f"{size - 1} {size}"


def test_rlimit_infinity(runtime, bundle):
    bundle.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1}]
    assert runtime.probe(bundle, "rlimit core")["rlimit.core"] == "-1 -1"


def test_limits_not_listed_are_inherited(runtime, bundle):
    import resource

    bundle.process["rlimits"] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    assert runtime.probe(bundle, "rlimit stack")["rlimit.stack"] == f"{soft} {hard}"


# -- identity

def test_user_group_and_additional_groups(runtime, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 29, 4000]}
    seen = runtime.probe(bundle, "ids")
    assert seen["uid"] == "1000 1000 1000 1000"
    assert seen["gid"] == "1001 1001 1001 1001"
    assert set(seen["groups"].split()) - {"1001"} == {"5", "29", "4000"}


def test_groups_of_the_caller_are_dropped(runtime, bundle):
    bundle.write()
    bundle.probe("ids").write()
    result = runtime.run(bundle, check=True, preexec_fn=lambda: os.setgroups([4242]))
    assert "4242" not in result.facts["groups"].split()


@pytest.mark.parametrize("umask", [0o22, 0o77, 0o2, 0])
def test_umask(runtime, bundle, umask):
    bundle.process["user"]["umask"] = umask
    assert runtime.probe(bundle, "ids")["umask"] == f"{umask:04o}"


def test_umask_is_22_by_default(runtime, bundle):
    previous = os.umask(0o77)
    try:
        assert runtime.probe(bundle, "ids")["umask"] == "0022"
    finally:
        os.umask(previous)


@needs("mount points whatever the umask")
def test_files_made_by_the_runtime_ignore_the_callers_umask(runtime, bundle):
    bundle.mount("/made/here", kind="tmpfs", options=["mode=755"])
    previous = os.umask(0o77)
    try:
        seen = runtime.probe(bundle, "stat /made", "stat /dev/null", "stat /dev/pts")
    finally:
        os.umask(previous)
    assert seen["stat./made"].split()[1] == "0755"
    assert seen["stat./dev/null"].split()[1] == "0666"
    assert seen["stat./dev/pts"].split()[1] == "0755"


@pytest.mark.parametrize("value", [True, False])
def test_no_new_privileges(runtime, bundle, value):
    bundle.process["noNewPrivileges"] = value
    assert runtime.probe(bundle, "process")["nnp"] == str(int(value))


def test_oom_score_adj(runtime, bundle):
    bundle.process["oomScoreAdj"] = 500
    assert runtime.probe(bundle, "cat /proc/self/oom_score_adj")["cat./proc/self/oom_score_adj"] == "500"


def test_oom_score_adj_is_inherited_when_absent(runtime, bundle):
    def raise_own():
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("123")

    bundle.probe("cat /proc/self/oom_score_adj")
    result = runtime.run(bundle, check=True, preexec_fn=raise_own)
    assert result.facts["cat./proc/self/oom_score_adj"] == "123"


# -- scheduling

@needs("process.scheduler (spec 1.1)")
@pytest.mark.parametrize("scheduler,expected", [
    ({"policy": "SCHED_BATCH", "nice": 5}, ("3", "5", "0")),
    ({"policy": "SCHED_OTHER", "nice": 19}, ("0", "19", "0")),
    ({"policy": "SCHED_IDLE"}, ("5", str(os.nice(0)), "0")),  # which keeps the nice value
    ({"policy": "SCHED_FIFO", "priority": 10}, ("1", "0", "10")),
    ({"policy": "SCHED_RR", "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, ("2", "0", "3")),
], ids=lambda value: value["policy"] if isinstance(value, dict) else "")
def test_scheduler(runtime, bundle, scheduler, expected):
    bundle.process["scheduler"] = scheduler
    if scheduler["policy"] in ("SCHED_FIFO", "SCHED_RR"):
        require_real_time()
    seen = runtime.probe(bundle, "sched")
    assert (seen["sched.policy"], seen["sched.nice"], seen["sched.priority"]) == expected
    assert seen["sched.flags"] == ("1" if scheduler.get("flags") else "0")


def require_real_time():
    """With CONFIG_RT_GROUP_SCHED a new cgroup has no real-time share."""
    result = subprocess.run(["chrt", "-f", "1", "true"], capture_output=True)
    if result.returncode != 0:
        pytest.skip("real-time scheduling is not permitted here")
    if (host.hierarchies().get("cpu", host.CGROUP_ROOT) / "cpu.rt_runtime_us").exists():
        pytest.skip("this kernel gives new cgroups no real-time share (RT_GROUP_SCHED)")


@needs("process.scheduler (spec 1.1)")
def test_deadline_scheduler(runtime, bundle):
    require_real_time()
    bundle.process["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 5000000,
                                   "period": 10000000}
    seen = runtime.probe(bundle, "sched")
    assert seen["sched.policy"] == "6" and seen["sched.deadline"] == "1000000 5000000 10000000"


@needs("process.ioPriority (spec 1.1)")
@pytest.mark.parametrize("name,number",
                         [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)])
def test_io_priority(runtime, bundle, name, number):
    level = 0 if number == 3 else 4
    bundle.process["ioPriority"] = {"class": name, "priority": level}
    seen = runtime.probe(bundle, "ioprio")
    assert (seen["ioprio.class"], seen["ioprio.level"]) == (str(number), str(level))


@needs("process.execCPUAffinity (spec 1.2)")
def test_exec_cpu_affinity(runtime, bundle):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor only")
    import json

    container = runtime.paused(bundle)
    process = dict(bundle.process, args=["/bin/probe", "affinity"], execCPUAffinity={"final": "1"})
    path = runtime.work / "process.json"
    path.write_text(json.dumps(process))
    result = runtime.cmd("exec", "--process", path, container.id)
    assert result.facts["affinity"] == "1"


@needs("linux.personality in 1.1.5")
@pytest.mark.parametrize("domain,machine", [("LINUX32", "i686"), ("LINUX", "x86_64")])
def test_personality(runtime, bundle, domain, machine):
    if os.uname().machine != "x86_64":
        pytest.skip("the names are those of x86")
    bundle.linux["personality"] = {"domain": domain}
    assert runtime.probe(bundle, "process")["machine"] == machine


@needs("linux.memoryPolicy (spec 1.3)")
def test_memory_policy(runtime, bundle):
    bundle.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    seen = runtime.probe(bundle, "mempolicy")["mempolicy"]
    if seen == "ENOSYS":
        pytest.skip("this kernel has no memory policies")
    assert seen.split() == ["2", "1"]


# -- environment and program

def test_the_environment_is_exactly_the_configured(runtime, bundle):
    bundle.process["env"] = ["PATH=/bin", "A=1", "EMPTY=", "HOME=/somewhere", "B=x=y"]
    seen = runtime.probe(bundle, "env")
    assert seen == {"env.PATH": "/bin", "env.A": "1", "env.EMPTY": "", "env.HOME": "/somewhere",
                    "env.B": "x=y"}


def test_home_comes_from_the_password_file(runtime, bundle):
    assert runtime.probe(bundle, "env")["env.HOME"] == "/root"
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert runtime.probe(bundle, "env")["env.HOME"] == "/home/alice"


def test_home_of_an_unknown_user_is_the_root(runtime, bundle):
    bundle.process["user"] = {"uid": 4321, "gid": 1000}
    assert runtime.probe(bundle, "env")["env.HOME"] == "/"


@needs("the last of two assignments winning (runc 1.3)")
def test_the_last_of_two_assignments_counts(runtime, bundle):
    bundle.process["env"] = ["A=first", "PATH=/bin", "A=last"]
    result = runtime.run(bundle.probe("env"), check=True)
    assert result.facts["env.A"] == "last"


def test_the_program_is_found_in_the_containers_path(runtime, bundle):
    tool = bundle.rootfs / "opt"
    tool.mkdir()
    os.link(bundle.rootfs / "bin/probe", tool / "only-here")
    bundle.process["env"] = ["PATH=/nowhere:/opt:/bin"]
    assert runtime.run(bundle.args("only-here", "say", "found")).out == "found\n"


def test_path_skips_what_is_not_executable(runtime, bundle):
    (bundle.rootfs / "etc/probe").write_text("no program")
    (bundle.rootfs / "usr/probe").mkdir()
    bundle.process["env"] = ["PATH=/etc:/usr:/bin"]
    assert runtime.run(bundle.args("probe", "say", "found")).out == "found\n"


def test_a_script_is_executed_by_its_interpreter(runtime, bundle):
    script = bundle.rootfs / "bin/script"
    script.write_text("#!/bin/sh\necho script $1\n")
    script.chmod(0o755)
    assert runtime.run(bundle.args("/bin/script", "x")).out == "script x\n"


def test_args_are_passed_unchanged(runtime, bundle):
    words = ["a b", "", "$HOME", "'\"", "é\n", "*"]
    bundle.args("/bin/sh", "-c", 'for x; do printf "[%s]" "$x"; done', "sh", *words)
    assert runtime.run(bundle).out == "".join(f"[{word}]" for word in words)


def test_cwd(runtime, bundle):
    bundle.process["cwd"] = "/var"
    assert runtime.probe(bundle, "process")["cwd"] == "/var"


def test_a_missing_cwd_is_made(runtime, bundle):
    bundle.process["cwd"] = "/new/work/dir"
    assert runtime.probe(bundle, "process")["cwd"] == "/new/work/dir"


def test_cwd_may_be_a_directory_of_a_mount(runtime, bundle):
    data = runtime.work / "data"
    data.mkdir()
    bundle.mount("/data", source=data)
    bundle.process["cwd"] = "/data"
    assert runtime.probe(bundle, "process")["cwd"] == "/data"


def test_a_cwd_that_only_root_may_enter(runtime, bundle):
    """As with runc, the directory may be entered before the user changes."""
    (bundle.rootfs / "private").mkdir(mode=0o700)
    bundle.process["cwd"] = "/private"
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.capabilities()
    assert runtime.run(bundle).rc == 0


@needs("signals reset to their defaults")
def test_signals_are_reset(runtime, bundle):
    def block_and_ignore():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    result = runtime.run(bundle.probe("process"), check=True, preexec_fn=block_and_ignore)
    assert result.facts["sigblocked"].strip() == ""
    assert result.facts["sigignored"].strip() == ""


def test_the_process_leads_its_session(runtime, bundle):
    seen = runtime.probe(bundle, "process")
    assert (seen["sid"], seen["pgid"]) == ("1", "1")


def test_a_new_session_keyring(runtime, bundle):
    first = runtime.probe(bundle, "process")["keyring"]
    second = runtime.probe(bundle, "process")["keyring"]
    assert first != second


def test_no_new_keyring(runtime, bundle):
    own = subprocess.run([runtime.root_maker.programs["probe"], "process"], capture_output=True, text=True,
                         check=True)
    result = runtime.run(bundle.probe("process"), "--no-new-keyring", check=True)
    assert result.facts["keyring"] == facts(own.stdout)["keyring"]


def describe_key(serial: int) -> str:
    """keyctl(KEYCTL_DESCRIBE): type;uid;gid;permissions;name, or nothing where that is not to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(256)
    number = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)
    if number is None or libc.syscall(number, 6, serial, buffer, ctypes.c_size_t(len(buffer))) < 0:
        return ""
    return buffer.value.decode()


@needs("session keyrings without a name")
@pytest.mark.parametrize("way", ["run", "exec"])
def test_the_session_keyring_is_anonymous(runtime, bundle, way):
    """One with the container's name could have been made before by somebody else, who then shares its keys. The
    kernel calls anonymous ones "_ses"."""
    bundle.probe("process", "catch 15 0", "say ready", "pause")
    container = runtime.run_detached(bundle)
    seen = facts(container.out.until("ready\n"))
    if way == "exec":
        pid_file = runtime.work / "exec.pid"
        reader, writer = os.pipe()
        out = Stream(reader)
        container.exec("/bin/probe", "process", "+", "say", "ready", "+", "pause",
                       flags=["--detach", "--pid-file", pid_file], stdout=writer)
        os.close(writer)
        other = facts(out.until("ready\n"))
        out.close()
        assert other["keyring"] != seen["keyring"]
        seen = other
    found = describe_key(int(seen["keyring"]))  # 0: this kernel has none
    if way == "exec":
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        os.waitpid(int(pid_file.read_text()), 0)
    container.stop()
    if not found:
        pytest.skip("keyrings can't be looked at here")
    assert found.split(";", 4)[4] == "_ses"


def test_exec_without_new_keyring(runtime, bundle):
    """--no-new-keyring of create counts for exec, too."""
    container = runtime.paused(bundle, "--no-new-keyring")
    own = subprocess.run([runtime.root_maker.programs["probe"], "process"], capture_output=True, text=True, check=True)
    assert container.exec_probe("process")["keyring"] == facts(own.stdout)["keyring"]


# -- sysctl

def test_sysctl(runtime, bundle):
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096",
                              "net.ipv4.conf.lo.log_martians": "1"}
    seen = runtime.probe(bundle, "cat /proc/sys/net/ipv4/ip_forward", "cat /proc/sys/kernel/msgmax",
                         "cat /proc/sys/net/ipv4/conf/lo/log_martians")
    assert list(seen.values()) == ["1", "4096", "1"]


def test_sysctl_with_slashes_for_names_with_dots(runtime, bundle):
    bundle.linux["sysctl"] = {"net/ipv4/ip_unprivileged_port_start": "80"}
    path = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert runtime.probe(bundle, f"cat {path}")[f"cat.{path}"] == "80"


def test_the_hosts_sysctl_is_untouched(runtime, bundle):
    with open("/proc/sys/kernel/msgmax") as file:
        before = file.read()
    bundle.linux["sysctl"] = {"kernel.msgmax": str(int(before) + 1)}
    runtime.probe(bundle, "ids")
    with open("/proc/sys/kernel/msgmax") as file:
        assert file.read() == before


# -- descriptors

def test_only_stdio_is_open(runtime, bundle):
    reader, writer = os.pipe()
    try:
        result = runtime.run(bundle.probe("fds"), check=True, pass_fds=(reader, writer))
        assert set(result.facts) == {"fd.0", "fd.1", "fd.2"}
    finally:
        os.close(reader)
        os.close(writer)


def test_preserve_fds(runtime, bundle):
    reader, writer = os.pipe()
    os.write(writer, b"through the pipe")
    os.close(writer)
    bundle.probe("fdread 3", "fds")

    def place():
        os.dup2(reader, 3, inheritable=True)

    try:
        result = runtime.run(bundle, "--preserve-fds", "1", check=True, pass_fds=(3,), preexec_fn=place)
    finally:
        os.close(reader)
    assert result.facts["fdread.3"] == "through the pipe"
    assert set(result.facts) == {"fdread.3", "fd.0", "fd.1", "fd.2", "fd.3"}


def test_listen_fds(runtime, bundle):
    """Socket activation: descriptors from 3 on, LISTEN_FDS and LISTEN_PID=1 in the environment."""
    reader, writer = os.pipe()
    os.write(writer, b"activated")
    os.close(writer)

    def place():
        os.dup2(reader, 3, inheritable=True)

    bundle.probe("fdread 3", "env").write()
    command = runtime.command_line("run", "--bundle", bundle.path, runtime.new_id())
    try:
        result = runtime.call(["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh", *command],
                              pass_fds=(3,), preexec_fn=place)
    finally:
        os.close(reader)
    assert result.facts["fdread.3"] == "activated"
    assert result.facts["env.LISTEN_FDS"] == "1"
    assert result.facts["env.LISTEN_PID"] == "1"


@needs("LISTEN_FDS checked against what is open")
@pytest.mark.parametrize("case", ["foreign-pid", "foreign-pid-open", "not-open", "not-open-no-pid"])
def test_listen_fds_that_are_not_ours(runtime, bundle, case):
    """Left over in the environment of an activated service's children, they are no reason to fail, and nothing is
    handed on."""
    opened = os.open("/dev/zero", os.O_RDONLY)
    bundle.probe("fds", "env").write()
    command = runtime.command_line("run", "--bundle", bundle.path, runtime.new_id())
    pid = {"foreign-pid": "LISTEN_PID=1", "foreign-pid-open": "LISTEN_PID=1", "not-open": "LISTEN_PID=$$",
           "not-open-no-pid": ""}[case]
    redirection = f"3<&{opened}" if case == "foreign-pid-open" else "3<&-"
    try:
        result = runtime.call(["bash", "-c", f'export LISTEN_FDS=1 {pid}; exec "$@" {redirection}', "sh", *command],
                              pass_fds=(opened,))
    finally:
        os.close(opened)
    assert "env.LISTEN_FDS" not in result.facts
    assert not [key for key in result.facts if key.startswith("fd.") and key not in ("fd.0", "fd.1", "fd.2")]
