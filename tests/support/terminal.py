# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, as a person sees it. The program is a session's leader and has the terminal for its
controlling one; the test holds both ends until the program is gone, so that the terminal's mode can be asked for."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

TIMEOUT = 60


class Terminal:
    """`seen` is all that came, `at` how much of it was waited for."""

    def __init__(self, *words, size=(24, 80), env: dict | None = None, cwd=None, stdin=None, stdout=None):
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.mode_before = termios.tcgetattr(self.slave)
        self.seen, self.at = b"", 0
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout, stderr=self.slave, env=env, cwd=cwd, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0))
        self.pidfd = os.pidfd_open(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.master, self.slave, self.pidfd):
            if fd >= 0:
                os.close(fd)

    def resize(self, rows: int, columns: int) -> None:
        """The kernel then tells the program by SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes | str) -> None:
        os.write(self.master, keys if isinstance(keys, bytes) else keys.encode())

    def until_stopped(self) -> None:
        """Until a signal has stopped the program."""
        os.waitid(os.P_PIDFD, self.pidfd, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def _read(self, deadline: float) -> bool:
        """Waits for what comes next; false at the end."""
        ready, _, _ = select.select([self.master, self.pidfd], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"nothing more came of {self.process.args}; {self.seen!r}"
        if self.master not in ready:
            if self.slave < 0:
                ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
                assert ready, f"something else holds the terminal of {self.process.args}; {self.seen!r}"
            else:
                self._mode = termios.tcgetattr(self.slave)
                os.close(self.slave)  # what is on its way comes before the end, which now can come
                self.slave = -1
                return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def until_seen(self, condition, timeout: float = TIMEOUT):
        """Until condition(text) is true of all that came; its value."""
        deadline = time.monotonic() + timeout
        while not (found := condition(self.text)):
            assert self._read(deadline), f"it ended with status {self.process.wait()} before that came; {self.seen!r}"
        return found

    def expect(self, pattern: str, timeout: float = TIMEOUT) -> str:
        """What came after what was waited for before, up to and with the pattern. In both "\\n" is the terminal's "\\r\\n"."""
        wanted = re.compile(pattern.replace(r"\n", r"\r?\n").replace("\n", r"\r?\n").encode())
        found = self.until_seen(lambda _: wanted.search(self.seen, self.at), timeout)
        part, self.at = self.seen[self.at:found.end()], found.end()
        return part.decode(errors="replace").replace("\r\n", "\n")

    def until(self, text: str, timeout: float = TIMEOUT) -> None:
        """Until `text` has come after what was waited for before."""
        wanted = text.encode()
        self.until_seen(lambda _: wanted in self.seen[self.at:], timeout)
        self.at = self.seen.index(wanted, self.at) + len(wanted)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Until the program ends: its exit status, of a signal the negative number. All output is read."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        return self.process.wait(max(1, deadline - time.monotonic()))

    def mode(self) -> list:
        return termios.tcgetattr(self.slave) if self.slave >= 0 else self._mode

    @property
    def is_raw(self) -> bool:
        return not self.mode()[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def until_raw(self, timeout: float = TIMEOUT) -> None:
        """No event tells of it."""
        deadline = time.monotonic() + timeout
        while not self.is_raw:
            assert time.monotonic() < deadline and self.process.poll() is None, f"it is not raw; {self.seen!r}"
            time.sleep(0.005)

    @property
    def is_restored(self) -> bool:
        return self.mode() == self.mode_before

    @property
    def text(self) -> str:
        return self.seen.decode(errors="replace")
