# SPDX-License-Identifier: Apache-2.0
"""A client of berth-shim (docs/shim.md), in plain Python: it knows the wire, not Berth's code.

`Shim.spawn` starts a shim on a bundle and takes its handshake; `Shim.connect` reaches one that runs. Answers and
events come in any order; each is kept until somebody asks for it. Nothing here waits for time.
"""

import fcntl
import json
import os
import select
import socket
import subprocess
import time
from pathlib import Path

TIMEOUT = 30


class ShimError(Exception):
    """What the shim answered instead of "ok"."""

    def __init__(self, error: dict):
        super().__init__(error["message"])
        self.kind, self.code, self.exit_code = error["kind"], error["code"], error.get("exit_code")


class Gone(Exception):
    """The shim closed the connection."""


class Connection:
    """One connection. `call` sends a request and waits for its answer."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self.events: list[dict] = []
        self.answers: dict = {}
        self.last_id = 0

    def close(self) -> None:
        self.sock.close()

    def send_raw(self, data: bytes, fds=()) -> None:
        try:
            socket.send_fds(self.sock, [data], list(fds)) if fds else self.sock.send(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def receive(self) -> tuple[dict, list[int]]:
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 1 << 17, 64)
        except ConnectionResetError:  # told once, before what is still there to read
            data, fds, _, _ = socket.recv_fds(self.sock, 1 << 17, 64)
        if not data:
            raise Gone
        return json.loads(data), fds

    def _sort_one(self) -> None:
        body, fds = self.receive()
        if "event" in body:
            self.events.append(body)
        else:
            self.answers[body.get("id")] = (body, fds)

    def send(self, op: str, fds=(), **members) -> int:
        self.last_id += 1
        self.send_raw(json.dumps({"id": self.last_id, "op": op, **members}).encode(), fds)
        return self.last_id

    def answer(self, ident: int) -> dict:
        return self.answer_with_fds(ident)[0]

    def answer_with_fds(self, ident: int) -> tuple[dict, list[int]]:
        while ident not in self.answers:
            self._sort_one()
        body, fds = self.answers.pop(ident)
        if "error" in body:
            raise ShimError(body["error"])
        if body.get("ok_fd"):
            with os.fdopen(fds.pop(), "rb") as file:
                return json.load(file), fds
        return body["ok"], fds

    def call(self, op: str, fds=(), **members) -> dict:
        return self.answer(self.send(op, fds, **members))

    def event(self, name: str, **matching) -> dict:
        """Waits for the next event of that name (and these members); others stay."""
        def fits(event):
            return event["event"] == name and all(event.get(k) == v for k, v in matching.items())

        while not any(fits(event) for event in self.events):
            self._sort_one()
        found = next(event for event in self.events if fits(event))
        self.events.remove(found)
        return found

    def until_gone(self) -> None:
        """Reads until the shim has closed the connection: then it has let go of everything."""
        try:
            while True:
                self._sort_one()
        except (Gone, ConnectionResetError):
            pass

    # -- requests with descriptors

    def attach(self, stdin=None, stdout=None, stderr=None, framed=False, **more) -> int:
        """Descriptors are closed here once they are sent."""
        flags, fds = stream_members(stdin, stdout, stderr, framed)
        return self.call("attach", fds=Passed(fds), **flags, **more)["attachment"]

    def exec(self, ident: str, process: dict, stdin=None, stdout=None, stderr=None, framed=False, **more) -> dict:
        flags, fds = stream_members(stdin, stdout, stderr, framed)
        return self.call("exec", fds=Passed(fds), exec=ident, process=process, **flags, **more)


class Passed(list):
    """Descriptors that belong to the receiver: closed here after they were sent."""

    def __init__(self, fds):
        super().__init__(fds)

    def __del__(self):
        for fd in self:
            os.close(fd)


def stream_members(stdin, stdout, stderr, framed) -> tuple[dict, list[int]]:
    members, fds = {}, []
    for name, fd in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
        if fd is not None:
            members[name] = True
            fds.append(fd)
    if framed:
        members |= {"framed": True, "stderr": True}
    return members, fds


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Docker's 8 byte headers and what they head."""
    found = []
    while data:
        length = int.from_bytes(data[4:8], "big")
        assert data[1:4] == b"\0\0\0" and len(data) >= 8 + length, data[:64]
        found.append((data[0], data[8:8 + length]))
        data = data[8 + length:]
    return found


def log_frames(data: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    while data:
        length = int.from_bytes(data[4:8], "big")
        assert len(data) >= 16 + length, data[:64]
        found.append((data[0], int.from_bytes(data[8:16], "big"), data[16:16 + length]))
        data = data[16 + length:]
    return found


class Shim:
    """A shim process that this process spawned, and the handshake's connection to it."""

    def __init__(self, directory: Path, process: subprocess.Popen, control: Connection, ready: dict):
        self.directory, self.process, self.control, self.ready = directory, process, control, ready
        self.pid, self.shim_pid = ready["pid"], ready["shim_pid"]

    @classmethod
    def spawn(cls, program: Path, directory: Path, ident: str) -> "Shim":
        process, control = cls.spawn_only(program, directory, ident)
        message, _ = control.receive()
        if "error" in message:
            process.wait(TIMEOUT)
            control.close()
            raise ShimError(message["error"])
        return cls(directory, process, control, message)

    @classmethod
    def spawn_only(cls, program: Path, directory: Path, ident: str) -> tuple[subprocess.Popen, Connection]:
        """Without taking the handshake."""
        process, control = cls.spawn_waiting(program)
        cls.assign(control, directory, ident)
        return process, control

    @staticmethod
    def spawn_waiting(program: Path) -> tuple[subprocess.Popen, Connection]:
        """Without a container."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A shell puts it in its place: in the child of Popen that would fight with its own descriptors.
        passed = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
        theirs.close()
        script = f'exec 3<&{passed} {passed}<&-; exec "$0" run "$1"'
        try:
            process = subprocess.Popen(["/bin/bash", "-c", script, str(program), "-" * 64], pass_fds=[passed],
                                       stdin=subprocess.DEVNULL)
        finally:
            os.close(passed)
        return process, Connection(ours)

    @staticmethod
    def assign(control: Connection, directory: Path, ident: str, subscribe: bool = False) -> None:
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            control.send_raw(json.dumps({"run": ident, "subscribe": subscribe}).encode(), [folder])
        finally:
            os.close(folder)

    def connect(self) -> Connection:
        return connect(self.directory)

    def wait_gone(self) -> int:
        """Waits until the shim's process has ended."""
        return self.process.wait(TIMEOUT)

    @property
    def exit(self) -> dict:
        return json.loads((self.directory / "exit.json").read_text())

    def log(self) -> list[dict]:
        return [json.loads(line) for line in (self.directory / "log.json").read_text().splitlines()]

    def log_text(self, stream="stdout") -> str:
        return "".join(entry["log"] for entry in self.log() if entry["stream"] == stream)


def connect(directory: Path) -> Connection:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        sock.connect(f"/proc/self/fd/{fd}/shim.sock")
    except OSError:
        sock.close()
        raise
    finally:
        os.close(fd)
    return Connection(sock)


class Reader:
    """Reads a pipe as it comes."""

    def __init__(self, fd: int):
        self.fd = fd
        self.data = bytearray()

    def more(self, timeout=TIMEOUT) -> bool:
        if not select.select([self.fd], [], [], timeout)[0]:
            raise TimeoutError(f"nothing more after {bytes(self.data[-200:])!r}")
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            data = b""
        self.data += data
        return bool(data)

    def until(self, marker: bytes) -> bytes:
        while marker not in self.data:
            if not self.more():
                raise EOFError(f"no {marker!r} in {bytes(self.data[-200:])!r}")
        return self._take(self.data.index(marker) + len(marker))

    def all(self) -> bytes:
        while self.more():
            pass
        return self._take(len(self.data))

    def _take(self, size: int) -> bytes:
        head = bytes(self.data[:size])
        del self.data[:size]
        return head

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def pipe() -> tuple[Reader, int]:
    """A reader, and the writing end to give away."""
    read, write = os.pipe()
    return Reader(read), write


def wait_for_pid(pid: int, timeout=TIMEOUT) -> None:
    """Waits for the end of any process."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        if not poller.poll(timeout * 1000):
            raise TimeoutError(f"process {pid} goes on")
    finally:
        os.close(fd)


def deadline(seconds=TIMEOUT):
    """for _ in deadline(): … looks again and again at what the kernel gives no event for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.005)
    raise TimeoutError
