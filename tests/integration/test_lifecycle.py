# SPDX-License-Identifier: Apache-2.0
"""create, start, run, state, kill, delete, list, ps: the life of a container."""

import json
import os
import random
import signal
import socket
import stat
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from support.oci import CommandFailed, facts

needs = pytest.mark.needs


def test_create_does_not_run_the_process_until_start(runtime, bundle):
    container = runtime.create(bundle.shell("echo started"))
    assert container.state()["status"] == "created"
    container.start()
    assert container.wait() == 0
    assert container.out.all() == "started\n"


def test_state_of_each_phase(runtime, bundle):
    container = runtime.create(bundle.pause())
    assert container.state()["status"] == "created"
    container.start().ready()
    assert container.state()["status"] == "running"
    container.stop()
    assert container.state()["status"] == "stopped"


def test_state_has_the_fields_of_the_specification(runtime, bundle):
    bundle.config["annotations"] = {"org.example.key": "value", "com.example/empty": ""}
    container = runtime.paused(bundle)
    state = container.state()
    assert state["ociVersion"].startswith("1.")
    assert state["id"] == container.id
    assert state["pid"] == container.pid
    assert state["bundle"] == str(bundle.path)
    assert state["annotations"] == bundle.config["annotations"]


def test_state_has_what_runc_adds(runtime, bundle):
    state = runtime.paused(bundle).state()
    assert state["rootfs"] == str(bundle.rootfs)
    assert datetime.fromisoformat(state["created"].replace("Z", "+00:00")[:19]).year >= 2024
    assert "owner" in state


def test_state_of_a_stopped_container_has_no_pid(runtime, bundle):
    container = runtime.paused(bundle)
    container.stop()
    assert container.state().get("pid", 0) == 0


def test_a_relative_bundle_is_reported_absolute(runtime, bundle):
    bundle.pause().write()
    ident = runtime.new_id()
    runtime.cmd("create", "--bundle", bundle.path.name, ident, cwd=runtime.work)
    assert json.loads(runtime.cmd("state", ident).out)["bundle"] == str(bundle.path)


def test_the_bundle_is_the_working_directory_by_default(runtime, bundle):
    bundle.args("/bin/echo", "here").write()
    result = runtime.cmd("run", runtime.new_id(), cwd=bundle.path)
    assert result.out == "here\n"


@pytest.mark.parametrize("code", [0, 1, 42, 125, 255])
def test_run_returns_the_exit_code(runtime, bundle, code):
    assert runtime.run(bundle.probe(f"exit {code}")).rc == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_run_returns_128_and_the_signal(runtime, bundle, number):
    script = f"(kill -{int(number)} $$) & wait"
    bundle.drop_namespace("pid")  # the first process of a pid namespace is immune to its own signals
    assert runtime.run(bundle.shell(f"kill -{int(number)} $$; {script}")).rc == 128 + number


def test_run_removes_the_container(runtime, bundle):
    runtime.run(bundle)
    assert runtime.ids() == []
    runtime.assert_clean()


@needs("run --keep")
def test_run_keep_leaves_it_stopped(runtime, bundle):
    ident = runtime.new_id()
    runtime.run(bundle, "--keep", ident=ident, check=True)
    assert json.loads(runtime.cmd("state", ident).out)["status"] == "stopped"
    runtime.cmd("delete", ident)
    runtime.assert_clean()


def test_run_passes_stdin_and_both_outputs(runtime, bundle):
    result = runtime.run(bundle.shell("cat; echo problem >&2"), input="some text\n")
    assert (result.out, result.err) == ("some text\n", "problem\n")


def test_run_forwards_signals(runtime, bundle):
    bundle.probe("catch 15 7", "say ready", "pause").write()
    reader, writer = os.pipe()
    child = runtime.popen("run", "--bundle", bundle.path, runtime.new_id(), stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as out:
        assert out.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 7


def test_detach_returns_while_the_process_runs(runtime, bundle):
    container = runtime.paused(bundle)
    assert container.state()["status"] == "running"
    container.kill("TERM")
    assert container.wait() == 0


def test_pid_file_names_the_first_process(runtime, bundle):
    container = runtime.paused(bundle)
    line = next(x for x in Path(f"/proc/{container.pid}/status").read_text().splitlines()
                if x.startswith("NSpid:"))
    assert line.split()[-1] == "1"


def test_pid_file_holds_only_the_number(runtime, bundle):
    container = runtime.create(bundle)
    assert (runtime.work / f"{container.id}.pid").read_text() == str(container.pid)


@pytest.mark.parametrize("name", ["TERM", "SIGTERM", "15", "term"])
def test_kill_knows_signals_by_name_and_number(runtime, bundle, name):
    container = runtime.paused(bundle)
    container.kill(name)
    assert container.wait() == 0


def test_kill_sends_term_by_default(runtime, bundle):
    container = runtime.paused(bundle)
    runtime.cmd("kill", container.id)
    assert container.wait() == 0


def test_kill_sends_realtime_signals(runtime, bundle):
    container = runtime.run_detached(bundle.probe("catch 40 9", "say ready", "pause")).ready()
    container.kill(40)
    assert container.wait() == 9


def test_kill_of_a_created_container(runtime, bundle):
    container = runtime.create(bundle)
    container.kill("KILL")
    container.wait()
    assert container.state()["status"] == "stopped"
    container.delete()
    runtime.assert_clean()


def test_kill_all_reaches_every_process(runtime, bundle):
    bundle.drop_namespace("pid")
    container = runtime.run_detached(bundle.shell("sleep 1000 & echo ready; exec sleep 1000")).ready()
    assert len(json.loads(container.cmd("ps", "--format", "json").out)) == 2
    container.kill("KILL", "--all")
    container.wait()
    container.out.all()  # the end of the pipe: the other process is gone too
    container.delete()
    runtime.assert_clean()


def test_delete_refuses_a_running_container(runtime, bundle):
    container = runtime.paused(bundle)
    result = container.delete(check=False)
    assert result.rc != 0
    assert "is not stopped" in result.error or "running" in result.error, result
    assert container.state()["status"] == "running"


def test_delete_takes_a_created_container(runtime, bundle):
    container = runtime.create(bundle)
    container.delete()
    container.wait()
    runtime.assert_clean()


def test_delete_removes_state_and_cgroups(runtime, bundle):
    container = runtime.paused(bundle)
    container.stop()
    container.delete()
    runtime.assert_clean()
    assert runtime.cmd("state", container.id, check=False).rc != 0


@pytest.mark.parametrize("phase", ["created", "running", "stopped"])
def test_force_delete_in_any_phase(runtime, bundle, phase):
    container = runtime.create(bundle.pause())
    if phase != "created":
        container.start().ready()
    if phase == "stopped":
        container.stop()
    container.delete("--force")
    container.wait()
    runtime.assert_clean()


def test_force_delete_of_nothing_succeeds(runtime):
    assert runtime.cmd("delete", "--force", "no-such-container").rc == 0


def test_force_delete_ends_processes_of_a_shared_pid_namespace(runtime, bundle):
    bundle.drop_namespace("pid")
    container = runtime.run_detached(bundle.shell("sleep 1000 & echo ready; exec sleep 1000")).ready()
    container.delete("--force")
    container.out.all()
    container.wait()
    runtime.assert_clean()


def test_list_shows_all_containers_of_the_root(runtime):
    running, created = runtime.paused(), runtime.create(runtime.bundle())
    listed = {entry["id"]: entry for entry in json.loads(runtime.cmd("list", "--format", "json").out)}
    assert set(listed) == {running.id, created.id}
    assert (listed[running.id]["status"], listed[created.id]["status"]) == ("running", "created")
    assert listed[running.id]["pid"] == running.pid
    assert listed[running.id]["bundle"] == str(running.bundle.path)


def test_list_as_a_table_and_quiet(runtime, bundle):
    container = runtime.paused(bundle)
    head, row = runtime.cmd("list").out.splitlines()
    assert head.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert row.split()[:4] == [container.id, str(container.pid), "running", str(bundle.path)]
    assert runtime.cmd("list", "-q").out == container.id + "\n"


def test_list_of_an_empty_root(runtime):
    assert runtime.cmd("list", "-q").out == ""
    assert json.loads(runtime.cmd("list", "--format", "json").out or "null") in (None, [])


def test_ps_lists_host_pids(runtime, bundle):
    container = runtime.paused(bundle)
    assert json.loads(container.cmd("ps", "--format", "json").out) == [container.pid]


def test_ps_as_a_table(runtime, bundle):
    container = runtime.paused(bundle)
    lines = runtime.cmd("ps", container.id).out.splitlines()
    assert "PID" in lines[0] and "CMD" in lines[0]
    assert len(lines) == 2 and str(container.pid) in lines[1].split()


def test_ps_passes_options_on(runtime, bundle):
    container = runtime.paused(bundle)
    lines = runtime.cmd("ps", container.id, "-o", "pid,comm").out.splitlines()
    assert lines[0].split() == ["PID", "COMMAND"]
    assert lines[1].split() == [str(container.pid), "probe"]


def test_two_roots_do_not_see_each_other(runtime, bundle):
    runtime.paused(bundle)
    other = runtime.work / "other"
    listed = runtime.call([str(runtime.binary), "--root", str(other), "list", "-q"])
    assert listed.out == ""


def test_an_id_can_be_used_again_after_delete(runtime, bundle):
    ident = runtime.new_id()
    for _ in range(2):
        assert runtime.run(bundle, ident=ident).rc == 0


def test_many_containers_at_once(runtime):
    """Each start has its own pipes: none waits for, or inherits from, another one's."""
    bundles = [runtime.bundle() for _ in range(6)]
    children = []
    for i, bundle in enumerate(bundles):
        bundle.probe(f"exit {i + 10}").write()
        children.append(runtime.popen("run", "--bundle", bundle.path, runtime.new_id()))
    assert [child.wait(30) for child in children] == [10, 11, 12, 13, 14, 15]
    runtime.assert_clean()


def test_the_state_directory_is_private(runtime, bundle):
    container = runtime.create(bundle)
    mode = stat.S_IMODE((runtime.root / container.id).stat().st_mode)
    assert mode & 0o066 == 0, oct(mode)


def test_config_changes_after_create_have_no_effect(runtime, bundle):
    container = runtime.create(bundle.args("/bin/echo", "first"))
    bundle.args("/bin/echo", "second").write()
    container.start()
    assert container.out.all() == "first\n"
    container.wait()


def test_start_survives_a_removed_bundle_config(runtime, bundle):
    container = runtime.create(bundle.args("/bin/echo", "still here"))
    (bundle.path / "config.json").unlink()
    container.start()
    assert container.out.all() == "still here\n"
    container.wait()
    container.delete()


def test_an_init_that_died_by_itself_is_stopped(runtime, bundle):
    container = runtime.create(bundle)
    os.kill(container.pid, signal.SIGKILL)
    container.wait()
    assert container.state()["status"] == "stopped"
    with pytest.raises(CommandFailed):
        container.start()
    container.delete()
    runtime.assert_clean()


@needs("a state directory that is older than the cgroups")
def test_a_runtime_killed_during_create_leaves_what_delete_can_remove(runtime, bundle):
    """SIGKILL at any moment of create: afterwards `delete --force` brings everything back to nothing."""
    entered, release = runtime.fifo("entered"), runtime.fifo("release")
    bundle.hook("createRuntime", "/bin/sh", ["sh", "-c", f"echo > {entered.path}; read x < {release.path}"])
    bundle.write()
    ident = runtime.new_id()
    child = runtime.popen("create", "--bundle", bundle.path, ident)
    entered.line()
    child.kill()
    child.wait()
    release.send()
    runtime.cmd("delete", "--force", ident, check=False)
    runtime.assert_clean()


@needs("start.sock")
def test_a_start_that_was_killed_does_not_make_it_created_again(runtime, bundle):
    """SIGKILL of `start` after it let the process go leaves its socket's file, on which nobody listens. Were the file
    taken for "created", plain `delete` would kill a running container."""
    container = runtime.create(bundle.pause())
    container.start().ready()
    stale = runtime.root / container.id / "start.sock"
    assert not stale.exists()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(stale))
    assert stale.is_socket()
    assert container.state()["status"] == "running"
    assert container.delete(check=False).rc != 0
    assert container.cmd("start", check=False).rc != 0
    assert container.exec("/bin/true").rc == 0
    container.stop()
    assert container.state()["status"] == "stopped"
    container.delete()
    runtime.assert_clean()


def test_term_ends_a_created_container(runtime, bundle):
    """The first process of a pid namespace gets no signal that it has no handler for: one that waits for `start` has
    handlers, or podman stop would have to wait for its SIGKILL."""
    container = runtime.create(bundle)
    container.kill("TERM")
    assert container.wait() == (2 if runtime.foreign else 143)
    assert container.state()["status"] == "stopped"
    container.delete()
    runtime.assert_clean()


@needs("handlers while it waits")
@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM"])
def test_handlers_of_the_wait_are_gone_in_the_program(runtime, bundle, name):
    container = runtime.create(bundle.probe("process"))
    container.start()
    container.wait()
    seen = facts(container.out.all())
    assert seen["sigignored"].strip() == seen["sigblocked"].strip() == ""
    other = runtime.create(runtime.bundle())
    other.kill(name)
    assert other.wait() == 128 + signal.Signals[f"SIG{name}"]


@needs("KILL for all where the pid namespace is joined")
def test_kill_ends_all_processes_in_another_containers_pid_namespace(runtime, bundle):
    """The death of the first process doesn't end the others where the pid namespace is joined: SIGKILL goes to the
    cgroup, that is to this container's processes and to none of the other's."""
    owner = runtime.paused(bundle)
    guest_bundle = runtime.bundle().namespace("pid", f"/proc/{owner.pid}/ns/pid")
    guest = runtime.run_detached(guest_bundle.shell("sleep 1000 & echo ready; exec sleep 1000")).ready()
    guest.kill("KILL")
    guest.wait()
    guest.out.all()  # the end of the pipe: the other process is gone too
    assert owner.state()["status"] == "running"
    assert owner.exec("/bin/true").rc == 0
    guest.delete()
    owner.stop()
    owner.delete()
    runtime.assert_clean()


@needs("a runtime that expects nothing of its caller")
@pytest.mark.parametrize("way", ["run", "exec"])
def test_a_caller_that_ignores_its_children(runtime, bundle, way):
    """An ignored SIGCHLD is inherited: children can't be waited for then, and the exit code would be lost."""
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    bundle.hook("createRuntime", "/bin/true")
    if way == "run":
        assert runtime.run(bundle.probe("exit 42"), preexec_fn=ignore).rc == 42
    else:
        container = runtime.paused(bundle)
        assert container.exec("/bin/probe", "exit", "42", check=False, preexec_fn=ignore).rc == 42
        container.delete("--force")
        container.wait()
    runtime.assert_clean()


@needs("a runtime that expects nothing of its caller")
@pytest.mark.parametrize("closed", [(0,), (1, 2), (0, 1, 2)], ids=str)
def test_a_caller_that_closed_its_stdio(runtime, bundle, closed):
    """Descriptors of the runtime's own must not take the places of stdio, where the container would get them."""
    def close():
        for fd in closed:
            os.close(fd)

    bundle.shell("probe fds > /fds; exit 42")
    assert runtime.run(bundle, preexec_fn=close).rc == 42
    seen = facts((bundle.rootfs / "fds").read_text())
    assert set(seen) == {"fd.0", "fd.1", "fd.2"}
    assert all(seen[f"fd.{fd}"].endswith("/dev/null") for fd in closed if fd != 1), seen
    container = runtime.paused(runtime.bundle())
    assert container.exec("/bin/probe", "exit", "43", check=False, preexec_fn=close).rc == 43


@needs("a state directory that is older than the cgroups")
@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"])
def test_a_runtime_killed_during_a_hook_leaves_what_delete_can_remove(runtime, bundle, kind, verb):
    """As above, for each moment at which the runtime waits for something outside of it."""
    if verb == "create" and kind in ("startContainer", "poststart"):
        pytest.skip("create runs no such hooks")
    entered, release = runtime.fifo("entered"), runtime.fifo("release")
    for path in (entered.path, release.path):
        bundle.mount(str(path), source=path)
    bundle.hook(kind, "/bin/sh", ["sh", "-c", f"echo > {entered.path}; read x < {release.path}"])
    bundle.pause().write()
    ident = runtime.new_id()
    child = runtime.popen(verb, "--bundle", bundle.path, ident, stdout=subprocess.DEVNULL)
    entered.line()
    child.kill()
    child.wait()
    release.send()
    runtime.leftovers()  # reaps the hook, whose parent we became: its pid namespace could not end before
    runtime.cmd("delete", "--force", ident)
    runtime.assert_clean()


@needs("a state directory that is older than the cgroups")
@pytest.mark.parametrize("user_namespace", [False, True], ids=["plain", "user-namespace"])
def test_a_runtime_killed_at_any_moment_leaves_what_delete_can_remove(runtime, bundle, user_namespace):
    """Nothing says when the moments come, so they are spread over the time that a create takes: no order of state,
    cgroup and process may leave one of them unrecorded."""
    if user_namespace:
        bundle.user_namespace()
    bundle.mount("/mnt", kind="tmpfs", options=["size=64k"]).write()

    def create(delay=None) -> None:
        ident = runtime.new_id()
        child = runtime.popen("create", "--bundle", bundle.path, ident, stdout=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL)
        try:
            child.wait(delay)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        runtime.cmd("delete", "--force", ident)
        runtime.assert_clean()

    before = time.monotonic()
    create()
    whole = time.monotonic() - before
    for number in range(25):
        create(whole * (number + random.random()) / 25)
