# SPDX-License-Identifier: Apache-2.0
"""`berth stats` and `berth logs --follow` while things happen: the view on a terminal, its end, containers that come and go."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from support import recorder
from support.side_by_side import Sides
from support.terminal import Terminal

pytestmark = [pytest.mark.novm, pytest.mark.noasan]
TIMEOUT = 30


@pytest.fixture
def sides(engine, tmp_path):
    return Sides(engine.host, tmp_path / "sides")


class View(Terminal):
    """berth on a terminal of its own, which it draws on."""

    def __init__(self, sides: Sides, *words, rows: int = 24, columns: int = 100):
        super().__init__(sides.programs["berth"], *words, size=(rows, columns), env=sides.environment(None))

    def frames(self) -> list[str]:
        """Those that are whole. Where the terminal adds a "\\r" to each "\\n" a line has two."""
        return [frame.replace("\r\r", "\r") for frame in re.findall(r"\x1b\[H(.*?)\x1b\[J", self.text, re.S)]

    def wait_for_frame(self, condition) -> str:
        return self.until_seen(lambda _: next((frame for frame in self.frames() if condition(frame)), None))

    def interrupt(self) -> int:
        """The status as a shell tells it: of a signal that came before the program listened to it, the same."""
        self.type(b"\x03")
        status = self.wait()
        return status if status >= 0 else 128 - status


def test_the_view_is_drawn_in_place(engine, sides):
    name = engine.start_container()
    with View(sides, "stats", name) as terminal:
        terminal.until_seen(lambda text: text.count("\x1b[J") >= 3)
        before = terminal.text.split("\x1b[H")[0]
        assert set(re.findall(r"\x1b.*?[a-zA-Z]", before)) == {"\x1b[?25l", "\x1b[?7l"}  # nothing is cleared before it is drawn over
        for frame in terminal.frames()[:3]:
            heading, row, rest = frame.split("\r\n")
            assert heading.split() == "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS\x1b[K".split()
            assert name in row and row.endswith("\x1b[K") and not rest
        assert terminal.interrupt() == 130
        assert terminal.text.endswith("\x1b[?25h")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_cursor_is_back_after_a_signal(engine, sides, number):
    name = engine.start_container()
    with View(sides, "stats", name) as terminal:
        terminal.wait_for_frame(lambda frame: name in frame)
        terminal.signal(number)
        assert terminal.wait() == 128 + number
        terminal.until_seen(lambda text: text.endswith("\x1b[?25h"))


def test_containers_come_and_go(engine, sides):
    with View(sides, "stats") as terminal:
        terminal.wait_for_frame(lambda frame: "CONTAINER ID" in frame)
        name = engine.start_container()
        terminal.wait_for_frame(lambda frame: re.search(rf"{name} .*MiB|{name} .*KiB", frame))
        seen = len(terminal.frames())
        engine.cli("rm", "-f", name)
        terminal.until_seen(lambda _: any(name not in frame for frame in terminal.frames()[seen:]))


def test_the_view_fits_the_screen(engine, sides):
    names = [engine.start_container() for _ in range(4)]
    with View(sides, "stats", *names, rows=4, columns=30) as terminal:
        frame = terminal.wait_for_frame(lambda frame: names[0] in frame)
        lines = frame.split("\r\n")[:-1]
        assert len(lines) == 3 and lines[-1] == "… and 3 more\x1b[K"
        assert all(len(line.removesuffix("\x1b[K")) <= 30 for line in lines)


def test_frames_in_a_pipe_are_those_of_docker(engine, sides):
    name = engine.start_container()
    found = {}
    for program in ("docker", "berth"):
        with subprocess.Popen([sides.programs[program], "stats", "--format", "{{.Name}} {{.PIDs}}", name], env=sides.environment(None),
                              stdout=subprocess.PIPE) as process:
            text = b""
            while text.count(b"\x1b[J") < 2:
                text += os.read(process.stdout.fileno(), 65536)
            found[program] = text[:text.index(b"\x1b[J")]
            process.kill()
    assert found["docker"] == found["berth"]


def test_stats_end_with_the_daemons_events(tmp_path, berth_program):
    """As when the daemon restarts: no error."""
    with tempfile.TemporaryDirectory() as folder, recorder.Recorder(Path(folder) / "s", [
            ("GET", "/events", lambda request: (200, {}, b"")),
            ("GET", "/containers/json", lambda request: (200, {}, json.dumps([]).encode()))]) as server:
        answer = Sides(server.host, tmp_path / "sides").ask("berth", ["stats"])
        assert answer.status == 0 and not answer.err, answer


def test_following_a_log(engine, sides):
    name = engine.start_container("sh", "-c", "echo one; echo two >&2; read x; echo three; read x", flags=("-i",))
    with subprocess.Popen([sides.programs["berth"], "logs", "-f", name], env=sides.environment(None), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"one\n" and process.stderr.readline() == b"two\n"
        sender = threading.Thread(target=sides.ask, args=("docker", ["attach", name], b"x\n"))
        sender.start()
        assert process.stdout.readline() == b"three\n"
        engine.cli("rm", "-f", name)
        assert process.wait(TIMEOUT) == 0
        sender.join()


def test_interrupting_a_followed_log(engine, sides):
    name = engine.start_container("sh", "-c", "echo one; exec sleep 1000")
    with View(sides, "logs", "-f", name) as terminal:
        terminal.until_seen(lambda text: "one" in text)
        assert terminal.interrupt() == 130


def test_a_reader_that_goes_away(engine, sides):
    """`berth logs … | head`: no error, no noise."""
    name = engine.start_container("sh", "-c", "while :; do echo text; done")
    with subprocess.Popen([sides.programs["berth"], "logs", "-f", name], env=sides.environment(None), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"text\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(TIMEOUT)
