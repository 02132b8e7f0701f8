# SPDX-License-Identifier: Apache-2.0
"""berth-shim run: the life of a container, its streams, its clients and what they may not do to it (docs/shim.md)."""

import errno
import gzip
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
from support.shim import Gone, Passed, ShimError, frames, log_frames, pipe

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers with cgroups and devices need root")


class Shims:
    """Shims of one test, on bundles of an `oci.Runtime` that also looks for what they left."""

    def __init__(self, program: Path, runtime: oci.Runtime):
        self.program, self.runtime = program, runtime
        self.made: list[shim.Shim] = []

    def prepare(self, bundle=None, **options) -> tuple[oci.Bundle, str]:
        bundle = bundle or self.runtime.bundle()
        bundle.process["capabilities"].pop("ambient", None)  # a warning where they are not inheritable
        bundle.write()
        ident = self.runtime.new_id()
        settings = {"id": ident, "runtime_root": str(self.runtime.root)} | options
        (bundle.path / "shim.json").write_text(json.dumps(settings))
        return bundle, ident

    def create(self, bundle=None, **options) -> shim.Shim:
        bundle, ident = self.prepare(bundle, **options)
        made = shim.Shim.spawn(self.program, bundle.path, ident)
        made.control.call("subscribe")
        self.made.append(made)
        return made

    def run(self, bundle, **options) -> shim.Shim:
        made = self.create(bundle, **options)
        made.control.call("start")
        return made

    def run_shell(self, script: str, **options) -> shim.Shim:
        return self.run(self.runtime.bundle().shell(script), **options)

    def idle(self, **options) -> shim.Shim:
        """A container that waits until it is killed."""
        return self.run_shell("trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done",
                              **options)

    def cleanup(self) -> None:
        for made in self.made:
            if made.process.poll() is None:
                try:
                    made.connect().call("shutdown")
                except (OSError, Gone, ShimError):
                    made.process.kill()
                made.wait_gone()
            made.control.close()


@pytest.fixture(scope="session")
def program() -> Path:
    path = Path(os.environ.get("BERTH_SHIM")
                or oci.Path(__file__).resolve().parents[2] / "build/release/bin/berth-shim")
    if not os.access(path, os.X_OK):
        pytest.fail(f"no shim at {path}: build it, or set BERTH_SHIM", pytrace=False)
    return path


@pytest.fixture
def shims(program, runtime):
    made = Shims(program, runtime)
    yield made
    made.cleanup()


def process(*argv, **more) -> dict:
    return {"args": list(argv), "cwd": "/", "env": [oci.DEFAULT_PATH], "user": {"uid": 0, "gid": 0}} | more


def shell(script: str, **more) -> dict:
    return process("/bin/sh", "-c", script, **more)


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


# --- streams


def test_attached_clients_get_all_output_and_its_end(shims):
    made = shims.create(shims.runtime.bundle().shell("echo out; echo err >&2"))
    out, write_out = pipe()
    err, write_err = pipe()
    both, write_both = pipe()
    made.control.attach(stdout=write_out, stderr=write_err)
    made.control.attach(stdout=write_both, framed=True)
    made.control.call("start")
    assert out.all() == b"out\n" and err.all() == b"err\n"
    assert sorted(frames(both.all())) == [(1, b"out\n"), (2, b"err\n")]


def test_a_client_that_comes_late_gets_only_new_output(shims):
    made = shims.create(shims.runtime.bundle().shell("echo old; read line; echo new"), open_stdin=True)
    first, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    first.until(b"old\n")
    late, write = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write)
    os.write(source, b"go\n")
    assert late.all() == b"new\n" and first.all() == b"new\n"
    os.close(source)


def test_without_open_stdin_there_is_nothing_to_read(shims):
    made = shims.run_shell("cat; echo end")
    assert made.control.event("exited")["code"] == 0
    made.wait_gone()
    assert made.log_text() == "end\n"


def test_stdin_once_ends_with_its_source(shims):
    made = shims.create(shims.runtime.bundle().shell("wc -c"), open_stdin=True, stdin_once=True)
    read, write = os.pipe()
    made.control.attach(stdin=read)
    made.control.call("start")
    data = b"x" * 300_000
    writer = os.fdopen(write, "wb")
    writer.write(data)
    writer.close()
    made.control.event("exited")
    made.wait_gone()
    assert made.log_text() == "300000\n"


def test_stdin_stays_open_between_sources_and_close_stdin_ends_it(shims):
    made = shims.create(shims.runtime.bundle().shell("while read line; do echo got $line; done; echo end"),
                        open_stdin=True)
    out, write_out = pipe()
    made.control.attach(stdout=write_out)
    made.control.call("start")
    for word in (b"one", b"two"):
        read, write = os.pipe()
        made.control.attach(stdin=read)
        os.write(write, word + b"\n")
        os.close(write)
        out.until(b"got " + word + b"\n")
    assert made.control.call("state")["stdin_open"] is True
    made.control.call("close_stdin")
    assert out.all() == b"end\n"


def test_a_source_does_not_flood_a_container_that_does_not_read(shims):
    made = shims.create(shims.runtime.bundle().args("/bin/sleep", "1000"), open_stdin=True)
    made.control.call("start")
    read, write = os.pipe()
    made.control.attach(stdin=read)
    os.set_blocking(write, False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 10_000_000:
            sent += os.write(write, b"x" * 4096)
            made.control.call("state")
    assert sent < 1_000_000
    os.close(write)


def test_a_slow_client_is_dropped_and_the_container_goes_on(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 20000000 /dev/zero; echo; echo end"),
                        log={"driver": "none"})
    slow, write_slow = pipe()
    attachment = made.control.attach(stdout=write_slow)
    good, write_good = pipe()
    made.control.attach(stdout=write_good, lossless=True)
    made.control.call("start")
    assert len(good.all()) == 20_000_005
    dropped = made.control.event("client_dropped")
    assert dropped["attachment"] == attachment and dropped["reason"] == "slow" and dropped["bytes"] <= 1 << 20
    assert made.control.event("exited")["code"] == 0


def test_a_lossless_client_gets_everything_however_slow(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 3000000 /dev/zero; sleep 0.01; echo end"),
                        log={"driver": "none"})
    reader, write = pipe()
    made.control.attach(stdout=write, lossless=True)
    made.control.call("start")
    # The container can't have finished: it waits for this client.
    assert made.control.call("state")["status"] == "running"
    assert len(reader.all()) == 3_000_004
    assert made.control.event("exited")["code"] == 0


def test_a_lossless_client_that_dies_blocks_nothing(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 3000000 /dev/zero; exit 6"),
                        log={"driver": "none"})
    reader, write = pipe()
    made.control.attach(stdout=write, lossless=True)
    made.control.call("start")
    reader.close()
    assert made.control.event("exited")["code"] == 6


def test_what_an_attached_client_has_yet_to_read_is_delivered_after_the_end(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 500000 /dev/zero"), log={"driver": "none"})
    reader, write = pipe()
    made.control.attach(stdout=write, lossless=True)
    made.control.call("start")
    data = reader.all()
    assert len(data) == 500_000
    made.control.until_gone()
    made.wait_gone()


def test_the_shim_does_not_wait_long_for_a_client_that_reads_nothing(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 500000 /dev/zero"))
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    made.control.event("exited")
    made.control.event("client_dropped")
    made.wait_gone()
    shims.runtime.assert_clean()
    reader.close()


def test_detach_leaves_the_container_alone(shims):
    made = shims.idle()
    reader, write = pipe()
    attachment = made.control.attach(stdout=write)
    made.control.call("detach", attachment=attachment)
    assert reader.all() in (b"", b"ready\n")
    with pytest.raises(ShimError) as caught:
        made.control.call("detach", attachment=attachment)
    assert caught.value.kind == "not_found"
    assert made.control.call("state")["attachments"] == 0


def test_a_client_may_pass_files_and_sockets(shims, work):
    made = shims.create(shims.runtime.bundle().shell("cat; echo end"), open_stdin=True, stdin_once=True)
    (work / "input").write_text("from a file\n")
    source = os.open(work / "input", os.O_RDONLY)
    target = os.open(work / "output", os.O_CREAT | os.O_WRONLY, 0o600)
    ours, theirs = socket.socketpair()
    made.control.attach(stdout=theirs.detach(), framed=True)
    made.control.attach(stdin=source, stdout=target)
    made.control.call("start")
    made.control.event("exited")
    made.wait_gone()
    assert (work / "output").read_text() == "from a file\nend\n"
    received = b""
    while data := ours.recv(4096):
        received += data
    assert b"".join(text for _, text in frames(received)) == b"from a file\nend\n"
    ours.close()


def test_an_unprivileged_user_may_open_its_streams(shims):
    bundle = shims.runtime.bundle().shell("echo out > /dev/stdout; echo err > /dev/stderr; id -u")
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    made = shims.run(bundle)
    assert made.control.event("exited")["code"] == 0
    made.wait_gone()
    assert made.log_text() == "out\n1000\n" and made.log_text("stderr") == "err\n"


def test_a_grandchild_that_keeps_the_streams_does_not_hold_up_the_exit(shims):
    """With the host's pid namespace and a cgroup of its own a process can live on and hold stdout."""
    bundle = shims.runtime.bundle().drop_namespace("pid")
    made = shims.create(bundle.shell("echo last; exit 2"))
    # This test's own copy of the container's stdout plays that process.
    reader, write = pipe()
    made.control.attach(stdout=write)
    held = os.open(f"/proc/{made.pid}/fd/1", os.O_WRONLY)
    made.control.call("start")
    assert made.control.event("exited")["code"] == 2
    assert reader.all() == b"last\n"
    made.wait_gone()
    os.close(held)


def test_terminal(shims):
    bundle = shims.runtime.bundle().shell("tty; stty size; read line; echo got $line; stty size; exit 9")
    bundle.process["terminal"] = True
    bundle.process["consoleSize"] = {"height": 33, "width": 99}
    made = shims.create(bundle)
    out, write = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write)
    assert made.control.call("state")["tty"] is True
    made.control.call("start")
    assert b"/dev/" in out.until(b"\n")
    assert out.until(b"\n") == b"33 99\r\n"
    made.control.call("resize", width=120, height=40)
    os.write(source, b"word\n")
    out.until(b"got word\r\n")
    assert out.until(b"\n") == b"40 120\r\n"
    os.close(source)
    assert made.control.event("exited")["code"] == 9
    assert out.all() == b""


def test_the_end_of_a_source_is_no_end_of_a_terminal(shims):
    bundle = shims.runtime.bundle().shell("read a; echo one $a; read b; echo two $b")
    bundle.process["terminal"] = True
    made = shims.create(bundle, stdin_once=True)
    out, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    for word, answer in ((b"x", b"one x"), (b"y", b"two y")):
        read, source = os.pipe()
        made.control.attach(stdin=read)
        os.write(source, word + b"\n")
        os.close(source)
        out.until(answer)
    assert made.control.event("exited")["code"] == 0


def test_resize_without_a_terminal(shims):
    with pytest.raises(ShimError) as caught:
        shims.idle().control.call("resize", width=1, height=1)
    assert caught.value.kind == "conflict"


# --- log


def test_a_copy_of_the_log_goes_to_subscribers(shims):
    made = shims.create(shims.runtime.bundle().shell("echo before; read l; echo out; echo err >&2"),
                        open_stdin=True)
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    reader.until(b"before\n")
    copy, write_copy = pipe()
    answer = made.control.call("logs_subscribe", fds=Passed([write_copy]))
    info = os.stat(made.directory / "log.json")
    assert (answer["inode"], answer["size"]) == (info.st_ino, info.st_size)
    read, source = os.pipe()
    made.control.attach(stdin=read)
    os.write(source, b"\n")
    os.close(source)
    entries = log_frames(copy.all())
    assert sorted((stream, text) for stream, _, text in entries) == [(1, b"out\n"), (2, b"err\n")]
    made.wait_gone()
    assert all(abs(time_ns - made.exit["time_ns"]) < 60e9 for _, time_ns, _ in entries)


def test_a_copy_of_the_log_begins_with_the_unfinished_line(shims):
    """The file up to `size` and then the copy are the whole output, without a gap and without anything twice."""
    made = shims.create(shims.runtime.bundle().shell("echo whole; printf half; read l; echo -rest"), open_stdin=True)
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    reader.until(b"half")
    copy, write_copy = pipe()
    answer = made.control.call("logs_subscribe", fds=Passed([write_copy]))
    assert answer["size"] == len((made.directory / "log.json").read_bytes())
    assert made.log_text() == "whole\n"
    made.control.call("close_stdin")
    assert b"".join(text for _, _, text in log_frames(copy.all())) == b"half-rest\n"
    made.wait_gone()
    assert made.log_text() == "whole\nhalf-rest\n"


def test_the_log_rotates_while_no_client_is_there(shims):
    made = shims.run_shell("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done",
                           log={"path": "c.log", "max_size": 40000, "max_file": 3, "compress": True,
                                "attrs": {"tag": "t"}})
    made.control.close()
    made.wait_gone()
    names = sorted(name for name in os.listdir(made.directory) if name.startswith(("c.log", ".c.log")))
    assert names == ["c.log", "c.log.1.gz", "c.log.2.gz"]
    texts = [gzip.open(made.directory / name, "rt").read() for name in names[:0:-1]]
    lines = [json.loads(line)
             for line in ("".join(texts) + (made.directory / "c.log").read_text()).splitlines()]
    numbers = [int(line["log"].split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 3000)) and lines[0]["attrs"] == {"tag": "t"}


def test_a_full_disk_drops_log_lines_but_blocks_nobody(shims, work):
    small = work / "small"
    small.mkdir()
    oci.mount("tmpfs", small, "tmpfs", data="size=64k")
    try:
        bundle = shims.runtime.bundle()
        script = "i=0; while [ $i -lt 5000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo end"
        made = shims.create(bundle.shell(script), log={"path": str(small / "log")})
        reader, write = pipe()
        made.control.attach(stdout=write, lossless=True)
        made.control.call("start")
        assert reader.all().endswith(b"end\n")
        dropped = made.control.event("log_dropped")
        assert dropped["records"] > 0 and "no space" in dropped["error"]
        made.control.event("exited")
        made.wait_gone()
        assert made.exit["log_dropped"] > 0
        assert "no space" in (made.directory / "shim.log").read_text()
        for line in (small / "log").read_text().splitlines():
            json.loads(line)
    finally:
        oci.umount(small)


def test_log_reopen(shims):
    made = shims.create(shims.runtime.bundle().shell("while read l; do echo $l; done"), open_stdin=True)
    out, write_out = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write_out)
    made.control.call("start")
    os.write(source, b"one\n")
    out.until(b"one\n")
    os.rename(made.directory / "log.json", made.directory / "log.old")
    made.control.call("log_reopen")
    os.write(source, b"two\n")
    out.until(b"two\n")
    assert made.log_text() == "two\n" and "one" in (made.directory / "log.old").read_text()
    os.close(source)


# --- execs


def test_exec_gives_its_output_and_exit(shims):
    made = shims.idle()
    out, write_out = pipe()
    err, write_err = pipe()
    started = made.control.exec("e1", shell("echo out; echo err >&2; exit 4"), stdout=write_out,
                                stderr=write_err)
    assert started["pid"] > 0
    exited = made.control.event("exec_exited", exec="e1")
    assert (exited["code"], exited["pid"]) == (4, started["pid"])
    assert out.all() == b"out\n" and err.all() == b"err\n"
    assert made.control.call("exec_wait", exec="e1")["code"] == 4
    assert made.control.call("state")["execs"] == []
    assert made.log_text() == "ready\n", "an exec's output isn't logged"


def test_exec_framed_with_stdin_that_ends(shims):
    made = shims.idle()
    out, write = pipe()
    read, source = os.pipe()
    made.control.exec("e", shell("cat; echo over >&2"), stdin=read, stdout=write, framed=True)
    os.write(source, b"input")
    os.close(source)
    assert sorted(frames(out.all())) == [(1, b"input"), (2, b"over\n")]


def test_exec_direct_gets_the_clients_descriptors(shims):
    made = shims.idle()
    out, write = pipe()
    inode = os.fstat(write).st_ino
    started = made.control.exec("e", shell("readlink /proc/self/fd/1; cat"), stdout=write, direct=True)
    assert "attachment" not in started
    assert out.all() == f"pipe:[{inode}]\n".encode()
    assert made.control.event("exec_exited")["code"] == 0


def test_exec_with_a_terminal(shims):
    made = shims.idle()
    out, write = pipe()
    read, source = os.pipe()
    box = {"height": 20, "width": 70}
    made.control.exec("t", shell("stty size; read l; stty size", terminal=True, consoleSize=box), stdin=read,
                      stdout=write)
    assert out.until(b"\n") == b"20 70\r\n"
    made.control.call("resize", exec="t", width=71, height=21)
    os.write(source, b"\n")
    out.until(b"21 71\r\n")
    assert made.control.event("exec_exited")["code"] == 0
    os.close(source)


def test_exec_takes_its_process_from_a_descriptor(shims):
    made = shims.idle()
    big = shell("echo $BIG | wc -c")
    big["env"].append("BIG=" + "x" * 100_000)
    memory = os.memfd_create("process")
    os.write(memory, json.dumps(big).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    out, write = pipe()
    made.control.call("exec", fds=Passed([memory, write]), exec="big", process_fd=True, stdout=True)
    assert out.all() == b"100001\n"


def test_exec_signals_and_ids(shims):
    made = shims.idle()
    made.control.exec("s", process("/bin/sleep", "1000"))
    with pytest.raises(ShimError) as caught:
        made.control.exec("s", shell("true"))
    assert caught.value.kind == "conflict"
    waiting = made.control.send("exec_wait", exec="s")
    made.control.call("kill", exec="s", signal=int(signal.SIGTERM))
    assert made.control.answer(waiting)["signal"] == 15
    made.control.exec("s", shell("exit 1"))
    assert made.control.call("exec_wait", exec="s")["code"] == 1
    for op in ("kill", "exec_wait", "attach", "close_stdin"):
        members = {"stdout": True} if op == "attach" else {}
        with pytest.raises(ShimError) as caught:
            made.control.call(op, fds=[0], exec="nobody", **members)
        assert caught.value.kind == "not_found"


@pytest.mark.parametrize("argv, code", [(["nosuch"], 127), (["/etc/passwd"], 126)])
def test_exec_of_what_can_not_be_executed(shims, argv, code):
    made = shims.idle()
    with pytest.raises(ShimError) as caught:
        made.control.exec("x", process(*argv))
    assert caught.value.exit_code == code
    assert made.control.call("state")["execs"] == []


def test_a_hundred_execs_in_a_row_leave_nothing(shims):
    made = shims.idle()
    made.control.exec("first", shell("true"))
    made.control.event("exec_exited", exec="first")
    before = sorted(os.readlink(f"/proc/{made.shim_pid}/fd/{fd}").split(":")[0]
                    for fd in os.listdir(f"/proc/{made.shim_pid}/fd"))
    for number in range(100):
        out, write = pipe()
        made.control.exec(f"e{number}", shell(f"echo {number}"), stdout=write)
        assert made.control.event("exec_exited")["exec"] == f"e{number}"
        assert out.all() == f"{number}\n".encode()
        out.close()
    after = sorted(os.readlink(f"/proc/{made.shim_pid}/fd/{fd}").split(":")[0]
                   for fd in os.listdir(f"/proc/{made.shim_pid}/fd"))
    assert after == before
    assert Path(f"/proc/{made.shim_pid}/task/{made.shim_pid}/children").read_text().split() == [str(made.pid)]
    assert made.control.call("exec_wait", exec="e99")["code"] == 0
    with pytest.raises(ShimError):
        made.control.call("exec_wait", exec="e0")  # only the last 64 are remembered


def test_the_end_of_the_container_ends_its_execs(shims):
    made = shims.idle()
    out, write = pipe()
    made.control.exec("e", shell("echo started; sleep 1000"), stdout=write)
    out.until(b"started\n")
    made.control.call("kill", signal=9)
    assert made.control.event("exec_exited")["signal"] == 9
    assert made.control.event("exited")["signal"] == 9
    made.wait_gone()
    shims.runtime.assert_clean()


def test_exec_needs_a_running_container(shims):
    made = shims.create()
    with pytest.raises(ShimError) as caught:
        made.control.exec("e", shell("true"))
    assert caught.value.kind == "conflict"


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
