# SPDX-License-Identifier: Apache-2.0
"""The six kinds of hooks: when, where, with what, and what their failure does."""

import json
import os

import pytest

from support import seccomp

needs = pytest.mark.needs

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
BEFORE_START = ["prestart", "createRuntime", "createContainer"]


@pytest.fixture
def notes(runtime, bundle):
    """A directory that host and container see under the same path, for hooks to write into."""
    path = runtime.work / "notes"
    path.mkdir()
    bundle.mount(str(path), source=path)
    return path


def note(bundle, notes, kind, script, **more):
    """A hook that runs a script in `notes`; /bin/sh exists on both sides."""
    bundle.hook(kind, "/bin/sh", ["sh", "-c", f"cd {notes} && {script}"], env=["PATH=/bin:/usr/bin"], **more)


def test_the_order(runtime, bundle, notes):
    kinds = [kind for kind in KINDS if kind != "poststart"]
    for kind in kinds:
        note(bundle, notes, kind, f"echo {kind}-1 >> order")
        note(bundle, notes, kind, f"echo {kind}-2 >> order")
    bundle.shell(f"echo process >> {notes}/order")
    container = runtime.create(bundle)
    before = [f"{kind}-{i}" for kind in BEFORE_START for i in (1, 2)]
    assert (notes / "order").read_text().split() == before
    container.start()
    container.wait()
    container.delete()
    assert (notes / "order").read_text().split() == \
        before + ["startContainer-1", "startContainer-2", "process", "poststop-1", "poststop-2"]


@needs("poststart hooks after start, not after create")
def test_poststart_runs_after_start(runtime, bundle, notes):
    note(bundle, notes, "startContainer", "echo startContainer >> order")
    note(bundle, notes, "poststart", "echo poststart-1 >> order")
    note(bundle, notes, "poststart", "echo poststart-2 >> order")
    container = runtime.create(bundle.pause())
    assert not (notes / "order").exists()
    container.start()
    assert (notes / "order").read_text().split() == ["startContainer", "poststart-1", "poststart-2"]


@pytest.mark.parametrize("kind,statuses", [
    ("prestart", {"creating", "created"}), ("createRuntime", {"creating", "created"}),
    ("createContainer", {"creating", "created"}), ("startContainer", {"created"}),
    pytest.param("poststart", {"running"}, marks=needs("poststart hooks after start")),
    ("poststop", {"stopped"})])
def test_the_state_comes_on_stdin(runtime, bundle, notes, kind, statuses):
    bundle.config["annotations"] = {"a.b": "c"}
    note(bundle, notes, kind, "cat > state")
    container = runtime.paused(bundle)
    container.stop()
    container.delete()
    state = json.loads((notes / "state").read_text())
    assert state["id"] == container.id
    assert state["status"] in statuses
    assert state["bundle"] == str(bundle.path)
    assert state["annotations"]["a.b"] == "c"
    assert state["ociVersion"].startswith("1.")
    if kind == "poststop":
        assert state.get("pid", 0) == 0
    elif kind in ("prestart", "createRuntime", "poststart"):
        assert state["pid"] == container.pid


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_does_not_read_its_stdin(runtime, bundle, notes, kind):
    bundle.config["annotations"] = {"long": "x" * 200000}  # more than a pipe holds
    note(bundle, notes, kind, "exec 0<&-; echo done > done")
    assert runtime.run(bundle).rc == 0
    assert (notes / "done").read_text() == "done\n"


@pytest.mark.parametrize("kind,inside",
                         [("prestart", False), ("createRuntime", False), ("createContainer", True),
                                         ("startContainer", True), ("poststart", False), ("poststop", False)])
def test_the_namespaces_it_runs_in(runtime, bundle, notes, kind, inside):
    note(bundle, notes, kind, "for x in mnt net uts; do readlink /proc/self/ns/$x; done > ns")
    container = runtime.paused(bundle)
    namespaces = [os.readlink(f"/proc/{container.pid}/ns/{name}") for name in ("mnt", "net", "uts")]
    own = [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "uts")]
    container.stop()
    container.delete()
    assert (notes / "ns").read_text().split() == (namespaces if inside else own)


def test_a_start_container_hook_is_looked_up_in_the_container(runtime, bundle, notes):
    bundle.hook("startContainer", "/bin/probe", ["probe", "write", f"{notes}/seen", "from inside"])
    assert runtime.run(bundle).rc == 0
    assert (notes / "seen").read_text() == "from inside"


def test_a_create_container_hook_is_looked_up_on_the_host(runtime, bundle, notes):
    script = runtime.work / "only-on-the-host"
    script.write_text(f"#!/bin/sh\necho here > {notes}/seen\n")
    script.chmod(0o755)
    bundle.hook("createContainer", script)
    assert runtime.run(bundle).rc == 0
    assert (notes / "seen").read_text() == "here\n"


def test_a_create_container_hook_sees_the_mounts_before_the_pivot(runtime, bundle, notes):
    bundle.mount("/mnt", kind="tmpfs", options=["size=64k"])
    note(bundle, notes, "createContainer", "cat /proc/self/mountinfo > mounts")
    runtime.run(bundle, check=True)
    assert f"{bundle.rootfs}/mnt" in (notes / "mounts").read_text()


def test_a_create_runtime_hook_can_prepare_the_network(runtime, bundle, notes):
    """What podman's and Docker's network hooks do: enter the network namespace by the pid in the state."""
    note(bundle, notes, "createRuntime",
         "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/') && nsenter -t $pid -n ip link add made type dummy")
    import shutil

    if not shutil.which("nsenter") or not shutil.which("ip"):
        pytest.skip("nsenter and ip are not installed")
    bundle.config["hooks"]["createRuntime"][0]["env"] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    result = runtime.run(bundle.probe("ifaces"))
    if result.rc != 0 and ("not supported" in result.error or "Unknown device type" in result.error):
        pytest.skip("this kernel has no dummy devices")
    assert "iface.made" in result.facts, result


def test_args_and_environment_are_exactly_the_given(runtime, bundle, notes):
    script = runtime.work / "hook"
    script.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "[$word]"; done > {notes}/args\n'
                      f"tr '\\0' '\\n' < /proc/self/environ > {notes}/env\n")
    script.chmod(0o755)
    bundle.hook("createRuntime", script, ["zero", "a b", "", "c"], env=["A=1", "PATH=/usr/bin:/bin"])
    runtime.run(bundle, check=True)
    assert (notes / "args").read_text() == "[a b]\n[]\n[c]\n"
    assert {"A=1", "PATH=/usr/bin:/bin"} <= set((notes / "env").read_text().split())
    assert "HOME" not in (notes / "env").read_text()


@pytest.mark.parametrize("kind", BEFORE_START)
def test_a_failure_before_start_removes_the_container(runtime, bundle, notes, kind):
    note(bundle, notes, kind, "echo some words >&2; exit 3")
    note(bundle, notes, kind, "touch second")
    result = runtime.try_create(bundle)
    assert result.rc != 0
    assert "hook" in result.error and "exit status 3" in result.error, result
    assert not (notes / "second").exists()
    runtime.assert_clean()


@pytest.mark.parametrize("kind", BEFORE_START)
def test_the_failing_hooks_words_are_in_the_error(runtime, bundle, notes, kind):
    note(bundle, notes, kind, "echo the reason why >&2; exit 1")
    assert "the reason why" in runtime.try_create(bundle).error


@needs("a start that waits for the exec")
def test_a_failing_start_container_hook(runtime, bundle, notes):
    note(bundle, notes, "startContainer", "exit 4")
    container = runtime.create(bundle.shell(f"touch {notes}/ran"))
    result = container.cmd("start", check=False)
    assert result.rc != 0 and "exit status 4" in result.error, result
    container.wait()
    assert not (notes / "ran").exists()
    assert container.state()["status"] == "stopped"
    container.delete()
    runtime.assert_clean()


@needs("poststart hooks after start")
def test_a_failing_poststart_hook_is_reported(runtime, bundle, notes):
    note(bundle, notes, "poststart", "exit 5")
    container = runtime.create(bundle.pause())
    result = container.cmd("start", check=False)
    assert "exit status 5" in result.error, result


def test_a_failing_poststop_hook_does_not_stop_the_delete(runtime, bundle, notes):
    note(bundle, notes, "poststop", "exit 6")
    note(bundle, notes, "poststop", "touch second")
    container = runtime.launch(bundle)
    container.wait()
    container.delete(check=False)
    assert (notes / "second").exists() or runtime.foreign
    runtime.assert_clean()


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_a_hook_that_takes_too_long_is_killed(runtime, bundle, notes, kind):
    note(bundle, notes, kind, "read pid rest < /proc/self/stat; echo $pid > pid; exec sleep 1000", timeout=1)
    result = runtime.try_create(bundle)
    assert result.rc != 0 and ("timeout" in result.error or "timed out" in result.error
                               or "ran past" in result.error)
    assert not os.path.exists(f"/proc/{(notes / 'pid').read_text().strip()}")
    runtime.assert_clean()


def test_a_timeout_that_is_kept(runtime, bundle, notes):
    note(bundle, notes, "createRuntime", "true", timeout=10)
    assert runtime.run(bundle).rc == 0


def test_a_hook_killed_by_a_signal(runtime, bundle, notes):
    note(bundle, notes, "createRuntime", "kill -9 $$")
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "killed" in result.error, result
    runtime.assert_clean()


def test_a_hook_that_does_not_exist(runtime, bundle):
    bundle.hook("createRuntime", "/no/such/hook")
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "/no/such/hook" in result.error
    runtime.assert_clean()


def test_poststop_runs_after_a_force_delete(runtime, bundle, notes):
    note(bundle, notes, "poststop", "touch stopped")
    runtime.paused(bundle).delete("--force")
    assert (notes / "stopped").exists()


def test_poststop_runs_after_run(runtime, bundle, notes):
    note(bundle, notes, "poststop", "touch stopped")
    assert runtime.run(bundle).rc == 0
    assert (notes / "stopped").exists()


CONFINED = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"]


@needs("startContainer hooks that run as the container's process does")
@pytest.mark.parametrize("uid", [0, 1000])
def test_a_start_container_hook_is_confined_as_the_process(runtime, bundle, notes, uid):
    """The hook's program comes from the image. Defence: it runs with the process's user, capabilities, filter, limits
    and cgroup. Were it only moved into the namespaces, it would have the runtime's: every capability, no filter."""
    notes.chmod(0o777)
    bundle.process["user"] = {"uid": uid, "gid": 1001, "additionalGids": [29]}
    bundle.linux["seccomp"] = seccomp.one("SCMP_ACT_ERRNO", "mkdir")
    look = "cat /proc/self/status > {0}.status; cat /proc/self/cgroup > {0}.cgroup; cat /proc/self/limits > {0}.limits"
    note(bundle, notes, "startContainer", look.format("hook"))
    runtime.run(bundle.shell(f"cd {notes} && " + look.format("process")), check=True)

    def status(who):
        return dict(line.split(":\t", 1) for line in (notes / f"{who}.status").read_text().splitlines())

    hook, process = status("hook"), status("process")
    assert [(name, hook[name]) for name in CONFINED] == [(name, process[name]) for name in CONFINED]
    assert (hook["NoNewPrivs"], hook["Seccomp"]) == ("1", "2") and hook["Uid"].split()[0] == str(uid)
    for kind in ("cgroup", "limits"):
        assert (notes / f"hook.{kind}").read_text() == (notes / f"process.{kind}").read_text()


@needs("startContainer hooks that run as the container's process does")
def test_a_start_container_hook_cannot_do_what_the_process_cannot(runtime, bundle, notes):
    """The same by its effect: a mount needs CAP_SYS_ADMIN, which the container lacks."""
    note(bundle, notes, "startContainer", "mount -t tmpfs tmpfs /tmp && touch mounted; true")
    runtime.run(bundle, check=True)
    assert not (notes / "mounted").exists()


@needs("poststart hooks after start")
def test_a_failing_poststart_hook_stops_the_container(runtime, bundle, notes):
    """Were the failure only reported, the caller would take the container for dead while it runs."""
    note(bundle, notes, "poststart", "exit 5")
    note(bundle, notes, "poststart", "touch second")
    container = runtime.create(bundle.pause())
    assert container.cmd("start", check=False).rc != 0
    assert container.wait() == 137
    assert container.state()["status"] == "stopped"
    assert not (notes / "second").exists()
    container.delete()
    runtime.assert_clean()


@needs("poststart hooks after start")
def test_run_with_a_failing_poststart_hook_leaves_nothing(runtime, bundle, notes):
    note(bundle, notes, "poststart", "exit 5")
    result = runtime.run(bundle.pause())
    assert result.rc != 0 and "exit status 5" in result.error, result
    runtime.assert_clean()
