# SPDX-License-Identifier: Apache-2.0
"""`docker exec` and the exec endpoints."""

import os
import pty
import re
import threading

import pytest

from support.daemon import IMAGE, frames, in_threads


@pytest.fixture
def box(engine):
    return engine.start_container(flags=["-e", "FROM=container"])


def test_output_and_status(engine, box):
    done = engine.cli("exec", box, "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_stdin(engine, box):
    assert engine.cli("exec", "-i", box, "cat", input="text").stdout == "text"


def test_much_through(engine, box):
    data = os.urandom(1 << 20).hex()
    assert engine.cli("exec", "-i", box, "cat", input=data).stdout == data


def test_user_directory_environment(engine, box):
    done = engine.out("exec", "-u", "1000:1000", "-w", "/tmp", "-e", "A=b", box, "sh", "-c", "id -u; pwd; echo $A $FROM")
    assert done.split() == ["1000", "/tmp", "b", "container"]


def test_privileged(engine, box):
    plain, all_of_them = (int(re.search(r"CapEff:\s*(\w+)", engine.out("exec", *flags, box, "cat", "/proc/self/status")).group(1), 16)
                          for flags in ((), ("--privileged",)))
    assert plain < all_of_them


@pytest.mark.parametrize("command, status, words", [
    (["no-such-program"], 127, "executable file not found in $PATH"),
    (["/etc/passwd"], 126, "permission denied"),
])
def test_what_cannot_run(engine, box, command, status, words):
    assert words in engine.cli("exec", box, *command, check=False).stderr + engine.cli("exec", box, *command, check=False).stdout
    assert engine.cli("exec", box, *command, check=False).returncode == status


def test_not_running(engine, box):
    engine.cli("stop", "-t", "0", box)
    assert "is not running" in engine.fails("exec", box, "true")
    answer = engine.post(f"/containers/{box}/exec", {"Cmd": ["true"]})
    assert answer.status == 409 and "is not running" in answer.message


def test_unknown(engine):
    assert "No such container: nonsense" in engine.fails("exec", "nonsense", "true")
    assert engine.get("/exec/nonsense/json").status == 404
    assert engine.post("/exec/nonsense/start", {"Detach": True}).status == 404


def test_no_command(engine, box):
    answer = engine.post(f"/containers/{box}/exec", {"Cmd": []})
    assert answer.status == 400 and "No exec command specified" in answer.message


def test_detached(engine, box):
    engine.cli("exec", "-d", box, "sh", "-c", "echo x > /done")
    engine.cli("exec", box, "sh", "-c", "while [ ! -e /done ]; do sleep 0.02; done")


def test_inspect(engine, box):
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["sh", "-c", "exit 5"], "AttachStdout": True, "User": "1000"}).json["Id"]
    assert re.fullmatch("[0-9a-f]{64}", identity)
    assert engine.inspect(box)["ExecIDs"] == [identity]
    found = engine.get(f"/exec/{identity}/json").json
    assert (found["Running"], found["ExitCode"], found["ContainerID"]) == (False, None, engine.inspect(box)["Id"])
    assert found["ProcessConfig"]["entrypoint"] == "sh" and found["ProcessConfig"]["arguments"] == ["-c", "exit 5"]
    assert engine.post(f"/exec/{identity}/start", {}).status == 200
    found = engine.get(f"/exec/{identity}/json").json
    assert (found["Running"], found["ExitCode"]) == (False, 5)
    answer = engine.post(f"/exec/{identity}/start", {"Detach": True})
    assert answer.status == 409 and "has already run" in answer.message


def test_streams_are_framed(engine, box):
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["sh", "-c", "echo out; sleep 0.05; echo err >&2"], "AttachStdout": True,
                                                       "AttachStderr": True}).json["Id"]
    with engine.hijack(f"/exec/{identity}/start", {"Detach": False, "Tty": False}) as stream:
        assert stream.status == 101 and "application/vnd.docker.multiplexed-stream" in stream.head.lower()
        assert frames(stream.read_all()) == [(1, b"out\n"), (2, b"err\n")]


def test_without_upgrade(engine, box):
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["echo", "x"], "AttachStdout": True}).json["Id"]
    with engine.hijack(f"/exec/{identity}/start", {}, upgrade=False) as stream:
        assert stream.status == 200
        assert frames(stream.read_all()) == [(1, b"x\n")]


def test_input_end_is_passed_on(engine, box):
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["sh", "-c", "cat; echo end"], "AttachStdin": True, "AttachStdout": True}).json["Id"]
    with engine.hijack(f"/exec/{identity}/start", {}) as stream:
        stream.send(b"one\n")
        stream.read_until(b"one\n")
        stream.end_input()
        assert stream.read_all().endswith(b"end\n")


def test_terminal(engine, box):
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["sh"], "AttachStdin": True, "AttachStdout": True, "Tty": True,
                                                       "ConsoleSize": [40, 120]}).json["Id"]
    with engine.hijack(f"/exec/{identity}/start", {"Tty": True, "ConsoleSize": [40, 120]}) as stream:
        stream.send(b"stty size\n")
        stream.read_until(b"40 120\r\n")
        assert engine.post(f"/exec/{identity}/resize?h=33&w=99").status == 200
        stream.send(b"stty size\n")
        stream.read_until(b"33 99\r\n")
        stream.send(b"exit 3\n")
        stream.read_all()
    assert engine.get(f"/exec/{identity}/json").json["ExitCode"] == 3


def test_detach_keys(engine, box):
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["sh", "-c", "while :; do sleep 0.1; done"], "AttachStdin": True,
                                                       "AttachStdout": True, "Tty": True, "DetachKeys": "ctrl-x,a"}).json["Id"]
    with engine.hijack(f"/exec/{identity}/start", {"Tty": True}) as stream:
        stream.send(b"\x18a")
        stream.read_all()
    assert engine.get(f"/exec/{identity}/json").json["Running"]


def test_the_cli_with_a_terminal(engine, box):
    master, slave = pty.openpty()
    process = engine.popen("exec", "-it", box, "sh", "-c", "tty; read x; echo got $x", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    while b"/dev/pts/" not in text:
        text += os.read(master, 4096)
    os.write(master, b"line\n")
    while b"got line" not in text:
        text += os.read(master, 4096)
    assert process.wait(30) == 0
    os.close(master)


def test_output_does_not_come_with_the_head(engine, box):
    """python3-docker reads the head through a buffer that it then forgets: a client that is slow to read must not find
    output right behind it."""
    identity = engine.post(f"/containers/{box}/exec", {"Cmd": ["echo", "out"], "AttachStdout": True}).json["Id"]
    body = b"{}"
    with engine.connect() as client:
        client.sendall(f"POST /exec/{identity}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                       f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        threading.Event().wait(0.05)  # long enough for the whole exec
        head = client.recv(65536)
        assert head.startswith(b"HTTP/1.1 101") and head.endswith(b"\r\n\r\n"), head
        rest = b""
        while got := client.recv(65536):
            rest += got
    assert rest == b"\1\0\0\0\0\0\0\4out\n"


def test_ends_with_the_container(engine, box):
    process = engine.popen("exec", box, "sleep", "1000")
    with engine.events() as events:
        events_seen = engine.get(f"/containers/{box}/json").json["ExecIDs"]
        while not events_seen:
            events.next()
            events_seen = engine.get(f"/containers/{box}/json").json["ExecIDs"]
        engine.cli("kill", box)
    assert process.wait(30) == 137
    process.stdout.close(), process.stderr.close()


def test_events(engine, box):
    with engine.events() as events:
        engine.cli("exec", box, "true")
        actions = []
        while not actions or actions[-1] != "exec_die":
            event = events.next()
            actions.append(event["Action"].strip())
    assert actions == ["exec_create: true", "exec_start: true", "exec_die"]
    assert event["Actor"]["Attributes"]["exitCode"] == "0" and "execID" in event["Actor"]["Attributes"]


def test_many_at_once(engine, box):
    found = in_threads([lambda number=number: engine.out("exec", box, "sh", "-c", f"echo {number}; exit 0") for number in range(12)])
    assert found == [str(number) for number in range(12)]


def test_survives_a_new_daemon(make_daemon):
    made = make_daemon()
    name = made.start_container()
    identity = made.post(f"/containers/{name}/exec", {"Cmd": ["sh", "-c", "while [ ! -e /end ]; do sleep 0.02; done; exit 4"]}).json["Id"]
    made.post(f"/exec/{identity}/start", {"Detach": True})
    made.kill()
    made.start()
    made.cli("exec", name, "touch", "/end")
    assert made.inspect(name)["State"]["Running"]


def test_python_client(engine, box):
    container = engine.client.containers.get(box)
    assert container.exec_run("sh -c 'echo a; exit 3'") == (3, b"a\n")
    assert container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output == (b"o\n", b"e\n")
    assert IMAGE in container.image.tags
