# SPDX-License-Identifier: Apache-2.0
"""`berth registry serve` as a process: many clients at once, starting, stopping, a full disk, what it tells of itself."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading

import pytest

from support import registry
from support.registry import Registry, digest, work  # noqa: F401

pytestmark = pytest.mark.novm  # its clients are not in it, and no kernel matters to a registry


@pytest.fixture
def server(work):
    server = Registry(work / "registry")
    yield server
    assert server.stop() == 0


@pytest.fixture
def client(server):
    client = server.client()
    yield client
    client.close()


# --- many at once ------------------------------------------------------------------------------------------------


def in_threads(count, work):
    failures = []

    def run(number):
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_the_same_blob_pushed_by_16_clients(server):
    data = os.urandom(2_000_000)

    def push(number):
        client = server.client()
        client.push_blob(f"r{number % 4}", data)
        assert client.get(f"/v2/r{number % 4}/blobs/{digest(data)}").body == data
        client.close()

    in_threads(16, push)
    assert [path.name for path in (server.root / "blobs/sha256").iterdir()] == [hashlib.sha256(data).hexdigest()]
    assert not list((server.root / "ingest").iterdir())


def test_16_clients_with_images_of_their_own(server):
    def push(number):
        client = server.client()
        layers = [os.urandom(300_000), b"shared" * 1000]
        for tag in range(3):
            client.push_image(f"r{number}", f"t{tag}", layers=layers)
        assert client.get(f"/v2/r{number}/tags/list").json()["tags"] == ["t0", "t1", "t2"]
        assert client.get(f"/v2/r{number}/blobs/{digest(layers[0])}").body == layers[0]
        client.close()

    in_threads(16, push)
    assert len(server.client().get("/v2/_catalog").json()["repositories"]) == 16


@pytest.mark.noasan
def test_memory_stays_flat(server):
    """16 clients, 512 MB: what the server keeps of it is buffers."""
    def push(number):
        client = server.client()
        location = client.start_upload("r")
        piece = bytes([number]) * 1_000_000
        answer = client.request("PATCH", location, (piece for _ in range(32)), {"Transfer-Encoding": "chunked"})
        assert answer.status == 202
        client.close()

    in_threads(16, push)
    status = dict(line.split(":", 1) for line in open(f"/proc/{server.process.pid}/status"))
    assert int(status["VmHWM"].split()[0]) < 64_000


# --- starting ----------------------------------------------------------------------------------------------------


def fails_to_start(*flags) -> str:
    done = subprocess.run([registry.berth_binary(), "registry", "serve", *map(str, flags)], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 1 and not done.stdout
    return done.stderr


def test_start_errors(server, work):
    other = work / "other"
    assert str(server.port) in (told := fails_to_start("--root", other, "--listen", server.host)) and "in use" in told
    assert "--root" in fails_to_start()
    (work / "file").write_text("")
    assert str(work / "file") in fails_to_start("--root", work / "file", "--listen", "127.0.0.1:0")
    (work / "users").write_text("alice:plain\n")
    told = fails_to_start("--root", other, "--listen", "127.0.0.1:0", "--htpasswd", work / "users")
    assert f"{work}/users: line 1" in told and "bcrypt" in told
    told = fails_to_start("--root", other, "--listen", "127.0.0.1:0", "--htpasswd", work / "nowhere")
    assert f"{work}/nowhere" in told
    assert "--tls-key" in fails_to_start("--root", other, "--listen", "127.0.0.1:0", "--tls-cert", work / "users")
    assert "retention" in fails_to_start("--root", other, "--listen", "127.0.0.1:0", "--retention", "x")
    assert "gc-interval" in fails_to_start("--root", other, "--gc-interval", "soon")


def test_requests_in_progress_end_before_it_stops(server, client):
    data = os.urandom(500_000)
    location = client.start_upload("r")
    begun, released = threading.Event(), threading.Event()

    def pieces():
        yield data[:100_000]
        begun.set()
        released.wait(30)
        yield data[100_000:]

    answers = []
    uploading = threading.Thread(target=lambda: answers.append(client.request(
        "PUT", f"{location}?digest={digest(data)}", pieces(), {"Transfer-Encoding": "chunked"})))
    uploading.start()
    begun.wait(30)
    os.kill(server.process.pid, 15)
    with pytest.raises(OSError):  # it takes no new ones
        while True:
            socket.create_connection(("127.0.0.1", server.port)).close()
    released.set()
    uploading.join()
    assert answers[0].status == 201
    server.process.end(15)
    server.restart()
    assert server.client().get(f"/v2/r/blobs/{digest(data)}").body == data


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_full_disk(work):
    root = work / "small"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "berth-test", root], check=True)
    server = Registry(root, "--blob-grace", "0s")
    try:
        client = server.client()
        client.push_image("r", "before")
        location = client.start_upload("r")
        for _ in range(2):
            answer = client.patch(location, os.urandom(8_000_000))
            assert answer.status == 503 and answer.json()["errors"][0]["message"] == "the registry's disk is full"
            assert not list((root / "ingest").iterdir())
        assert client.get("/v2/r/manifests/before").status == 200
        assert client.delete(location).status == 204
        client.push_image("r", "after", layers=[os.urandom(1_000_000)])
        with open(root / "fill", "wb", buffering=0) as fill, contextlib.suppress(OSError):
            while fill.write(b"x" * 4096):
                pass
        # That something was used is written down, where there is room for it.
        for _ in range(50):
            assert client.get("/v2/r/manifests/before").status == 200
            assert client.get(f"/v2/r/blobs/{digest(b'layer')}").status == 200
    finally:
        server.stop()
        subprocess.run(["umount", root], check=True)


def test_metrics_and_access_log(work):
    server = Registry(work / "registry", "--access-log", work / "access.log")
    try:
        client = server.client()
        client.push_image("r", "t", layers=[b"x" * 1000])
        client.get("/v2/r/blobs/" + digest(b"x" * 1000), headers={"User-Agent": 'a "test"'})
        client.get("/v2/nowhere/tags/list")
        text = client.get("/metrics").body.decode()
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert lines['berth_registry_requests_total{method="GET",endpoint="blob",status="200"}'] == "1"
        assert lines['berth_registry_requests_total{method="GET",endpoint="tags",status="404"}'] == "1"
        assert lines["berth_registry_repositories"] == "1" and lines["berth_registry_blobs"] == "3"
        assert int(lines["berth_registry_received_bytes_total"]) > 1000
        assert lines['berth_registry_request_duration_seconds_bucket{endpoint="blob",le="+Inf"}'] == "1"
    finally:
        server.stop()
    records = [json.loads(line) for line in (work / "access.log").read_text().splitlines()]
    pulled = [record for record in records if record["user_agent"] == 'a "test"']
    assert len(pulled) == 1 and pulled[0]["status"] == 200 and pulled[0]["bytes_out"] == 1000
    assert pulled[0]["method"] == "GET" and pulled[0]["target"].startswith("/v2/r/blobs/sha256:")
