# SPDX-License-Identifier: Apache-2.0
"""Attach: hijacked connections, frames, terminals, detach keys, WebSockets."""

import base64
import os
import pty
import signal
import struct
import threading
import time

import pytest

from support.daemon import IMAGE, frames

pytestmark = pytest.mark.novm  # slow there, and no other on cgroup v2

ALL = "stream=1&stdin=1&stdout=1&stderr=1"


def create(engine, *command, **config) -> str:
    body = {"Image": IMAGE, "Cmd": list(command), "HostConfig": {"NetworkMode": "none"}, "OpenStdin": True, "StdinOnce": True, **config}
    answer = engine.post("/containers/create", body)
    assert answer.status == 201, answer
    return answer.json["Id"]


def test_before_start_nothing_is_lost(engine):
    identity = create(engine, "sh", "-c", "echo first; cat; echo last >&2")
    with engine.hijack(f"/containers/{identity}/attach?{ALL}") as stream:
        assert stream.status == 101
        assert "content-type: application/vnd.docker.multiplexed-stream" in stream.head.lower()
        assert engine.post(f"/containers/{identity}/start").status == 204
        stream.send(b"through\n")
        stream.end_input()
        found = frames(stream.read_all())
    assert b"".join(data for kind, data in found if kind == 1) == b"first\nthrough\n"
    assert b"".join(data for kind, data in found if kind == 2) == b"last\n"


def test_only_what_was_asked_for(engine):
    identity = create(engine, "sh", "-c", "echo out; echo err >&2")
    with engine.hijack(f"/containers/{identity}/attach?stream=1&stderr=1") as stream:
        engine.post(f"/containers/{identity}/start")
        assert frames(stream.read_all()) == [(2, b"err\n")]


def test_logs_then_stream(engine):
    identity = create(engine, "sh", "-c", "echo early; read x; echo late $x", StdinOnce=False)
    engine.post(f"/containers/{identity}/start")
    with engine.events() as _:
        while b"early" not in engine.get(f"/containers/{identity}/logs?stdout=1").body:
            pass
    with engine.hijack(f"/containers/{identity}/attach?{ALL}&logs=1") as stream:
        stream.read_until(b"early\n")
        stream.send(b"now\n")
        stream.read_until(b"late now\n")
        stream.read_all()


def test_many_readers(engine):
    identity = create(engine, "sh", "-c", "read x; for i in 1 2 3; do echo $i; done", StdinOnce=False)
    engine.post(f"/containers/{identity}/start")
    readers = [engine.hijack(f"/containers/{identity}/attach?stream=1&stdout=1") for _ in range(3)]
    with engine.hijack(f"/containers/{identity}/attach?stream=1&stdin=1") as writer:
        writer.send(b"go\n")
        for reader in readers:
            assert b"".join(data for _, data in frames(reader.read_all())) == b"1\n2\n3\n"
            reader.close()


def test_a_reader_that_does_not_read_stalls_nobody(engine):
    identity = create(engine, "sh", "-c", "read x; dd if=/dev/zero bs=1M count=20 2>/dev/null; echo end >&2", StdinOnce=False)
    engine.post(f"/containers/{identity}/start")
    with engine.hijack(f"/containers/{identity}/attach?{ALL}") as lazy, engine.hijack(f"/containers/{identity}/attach?stream=1&stderr=1") as busy:
        lazy.send(b"go\n")
        # The other client, other requests and other containers go on.
        assert engine.run("echo", "fine").stdout == "fine\n"
        assert engine.get("/_ping").status == 200
        lazy.close()
        busy.read_until(b"end\n")


def test_terminal(engine):
    identity = create(engine, "sh", Tty=True)
    with engine.hijack(f"/containers/{identity}/attach?{ALL}") as stream:
        assert "application/vnd.docker.raw-stream" in stream.head.lower()
        engine.post(f"/containers/{identity}/start")
        assert engine.post(f"/containers/{identity}/resize?h=44&w=133").status == 200
        stream.send(b"stty size\n")
        stream.read_until(b"44 133\r\n")
        stream.send(b"exit 6\n")
        stream.read_all()
    assert engine.post(f"/containers/{identity}/wait").json["StatusCode"] == 6


@pytest.mark.parametrize("keys, sent", [("", b"\x10\x11"), ("detachKeys=ctrl-a,b", b"\x01b"), ("detachKeys=q", b"q")])
def test_detach_keys(engine, keys, sent):
    identity = create(engine, "cat", Tty=True, StdinOnce=False)
    engine.post(f"/containers/{identity}/start")
    with engine.hijack(f"/containers/{identity}/attach?{ALL}&{keys}") as stream:
        stream.send(b"text\n")
        stream.read_until(b"text\r\ntext\r\n")
        stream.send(sent)
        stream.read_all()
    assert engine.inspect(identity)["State"]["Running"]


def test_part_of_the_detach_keys_is_input(engine):
    identity = create(engine, "sh", "-c", "stty raw -echo; echo ready; dd bs=1 count=3 2>/dev/null | od -An -tx1", Tty=True)
    engine.post(f"/containers/{identity}/start")
    with engine.hijack(f"/containers/{identity}/attach?{ALL}&logs=1") as stream:
        stream.read_until(b"ready")
        stream.send(b"\x10x\x10")
        stream.send(b"y")
        stream.read_until(b"10 78 10")


def test_wrong_detach_keys(engine):
    identity = create(engine, "cat", Tty=True)
    answer = engine.post(f"/containers/{identity}/attach?{ALL}&detachKeys=ctrl-nonsense")
    assert answer.status == 400 and b"detach" in answer.body.lower()


def test_not_running(engine):
    answer = engine.post(f"/containers/nonsense/attach?{ALL}")
    assert answer.status == 404
    name = engine.start_container()
    engine.cli("pause", name)
    answer = engine.post(f"/containers/{name}/attach?{ALL}")
    assert answer.status == 409 and b"is paused" in answer.body
    engine.cli("unpause", name)


def test_the_cli(engine):
    identity = create(engine, "sh", "-c", "read x; echo got $x; exit 3")
    engine.post(f"/containers/{identity}/start")
    done = engine.cli("attach", identity, input="word\n", check=False)
    assert (done.returncode, done.stdout) == (3, "got word\n")


def test_the_cli_passes_signals_on(engine):
    name = engine.start_trapping("trap 'exit 5' TERM")
    with engine.events() as events:
        process = engine.popen("attach", name)
        # The CLI catches signals before it attaches, which is what the event tells.
        events.until("attach")
        process.send_signal(signal.SIGTERM)
        assert engine.out("wait", name) == "5"
        assert process.wait(30) in (5, 143)
    process.stdout.close(), process.stderr.close()


def test_interactive_shell_of_the_cli(engine):
    master, slave = pty.openpty()
    process = engine.popen("run", "-it", "--rm", "--network", "none", IMAGE, "sh", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, b"echo $((6 * 7)); exit 9\n")
    text = b""
    while b"42\r\n" not in text:
        text += os.read(master, 4096)
    assert process.wait(30) == 9
    os.close(master)


def test_detach_of_the_cli(engine):
    master, slave = pty.openpty()
    name = engine.new_name()
    process = engine.popen("run", "-it", "--name", name, "--network", "none", IMAGE, "sh", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    while b"#" not in text and b"$" not in text:
        text += os.read(master, 4096)
    os.write(master, b"\x10\x11")
    assert process.wait(30) == 0
    assert engine.inspect(name)["State"]["Running"]
    os.close(master)


def test_reattach_after_the_daemon_was_killed(make_daemon):
    made = make_daemon()
    identity = create(made, "sh", "-c", "while read x; do echo got $x; done", StdinOnce=False)
    made.post(f"/containers/{identity}/start")
    with made.hijack(f"/containers/{identity}/attach?{ALL}") as first:
        first.send(b"one\n")
        first.read_until(b"got one\n")
        made.kill()
        # The daemon was not in the way of these bytes.
        first.send(b"two\n")
        first.read_until(b"got two\n")
        made.start()
        with made.hijack(f"/containers/{identity}/attach?{ALL}") as second:
            second.send(b"three\n")
            second.read_until(b"got three\n")
        first.read_until(b"got three\n")


def test_terminal_after_the_daemon_was_killed(make_daemon):
    """Its input goes through the daemon (detach keys): the client is let go, and attaches anew."""
    made = make_daemon()
    identity = create(made, "sh", "-c", "while read x; do echo got $x; done", Tty=True, StdinOnce=False)
    made.post(f"/containers/{identity}/start")
    with made.hijack(f"/containers/{identity}/attach?{ALL}") as first:
        first.send(b"one\n")
        first.read_until(b"got one\r\n")
        made.kill()
        first.read_all()
    made.start()
    with made.hijack(f"/containers/{identity}/attach?{ALL}") as second:
        second.send(b"two\n")
        second.read_until(b"got two\r\n")


# --- WebSocket -----------------------------------------------------------------------------------------------------


class WebSocket:
    """RFC 6455, the client's side of it that is needed here."""

    def __init__(self, engine, target):
        self.sock = engine.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nOrigin: http://x\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.sock.recv(1)
            assert data, head
            head += data
        assert head.startswith(b"HTTP/1.1 101"), head

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            assert more
            data += more
        return data

    def send(self, data: bytes, opcode=2):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        assert len(data) < 126
        self.sock.sendall(bytes([0x80 | opcode, 0x80 | len(data)]) + mask + masked)

    def receive(self) -> tuple[int, bytes]:
        first, size = self._exactly(2)
        assert not size & 0x80
        if size == 126:
            size = struct.unpack(">H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._exactly(8))[0]
        return first & 0x0F, self._exactly(size)

    def read_until(self, wanted: bytes) -> bytes:
        text = b""
        while wanted not in text:
            opcode, data = self.receive()
            assert opcode in (0, 1, 2), (opcode, data, text)
            text += data
        return text


def test_websocket(engine):
    identity = create(engine, "sh", "-c", "while read x; do echo got $x; done", StdinOnce=False)
    engine.post(f"/containers/{identity}/start")
    socket = WebSocket(engine, f"/containers/{identity}/attach/ws?{ALL}")
    socket.send(b"word\n")
    socket.read_until(b"got word\n")
    socket.send(b"ping", opcode=9)
    while (frame := socket.receive())[0] != 10:
        pass
    assert frame[1] == b"ping"
    engine.cli("kill", identity)
    while socket.receive()[0] != 8:
        pass
    socket.sock.close()


def test_clients_that_vanish(engine):
    """Connections that are cut in the midst of everything leave the container and the daemon alone."""
    identity = create(engine, "sh", "-c", "while :; do echo x; sleep 0.005; done", StdinOnce=False)
    engine.post(f"/containers/{identity}/start")
    before = len(os.listdir(f"/proc/{engine.pid}/fd"))

    def come_and_go():
        for _ in range(10):
            engine.hijack(f"/containers/{identity}/attach?{ALL}").close()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.inspect(identity)["State"]["Running"]
    come_and_go()
    deadline = time.monotonic() + 30
    while len(os.listdir(f"/proc/{engine.pid}/fd")) > before + 3:
        assert time.monotonic() < deadline, "descriptors stay"
        engine.get("/_ping")
