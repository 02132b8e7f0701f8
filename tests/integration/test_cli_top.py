# SPDX-License-Identifier: Apache-2.0
"""`berth top` on a terminal: a view that is drawn anew until a key or the container's end; elsewhere docker's form."""

import json
import re
import signal
import subprocess
from urllib.parse import parse_qs, unquote

import pytest

from support.clis import DOCKER, OURS, environment
from support.recorder import Recorder
from support.terminal import Terminal

pytestmark = [pytest.mark.novm, pytest.mark.noasan]

CTRL_C, CTRL_D, CTRL_Z = b"\x03", b"\x04", b"\x1a"
FRAME = b"\033[H"  # how each begins
GIVEN_BACK = b"\033[?7h\033[?25h"
COLUMNS = ["USER", "PID", "%CPU", "%MEM", "RSS", "STAT", "TIME", "COMMAND"]
HOSTILE = "a\x1b]0;taken\x07\x1b[2J\x1b[31mred\u009b1m\nb\tc"
SHOWN = "a?]0;taken??[2J?[31mred?1m?b?c"


def rows_of(terminal) -> list[list[str]]:
    """The last frame, whole."""
    frame = terminal.seen.split(FRAME)[-1].split(b"\033[J")[0]
    return [line.replace("\033[K", "").split() for line in frame.decode().splitlines()]


class Daemon:
    """Tells of what the test says: `containers` by name their processes, and `faults` the status of an error."""

    def __init__(self, folder):
        self.containers, self.faults, self.is_simple = {}, {}, False
        self.recorder = Recorder(folder / "d.sock", [("GET", "/containers/json", self._list),
                                                     ("GET", "/containers/[^/]+/top", self._top)])
        (folder / "config").mkdir()
        self.environment = environment(self.recorder.host, folder, DOCKER_CONFIG=str(folder / "config"), TERM="xterm")

    def _list(self, _):
        listed = [{"Id": f"id-{name}", "Names": [f"/linked/{name}", f"/{name}"]} for name in self.containers]
        return 200, {}, json.dumps(listed).encode()

    def _top(self, request):
        name = unquote(request.path.split("/")[2]).removeprefix("id-")
        arguments = parse_qs(request.query).get("ps_args", [""])[0]
        status, message = self.faults.get(name, (200, "") if name in self.containers else (404, f"No such container: {name}"))
        if arguments and self.is_simple:
            status, message = 500, "Error running ps: bad -o argument"
        if status != 200:
            return status, {}, json.dumps({"message": message}).encode()
        title = "%CPU" if arguments else "C"
        return 200, {}, json.dumps({"Titles": ["PID", title, "COMMAND"], "Processes": self.containers[name]}).encode()

    def watch(self, *words, program=OURS, **more) -> Terminal:
        return Terminal(program, "top", *words, env=self.environment, **more)

    def piped(self, *words, program=OURS):
        done = subprocess.run([program, "top", *words], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    made.containers = {"web": [["1", "0.5", "calm"], ["2", "80.0", "busy"]]}
    yield made
    made.recorder.close()


# --- a real container ------------------------------------------------------------------------------------------------


def test_a_container_until_it_stops(engine, tmp_path):
    engine.out("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100000")
    with Terminal(OURS, "top", "box", env=environment(engine.host, tmp_path, TERM="xterm")) as terminal:
        terminal.until("sleep 100000")
        terminal.until("\033[J")
        rows = rows_of(terminal)
        assert rows[0] == COLUMNS and len(rows) == 2 and rows[1][-2:] == ["sleep", "100000"]
        assert terminal.is_raw
        engine.out("exec", "-d", "box", "sleep", "200000")
        terminal.until("sleep 200000")
        engine.out("kill", "box")
        assert terminal.wait() == 0
        assert terminal.is_restored and terminal.seen.endswith(GIVEN_BACK)
        assert "sleep 100000" in terminal.seen.split(FRAME)[-1].decode()  # what was last seen stays


def test_all_containers_as_they_come_and_go(engine, tmp_path):
    with Terminal(OURS, "top", env=environment(engine.host, tmp_path, TERM="xterm")) as terminal:
        terminal.until("No container is running.")
        for name in ("web10", "web2"):
            engine.out("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "100000")
        terminal.until_seen(lambda _: [row[0] for row in rows_of(terminal)] == ["CONTAINER", "web2", "web10"])
        assert rows_of(terminal)[0] == ["CONTAINER", *COLUMNS]
        engine.out("kill", "web2")
        terminal.until_seen(lambda _: [row[0] for row in rows_of(terminal)] == ["CONTAINER", "web10"])
        terminal.type(b"q")
        assert terminal.wait() == 0
        assert terminal.is_restored


# --- the view --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"q", CTRL_C, CTRL_D])
@pytest.mark.parametrize("words", [["web"], []])
def test_a_key_leaves(daemon, key, words):
    with daemon.watch(*words) as terminal:
        terminal.until("calm")
        assert terminal.is_raw
        terminal.type(b"x\033[A" + key)
        assert terminal.wait() == 0
        assert terminal.is_restored and terminal.seen.endswith(GIVEN_BACK)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves(daemon, number):
    with daemon.watch("web") as terminal:
        terminal.until("calm")
        terminal.signal(number)
        assert terminal.wait() == 128 + number
        assert terminal.is_restored and terminal.seen.endswith(GIVEN_BACK)


def test_ctrl_z_gives_the_terminal_back_for_a_while(daemon):
    with daemon.watch("web") as terminal:
        terminal.until("calm")
        terminal.type(CTRL_Z)
        terminal.until(GIVEN_BACK.decode())
        terminal.until_stopped()
        assert terminal.is_restored
        terminal.signal(signal.SIGCONT)
        terminal.until("calm")
        terminal.until_raw()
        terminal.type(b"q")
        assert terminal.wait() == 0


def test_who_uses_the_processor_comes_first(daemon):
    with daemon.watch("web") as terminal:
        terminal.until("\033[J")
        assert rows_of(terminal) == [["PID", "%CPU", "COMMAND"], ["2", "80.0", "busy"], ["1", "0.5", "calm"]]
        daemon.containers["web"] = [["1", "90.0", "calm"], ["2", "80.0", "busy"]]
        terminal.until_seen(lambda _: rows_of(terminal)[1:2] == [["1", "90.0", "calm"]])


def test_a_ps_that_knows_other_columns(daemon):
    daemon.is_simple = True
    with daemon.watch("web") as terminal:
        terminal.until("\033[J")
        assert rows_of(terminal)[:2] == [["PID", "C", "COMMAND"], ["2", "80.0", "busy"]]


def test_it_stays_within_the_window(daemon):
    daemon.containers["web"] = [[str(number), "0.0", "x" * 200] for number in range(100)]
    with daemon.watch("web", size=(10, 40)) as terminal:
        terminal.until("… and 93 more")
        terminal.until("\033[J")
        lines = terminal.seen.split(FRAME)[1].decode().split("\r\n")
        assert len(lines) == 10 and max(len(re.sub(r"\033\[[^a-zA-Z]*[a-zA-Z]", "", line)) for line in lines) == 40
        terminal.resize(5, 20)
        terminal.until("… and 98 more")
        terminal.until("\033[J")
        assert max(len(" ".join(row)) for row in rows_of(terminal)) <= 20


def test_no_process_drives_the_terminal(daemon):
    daemon.containers = {HOSTILE: [["1", "0", HOSTILE]]}
    daemon.containers["web"] = [["\x1b[2J", "0", HOSTILE]]
    for words in (["web"], ["--no-stream", "web"], [], ["--no-stream"]):
        with daemon.watch(*words, size=(24, 300)) as terminal:
            terminal.until(SHOWN)
            terminal.type(b"q")
            assert terminal.wait() == 0
        assert not re.search(rb"\033[^\[]|\033\[2J|\033\[31|\x07|\xc2\x9b", terminal.seen)
    # With ps options it is docker's form, where a name can at most set colours.
    with daemon.watch("web", "-ef") as terminal:
        assert terminal.wait() == 0
    assert b"\033]" not in terminal.seen and b"\033[2J" not in terminal.seen


def test_it_ends_with_the_container_but_not_for_its_restart(daemon):
    with daemon.watch("web") as terminal:
        terminal.until("calm")
        daemon.faults["web"] = (409, "Container web is restarting, wait until the container is running")
        terminal.until("calm")
        terminal.until("calm")
        daemon.faults["web"] = (409, "container web is not running")
        assert terminal.wait() == 0
        assert "not running" not in terminal.text


def test_one_that_is_going_is_left_out(daemon):
    daemon.containers["going"] = []
    daemon.faults["going"] = (409, "container going is not running")
    with daemon.watch() as terminal:
        terminal.until("\033[J")
        assert [row[0] for row in rows_of(terminal)] == ["CONTAINER", "web", "web"]


def test_errors_at_the_start_are_dockers(daemon):
    daemon.faults["web"] = (409, "container web is not running")
    with daemon.watch("web") as terminal:
        assert terminal.wait() == 1
        assert terminal.text.startswith("Error response from daemon: container web is not running\r\n")
        assert FRAME not in terminal.seen and terminal.is_restored


def test_a_daemon_that_goes(daemon):
    with daemon.watch("web") as terminal:
        terminal.until("calm")
        daemon.faults["web"] = (500, "no more")
        assert terminal.wait() == 1
        assert terminal.is_restored and GIVEN_BACK + b"Error response from daemon: no more" in terminal.seen


# --- once ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words,expected", [
    (["--no-stream", "web"], "PID  %CPU  COMMAND\n2    80.0  busy\n1    0.5   calm\n"),
    (["--no-stream"], "CONTAINER  PID  %CPU  COMMAND\nweb        2    80.0  busy\nweb        1    0.5   calm\n"),
])
def test_once(daemon, words, expected):
    with daemon.watch(*words) as terminal:
        assert terminal.wait() == 0
        assert terminal.text == expected.replace("\n", "\r\n")


@pytest.mark.parametrize("words", [["web", "-ef"], ["web", "-o", "pid,args"], ["web"], [], ["nothing"], ["--nothing"],
                                   ["--help"]])
def test_elsewhere_it_is_dockers(daemon, words, tmp_path):
    """With ps options on a terminal too."""
    if not DOCKER:
        pytest.skip("no docker CLI to compare with")
    ours = tmp_path / "docker"
    ours.symlink_to(OURS)
    assert daemon.piped(*words, program=ours) == daemon.piped(*words, program=DOCKER)
    if "web" in words and len(words) > 1:
        seen = []
        for program in (DOCKER, ours):
            with daemon.watch(*words, program=program) as terminal:
                seen.append((terminal.wait(), terminal.text))
        assert seen[0] == seen[1]


def test_one_end_that_is_no_terminal(daemon):
    """Nobody to look on, or nobody to press a key."""
    expected = daemon.piped("web")[1].decode()
    with daemon.watch("web", stdin=subprocess.DEVNULL) as terminal:
        assert terminal.wait() == 0
        assert terminal.text == expected.replace("\n", "\r\n")


def test_help_tells_people_of_it(daemon):
    with daemon.watch("--help") as terminal:
        assert terminal.wait() == 0
        assert "--no-stream" in terminal.text
