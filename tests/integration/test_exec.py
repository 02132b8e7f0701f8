# SPDX-License-Identifier: Apache-2.0
"""exec: a second process in a running container."""

import json
import os
import signal
import subprocess

import pytest

from support import host
from support.oci import Stream, facts, wait_child

needs = pytest.mark.needs


@pytest.fixture
def running(runtime, bundle):
    return runtime.paused(bundle)


def test_output_and_exit_code(running):
    result = running.exec("/bin/sh", "-c", "echo out; echo err >&2; exit 17", check=False)
    assert (result.rc, result.out, result.err) == (17, "out\n", "err\n")


def test_stdin(running):
    assert running.exec("/bin/cat", input="typed\n").out == "typed\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_is_128_and_its_number(running, number):
    assert running.exec("/bin/sh", "-c", f"kill -{int(number)} $$", check=False).rc == 128 + number


def test_signals_are_forwarded(runtime, running):
    reader, writer = os.pipe()
    child = runtime.popen("exec", running.id, "/bin/probe", "catch", "15", "9", "+", "say", "ready", "+",
                          "pause",
                          stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as out:
        assert out.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 9


@pytest.mark.parametrize("argv,code,text", [
    (["no-such-program"], 127, 'exec: "no-such-program": executable file not found in $PATH'),
    (["/no/such/program"], 127, "no such file or directory"),
    (["/etc/passwd"], 126, "permission denied"),
])
def test_a_program_that_cannot_be_executed(runtime, running, argv, code, text):
    result = running.exec(*argv, check=False)
    assert text in result.error, result
    assert result.rc == (255 if runtime.foreign else code)
    assert running.state()["status"] == "running"


def test_it_has_the_containers_namespaces(running):
    seen = running.exec_probe("ns", "process")
    for kind in ("ipc", "mnt", "net", "pid", "uts"):
        assert seen[f"ns.{kind}"] == str(running.ns(kind))
    assert seen["hostname"] == "berth-test"
    assert seen["ppid"] == "0"


def test_it_has_the_containers_user_namespace(runtime, bundle):
    container = runtime.paused(bundle.user_namespace())
    seen = container.exec_probe("ns", "ids", "cat /proc/self/uid_map")
    assert seen["ns.user"] == str(container.ns("user"))
    assert seen["uid"] == "0 0 0 0"


@pytest.mark.vm_short
@pytest.mark.vm_short
def test_it_has_the_containers_cgroup_namespace(runtime, bundle):
    container = runtime.paused(bundle.namespace("cgroup"))
    seen = container.exec_probe("ns", "cat /proc/self/cgroup")
    assert seen["ns.cgroup"] == str(container.ns("cgroup"))
    assert all(line.endswith(":/") for line in seen["cat./proc/self/cgroup"].split("|"))


@pytest.mark.vm_short
@pytest.mark.parametrize("joined", [False, True], ids=["own", "joined"])
def test_it_enters_the_cgroup_before_the_cgroup_namespace(runtime, bundle, joined):
    """On cgroup v2 with nsdelegate the kernel hides the container's cgroup from whoever is outside of its namespace:
    exec fails (ENOENT at clone) if it joins the namespace first. A container that joins another's is the same case."""
    first = container = runtime.paused(bundle.namespace("cgroup"))
    if joined:
        container = runtime.paused(runtime.bundle().namespace("cgroup", f"/proc/{first.pid}/ns/cgroup"))
    pid_file = runtime.work / "exec.pid"
    reader, writer = os.pipe()
    out = Stream(reader)
    try:
        container.exec("/bin/probe", "ns", "+", "catch", "15", "0", "+", "say", "ready", "+", "pause",
                       flags=["--detach", "--pid-file", pid_file], stdout=writer)
        os.close(writer)
        seen = facts(out.until("ready\n"))
    finally:
        out.close()
    pid = int(pid_file.read_text())
    pidfd = os.pidfd_open(pid)
    with open(f"/proc/{pid}/cgroup") as entered, open(f"/proc/{container.pid}/cgroup") as own:
        assert entered.read() == own.read()
    assert seen["ns.cgroup"] == str(first.ns("cgroup"))
    os.kill(pid, signal.SIGTERM)
    assert wait_child(pid, pidfd, 20) == 0


@needs("the time namespace (spec 1.1)")
def test_it_has_the_containers_time_namespace(runtime, bundle):
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 0}}
    container = runtime.paused(bundle)
    assert container.exec_probe("ns")["ns.time"] == str(container.ns("time"))


def test_it_is_in_the_containers_cgroups(running):
    text = running.exec_probe("cat /proc/self/cgroup")["cat./proc/self/cgroup"]
    path = running.bundle.linux["cgroupsPath"]
    for line in text.split("|"):
        _, controllers, seen = line.split(":", 2)
        if controllers or host.cgroup_mode() == "v2":
            assert seen == path, line


def test_it_counts_in_ps(runtime, running):
    reader, writer = os.pipe()
    child = runtime.popen("exec", running.id, "/bin/probe", "say", "ready", "+", "pause", stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as out:
        out.readline()
        assert len(json.loads(running.cmd("ps", "--format", "json").out)) == 2
        child.send_signal(signal.SIGTERM)
        child.wait(20)


# -- what it inherits from config.json, and the flags that change it

def test_environment_cwd_and_user_are_the_containers(runtime, bundle):
    bundle.env("A=1")
    bundle.process["cwd"] = "/var"
    bundle.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [29]}
    seen = runtime.paused(bundle).exec_probe("env", "process", "ids")
    assert seen["env.A"] == "1" and seen["cwd"] == "/var" and seen["env.HOME"] == "/home/alice"
    assert seen["uid"].split()[0] == "1000" and seen["gid"].split()[0] == "1001"
    assert "29" in seen["groups"].split()


def test_env_flag(running):
    seen = running.exec_probe("env", flags=["-e", "A=1", "-e", "TERM=changed"])
    assert seen["env.A"] == "1" and seen["env.TERM"] == "changed" and "env.PATH" in seen


@pytest.mark.parametrize("user,uid,gid", [("1000", "1000", "0"), ("1000:1001", "1000", "1001")])
def test_user_flag(running, user, uid, gid):
    seen = running.exec_probe("ids", flags=["--user", user])
    assert (seen["uid"].split()[0], seen["gid"].split()[0]) == (uid, gid)


def test_home_follows_the_user_flag(running):
    assert running.exec_probe("env", flags=["--user", "1000"])["env.HOME"] == "/home/alice"


def test_cwd_flag(running):
    assert running.exec_probe("process", flags=["--cwd", "/etc"])["cwd"] == "/etc"


def test_additional_gids_flag(running):
    seen = running.exec_probe("ids", flags=["--additional-gids", "100", "--additional-gids", "200"])
    assert {"100", "200"} <= set(seen["groups"].split())


def test_capabilities_are_the_containers(running):
    seen = running.exec_probe("caps")
    assert int(seen["bounding"], 16) == 1 << 29 | 1 << 5 | 1 << 10


def test_cap_flag_adds(running):
    seen = running.exec_probe("caps", flags=["--cap", "CAP_CHOWN"])
    assert int(seen["effective"], 16) & 1
    assert int(seen["bounding"], 16) == 1 << 29 | 1 << 5 | 1 << 10 | 1


def test_no_new_privs_flag(runtime, bundle):
    bundle.process["noNewPrivileges"] = False
    container = runtime.paused(bundle)
    assert container.exec_probe("process")["nnp"] == "0"
    assert container.exec_probe("process", flags=["--no-new-privs"])["nnp"] == "1"


def test_limits_and_oom_score_are_the_containers(runtime, bundle):
    bundle.process["oomScoreAdj"] = 321
    bundle.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 77, "hard": 88}]
    seen = runtime.paused(bundle).exec_probe("rlimit core", "cat /proc/self/oom_score_adj")
    assert seen["rlimit.core"] == "77 88"
    assert seen["cat./proc/self/oom_score_adj"] == "321"


def test_seccomp_is_the_containers(runtime, bundle):
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO",
                                             "errnoRet": 95}]}
    seen = runtime.paused(bundle).exec_probe("mkdir /tmp/x", "seccomp")
    assert (seen["mkdir./tmp/x"], seen["seccomp"]) == ("EOPNOTSUPP", "2")


def test_read_only_and_masked_paths_hold(runtime, bundle):
    bundle.config["root"]["readonly"] = True
    seen = runtime.paused(bundle).exec_probe("write /new x", "write /proc/sys/kernel/hostname x")
    assert set(seen.values()) == {"EROFS"}


def test_only_stdio_is_open(running):
    seen = running.exec_probe("fds")
    assert set(seen) == {"fd.0", "fd.1", "fd.2"}


def test_preserve_fds(runtime, running):
    reader, writer = os.pipe()
    os.write(writer, b"handed over")
    os.close(writer)
    try:
        seen = running.exec_probe("fdread 3", flags=["--preserve-fds", "1"], pass_fds=(3,),
                                  preexec_fn=lambda: os.dup2(reader, 3, inheritable=True))
    finally:
        os.close(reader)
    assert seen["fdread.3"] == "handed over"


# -- --process

@pytest.fixture
def with_process(runtime, running):
    def execute(process: dict, *flags, **more):
        path = runtime.work / "process.json"
        path.write_text(json.dumps(process))
        return runtime.cmd("exec", *flags, "--process", path, running.id, **more)

    return execute


def test_process_file(runtime, running, with_process):
    process = {"args": ["/bin/probe", "ids", "+", "env", "+", "process", "+", "rlimit", "core", "+", "caps"],
               "cwd": "/usr", "env": ["X=y"], "user": {"uid": 12, "gid": 34, "additionalGids": [56]},
               "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}],
               "capabilities": {"bounding": ["CAP_CHOWN"]}, "noNewPrivileges": True}
    seen = with_process(process).facts
    assert seen["uid"].split()[0] == "12" and seen["gid"].split()[0] == "34"
    assert "56" in seen["groups"].split()
    assert seen["env.X"] == "y" and "env.PATH" not in seen
    assert seen["cwd"] == "/usr" and seen["rlimit.core"] == "1 2" and seen["nnp"] == "1"
    assert int(seen["bounding"], 16) == 1


@needs("limits of the container for exec --process")
def test_a_process_file_without_bounds_gets_the_containers(runtime, running, with_process):
    """What the file leaves out is no privilege: capabilities and limits are those of config.json. Taken for empty,
    the process would have no capability at all; taken for absent, the runtime's."""
    process = {"args": ["/bin/probe", "caps", "+", "rlimit", "nofile"], "cwd": "/", "env": []}
    seen = with_process(process).facts
    own = running.exec_probe("caps", "rlimit nofile")
    assert seen == own
    assert int(seen["bounding"], 16) == int(seen["effective"], 16) == 1 << 29 | 1 << 5 | 1 << 10
    assert seen["rlimit.nofile"] == "1024 1024"


def test_a_process_file_is_validated(running, with_process):
    result = with_process({"args": [], "cwd": "/"}, check=False)
    assert result.rc != 0 and "args" in result.error
    assert running.state()["status"] == "running"


def test_detach_with_pid_file(runtime, running):
    pid_file = runtime.work / "exec.pid"
    reader, writer = os.pipe()
    running.exec("/bin/probe", "catch", "15", "21", "+", "say", "ready", "+", "pause",
                 flags=["--detach", "--pid-file", pid_file], stdout=writer)
    os.close(writer)
    out = Stream(reader)
    out.until("ready\n")
    pid = int(pid_file.read_text())
    assert os.stat(f"/proc/{pid}/ns/pid").st_ino == running.ns("pid")
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    assert wait_child(pid, pidfd, 20) == 21
    os.close(pidfd)
    out.close()


def test_a_terminal(runtime, running):
    socket = runtime.console_socket()
    pid_file = runtime.work / "exec.pid"
    running.exec("/bin/probe", "tty", "+", "process", flags=["--tty", "--detach", "--pid-file", pid_file,
                                                           "--console-socket", socket.path])
    terminal, _ = socket.receive()
    seen = facts(terminal.all())
    terminal.close()
    pid = int(pid_file.read_text())
    os.waitpid(pid, 0)
    assert seen["tty.0"] == seen["tty.1"] == seen["tty.2"] == "/dev/pts/0"
    assert seen["ctty"] == "ok" and seen["sid"] == seen["pid"]


def test_console_size_from_the_process_file(runtime, running, with_process):
    socket = runtime.console_socket()
    pid_file = runtime.work / "exec.pid"
    process = {"args": ["/bin/probe", "tty"], "cwd": "/", "env": [], "terminal": True,
               "user": {"uid": 0, "gid": 0},
               "consoleSize": {"height": 12, "width": 34}}
    with_process(process, "--detach", "--pid-file", pid_file, "--console-socket", socket.path)
    terminal, _ = socket.receive()
    assert facts(terminal.all())["winsize"] == "12 34"
    terminal.close()
    os.waitpid(int(pid_file.read_text()), 0)


# -- refusals and cgroups

def test_a_paused_container_is_refused(running):
    running.cmd("pause")
    try:
        result = running.exec("/bin/true", check=False)
        assert result.rc != 0 and "paused" in result.error, result
    finally:
        running.cmd("resume")
    assert running.exec("/bin/true").rc == 0


@needs("exec --ignore-paused (runc 1.1 has it, with a freezer it can wait for)")
def test_ignore_paused(runtime, running):
    running.cmd("pause")
    child = runtime.popen("exec", "--ignore-paused", running.id, "/bin/true")
    running.cmd("resume")
    assert child.wait(20) == 0


def test_a_sub_cgroup(running):
    """--cgroup puts the process below the container's cgroup."""
    host.require_controller("pids")
    directory = running.cgroup.directory("pids") / "child"
    directory.mkdir()
    flag = "pids:child" if host.cgroup_mode() == "v1" else "child"
    text = running.exec_probe("cat /proc/self/cgroup", flags=["--cgroup", flag])["cat./proc/self/cgroup"]
    lines = {tuple(line.split(":", 2)[1:]) for line in text.split("|")}
    controller = "pids" if host.cgroup_mode() == "v1" else ""
    assert (controller, running.bundle.linux["cgroupsPath"] + "/child") in lines


def test_a_sub_cgroup_that_escapes_is_refused(running):
    flag = "pids:../../.." if host.cgroup_mode() == "v1" else "../../.."
    assert running.exec("/bin/true", flags=["--cgroup", flag], check=False).rc != 0


def test_a_created_container_can_be_entered(runtime, bundle):
    container = runtime.create(bundle)
    assert container.exec("/bin/echo", "early").out == "early\n"


def test_exec_processes_end_with_the_container(runtime, running):
    child = runtime.popen("exec", running.id, "/bin/sh", "-c", "echo ready; exec sleep 1000", stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    running.stop()
    assert child.wait(20) == 137


def test_many_at_once(runtime, running):
    children = [runtime.popen("exec", running.id, "/bin/probe", "exit", str(i)) for i in range(8)]
    assert [child.wait(30) for child in children] == list(range(8))
