# SPDX-License-Identifier: Apache-2.0
"""`docker logs`: drivers, limits, time, following."""

import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from support.daemon import IMAGE, frames

pytestmark = pytest.mark.novm  # slow there, and no other on cgroup v2

LINES = "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i + 1)); done"


def finished(engine, command, *flags) -> str:
    name = engine.new_name()
    engine.cli("run", "--name", name, "--network", "none", *flags, IMAGE, "sh", "-c", command, check=False)
    return name


def test_both_streams(engine):
    name = finished(engine, "echo out; echo err >&2")
    done = engine.cli("logs", name)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert frames(engine.get(f"/containers/{name}/logs?stdout=1&stderr=1").body) == [(1, b"out\n"), (2, b"err\n")]
    assert frames(engine.get(f"/containers/{name}/logs?stderr=1").body) == [(2, b"err\n")]


def test_a_stream_must_be_chosen(engine):
    name = finished(engine, "echo out")
    answer = engine.get(f"/containers/{name}/logs")
    assert (answer.status, answer.message) == (400, "Bad parameters: you must choose at least one stream")


def test_unknown(engine):
    assert engine.get("/containers/nonsense/logs?stdout=1").status == 404


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_tail(engine, driver):
    name = finished(engine, LINES, "--log-driver", driver)
    assert engine.out("logs", name).splitlines() == [f"line {number}" for number in range(50)]
    assert engine.out("logs", "--tail", "3", name).splitlines() == ["line 47", "line 48", "line 49"]
    assert engine.out("logs", "-n", "0", name) == ""
    assert len(engine.out("logs", "-n", "1000", name).splitlines()) == 50


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_times(engine, driver):
    name = finished(engine, "for i in 1 2 3 4; do echo $i; sleep 0.05; done", "--log-driver", driver)
    lines = [line.split(" ", 1) for line in engine.out("logs", "-t", name).splitlines()]
    assert [text for _, text in lines] == ["1", "2", "3", "4"]
    for time, _ in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", time)
    assert engine.out("logs", "--since", lines[2][0], name).split() == ["3", "4"]
    assert engine.out("logs", "--until", lines[1][0], name).split() == ["1", "2"]
    assert engine.out("logs", "--since", lines[1][0], "--until", lines[2][0], name).split() == ["2", "3"]
    assert engine.out("logs", "--since", "1h", name).split() == ["1", "2", "3", "4"]
    assert engine.out("logs", "--until", "1h", name) == ""


def test_details(engine):
    name = finished(engine, "echo x", "--log-opt", "labels=a", "--log-opt", "env=E", "--label", "a=b", "-e", "E=f")
    assert engine.out("logs", "--details", name) in ("E=f,a=b x", "a=b,E=f x")


def test_terminal_logs_are_raw(engine):
    name = finished(engine, "echo x", "-t")
    answer = engine.get(f"/containers/{name}/logs?stdout=1&stderr=1")
    assert answer.body == b"x\r\n" and answer.headers["Content-Type"] == "application/vnd.docker.raw-stream"


def test_long_and_binary_lines(engine):
    name = finished(engine, "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'a\\000\\377b\\n'; printf 'no end'")
    body = b"".join(data for _, data in frames(engine.get(f"/containers/{name}/logs?stdout=1").body))
    assert body.startswith(b"x" * 100000 + b"\n") and body.endswith(b"no end")


def test_file_is_docker_s(engine):
    name = finished(engine, "echo one; echo two >&2")
    path = Path(engine.inspect(name)["LogPath"])
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(entry["log"], entry["stream"]) for entry in entries] == [("one\n", "stdout"), ("two\n", "stderr")]
    assert all(entry["time"].endswith("Z") for entry in entries)


def test_follow(engine):
    name = engine.start_container("sh", "-c", "echo first; while [ ! -e /go ]; do sleep 0.02; done; echo second; exit 0")
    process = engine.popen("logs", "-f", name)
    assert process.stdout.readline() == b"first\n"
    engine.cli("exec", name, "touch", "/go")
    assert process.stdout.readline() == b"second\n"
    assert process.stdout.read() == b""
    assert process.wait(30) == 0
    process.stdout.close(), process.stderr.close()


def test_follow_misses_nothing(engine):
    """A follower that comes while lines are written gets each once, in order."""
    name = engine.start_container("sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i + 1)); done")
    found = engine.cli("logs", "-f", name).stdout.split()
    assert found == [str(number) for number in range(3000)]


def test_follow_from_the_tail_over_rotation(engine):
    name = engine.start_container("sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done", flags=[
        "--log-opt", "max-size=50k", "--log-opt", "max-file=50"])
    found = [int(number) for number in engine.cli("logs", "-f", "--tail", "1", name).stdout.split()]
    assert found == list(range(found[0], 20000))


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_limits_of_size(engine, driver):
    name = finished(engine, "i=0; while [ $i -lt 20000 ]; do echo line number $i; i=$((i + 1)); done", "--log-driver", driver,
                    "--log-opt", "max-size=100k", "--log-opt", "max-file=3")
    folder = engine.data_root / "containers" / engine.inspect(name)["Id"]
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    assert sum(sizes) < 500_000
    lines = engine.out("logs", name).splitlines()
    numbers = [int(line.rsplit(" ", 1)[1]) for line in lines]
    assert numbers == list(range(numbers[0], 20000)) and len(numbers) > 500


def test_none(engine):
    name = finished(engine, "echo x", "--log-driver", "none")
    assert "configured logging driver does not support reading" in engine.fails("logs", name)
    assert engine.run("echo", "attached", flags=["--log-driver", "none"]).stdout == "attached\n"


def test_wrong_options(engine):
    for flags, words in ((["--log-driver", "nonsense"], "nonsense"), (["--log-opt", "nonsense=1"], "unknown log opt 'nonsense' for json-file log driver"),
                         (["--log-opt", "max-size=x"], "x"), (["--log-opt", "max-file=0"], "max-file")):
        text = engine.fails("run", "--rm", "--network", "none", *flags, IMAGE, "true", status=125)
        assert words in text


def test_daemon_killed_while_writing(make_daemon):
    """No line is lost when the daemon is not there."""
    made = make_daemon()
    name = made.start_container("sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i + 1)); done; while [ ! -e /end ]; do sleep 0.02; done")
    made.kill()
    made.start()
    made.cli("exec", name, "touch", "/end")
    made.cli("wait", name)
    assert made.out("logs", name).split() == [str(number) for number in range(2000)]


def test_a_follower_that_does_not_read(engine):
    name = engine.start_container("sh", "-c", "dd if=/dev/zero bs=1k count=30000 2>/dev/null | tr '\\0' x | fold -w 100; echo end")
    with engine.connect() as lazy:
        lazy.sendall(f"GET /containers/{name}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert lazy.recv(100)
        assert engine.out("wait", name) == "0"
        assert engine.get("/_ping").status == 200


def test_followers_end_with_removal(engine):
    name = engine.start_container("sh", "-c", "echo x; sleep 1000")
    process = engine.popen("logs", "-f", name)
    assert process.stdout.readline() == b"x\n"
    engine.cli("rm", "-f", name)
    assert process.wait(30) == 0
    process.stdout.close(), process.stderr.close()


def test_followers_do_not_pile_up(engine):
    name = engine.start_container("sh", "-c", "while :; do echo x; sleep 0.01; done")
    before = len(os.listdir(f"/proc/{engine.pid}/fd"))
    for _ in range(10):
        process = engine.popen("logs", "-f", name)
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close(), process.stderr.close()
    engine.run("true")
    assert len(os.listdir(f"/proc/{engine.pid}/fd")) <= before + 5


class Collector:
    """A server that keeps what is sent to it."""

    def __init__(self, kind):
        import socket

        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(30)
        self.port = self.sock.getsockname()[1]
        self.stream = kind == socket.SOCK_STREAM
        if self.stream:
            self.sock.listen()

    def take(self, wanted: bytes) -> bytes:
        """What came, over one or several connections, up to `wanted`."""
        data = b""
        source = None if self.stream else self.sock
        while wanted not in data:
            if source is None:
                source, _ = self.sock.accept()
                source.settimeout(30)
            more = source.recv(65536)
            data += more
            if not more:
                source.close()
                source = None
        return data

    def close(self):
        self.sock.close()


def test_syslog(engine):
    import socket

    server = Collector(socket.SOCK_DGRAM)
    name = finished(engine, "echo to syslog", "--log-driver", "syslog", "--log-opt", f"syslog-address=udp://127.0.0.1:{server.port}", "--log-opt", "tag=mytag")
    data = server.take(b"to syslog")
    assert b"mytag" in data and data.startswith(b"<30>")
    assert engine.out("logs", name) == "to syslog"
    server.close()


def test_gelf(engine):
    import gzip
    import socket
    import zlib

    server = Collector(socket.SOCK_DGRAM)
    finished(engine, "echo to gelf", "--log-driver", "gelf", "--log-opt", f"gelf-address=udp://127.0.0.1:{server.port}")
    data = server.sock.recv(65536)
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else zlib.decompress(data) if data[:1] == b"\x78" else data
    message = json.loads(text)
    assert message["short_message"] == "to gelf" and message["version"] == "1.1" and message["_image_name"] == IMAGE
    server.close()


def test_fluentd(engine):
    import socket

    server = Collector(socket.SOCK_STREAM)
    found = []
    thread = threading.Thread(target=lambda: found.append(server.take(b"to fluentd")))
    thread.start()
    finished(engine, "echo to fluentd", "--log-driver", "fluentd", "--log-opt", f"fluentd-address=127.0.0.1:{server.port}", "--log-opt", "tag=t")
    thread.join()
    assert b"container_id" in found[0]
    server.close()


def test_python_client(engine):
    container = engine.client.containers.run(IMAGE, ["sh", "-c", "for i in 1 2 3; do echo $i; done"], network_mode="none", detach=True)
    assert list(container.logs(stream=True, follow=True)) == [b"1\n", b"2\n", b"3\n"] or b"".join(container.logs(stream=True)) == b"1\n2\n3\n"
    assert container.logs(tail=1) == b"3\n"


def test_cursor_of_a_torn_file(engine):
    """A line that was cut by a crash of the machine does not hide the others."""
    name = finished(engine, "echo one")
    path = Path(engine.inspect(name)["LogPath"])
    with open(path, "ab") as file:
        file.write(b'{"log":"torn')
    assert engine.out("logs", name) == "one"
    engine.cli("start", name)
    engine.cli("wait", name)
    assert engine.out("logs", name).splitlines()[-1] == "one"


def test_compressed_rotation_is_read(engine):
    name = finished(engine, "i=0; while [ $i -lt 20000 ]; do echo line number $i; i=$((i + 1)); done", "--log-opt", "max-size=200k",
                    "--log-opt", "max-file=20", "--log-opt", "compress=true")
    assert engine.out("logs", name).splitlines() == [f"line number {number}" for number in range(20000)]
    assert subprocess.run(["sh", "-c", f"ls {engine.data_root}/containers/*/ | grep -c gz"], stdout=subprocess.PIPE).stdout.strip() != b"0"
