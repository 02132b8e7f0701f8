# SPDX-License-Identifier: Apache-2.0
"""System call filters: actions, arguments, architectures, notification."""

import errno
import os

import pytest

from support import seccomp

needs = pytest.mark.needs
pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64",
                                reason="system call numbers are those of x86_64")

MKDIR, LSEEK, SIGSYS = 83, 8, 31


def test_errno(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir", errnoRet=errno.ENOTTY)
    assert runtime.probe(bundle, "mkdir /x", "seccomp") == {"mkdir./x": "ENOTTY", "seccomp": "2"}


def test_errno_is_eperm_by_default(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir")
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "EPERM"


def test_default_errno(runtime, bundle):
    """A default action of errno with its own number, for known system calls."""
    profile = seccomp.docker_like()
    profile["syscalls"][0]["names"].remove("mkdir")
    profile["defaultErrnoRet"] = errno.EUCLEAN
    bundle.linux["seccomp"] = profile
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "EUCLEAN"


@pytest.mark.parametrize("action",
                         ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_killing_actions(runtime, bundle, action):
    bundle.linux["seccomp"] = seccomp.one(action, "mkdir")
    result = runtime.run(bundle.probe("say before", "mkdir /x", "say after"))
    assert result.out == "before\n"
    assert result.rc == 128 + SIGSYS


def test_log_lets_the_call_through(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_LOG", "mkdir")
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "ok"


def test_trace_without_a_tracer_is_enosys(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_TRACE", "mkdir")
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "ENOSYS"


def test_no_filter_without_a_profile(runtime, bundle):
    assert runtime.probe(bundle, "seccomp")["seccomp"] == "0"


COMPARISONS = [
    ("SCMP_CMP_EQ", 7, 0, {6: False, 7: True, 8: False}),
    ("SCMP_CMP_NE", 7, 0, {6: True, 7: False}),
    ("SCMP_CMP_LT", 7, 0, {6: True, 7: False}),
    ("SCMP_CMP_LE", 7, 0, {7: True, 8: False}),
    ("SCMP_CMP_GT", 7, 0, {7: False, 8: True}),
    ("SCMP_CMP_GE", 7, 0, {6: False, 7: True}),
    ("SCMP_CMP_MASKED_EQ", 0xF0, 0x30, {0x35: True, 0x45: False}),
    ("SCMP_CMP_EQ", 0x100000007, 0, {7: False, 0x100000007: True}),
    ("SCMP_CMP_GT", 0x100000007, 0, {8: False, 0x100000008: True}),
]


@pytest.mark.parametrize("op,value,two,expected", COMPARISONS,
                         ids=[f"{c[0][9:]}-{c[1]:x}" for c in COMPARISONS])
def test_comparisons_of_an_argument(runtime, bundle, op, value, two, expected):
    condition = {"index": 1, "value": value, "valueTwo": two, "op": op}
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "lseek", args=[condition], errnoRet=errno.ENOTTY)
    for number, hit in expected.items():
        seen = runtime.probe(bundle, f"syscall {LSEEK} -1 {number} 0")[f"syscall.{LSEEK}"]
        assert seen == ("ENOTTY" if hit else "EBADF"), number


def test_conditions_on_two_arguments_must_both_hold(runtime, bundle):
    conditions = [{"index": 1, "value": 5, "op": "SCMP_CMP_EQ"},
                  {"index": 2, "value": 1, "op": "SCMP_CMP_EQ"}]
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "lseek", args=conditions, errnoRet=errno.ENOTTY)
    for args, expected in (("5 1", "ENOTTY"), ("5 0", "EBADF"), ("4 1", "EBADF")):
        assert runtime.probe(bundle, f"syscall {LSEEK} -1 {args}")[f"syscall.{LSEEK}"] == expected


def test_conditions_on_the_same_argument_are_alternatives(runtime, bundle):
    conditions = [{"index": 1, "value": value, "op": "SCMP_CMP_EQ"} for value in (5, 6)]
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "lseek", args=conditions, errnoRet=errno.ENOTTY)
    for value, expected in ((5, "ENOTTY"), (6, "ENOTTY"), (7, "EBADF")):
        assert runtime.probe(bundle, f"syscall {LSEEK} -1 {value} 0")[f"syscall.{LSEEK}"] == expected


def test_names_this_machine_does_not_know_are_ignored(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "no_such_call", "breakpoint", "mkdir")
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "EPERM"


def test_a_profile_like_dockers(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.docker_like()
    seen = runtime.probe(bundle, "mkdir /x", "unshare_user", "syscall 41 40 1 0", "syscall 435 0 0",
                         "syscall 135 0",
                         "syscall 165 0 0 0 0", "fork 2")
    assert seen == {"mkdir./x": "ok", "unshare_user": "EPERM", "syscall.41": "EPERM", "syscall.435": "ENOSYS",
                    "syscall.135": "0", "syscall.165": "EPERM", "forked": "2 ok"}


def test_clone_with_namespaces_is_refused(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.docker_like()
    assert runtime.probe(bundle, f"syscall 56 {0x10000000 | 17} 0 0 0 0")["syscall.56"] == "EPERM"


def test_calls_newer_than_the_profile_are_enosys(runtime, bundle):
    """So that programs fall back to older calls, instead of taking EPERM for an answer."""
    bundle.linux["seccomp"] = seccomp.docker_like()
    assert runtime.probe(bundle, "syscall 600")["syscall.600"] == "ENOSYS"


def test_every_arch_of_the_profile(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir")
    bundle.linux["seccomp"]["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
                                                "SCMP_ARCH_AARCH64"]
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "EPERM"


@needs("seccomp flags")
@pytest.mark.parametrize("flags", [["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                                   ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                                   ["SECCOMP_FILTER_FLAG_TSYNC"]])
def test_flags(runtime, bundle, flags):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir") | {"flags": flags}
    assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == "EPERM"


# What the probe calls to say a word, and execve: no close_range, sendmsg, prlimit64, prctl, capset, read, …
BARE = """
execve arch_prctl brk exit exit_group fstat getrandom mmap mprotect munmap newfstatat readlink readlinkat rseq
set_robust_list set_tid_address
""".split()


def bare(*more: str, action="SCMP_ACT_ERRNO") -> dict:
    return {"defaultAction": action, "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": [*BARE, *more], "action": "SCMP_ACT_ALLOW"}]}


@needs("nothing but execve after the filter")
@pytest.mark.parametrize("way", ["run", "create", "exec"])
@pytest.mark.parametrize("action", ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"])
def test_a_filter_allows_only_what_the_program_needs(runtime, bundle, action, way):
    """With noNewPrivileges nothing of the runtime's own comes after the filter but execve: a call of it that the list
    lacks (close_range, rt_sigaction, …) would fail the start, or with the second action kill the process."""
    needed = ["write"] + (["prlimit64"] if action == "SCMP_ACT_KILL_PROCESS" else [])
    bundle.linux["seccomp"] = bare(*needed, action=action)
    if way == "run":
        result = runtime.run(bundle.probe("say hello"))
        assert (result.rc, result.out) == (0, "hello\n"), result
    elif way == "create":
        container = runtime.launch(bundle.probe("say hello"))
        assert container.wait() == 0
        assert container.out.all() == "hello\n"
    else:
        container = runtime.create(bundle)  # a waiting process has no filter yet
        assert container.exec("/bin/probe", "say", "hello").out == "hello\n"


@pytest.mark.noasan  # the sanitizer makes calls of its own when the process ends
@needs("nothing but execve after the filter")
@pytest.mark.parametrize("way", ["run", "create", "exec"])
@pytest.mark.parametrize("can_write", [False, True], ids=["mute", "write"])
@pytest.mark.parametrize("script,code", [("#!/no/such/interpreter\n", 127), ("no format that is known\n", 126)])
def test_a_failing_execve_under_such_a_filter(runtime, bundle, script, code, can_write, way):
    """The filter forbids sendmsg, with which the failure is reported: write(2) or the exit code say it then. Without
    that the end of the socket would be taken for success, and the code for the program's own."""
    (bundle.rootfs / "bin/broken").write_text(script)
    (bundle.rootfs / "bin/broken").chmod(0o755)
    bundle.linux["seccomp"] = bare(*(["write"] if can_write else []))
    bundle.args("/bin/broken")
    if way == "create":
        container = runtime.create(bundle)
        result = container.cmd("start", check=False)
        ended = container.wait()
        assert ended in (code, 137) if can_write else ended == code  # 137: `start` ends what has reported a failure
        assert container.state()["status"] == "stopped"
        assert (result.rc != 0) == can_write, result
    else:
        result = runtime.run(bundle) if way == "run" else runtime.create(bundle.args("/bin/true")).exec(
            "/bin/broken", check=False)
        assert result.rc == code, result
    if can_write:
        assert "/bin/broken" in result.error, result


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_filter_with_and_without_no_new_privileges(runtime, bundle, no_new_privileges):
    """Without it the filter is loaded while CAP_SYS_ADMIN is still there."""
    bundle.process["noNewPrivileges"] = no_new_privileges
    bundle.linux["seccomp"] = seccomp.docker_like()
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    seen = runtime.probe(bundle, "seccomp", "process", "unshare_user")
    assert (seen["seccomp"], seen["nnp"], seen["unshare_user"]) == ("2", str(int(no_new_privileges)), "EPERM")


def test_the_same_profile_twice(runtime):
    """The second container may get the compiled filter from a cache: it behaves the same."""
    for errno_value, name in ((errno.ENOTTY, "ENOTTY"), (errno.ENOTTY, "ENOTTY"), (errno.EUCLEAN, "EUCLEAN")):
        bundle = runtime.bundle()
        bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir", errnoRet=errno_value)
        assert runtime.probe(bundle, "mkdir /x")["mkdir./x"] == name


@pytest.mark.parametrize("change", [
    {"defaultAction": "SCMP_ACT_NONSENSE"},
    {"architectures": ["SCMP_ARCH_NONSENSE"]},
    {"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NONSENSE"}]},
    {"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
                   "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_NONSENSE"}]}]},
], ids=["default", "architecture", "action", "op"])
def test_unknown_words_are_refused(runtime, bundle, change):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir") | change
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "NONSENSE" in result.error, result
    runtime.assert_clean()


# -- notify

@pytest.fixture
def agent(runtime):
    made = seccomp.Agent(runtime.work / "agent")
    yield made
    made.close()


@pytest.fixture
def notifying(bundle, agent):
    profile = seccomp.one("SCMP_ACT_NOTIFY", "mkdir")
    bundle.linux["seccomp"] = profile | {"listenerPath": str(agent.path), "listenerMetadata": "some words"}
    return bundle


def test_notify_answers_for_the_kernel(runtime, notifying, agent):
    container = runtime.launch(notifying.probe("mkdir /first", "mkdir /second", "mkdir /third"))
    agent.receive()
    answers = ({"error": errno.EUCLEAN}, {"value": 0}, {"go_on": True})
    for answer in answers:
        request = agent.next()
        assert request["number"] == MKDIR and request["pid"] == container.pid
        agent.answer(request, **answer)
    seen = container.out.all()
    assert seen.split() == ["mkdir./first=EUCLEAN", "mkdir./second=ok", "mkdir./third=ok"]
    assert [(notifying.rootfs / name).exists() for name in ("first", "second", "third")] == [False, False,
                                                                                             True]
    container.wait()


def test_notify_sends_the_container_process_state(runtime, notifying, agent):
    container = runtime.launch(notifying.probe("mkdir /x"))
    state = agent.receive()
    agent.answer(agent.next())
    container.wait()
    assert state["fds"] == ["seccompFd"]
    assert state["metadata"] == "some words"
    assert state["pid"] == container.pid
    assert state["state"]["id"] == container.id
    assert state["state"]["bundle"] == str(notifying.path)
    assert state["ociVersion"]


def test_notify_for_exec(runtime, notifying, agent):
    container = runtime.paused(notifying)
    agent.receive()
    child = runtime.popen("exec", container.id, "/bin/probe", "mkdir", "/x")
    first = agent.fd
    agent.receive()
    os.close(first)
    agent.answer(agent.next(), error=errno.EUCLEAN)
    assert child.wait(20) == 0


def test_notify_without_a_listener_fails(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_NOTIFY",
                                          "mkdir") | {"listenerPath": str(runtime.work / "nobody")}
    result = runtime.run(bundle)
    assert result.rc != 0 and "nobody" in result.error, result
    runtime.assert_clean()


def test_notify_without_a_path_is_refused(runtime, bundle):
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_NOTIFY", "mkdir")
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "listenerPath" in result.error, result
    runtime.assert_clean()
