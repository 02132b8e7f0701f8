# SPDX-License-Identifier: Apache-2.0
"""`berth` beside daemons, archives, programs and readers that mean it ill, or are merely broken: it ends, says so, and
neither the person's terminal nor files outside of what was asked for are touched."""

import base64
import fcntl
import io
import json
import os
import select
import signal
import socket
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from support.clis import OURS
from support.terminal import Terminal

pytestmark = [pytest.mark.novm]

TIMEOUT = 60
ESCAPES = "a\x1b]0;taken\x07\x1b[2J\u009b1mz"
SHOWN = "a?]0;taken??[2J?1mz"


def response(body, status="200 OK", kind="application/json", headers="") -> bytes:
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nApi-Version: 1.51\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
            .encode() + data)


@pytest.fixture
def daemon(tmp_path):
    """`daemon(answer)` serves on a socket: `answer` is bytes, or is called with the request's first line and the connection."""
    listeners = []

    def converse(connection, answer):
        with connection, connection.makefile("rb") as requests:
            try:
                while line := requests.readline().decode():
                    length = 0
                    while (header := requests.readline().strip().lower()) and header:
                        if header.startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    requests.read(length)
                    connection.sendall(answer(line, connection) if callable(answer) else answer)
            except (BrokenPipeError, ConnectionResetError):
                pass

    def serve(listener, answer):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection, answer), daemon=True).start()

    def start(answer) -> list[str]:
        path = tmp_path / f"{len(listeners)}.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return [OURS, "--config", str(tmp_path / "config"), "-H", f"unix://{path}"]

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def run(words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, timeout=TIMEOUT, check=False, **more)


# --- the terminal ----------------------------------------------------------------------------------------------------

TAKEOVERS = {
    "ps": ([{"Id": "1", "Names": ["/" + ESCAPES]}], ["ps"]),
    "labels": ([{"Id": "1", "Labels": {"a": ESCAPES}}], ["ps", "--format", "{{.Labels}}"]),
    "inspect": ({"Id": ESCAPES}, ["inspect", "-f", "{{.Id}}", "x"]),
    "create": ({"Id": ESCAPES}, ["create", "x"]),
    "pull": ({"status": ESCAPES}, ["pull", "x"]),
    "bar": ({"id": ESCAPES, "status": "Downloading", "progressDetail": {"current": 1, "total": 2}}, ["pull", "x"]),
    "event": ({"Type": ESCAPES, "Action": "x"}, ["events"]),
    "failed pull": ({"errorDetail": {"message": ESCAPES}}, ["pull", "x"]),
}


@pytest.mark.parametrize("case", TAKEOVERS)
def test_no_name_drives_the_terminal(daemon, case):
    answer, words = TAKEOVERS[case]
    with Terminal(*daemon(response(answer)), *words, env={**os.environ, "TERM": "xterm"}) as terminal:
        terminal.until(SHOWN)
        terminal.wait()
    assert b"\x1b]" not in terminal.seen and b"\x1b[2J" not in terminal.seen and b"\x07" not in terminal.seen


def test_an_error_does_not_either(daemon):
    with Terminal(*daemon(response({"message": ESCAPES}, "500 No")), "ps") as terminal:
        terminal.until("Error response from daemon: " + SHOWN)
        assert terminal.wait() == 1


def test_pipes_get_every_byte_and_formats_keep_their_colours(daemon):
    berth = daemon(response([{"Id": "1", "Names": ["/" + ESCAPES]}]))
    assert run([*berth, "ps", "--format", "{{.Names}}"]).stdout.decode() == ESCAPES + "\n"
    with Terminal(*berth, "ps", "--format", "\x1b[31m{{.ID}}\x1b[0m") as terminal:
        terminal.until("\x1b[31m1\x1b[0m")
        assert terminal.wait() == 0


# --- answers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["all is well\n", "}{\"status\":\"x\"}", "5 null", '{"status":"half'])
def test_a_pull_that_tells_nothing_has_not_succeeded(daemon, body):
    done = run([*daemon(response(body)), "pull", "x"])
    assert done.returncode == 1 and done.stderr


def test_a_daemon_that_never_ends_a_message(daemon):
    def flood(_, connection):
        connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"status":"')
        while True:
            connection.sendall(b"x" * 65536)

    done = run([*daemon(flood), "events"])
    assert done.returncode == 1 and b"longer than" in done.stderr


def test_progress_below_nothing(daemon):
    done = run([*daemon(response({"id": "a", "status": "D", "progressDetail": {"current": -5, "total": 10}})), "pull", "x"])
    assert done.returncode == 0, done.stderr


# --- readers ---------------------------------------------------------------------------------------------------------

STREAMS = [["logs", "x"], ["save", "x"], ["export", "x"], ["cp", "x:/y", "-"]]
CONTENT = bytes(range(256)) * 8192


def much(line, _):
    inspected = line.startswith("GET") and "/json" in line
    return response({"Id": "abc", "Config": {"Tty": True}}) if inspected else response(CONTENT, kind="application/x-tar")


@contextmanager
def into_pipe(words, non_blocking=False):
    reading, writing = os.pipe()
    if non_blocking:
        fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    process = subprocess.Popen(words, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    try:
        yield process, reading
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def wait_for_bytes(fd: int) -> None:
    assert os.read(fd, 1)


@pytest.mark.parametrize("words", STREAMS, ids=lambda words: words[0])
def test_signals_are_heeded_while_the_reader_is_stuck(daemon, words):
    with into_pipe([*daemon(much), *words]) as (process, reading):
        wait_for_bytes(reading)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_signals_are_heeded_while_events_wait_for_a_reader(daemon):
    event = json.dumps({"Type": "container", "Action": "x" * 1000, "Actor": {"ID": "1"}}) + "\n"
    with into_pipe([*daemon(response(event * 1000)), "events"]) as (process, reading):
        wait_for_bytes(reading)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) in (128 + signal.SIGTERM, -signal.SIGTERM)


@pytest.mark.parametrize("words", [*STREAMS, ["ps", "-a"]], ids=lambda words: words[0])
def test_a_pipe_that_somebody_set_non_blocking(daemon, words):
    rows = [{"Id": f"{i:064}", "Names": [f"/c{i}"]} for i in range(3000)]
    berth = daemon(response(rows) if words[0] == "ps" else much)
    wanted = run([*berth, *words]).stdout
    with into_pipe([*berth, *words], non_blocking=True) as (process, reading):
        with open(reading, "rb", closefd=False) as pipe:
            assert pipe.read() == wanted
        assert process.wait(TIMEOUT) == 0, process.stderr.read()


@pytest.mark.parametrize("words", [*STREAMS, ["ps"], ["--help"], ["version"]], ids=lambda words: words[0])
def test_a_full_disk_is_an_error(daemon, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*daemon(much), *words], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    assert done.returncode == 1 and b"no space left on device" in done.stderr


# --- archives --------------------------------------------------------------------------------------------------------


def archive(*entries) -> bytes:
    """(name, kind, content or link's target)"""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            if kind == tarfile.REGTYPE:
                info.size = len(content)
            elif content:
                info.linkname = str(content)
            tar.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return data.getvalue()


FOLDER, FILE, LINK, HARD = (tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)
ESCAPING = {
    "dots": lambda vault: archive(("y", FOLDER, ""), ("y/../../vault/e", FILE, b"x")),
    "a root": lambda vault: archive((f"{vault}/e", FILE, b"x")),
    "a link": lambda vault: archive(("y", FOLDER, ""), ("y/l", LINK, vault), ("y/l/e", FILE, b"x")),
    "a link that leads up": lambda vault: archive(("y", FOLDER, ""), ("y/l", LINK, "../../vault"), ("y/l/e", FILE, b"x")),
    "a link for the folder": lambda vault: archive(("y", LINK, vault), ("y/e", FILE, b"x")),
    "a hard link": lambda vault: archive(("y", FOLDER, ""), ("y/h", HARD, "../vault/s"), ("y/h", FILE, b"x")),
    "a file over a link": lambda vault: archive(("y", FOLDER, ""), ("y/l", LINK, f"{vault}/s"), ("y/l", FILE, b"x")),
}


@pytest.mark.parametrize("case", ESCAPING)
@pytest.mark.parametrize("target", ["there", "there/new"])
def test_archives_stay_in_the_folder(daemon, tmp_path, case, target):
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "s").write_text("secret")
    (tmp_path / "there").mkdir()
    stat = base64.b64encode(json.dumps({"name": "y", "mode": 0o755 | 1 << 31}).encode()).decode()
    body = ESCAPING[case](vault)

    def answer(line, _):
        return response(b"" if line.startswith("HEAD") else body, headers=f"X-Docker-Container-Path-Stat: {stat}\r\n")

    run([*daemon(answer), "cp", "x:/y", tmp_path / target])
    assert os.listdir(vault) == ["s"]
    assert (vault / "s").read_text() == "secret" and (vault / "s").stat().st_nlink == 1


@pytest.mark.parametrize("command", ["save", "export"])
def test_half_an_archive_leaves_no_file(daemon, tmp_path, command):
    def cut(_, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        connection.shutdown(socket.SHUT_RDWR)
        return b""

    (tmp_path / "out").mkdir()
    done = run([*daemon(cut), command, "-o", tmp_path / "out" / "file", "x"])
    assert done.returncode == 1 and os.listdir(tmp_path / "out") == []


# --- what is ours ----------------------------------------------------------------------------------------------------


def test_logins_at_once_lose_nothing(daemon, tmp_path):
    berth = daemon(response({"Status": "Login Succeeded"}))
    hosts = [f"h{i}.example" for i in range(20)]
    with ThreadPoolExecutor(len(hosts)) as pool:
        for done in pool.map(lambda host: run([*berth, "login", "-u", "u", "-p", "p", host]), hosts):
            assert done.returncode == 0, done.stderr
    assert sorted(json.loads((tmp_path / "config/config.json").read_text())["auths"]) == sorted(hosts)


def test_a_credential_helper_that_hangs_ends_with_us(daemon, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.json").write_text('{"credsStore":"hang"}')
    told = tmp_path / "told"
    os.mkfifo(told)
    helper = tmp_path / "docker-credential-hang"
    helper.write_text(f"#!/bin/sh\necho $$ >{told}\nexec sleep 100000\n")
    helper.chmod(0o755)
    process = subprocess.Popen([*daemon(response({})), "pull", "h.example/x"], stdout=subprocess.DEVNULL,
                               env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    pidfd = os.pidfd_open(int(told.read_text()))
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) != 0
    ended = select.select([pidfd], [], [], TIMEOUT)[0]
    os.close(pidfd)
    assert ended, "the helper is still there"


def test_words_for_ssh_stay_words(tmp_path):
    asked = tmp_path / "asked"
    (tmp_path / "ssh").write_text(f"#!/bin/sh\nfor word; do echo \"$word\" >>{asked}; done\nexit 255\n")
    (tmp_path / "ssh").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_CONFIG": str(tmp_path)}
    for host in ("ssh://-oProxyCommand=x/a;b'$(c)", "ssh://-oProxyCommand=y@host"):
        assert run([OURS, "-H", host, "ps"], env=environment).returncode == 1
    words = asked.read_text().splitlines()
    first = words.index("--")
    assert words[first + 1:first + 5] == ["-oProxyCommand=x", "docker", "--host", "'unix:///a;b'\\''$(c)'"]
    assert words[words.index("-oProxyCommand=y") - 1] == "-l"


def test_completion_offers_names_alone(daemon):
    names = ["/good", "/x; touch y", "/$(z)", "/a\nb", "/it's"]
    berth = daemon(response([{"Names": [name]} for name in names]))
    done = run([berth[0], "__complete", *berth[1:], "rm", ""])
    assert done.stdout.decode().splitlines() == ["good", ":4"]
