# SPDX-License-Identifier: Apache-2.0
"""docker cp over the wire: headers, big streams, clients that end early, archives that are no archives."""

import base64
import hashlib
import io
import json
import os
import socket
import tarfile
from urllib.parse import quote

import pytest

from support.daemon import IMAGE

pytestmark = pytest.mark.novm  # slow there, and no other on cgroup v2


def tar_of(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def stat_of(answer):
    return json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))


def request(engine, method, target, body=b""):
    return engine.request(method, target, body, {"Content-Type": "application/x-tar"} if body else {})


def test_put_stat_get(engine):
    name = engine.start_container()
    put = request(engine, "PUT", f"/containers/{name}/archive?path=/", tar_of(hello=b"world"))
    assert put.status == 200, put.body
    assert engine.out("exec", name, "cat", "/hello") == "world"
    head = request(engine, "HEAD", f"/containers/{name}/archive?path=/hello")
    assert head.status == 200 and stat_of(head)["name"] == "hello" and stat_of(head)["size"] == 5
    got = request(engine, "GET", f"/containers/{name}/archive?path=/hello")
    assert stat_of(got) == stat_of(head)
    with tarfile.open(fileobj=io.BytesIO(got.body)) as tar:
        assert tar.extractfile("hello").read() == b"world"


def test_big_files_both_ways(engine, tmp_path):
    content = os.urandom(48 << 20)
    (tmp_path / "big").write_bytes(content)
    name = engine.start_container()
    engine.cli("cp", tmp_path / "big", f"{name}:/big")
    engine.cli("cp", f"{name}:/big", tmp_path / "back")
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(content).digest()
    exported = engine.get(f"/containers/{name}/export")
    with tarfile.open(fileobj=io.BytesIO(exported.body)) as tar:
        assert tar.getmember("big").size == len(content)


def test_stopped_container(engine, tmp_path):
    name = engine.cli("create", "--network", "none", IMAGE, "cat", "/file").stdout.strip()
    (tmp_path / "file").write_text("from outside")
    engine.cli("cp", tmp_path / "file", f"{name}:/file")
    assert engine.out("start", "-a", name) == "from outside"


def test_refusals(engine):
    name = engine.start_container()
    base = f"/containers/{name}/archive"
    assert request(engine, "GET", base).status == 400
    missing = request(engine, "GET", f"{base}?path={quote('/no/such')}")
    assert missing.status == 404 and "Could not find the file /no/such" in missing.message
    assert request(engine, "HEAD", f"{base}?path=/no").status == 404
    assert request(engine, "PUT", f"{base}?path=/etc/passwd", tar_of(a=b"b")).status == 400
    assert request(engine, "PUT", f"{base}?path=/", b"this is no archive" * 100).status in (400, 500)
    assert request(engine, "GET", "/containers/nobody/archive?path=/").status == 404


def test_clients_that_end_early(engine):
    """Neither side of a broken copy stays behind, and the container goes on."""
    name = engine.start_container()
    engine.cli("exec", name, "dd", "if=/dev/zero", "of=/zeros", "bs=1M", "count=64")
    for head in (f"GET /containers/{name}/archive?path=/zeros", f"PUT /containers/{name}/archive?path=/"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(engine.socket)
            client.sendall(f"{head} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())
            client.sendall(tar_of(part=b"x" * 4096)[:2048])
            if head.startswith("GET"):
                assert client.recv(4096)
    assert engine.out("exec", name, "echo", "alive") == "alive"
    engine.cli("rm", "-f", name)
    assert engine.get("/_ping").status == 200
