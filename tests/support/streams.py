# SPDX-License-Identifier: Apache-2.0
"""Pipes and terminals, read by event with a time limit."""

import os
import select
import socket
import time
from pathlib import Path

TIMEOUT = 30


class Stream:
    """The reading end of a pipe or a terminal, read by event with a time limit."""

    def __init__(self, fd: int):
        self.fd = fd
        self.text = ""

    def fileno(self) -> int:
        return self.fd

    def _more(self, deadline: float) -> bool:
        poller = select.poll()
        poller.register(self.fd, select.POLLIN | select.POLLHUP)
        if not poller.poll(max(0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"nothing more to read after {self.text!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # a terminal whose other side is closed gives EIO
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def until(self, marker: str, timeout: float = TIMEOUT) -> str:
        """Reads until the marker was seen; returns the text up to its end and keeps the rest."""
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            if not self._more(deadline):
                raise EOFError(f"no {marker!r} in {self.text!r}")
        end = self.text.index(marker) + len(marker)
        head, self.text = self.text[:end], self.text[end:]
        return head

    def line(self, timeout: float = TIMEOUT) -> str:
        return self.until("\n", timeout).rstrip("\r\n")

    def all(self, timeout: float = TIMEOUT) -> str:
        """Reads to the end."""
        deadline = time.monotonic() + timeout
        while self._more(deadline):
            pass
        text, self.text = self.text, ""
        return text

    def write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Fifo:
    """A named pipe between the test and a container or hook. It is open for both ways, so that neither an
    absent reader nor an absent writer blocks the test."""

    def __init__(self, path: Path):
        self.path = path
        os.mkfifo(path)
        self.stream = Stream(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def send(self, text: str = "go\n") -> None:
        self.stream.write(text)

    def line(self, timeout: float = TIMEOUT) -> str:
        return self.stream.line(timeout)

    def close(self) -> None:
        self.stream.close()


class ConsoleSocket:
    """Listens where --console-socket sends the terminal's descriptor to."""

    def __init__(self, path: Path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(TIMEOUT)

    def receive(self) -> tuple[Stream, str]:
        """The terminal, and the text that came with it."""
        peer, _ = self.listener.accept()
        with peer:
            peer.settimeout(TIMEOUT)
            text, fds, _, _ = socket.recv_fds(peer, 4096, 4)
        assert len(fds) == 1, f"the console socket got {len(fds)} descriptors"
        return Stream(fds[0]), text.decode()

    def close(self) -> None:
        self.listener.close()
