# SPDX-License-Identifier: Apache-2.0
"""Docker's API in plain HTTP on a unix socket: answers, multiplexed frames, connections taken over, events."""

import http.client
import json
import socket
import time

TIMEOUT = 60


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float = TIMEOUT):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self) -> list:
        """A stream of JSON values."""
        decoder, text, found = json.JSONDecoder(), self.body.decode().strip(), []
        while text:
            value, end = decoder.raw_decode(text)
            found.append(value)
            text = text[end:].lstrip()
        return found

    @property
    def message(self) -> str:
        return self.json["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Docker's multiplexed stream: (stream, bytes) of each whole frame."""
    found = []
    while len(data) >= 8:
        size = int.from_bytes(data[4:8], "big")
        found.append((data[0], data[8:8 + size]))
        data = data[8 + size:]
    assert not data, f"a torn frame: {data[:40]!r}"
    return found


class Hijacked:
    """A connection that was upgraded: raw bytes both ways."""

    def __init__(self, sock: socket.socket, head: str, rest: bytes):
        self.sock, self.head, self.buffer = sock, head, rest

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def end_input(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def read_until(self, wanted: bytes) -> bytes:
        """All up to and with `wanted`."""
        while wanted not in self.buffer:
            data = self.sock.recv(65536)
            assert data, f"ended before {wanted!r}: {self.buffer!r}"
            self.buffer += data
        end = self.buffer.index(wanted) + len(wanted)
        found, self.buffer = self.buffer[:end], self.buffer[end:]
        return found

    def read_all(self) -> bytes:
        while data := self.sock.recv(65536):
            self.buffer += data
        found, self.buffer = self.buffer, b""
        return found

    def close(self) -> None:
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class EventStream:
    """GET /events, read as it comes."""

    def __init__(self, path: str, query: str = ""):
        self.connection = UnixConnection(path)
        self.connection.request("GET", f"/events{query}")
        self.sock = self.connection.sock  # http.client lets go of it where the server closes after this response
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.lines: list[dict] = []

    def next(self, timeout: float = TIMEOUT) -> dict:
        self.sock.settimeout(timeout)
        line = self.response.readline()
        assert line, "the events ended"
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def wait(self, timeout: float) -> bool:
        """One more event, if it comes in time."""
        try:
            self.next(max(timeout, 0.001))
            return True
        except TimeoutError:
            return False

    def until(self, action: str, timeout: float = TIMEOUT) -> dict:
        """The next event whose Action starts so."""
        deadline = time.monotonic() + timeout
        while not (event := self.next(deadline - time.monotonic()))["Action"].startswith(action):
            pass
        return event

    def close(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
