# SPDX-License-Identifier: Apache-2.0
"""berth-shim run: the life of a container, its clients and what they may not do to it (docs/shim.md)."""

import json
import os
import resource
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from support import host, oci, shim
from support.shim import Gone, Passed, ShimError, pipe
from support.shim_fixtures import program, process, shell, shims  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers with cgroups and devices need root")


# --- life


def test_a_container_runs_logs_and_ends_and_nothing_is_left(shims):
    made = shims.run_shell("echo out; echo err >&2; exit 3")
    exited = made.control.event("exited")
    assert (exited["code"], exited["signal"], exited["started"]) == (3, 0, True)
    assert made.wait_gone() == 0
    assert made.exit == {key: value for key, value in exited.items() if key != "event"}
    assert made.log_text() == "out\n" and made.log_text("stderr") == "err\n"
    assert not (made.directory / "shim.log").exists(), (made.directory / "shim.log").read_text()
    assert sorted(os.listdir(made.directory)) == ["config.json", "exit.json", "log.json", "rootfs",
                                                  "shim.json"]
    shims.runtime.assert_clean()


def test_the_handshake_greets(shims):
    made = shims.create()
    assert made.ready["ready"] is True and made.ready["major"] == 1
    assert os.path.exists(f"/proc/{made.pid}") and made.shim_pid == made.process.pid
    assert stat.S_IMODE(os.stat(made.directory / "shim.sock").st_mode) == 0o600


def test_the_program_runs_only_after_start(shims):
    made = shims.create(shims.runtime.bundle().shell("echo ran"))
    assert made.control.call("state")["status"] == "created"
    assert made.log() == []
    assert made.control.call("start")["pid"] == made.pid
    assert made.control.event("started")["pid"] == made.pid
    made.control.event("exited")
    made.wait_gone()
    assert made.log_text() == "ran\n"


def test_it_is_detached_from_its_spawner(shims):
    made = shims.idle()
    fields = Path(f"/proc/{made.shim_pid}/stat").read_text().rsplit(")", 1)[1].split()
    assert int(fields[3]) == made.shim_pid, "leads its own session"
    assert os.readlink(f"/proc/{made.shim_pid}/cwd") == "/"
    open_files = {os.readlink(f"/proc/{made.shim_pid}/fd/{fd}")
                  for fd in os.listdir(f"/proc/{made.shim_pid}/fd")}
    strange = {name for name in open_files
               if not name.startswith(("/dev/null", "socket:", "pipe:", "anon_inode:", str(made.directory),
                                       "/sys/fs/cgroup"))}
    assert not strange
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1):
        os.kill(made.shim_pid, number)
    assert made.control.call("state")["status"] == "running"


def test_the_container_inherits_no_descriptor_and_no_ignored_signal(shims):
    reader, write = pipe()
    # In the container of this shell: 0, 1, 2 and what ls itself opened.
    made = shims.create(shims.runtime.bundle().shell("ls /proc/self/fd; grep SigIgn /proc/self/status; grep SigBlk /proc/self/status"))
    made.control.attach(stdout=write)
    made.control.call("start")
    lines = reader.all().decode().split("\n")
    assert lines[:4] == ["0", "1", "2", "3"]
    assert lines[4].split() == ["SigIgn:", "0" * 16] and lines[5].split() == ["SigBlk:", "0" * 16]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_signal_that_ended_it_is_recorded(shims, number):
    # PID 1 gets only signals that it has a handler for, so sleep is its child's name here.
    made = shims.run(shims.runtime.bundle().args("/bin/sleep", "1000"))
    made.control.call("kill", signal=int(signal.SIGKILL))
    exited = made.control.event("exited")
    assert (exited["code"], exited["signal"]) == (137, 9)


def test_a_handled_signal_reaches_the_container(shims):
    made = shims.create(shims.runtime.bundle().shell("trap 'exit 7' TERM; echo ready; while :; do sleep 1000 & wait; done"))
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    reader.until(b"ready\n")
    made.control.call("kill", signal=int(signal.SIGTERM))
    assert made.control.event("exited")["code"] == 7


def test_kill_all_reaches_every_process(shims):
    made = shims.run_shell("trap : TERM; sleep 1000 & echo $!; wait; wait; echo over; exit 5")
    for _ in shim.deadline():  # until the child is sleep, no longer a shell with that trap
        names = [Path(f"/proc/{pid}/comm").read_text() for pid in made.control.call("pids")["pids"]]
        if sorted(names) == ["sh\n", "sleep\n"]:
            break
    made.control.call("kill", signal=int(signal.SIGTERM), all=True)
    assert made.control.event("exited")["code"] == 5
    made.wait_gone()
    assert made.log_text().endswith("over\n")


@pytest.mark.parametrize("argv, code",
                         [(["/no/such"], 127), (["nosuchprogram"], 127), (["/etc/passwd"], 126)])
def test_a_program_that_can_not_be_executed(shims, argv, code):
    with pytest.raises(ShimError) as caught:
        shims.create(shims.runtime.bundle().args(*argv))
    assert caught.value.exit_code == code
    shims.runtime.assert_clean()


def test_a_program_that_turns_out_to_be_none(shims):
    """Found when the container was created, refused by the kernel at the start."""
    bundle = shims.runtime.bundle().args("/bin/garbage")
    garbage = bundle.rootfs / "bin/garbage"
    garbage.write_bytes(b"\0\1\2\3")
    garbage.chmod(0o755)
    made = shims.create(bundle)
    waiting = made.control.send("wait")
    with pytest.raises(ShimError) as caught:
        made.control.call("start")
    assert caught.value.exit_code == 126 and "exec format error" in str(caught.value)
    exited = made.control.event("exited")
    assert exited["code"] == 126 and exited["started"] is False and exited["error"] == str(caught.value)
    assert made.control.answer(waiting)["code"] == 126
    made.wait_gone()
    assert made.exit["code"] == 126
    shims.runtime.assert_clean()


def test_a_container_that_can_not_be_created_leaves_nothing(shims):
    bundle = shims.runtime.bundle()
    bundle.mount("/x", source="/no/such/folder")
    bundle, ident = shims.prepare(bundle)
    with pytest.raises(ShimError) as caught:
        shim.Shim.spawn(shims.program, bundle.path, ident)
    assert "/x" in str(caught.value)
    assert "/x" in (bundle.path / "shim.log").read_text()
    assert not (bundle.path / "shim.sock").exists() and not (bundle.path / "exit.json").exists()
    shims.runtime.assert_clean()


@pytest.mark.parametrize("text, problem",
                         [("{", "shim.json"), ('{"id":""}', "id: missing"), (None, "shim.json")])
def test_bad_options_are_told_over_the_handshake(shims, text, problem):
    bundle, ident = shims.prepare()
    if text is None:
        os.unlink(bundle.path / "shim.json")
    else:
        (bundle.path / "shim.json").write_text(text)
    with pytest.raises(ShimError, match=problem):
        shim.Shim.spawn(shims.program, bundle.path, ident)


def test_without_its_descriptors_it_says_so(program):
    result = subprocess.run([program, "run"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 1 and "descriptor 3" in result.stderr


def test_one_that_waits_takes_any_container_and_has_its_name_then(shims):
    bundle, ident = shims.prepare(shims.runtime.bundle().shell("echo ran; sleep 1000"))
    process, control = shim.Shim.spawn_waiting(shims.program)
    shim.Shim.assign(control, bundle.path, ident, subscribe=True)
    ready, _ = control.receive()
    assert ready["ready"] and ready["shim_pid"] == process.pid
    title = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[2].decode()
    assert title == ident[:64]
    control.call("start")
    control.event("started")
    control.call("delete", force=True)
    control.event("exited")
    assert process.wait(30) == 0


def test_one_that_waits_ends_with_its_spawner(shims):
    process, control = shim.Shim.spawn_waiting(shims.program)
    control.close()
    assert process.wait(30) == 0


@pytest.mark.parametrize("message", [b'{"run": "x", "subscribe": false}', b"x", b"[]", b'{"run": 1}'])
def test_one_that_waits_refuses_what_is_no_container(shims, message):
    process, control = shim.Shim.spawn_waiting(shims.program)
    control.send_raw(message)
    assert process.wait(30) == 1


def test_a_spawner_that_dies_before_the_handshake_is_taken_leaves_nothing(shims):
    bundle, ident = shims.prepare(shims.runtime.bundle().shell("sleep 1000"))
    process, control = shim.Shim.spawn_only(shims.program, bundle.path, ident)
    ready, _ = control.receive()
    assert ready["ready"]
    control.close()
    assert process.wait(30) == 0
    assert not os.path.exists(f"/proc/{ready['pid']}")
    shims.runtime.assert_clean()


def test_a_spawner_that_dies_while_the_container_is_made_leaves_nothing(shims):
    bundle, ident = shims.prepare(shims.runtime.bundle().shell("sleep 1000"))
    process, control = shim.Shim.spawn_only(shims.program, bundle.path, ident)
    control.close()
    assert process.wait(30) == 0
    shims.runtime.assert_clean()


def test_a_taken_container_stays_when_its_spawner_goes(shims):
    made = shims.create(shims.runtime.bundle().shell("echo ran"))
    made.control.close()
    again = made.connect()
    again.call("subscribe")
    again.call("start")
    assert again.event("exited")["code"] == 0


def test_a_client_dies_at_any_moment_and_the_exit_is_found_after(shims):
    """A client that is killed with requests under way: nothing of it is left, the container goes on."""
    made = shims.idle()
    made.control.close()
    for round_number in range(20):
        client = made.connect()
        reader, write = pipe()
        client.send("attach", fds=Passed([write]), stdout=True)
        client.send("exec", exec=f"e{round_number}", process=shell("echo from exec"))
        client.send("wait")
        if round_number % 2:
            client.receive()
        client.close()
        reader.close()
    again = made.connect()
    again.call("kill", signal=int(signal.SIGTERM))
    made.wait_gone()
    assert made.exit["code"] == 0
    shims.runtime.assert_clean()


def test_wait_answers_everyone_when_it_ends(shims):
    made = shims.idle()
    clients = [made.connect() for _ in range(5)]
    waits = [client.send("wait") for client in clients]
    made.control.call("kill", signal=9)
    for client, ident in zip(clients, waits):
        assert client.answer(ident)["signal"] == 9
        client.until_gone()


def test_delete_answers_when_nothing_is_left(shims):
    made = shims.idle()
    with pytest.raises(ShimError) as caught:
        made.control.call("delete")
    assert caught.value.kind == "conflict"
    cgroup = shims.runtime.cgroup_directories()
    made.control.call("delete", force=True)
    assert not any(path.exists() for path in cgroup if path.name.startswith("bundle"))
    assert not list(shims.runtime.root.glob(f"{shims.runtime.tag}*"))
    made.control.event("exited")
    made.wait_gone()


def test_delete_of_a_created_container(shims):
    made = shims.create()
    made.control.call("delete")
    made.wait_gone()
    assert made.exit["started"] is False and made.exit["signal"] == 9
    shims.runtime.assert_clean()


def test_a_paused_container_can_be_deleted(shims):
    made = shims.idle()
    made.control.call("pause")
    made.control.call("delete", force=True)
    made.wait_gone()
    shims.runtime.assert_clean()


def test_without_a_pid_namespace_the_rest_is_killed_with_init(shims):
    bundle = shims.runtime.bundle().drop_namespace("pid")
    made = shims.run(bundle.shell("setsid sleep 1000 & echo $!; exit 4"))
    exited = made.control.event("exited")
    assert exited["code"] == 4
    made.wait_gone()
    left = int(made.log_text())
    shim.wait_for_pid(left)
    shims.runtime.assert_clean()


def test_orphans_without_a_pid_namespace_are_reaped(shims):
    bundle = shims.runtime.bundle().drop_namespace("pid")
    script = "for i in 1 2 3; do (sh -c 'sleep 0.01' &) ; done; echo ready; sleep 1000"
    made = shims.create(bundle.shell(script))
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    reader.until(b"ready\n")
    children = Path(f"/proc/{made.shim_pid}/task/{made.shim_pid}/children")
    for _ in shim.deadline():
        if children.read_text().split() == [str(made.pid)]:
            break


def test_a_killed_shim_is_noticed(shims):
    made = shims.idle()
    os.kill(made.shim_pid, signal.SIGKILL)
    made.control.until_gone()
    made.process.wait()
    with pytest.raises(ConnectionRefusedError):
        made.connect()
    assert not (made.directory / "exit.json").exists()
    # Nobody's client library here: the runtime removes what is left.
    os.kill(made.pid, signal.SIGKILL)
    shim.wait_for_pid(made.pid)


def test_a_shim_killed_before_start_takes_the_container_with_it(shims):
    made = shims.create(shims.runtime.bundle().shell("echo never"))
    os.kill(made.shim_pid, signal.SIGKILL)
    made.process.wait()
    shim.wait_for_pid(made.pid)


@pytest.mark.parametrize("delay_ms", range(0, 30, 3))
def test_what_a_shim_left_that_was_killed_at_any_moment_can_be_removed(shims, delay_ms):
    bundle, ident = shims.prepare(shims.runtime.bundle().args("/bin/sleep", "1000"))
    process, control = shim.Shim.spawn_only(shims.program, bundle.path, ident)
    control.send("hello")
    control.send("start")
    time.sleep(delay_ms / 1000)  # any moment will do: the outcome must be the same
    process.kill()
    process.wait()
    control.close()
    shims.runtime.cmd("delete", "--force", ident)
    shims.runtime.assert_clean()


# --- protocol


def test_hello_finds_the_major_that_both_speak(shims):
    control = shims.create().control
    assert control.call("hello", majors=[1])["major"] == 1
    assert control.call("hello", majors=[3, 2, 1], client="of the future")["minor"] == 0
    assert "lossless" in control.call("hello")["features"]
    for majors in ([0], [2, 3], []):
        with pytest.raises(ShimError) as caught:
            control.call("hello", majors=majors)
        assert caught.value.kind == "not_implemented"
    assert control.call("state")["status"] == "created"


def test_unknown_operations_and_members(shims):
    control = shims.create().control
    with pytest.raises(ShimError) as caught:
        control.call("teleport")
    assert caught.value.kind == "not_implemented"
    assert control.call("state", colour="blue")["status"] == "created"


def test_members_of_a_wrong_type_are_named(shims):
    control = shims.create().control
    for op, members, text in [("kill", {"signal": "TERM"}, "signal"), ("kill", {"signal": 1000}, "signal"),
                              ("resize", {"width": 80}, "height"),
                              ("resize", {"width": 80, "height": 70000}, "height"),
                              ("exec", {"exec": "x"}, "process"), ("attach", {}, "stdin"),
                              ("detach", {}, "attachment"),
                              ("attach", {"stdout": True}, "descriptor"), ("exec", {"process": {}}, "exec")]:
        with pytest.raises(ShimError, match=text) as caught:
            control.call(op, **members)
        assert caught.value.kind == "invalid_argument"


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"null", b'{"id":1}', b'{"op":7}', b"\xff\xfe\0",
                                     b'{"op":' + b"[" * 30000, b"x" * 100_000],
                         ids=lambda data: repr(data[:12]))
def test_garbage_costs_only_the_connection(shims, garbage):
    made = shims.create()
    bad = made.connect()
    file = os.open("/dev/null", os.O_RDONLY)
    bad.send_raw(garbage or b"\n", fds=[file])
    os.close(file)
    bad.until_gone()
    assert made.control.call("state")["status"] == "created"


def test_requests_may_be_sent_ahead(shims):
    control = shims.idle().control
    idents = [control.send("state") for _ in range(100)]
    assert all(control.answer(ident)["status"] == "running" for ident in reversed(idents))


def test_a_control_connection_that_does_not_read_is_dropped(shims):
    made = shims.idle()
    deaf = made.connect()
    deaf.sock.settimeout(0.5)
    with pytest.raises((TimeoutError, Gone)):
        while True:
            deaf.send("state")
    assert made.control.call("state")["status"] == "running"


def test_connections_past_the_limit_are_refused_not_stuck(shims):
    made = shims.idle()
    clients = [made.connect() for _ in range(70)]
    refused = 0
    for client in clients:
        try:
            client.call("hello")
        except (Gone, ConnectionResetError):
            refused += 1
    assert 0 < refused < 20
    for client in clients:
        client.close()
    for _ in shim.deadline():
        try:
            assert made.connect().call("hello")["major"] == 1
            break
        except (Gone, ConnectionResetError):
            continue


@pytest.mark.noasan  # UBSan itself needs descriptors to look at a type
def test_running_out_of_descriptors_harms_nothing(shims):
    made = shims.create(shims.runtime.bundle().shell("read line; echo got $line"), open_stdin=True)
    made.control.call("start")
    used = len(os.listdir(f"/proc/{made.shim_pid}/fd"))
    before = resource.prlimit(made.shim_pid, resource.RLIMIT_NOFILE)
    resource.prlimit(made.shim_pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
    file = os.open("/dev/null", os.O_RDWR)
    with pytest.raises(ShimError) as caught:
        made.control.call("attach", fds=[file, file, file], stdin=True, stdout=True, stderr=True)
    assert caught.value.kind == "unavailable"
    with pytest.raises(ShimError):
        made.control.call("exec", fds=[file], exec="x", process=shell("true"), stdout=True)
    extra = [made.connect() for _ in range(5)]
    for client in extra[2:]:
        client.until_gone()
    assert made.control.call("state")["status"] == "running"
    for client in extra:
        client.close()
    resource.prlimit(made.shim_pid, resource.RLIMIT_NOFILE, before)
    read, write = os.pipe()
    made.control.attach(stdin=read)
    os.write(write, b"this\n")
    assert made.control.event("exited")["code"] == 0
    os.close(write)
    os.close(file)
    made.wait_gone()
    assert made.log_text() == "got this\n"


def test_parked_descriptors_come_back_to_a_later_client(shims):
    made = shims.idle()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    address = server.getsockname()
    made.control.call("park", fds=[server.fileno()], name="dns")
    server.close()
    again = made.connect()
    assert again.call("state")["parked"] == ["dns"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.sendto(b"query", address)
    for keep in (True, False):
        _, fds = again.answer_with_fds(again.send("unpark", name="dns", keep=keep))
        back = socket.socket(fileno=fds[0])
        assert back.getsockname() == address
        if keep:
            assert back.recv(10) == b"query"
        back.close()
    with pytest.raises(ShimError) as caught:
        again.call("unpark", name="dns")
    assert caught.value.kind == "not_found"
    for index in range(2):
        again.call("park", fds=[0] * 32, name=f"many{index}")
    with pytest.raises(ShimError):
        again.call("park", fds=[0], name="one too many")
    assert not any("many" in name for name in os.listdir(f"/proc/{made.pid}/fd"))


# --- resources


def test_pause_and_resume(shims):
    made = shims.create(shims.runtime.bundle().shell("while read l; do echo $l; done"), open_stdin=True)
    out, write = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write)
    made.control.call("start")
    os.write(source, b"a\n")
    out.until(b"a\n")
    made.control.call("pause")
    assert made.control.call("state")["status"] == "paused"
    os.write(source, b"b\n")
    with pytest.raises(ShimError):
        made.control.call("pause")
    made.control.call("resume")
    out.until(b"b\n")
    os.close(source)


def test_update_and_stats(shims):
    host.require_controller("pids")
    made = shims.idle()
    made.control.call("update", resources={"pids": {"limit": 33}})
    stats = made.control.call("stats")
    assert stats["pids"]["limit"] == 33 and stats["pids"]["current"] >= 1
    pids = made.control.call("pids")["pids"]
    assert made.pid in pids


def test_an_answer_longer_than_a_message_comes_in_a_descriptor(shims):
    made = shims.idle()
    for number in range(600):
        made.control.exec("x" * 200 + str(number), process("/bin/sleep", "1000"))
        if number >= 320:
            break
    state = made.control.call("state")
    assert len(json.dumps(state)) > 65536 and len(state["execs"]) == 321
    made.control.call("delete", force=True)


def test_out_of_memory_is_reported_and_recorded(shims):
    host.require_controller("memory")
    bundle = shims.runtime.bundle().shell("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived")
    bundle.resources["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    made = shims.run(bundle)
    assert made.control.event("oom")["kills"] >= 1
    exited = made.control.event("exited")
    assert exited["oom"] is True and exited["oom_kills"] >= 1
    made.wait_gone()
    assert made.exit["oom"] is True


@pytest.mark.vm_short  # Linux before 6.8 takes no list of lower folders of more than 255 bytes but by mount(2)
@pytest.mark.parametrize("count", [1, 120])
def test_a_root_file_system_of_its_own_mount_namespace(shims, work, count):
    """The root file system is mounted nowhere on the host, and let go after the exit was reported."""
    layers = work / "layers"
    for name in ("upper", "work"):
        (layers / name).mkdir(parents=True)
    bundle = shims.runtime.bundle()
    lowers = [work / f"a-layer-with-a-long-name-{i}" for i in range(count)]
    bundle.rootfs.rename(lowers[-1])
    bundle.rootfs.mkdir()
    for empty in lowers[:-1]:
        empty.mkdir()
    options = [f"lowerdir={':'.join(map(str, lowers))}", f"upperdir={layers / 'upper'}", f"workdir={layers / 'work'}"]
    mounts_before = [m.point for m in oci.mounts_of()]
    made = shims.create(bundle.shell("echo written > /file; cat /file"),
                        rootfs={"type": "overlay", "source": "overlay", "options": options})
    assert [m.point for m in oci.mounts_of()] == mounts_before
    made.control.call("start")
    made.control.event("exited")
    made.wait_gone()
    assert made.log_text() == "written\n"
    assert (layers / "upper/file").read_text() == "written\n"
    assert os.listdir(bundle.rootfs) == []
    shims.runtime.assert_clean()


def test_descriptors_and_memory_do_not_grow_with_clients(shims):
    made = shims.idle()

    def descriptors():
        return len(os.listdir(f"/proc/{made.shim_pid}/fd"))

    before = descriptors()
    for _ in range(50):
        client = made.connect()
        reader, write = pipe()
        client.attach(stdout=write)
        client.call("subscribe")
        client.close()
        reader.close()
    for _ in shim.deadline():
        if descriptors() == before:
            break
    assert made.control.call("state")["attachments"] == 0
