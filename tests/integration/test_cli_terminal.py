# SPDX-License-Identifier: Apache-2.0
"""`berth` on a real terminal: raw mode and its end, window sizes, keys, signals, colours, prompts, live views; where the
docker CLI says what should be, it is asked too."""

import json
import os
import re
import signal
import subprocess

import pytest

from support.clis import DOCKER, OURS, environment
from support.terminal import Terminal

pytestmark = [pytest.mark.novm, pytest.mark.noasan]

# Docker's first: what it does is what is right.
PROGRAMS = [program for program in (DOCKER, OURS) if program]
CTRL_C, CTRL_D, CTRL_P, CTRL_Q, CTRL_X = b"\x03", b"\x04", b"\x10", b"\x11", b"\x18"
# Tells its size at the start and whenever it changes.
SIZES = "trap 'echo size $(stty size)' WINCH; echo size $(stty size); while :; do sleep 100000 & wait $!; done"


@pytest.fixture
def place(engine, tmp_path):
    """Where the programs run: their configuration is empty and their own."""
    (tmp_path / "config").mkdir()
    engine.terminal_environment = environment(engine.host, tmp_path, DOCKER_CONFIG=str(tmp_path / "config"), TERM="xterm")
    engine.config_folder = tmp_path / "config"
    return engine


def on_terminal(place, *words, program=None, env=None, **more) -> Terminal:
    return Terminal(program or OURS, *words, env={**place.terminal_environment, **(env or {})}, **more)


def state_of(place, name: str) -> str:
    return place.get(f"/containers/{name}/json").json["State"]["Status"]


def run_words(name: str, *flags, command: str) -> list[str]:
    return ["run", "--name", name, "--network", "none", *flags, "busybox", "sh", "-c", command]


# --- raw mode --------------------------------------------------------------------------------------------------------


def test_raw_while_it_runs_and_restored_at_the_end(place):
    with on_terminal(place, *run_words("raw", "-it", command="echo ready; read x; echo got $x; exit 3")) as terminal:
        terminal.until("ready")
        assert terminal.is_raw
        terminal.type(b"word\r")
        terminal.until("got word")
        assert terminal.wait() == 3
        assert terminal.is_restored


def test_the_mode_is_dockers(place):
    modes = []
    for program in PROGRAMS:
        with on_terminal(place, "run", "--rm", "-it", "--network", "none", "busybox", "sh", "-c", "echo ready; read x",
                         program=program) as terminal:
            terminal.until("ready")
            modes.append(terminal.mode())
            terminal.type(b"\r")
            assert terminal.wait() == 0
            assert terminal.is_restored
    assert all(mode == modes[0] for mode in modes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_to_the_client_is_the_containers(place, number):
    word = signal.Signals(number).name.removeprefix("SIG")
    command = f"trap 'echo told {word}; exit 9' {word}; echo ready; while :; do sleep 100000 & wait $!; done"
    # Not beside docker, which now and then loses a signal that comes right after the start.
    with on_terminal(place, *run_words("told", "-it", command=command)) as terminal:
        terminal.until("ready")
        assert terminal.is_raw
        terminal.signal(number)
        terminal.until(f"told {word}")
        assert terminal.wait() == 9
        assert terminal.is_restored


def test_restored_after_kill(place):
    """A container that does not obey: the third time the client goes alone."""
    command = "trap 'echo heard' TERM; echo ready; while :; do sleep 100000 & wait $!; done"
    with on_terminal(place, *run_words("deaf", "-it", command=command)) as terminal:
        terminal.until("ready")
        assert terminal.is_raw
        for _ in range(2):
            terminal.signal(signal.SIGTERM)
            terminal.until("heard")  # signals that are pending twice come once
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() != 0
        assert terminal.is_restored
    assert state_of(place, "deaf") == "running"


def test_restored_after_the_daemons_end(make_daemon, tmp_path):
    made = make_daemon("--bridge", "none")
    made.terminal_environment = {**os.environ, "DOCKER_HOST": made.host, "DOCKER_CONFIG": str(tmp_path)}
    with on_terminal(made, *run_words("orphan", "-it", command="echo ready; sleep 100000")) as terminal:
        terminal.until("ready")
        made.kill()
        assert terminal.wait() not in (0, -signal.SIGTERM)
        assert terminal.is_restored
    made.start()


def test_restored_when_the_container_does_not_start(place):
    with on_terminal(place, "run", "-it", "--network", "none", "busybox", "/no/such/program") as terminal:
        assert terminal.wait() == 127
        assert terminal.is_restored
        assert "/no/such/program" in terminal.text


def test_input_that_is_no_terminal(place):
    for words in (["run", "--rm", "-it", "busybox", "true"], ["run", "--rm", "-t", "-i", "busybox"]):
        found = []
        for program in PROGRAMS:
            done = subprocess.run([program, *words], env=place.terminal_environment, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True)
            found.append((done.returncode, done.stdout, done.stderr))
        assert found[-1] == found[0]
        assert found[-1][0] != 0


def test_output_that_is_no_terminal(place):
    """-t with stdout in a pipe: the input is raw all the same."""
    read, write = os.pipe()
    with on_terminal(place, *run_words("piped", "-it", command="echo ready; read x; echo got $x"), stdout=write) as terminal:
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            assert pipe.readline() == b"ready\r\n"
            assert terminal.is_raw
            terminal.type(b"word\r")
            assert b"got word" in pipe.read()
        assert terminal.wait() == 0
        assert terminal.is_restored


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_the_window_is_the_containers(place):
    with on_terminal(place, *run_words("sized", "-it", command=SIZES), size=(33, 77)) as terminal:
        terminal.until("size 33 77")
        terminal.resize(40, 100)
        terminal.until("size 40 100")
        terminal.resize(12, 34)
        terminal.until("size 12 34")
        place.post("/containers/sized/kill")
        assert terminal.wait() == 137
        assert terminal.is_restored


def test_exec_has_the_windows_size(place):
    place.out("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100000")
    with on_terminal(place, "exec", "-it", "box", "sh", "-c", SIZES, size=(33, 77)) as terminal:
        terminal.until("size 33 77")
        terminal.resize(40, 100)
        terminal.until("size 40 100")
        assert terminal.is_raw
        place.post("/containers/box/kill")
        assert terminal.wait() == 137
        assert terminal.is_restored


def test_attach_brings_its_size(place):
    place.out("run", "-dit", "--name", "box", "--network", "none", "busybox", "sh", "-c", SIZES)
    with on_terminal(place, "attach", "box", size=(31, 71)) as terminal:
        terminal.until("size 31 71")
        terminal.resize(40, 100)
        terminal.until("size 40 100")
        terminal.type(CTRL_P + CTRL_Q)
        terminal.wait()
        assert terminal.is_restored
    assert state_of(place, "box") == "running"


# --- detaching -------------------------------------------------------------------------------------------------------


def detached(place, words, keys: bytes, name: str, program=None) -> tuple[int, str]:
    """Status and what was said last of a client that is left by `keys`."""
    with on_terminal(place, *words, program=program) as terminal:
        terminal.until("ready")
        assert terminal.is_raw
        terminal.type(keys)
        status = terminal.wait()
        assert terminal.is_restored
        assert state_of(place, name) == "running"
        return status, terminal.seen[terminal.at:].decode().replace("\r", "")


READY = "echo ready; cat"


@pytest.mark.parametrize("how", ["default", "flag", "config", "flag over config"])
def test_detach_from_run(place, how):
    keys = {"default": CTRL_P + CTRL_Q, "flag": CTRL_X + b"x", "config": b"ab", "flag over config": CTRL_X + b"x"}[how]
    flags = ["--detach-keys", "ctrl-x,x"] if "flag" in how else []
    if "config" in how:
        (place.config_folder / "config.json").write_text(json.dumps({"detachKeys": "a,b"}))
    told = [detached(place, run_words(f"left-{index}", "-it", *flags, command=READY), keys, f"left-{index}", program)
            for index, program in enumerate(PROGRAMS)]
    assert told[-1] == told[0]


def test_detach_from_attach_exec_and_start(place):
    for index, program in enumerate(PROGRAMS):
        place.out("run", "-dit", "--name", f"box-{index}", "--network", "none", "busybox", "sh", "-c", "echo ready; cat")
        place.out("create", "-it", "--name", f"made-{index}", "--network", "none", "busybox", "sh", "-c", READY)
    for words, name in ((["exec", "-it", "--detach-keys", "ctrl-x", "box-{}", "sh", "-c", READY], "box-{}"),
                        (["start", "-ai", "--detach-keys", "ctrl-x", "made-{}"], "made-{}")):
        told = [detached(place, [word.format(index) for word in words], CTRL_X, name.format(index), program)
                for index, program in enumerate(PROGRAMS)]
        assert told[-1] == told[0], words
    told = []
    for index, program in enumerate(PROGRAMS):
        with on_terminal(place, "attach", f"box-{index}", program=program) as terminal:
            terminal.until_raw()
            terminal.type(b"hello\r")
            terminal.until("hello\r\nhello")
            terminal.type(CTRL_P + CTRL_Q)
            told.append((terminal.wait(), terminal.seen[terminal.at:]))
            assert terminal.is_restored
    assert told[-1] == told[0]


def test_the_first_detach_key_alone_is_the_containers(place):
    with on_terminal(place, *run_words("keys", "-it", command="stty raw -echo; echo ready; od -An -tx1 -N3")) as terminal:
        terminal.until("ready")
        terminal.type(CTRL_P + b"a" + CTRL_Q)
        terminal.until("10 61 11")
        assert terminal.wait() == 0


def test_bad_detach_keys(place):
    for words in (["run", "--rm", "-it", "--detach-keys", "nonsense", "--network", "none", "busybox", "true"],
                  ["attach", "--detach-keys", "ctrl-", "nothing"]):
        found = []
        for program in PROGRAMS:
            with on_terminal(place, *words, program=program) as terminal:
                found.append(terminal.wait())
                assert terminal.is_restored
        assert found[-1] == found[0]
        assert found[-1] != 0


# --- keys and signals ------------------------------------------------------------------------------------------------


def test_ctrl_c_is_the_containers_key(place):
    command = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 100000 & wait $!; done"
    with on_terminal(place, *run_words("keys", "-it", command=command)) as terminal:
        terminal.until("ready")
        terminal.type(CTRL_C)
        terminal.until("interrupted")
        assert terminal.wait() == 7
        assert terminal.is_restored


def test_ctrl_c_without_a_terminal_inside_is_proxied(place):
    command = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 100000 & wait $!; done"
    with on_terminal(place, *run_words("proxied", "-i", command=command)) as terminal:
        terminal.until("ready")
        assert terminal.is_restored  # nobody asked for a terminal
        terminal.type(CTRL_C)
        terminal.until("interrupted")
        assert terminal.wait() == 7


def test_end_of_input_is_the_containers_key(place):
    with on_terminal(place, *run_words("keys", "-it", command="echo ready; cat; echo end")) as terminal:
        terminal.until("ready")
        terminal.type(b"line\r" + CTRL_D)
        terminal.until("end")
        assert terminal.wait() == 0


def test_a_loud_container_loses_nothing(place):
    count = 20000
    with on_terminal(place, *run_words("loud", "-it", command=f"seq {count}")) as terminal:
        assert terminal.wait() == 0
        assert terminal.text.split() == [str(number) for number in range(1, count + 1)]


# --- colours, errors -------------------------------------------------------------------------------------------------

COLOUR = re.compile(r"\033\[[0-9;]*m")


def test_colours_on_a_terminal_only(place):
    for env, has_colours in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)):
        with on_terminal(place, "doctor", env=env) as terminal:
            terminal.wait()
            assert bool(COLOUR.search(terminal.text)) is has_colours, env
    done = subprocess.run([OURS, "doctor"], env=place.terminal_environment, capture_output=True, text=True)
    assert not COLOUR.search(done.stdout)


def test_errors_begin_with_dockers_words(place):
    """What a person is told beyond them comes after."""
    for words in (["ps", "--nonsense"], ["inspect", "nothing"], ["rm", "nothing"], ["-H", "unix:///nonexistent", "ps"]):
        piped = subprocess.run([OURS, *words], env=place.terminal_environment, capture_output=True, text=True)
        with on_terminal(place, *words) as terminal:
            assert terminal.wait() == piped.returncode
            first = COLOUR.sub("", terminal.text).replace("\r", "")
            assert piped.stderr.splitlines()[0] in first


def test_a_daemon_that_is_not_there(place):
    with on_terminal(place, "-H", "unix:///nonexistent", "ps") as terminal:
        assert terminal.wait() == 1
        assert "berth daemon" in terminal.text


# --- prompts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys,is_gone", [(b"y\r", True), (b"n\r", False), (b"\r", False), (CTRL_C, False), (CTRL_D, False)])
def test_prune_asks(place, keys, is_gone):
    told = []
    for program in PROGRAMS:
        place.out("volume", "create", "asked")
        with on_terminal(place, "volume", "prune", "--all", program=program) as terminal:
            terminal.until("[y/N] ")
            terminal.type(keys)
            told.append((terminal.wait(), terminal.text))
            assert terminal.is_restored
        names = [volume["Name"] for volume in place.get("/volumes").json["Volumes"] or []]
        assert ("asked" in names) is not is_gone
        place.delete("/volumes/asked")
    assert told[-1] == told[0]


def test_prune_ends_at_sigterm(place):
    with on_terminal(place, "network", "prune") as terminal:
        terminal.until("[y/N] ")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 0


def test_a_password_is_not_shown(place):
    with on_terminal(place, "login", "-u", "me", "127.0.0.1:1") as terminal:
        terminal.until("Password: ")
        assert not terminal.mode()[3] & 0o10  # ECHO
        terminal.type(b"secret")
        terminal.type(CTRL_C)
        terminal.wait()
        assert terminal.is_restored
        assert "secret" not in terminal.text


# --- live views ------------------------------------------------------------------------------------------------------


def test_stats_is_drawn_anew(place):
    place.out("run", "-d", "--name", "busy", "--network", "none", "busybox", "sleep", "100000")
    with on_terminal(place, "stats") as terminal:
        terminal.until("busy")
        terminal.until("\033[")
        terminal.until("busy")
        place.out("run", "-d", "--name", "later", "--network", "none", "busybox", "sleep", "100000")
        terminal.until("later")
        terminal.type(CTRL_C)
        terminal.wait()
        assert terminal.is_restored


def test_logs_follow_until_ctrl_c(place):
    place.out("run", "-d", "--name", "talker", "--network", "none", "busybox", "sh", "-c", "echo first; sleep 100000")
    ended = []
    for program in PROGRAMS:
        with on_terminal(place, "logs", "-f", "talker", program=program) as terminal:
            terminal.until("first")
            terminal.type(CTRL_C)
            ended.append(terminal.wait())
            assert terminal.is_restored
    assert ended[-1] == ended[0]


def test_events_until_ctrl_c(place):
    ended = []
    for program in PROGRAMS:
        with on_terminal(place, "events", "--since", "1h", program=program) as terminal:
            place.out("volume", "create", "seen")
            terminal.until("seen")
            terminal.type(CTRL_C)
            ended.append(terminal.wait())
        place.delete("/volumes/seen")
    assert ended[-1] == ended[0]


# --- advice ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words,expected", [
    (["logs", "there-i"], "Did you mean 'there-is'?"),
    (["rmi", "busybx"], "Did you mean 'busybox:latest'?"),
    (["inspect", "there-iss"], "Did you mean 'there-is'?"),
    (["network", "rm", "bridg"], "Did you mean 'bridge'?"),
    (["volume", "rm", "no-such-volume"], "See what there is: berth volume ls"),
    (["run", "--name", "there-is", "busybox"], "Use that one:    berth exec -it there-is COMMAND"),
    (["start", "there-iz"], "Did you mean 'there-is'?"),
    (["rm", "there-is"], "Stop it first: berth stop there-is"),
])
def test_advice_is_for_people(place, words, expected):
    """On a terminal after docker's lines; in a pipe there is none."""
    place.out("run", "-d", "--name", "there-is", "--network", "none", "busybox", "sleep", "100000")
    with on_terminal(place, *words) as terminal:
        assert terminal.wait() != 0
        assert expected in terminal.text
    done = subprocess.run([OURS, *words], env=place.terminal_environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr and expected not in done.stdout + done.stderr
    told = terminal.text.replace("\r\n", "\n")
    assert done.stderr.removesuffix("exit status 1\n") in told


def test_a_daemon_that_is_not_there_is_started_by_whom(place, tmp_path):
    host = f"unix://{tmp_path}/none.sock"
    for words in (["ps"], ["run", "busybox"]):
        with on_terminal(place, "-H", host, *words) as terminal:
            assert terminal.wait() != 0
            assert "Is the docker daemon running?" in terminal.text
            assert f"berth daemon -H {host}" in terminal.text
