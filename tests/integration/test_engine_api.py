# SPDX-License-Identifier: Apache-2.0
"""The API as HTTP: versions, malformed requests, limits, slow clients, errors."""

import json
import os
import random
import socket
import threading
import time

import pytest

from support.daemon import IMAGE


# --- versions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [f"1.{minor}" for minor in range(24, 52)])
def test_every_version(engine, version):
    name = f"v{version.replace('.', '-')}"
    body = {"Image": IMAGE, "Cmd": ["sh", "-c", "echo x"], "HostConfig": {"NetworkMode": "none"}}
    identity = engine.post(f"/v{version}/containers/create?name={name}", body).json["Id"]
    assert engine.post(f"/v{version}/containers/{identity}/start").status == 204
    assert engine.post(f"/v{version}/containers/{identity}/wait").json["StatusCode"] == 0
    assert b"x\n" in engine.get(f"/v{version}/containers/{identity}/logs?stdout=1").body
    assert engine.get(f"/v{version}/containers/{identity}/json").json["Name"] == f"/{name}"
    for target in ("/containers/json?all=1", "/images/json", "/info", "/version", "/volumes", "/networks", f"/images/{IMAGE}/json"):
        assert engine.get(f"/v{version}{target}").status == 200, target
    assert engine.delete(f"/v{version}/containers/{identity}").status == 204


def test_versions_that_are_not_served(engine):
    answer = engine.get("/v1.23/info")
    assert answer.status == 400
    # Clients so old are told in plain text, as by dockerd.
    assert answer.body.decode().strip() == ("client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade "
                                            "your client to a newer version")
    answer = engine.get("/v1.52/info")
    assert answer.status == 400 and answer.message == "client version 1.52 is too new. Maximum supported API version is 1.51"
    assert engine.get("/v2/info").status in (400, 404)
    assert engine.get("/vx/info").status == 404


def test_shapes_of_old_versions(engine):
    assert "VirtualSize" in engine.get(f"/v1.43/images/{IMAGE}/json").json
    assert "VirtualSize" not in engine.get(f"/v1.44/images/{IMAGE}/json").json
    name = engine.start_container()
    assert engine.get(f"/v1.24/containers/{name}/json").json["State"]["Running"]


def test_cli_of_an_old_version(engine):
    assert engine.out("run", "--rm", "--network", "none", IMAGE, "echo", "old", env={"DOCKER_API_VERSION": "1.24"}) == "old"


# --- errors --------------------------------------------------------------------------------------------------------


def test_errors_are_json(engine):
    answer = engine.get("/no/such/page")
    assert (answer.status, answer.json) == (404, {"message": "page not found"})
    assert answer.headers["Content-Type"] == "application/json"
    assert engine.request("PATCH", "/containers/json").status in (404, 405)
    assert engine.get("/containers/x/nonsense").status == 404


@pytest.mark.parametrize("body, words", [
    (b"{", "EOF"), (b"nonsense", ""), (b"[]", ""), (b'{"Image": 5}', ""), (b'{"HostConfig": {"Memory": "x"}}', ""), (b'{} {}', ""), (b"", ""),
])
def test_wrong_bodies(engine, body, words):
    answer = engine.request("POST", "/containers/create", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400 and answer.message, answer


def test_wrong_content_type(engine):
    answer = engine.request("POST", "/containers/create", b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status in (400, 415) and "Content-Type" in answer.message


def test_body_that_is_too_long(engine):
    answer = engine.request("POST", "/containers/create", b'{"Image": "' + b"x" * (8 << 20) + b'"}', headers={"Content-Type": "application/json"})
    assert answer.status in (400, 413)


@pytest.mark.parametrize("target", ["/containers/json?limit=x", "/containers/x/logs?stdout=1&tail=x&since=nonsense", "/containers/json?filters=x",
                                    "/events?until=nonsense", "/containers/%00/json", "/containers/..%2f..%2fetc/json"])
def test_wrong_parameters(engine, target):
    answer = engine.get(target)
    assert 400 <= answer.status < 500, answer


# --- malformed HTTP ------------------------------------------------------------------------------------------------

MALFORMED = [
    b"nonsense\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /_ping\r\n\r\n",
    b"GET /_ping HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /_ping HTTP/1.1\r\n\r\n",
    b"GET /_ping HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET /_ping HTTP/1.1\nHost: x\n\n",
    b"GET /_ping HTTP/1.1\r\nHost : x\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / \x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /_ping HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(10_000)) + b"\r\n",
]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed(engine, data):
    with engine.connect() as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, OSError):
            pass
        answer = b""
        try:
            while more := sock.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
    assert not answer or answer.split()[1][:1] in (b"4", b"5"), answer
    assert engine.get("/_ping").status == 200


def test_noise(engine):
    seed = os.urandom(4).hex()
    source = random.Random(seed)
    good = b"POST /containers/create?name=n HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"Image\":\"none\"}\n"
    for _ in range(200):
        data = bytearray(good)
        for _ in range(source.randrange(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        with engine.connect() as sock:
            try:
                sock.sendall(bytes(data[:source.randrange(1, len(data))]))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                pass
    assert engine.get("/_ping").status == 200, seed
    assert engine.out("ps", "-aq") == ""


def test_pipelined_requests(engine):
    data = engine.raw(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert data.count(b"HTTP/1.1 200 OK") == 4


def test_http_1_0(engine):
    assert engine.raw(b"GET /_ping HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.")


# --- clients that are slow, or many --------------------------------------------------------------------------------


def test_slow_clients_stall_nobody(engine):
    slow = [engine.connect() for _ in range(100)]
    for sock in slow:
        sock.sendall(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    started = time.monotonic()
    assert engine.run("echo", "x").stdout == "x\n"
    for _ in range(20):
        assert engine.get("/_ping").status == 200
    assert time.monotonic() - started < 30
    for sock in slow:
        sock.close()


def test_many_connections(engine):
    sockets = [engine.connect() for _ in range(1000)]
    assert engine.get("/_ping").status == 200
    for sock in sockets[::100]:
        sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    for sock in sockets:
        sock.close()


def test_keep_alive(engine):
    with engine.connect() as sock:
        for _ in range(50):
            sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b""
            while not data.endswith(b"OK"):
                data += sock.recv(4096)


def test_clients_that_go_in_the_midst(engine):
    """Of waits, events, logs and stats: nothing of them stays."""
    name = engine.start_container()
    few = len(os.listdir(f"/proc/{engine.pid}/fd")) + 5  # a spare shim's two, and three for the requests that ask
    for target in (f"POST /containers/{name}/wait", "GET /events", f"GET /containers/{name}/logs?stdout=1&follow=1", f"GET /containers/{name}/stats") * 5:
        with engine.connect() as sock:
            sock.sendall(f"{target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            sock.recv(100)
    deadline = time.monotonic() + 20
    while len(os.listdir(f"/proc/{engine.pid}/fd")) > few and time.monotonic() < deadline:
        engine.get("/_ping")
    assert len(os.listdir(f"/proc/{engine.pid}/fd")) <= few


def test_create_is_done_though_the_client_went(engine):
    body = json.dumps({"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}).encode()
    with engine.events() as events:
        with engine.connect() as sock:
            sock.sendall(b"POST /containers/create?name=orphan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                         + str(len(body)).encode() + b"\r\n\r\n" + body)
        if events.wait(5):
            assert events.lines[-1]["Action"] == "create"
            assert engine.inspect("orphan")["State"]["Status"] == "created"


def test_clients_at_once(engine):
    errors = []

    def client(number):
        try:
            for turn in range(5):
                name = f"c{number}-{turn}"
                identity = engine.post(f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}).json["Id"]
                assert engine.post(f"/containers/{identity}/start").status == 204
                assert engine.post(f"/containers/{identity}/wait").json["StatusCode"] == 0
                assert engine.delete(f"/containers/{identity}").status == 204
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert engine.get("/containers/json?all=1").json == []
