# SPDX-License-Identifier: Apache-2.0
"""`berth registry serve` is killed at random points; collections run beside pushes. What clients were told holds."""

import hashlib
import http.client
import json
import os
import random
import sqlite3
import subprocess
import threading
import time

import pytest

from support.registry import Registry, berth_binary, digest, work  # noqa: F401

pytestmark = pytest.mark.novm  # its clients are not in it, and no kernel matters to a registry

# How often a test kills; the 50 in the deep tests.
KILLS = pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.deep)])


def check_root(root):
    """Everything that the database names is there, whole; nothing else is."""
    database = sqlite3.connect(f"file:{root}/registry.db?mode=ro", uri=True)
    blobs = dict(database.execute("SELECT digest, size FROM blobs"))
    files = {f"{path.parent.name}:{path.name}": path for path in root.glob("blobs/*/*")}
    assert set(blobs) == set(files)
    for name, path in files.items():
        assert path.stat().st_size == blobs[name]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == name.partition(":")[2]
    linked = {name for name, in database.execute("SELECT digest FROM repo_blobs UNION SELECT digest FROM manifests")}
    assert linked <= set(blobs)
    missing = database.execute(
        "SELECT f.digest FROM manifest_references f WHERE NOT EXISTS (SELECT 1 FROM repo_blobs b WHERE"
        " b.repository = f.repository AND b.digest = f.digest)").fetchall()
    assert not missing
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


@pytest.fixture
def server(work):
    server = Registry(work / "registry", "--blob-grace", "1h")
    yield server
    server.kill()


class Pusher(threading.Thread):
    """Pushes images until told to end, in chunks; goes on where it was when the server comes back. Remembers what it
    was told of as stored."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number = server, number
        self.random = random.Random(number)
        self.stored, self.failure, self.ending = {}, None, False

    def run(self):
        try:
            count = 0
            while not self.ending:
                count += 1
                self.push(f"r{self.number}", f"t{count}")
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            self.failure = error

    def request(self, *arguments, **more):
        """Repeated while the server is away."""
        limit = time.monotonic() + 60
        while True:
            client = self.server.client()
            try:
                return client.request(*arguments, **more)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < limit, "the server did not come back"
                time.sleep(0.01)
            finally:
                client.close()

    def push(self, repository, tag):
        layer = self.random.randbytes(self.random.randrange(1, 400_000))
        config = b'{"architecture":"amd64","os":"linux","n":"%s"}' % tag.encode()
        for data in (layer, config):
            self.push_blob(repository, data)
        text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                                      "digest": digest(config), "size": len(config)},
                           "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                                       "digest": digest(layer), "size": len(layer)}]}).encode()
        answer = self.request("PUT", f"/v2/{repository}/manifests/{tag}", text,
                              {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
        assert answer.status == 201, answer
        self.stored[repository, tag] = (text, layer)

    def push_blob(self, repository, data):
        if self.request("HEAD", f"/v2/{repository}/blobs/{digest(data)}").status == 200:
            return
        while True:
            answer = self.request("POST", f"/v2/{repository}/blobs/uploads/")
            assert answer.status == 202, answer
            location, offset = answer.headers["Location"], 0
            while offset < len(data):
                piece = data[offset:offset + 100_000]
                answer = self.request("PATCH", location, piece,
                                      {"Content-Range": f"{offset}-{offset + len(piece) - 1}"})
                if answer.status == 416:  # it came, but not the answer
                    offset = self.offset(location, offset)
                    continue
                assert answer.status == 202, answer
                offset += len(piece)
                assert answer.headers["Range"] == f"0-{offset - 1}"
            answer = self.request("PUT", f"{location}?digest={digest(data)}")
            if answer.status == 404 and \
                    self.request("HEAD", f"/v2/{repository}/blobs/{digest(data)}").status == 200:
                return  # it was complete, but the answer got lost
            if answer.status == 201:
                return
            assert answer.status == 404, answer

    def offset(self, location, told):
        answer = self.request("GET", location)
        assert answer.status == 204, answer
        end = int(answer.headers["Range"].split("-")[1])
        there = end + 1 if end else 0
        assert there >= told, "acknowledged bytes are gone"
        return there


def verify(server, pushers):
    client = server.client()
    for pusher in pushers:
        for (repository, tag), (text, layer) in pusher.stored.items():
            answer = client.get(f"/v2/{repository}/manifests/{tag}")
            assert answer.status == 200 and answer.body == text
            assert client.get(f"/v2/{repository}/blobs/{digest(layer)}").body == layer
    client.close()


@KILLS
@pytest.mark.timeout(300)
def test_killed_during_pushes(server, kills):
    choose = random.Random(0xBE47)
    pushers = [Pusher(server, number) for number in range(4)]
    for pusher in pushers:
        pusher.start()
    for _ in range(kills):
        time.sleep(choose.uniform(0.02, 0.4))
        server.kill()
        server.restart()
    for pusher in pushers:
        pusher.ending = True
    for pusher in pushers:
        pusher.join()
        assert pusher.failure is None, pusher.failure
    assert sum(len(pusher.stored) for pusher in pushers) >= 4
    verify(server, pushers)
    server.stop()
    check_root(server.root)
    server.restart()
    server.collect()
    verify(server, pushers)


@KILLS
@pytest.mark.timeout(300)
def test_collector_killed_during_pushes(work, kills):
    """Collections of other processes, and of its own, beside a server that takes pushes."""
    server = Registry(work / "registry", "--blob-grace", "20s", "--gc-interval", "1s")
    choose = random.Random(0x6C)
    pushers = [Pusher(server, number) for number in range(3)]
    for pusher in pushers:
        pusher.start()
    try:
        client = server.client()
        for number in range(kills):
            client.push_image(f"gone{number}", "t", layers=[os.urandom(100_000) for _ in range(5)])
            client.delete(f"/v2/gone{number}/manifests/t")
            collector = subprocess.Popen([berth_binary(), "registry", "gc", "--root", server.root, "--blob-grace",
                                          "20s"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(choose.uniform(0, 0.03))
            if number % 3:
                collector.kill()
            assert collector.wait(60) in (0, -9), collector.stderr.read()
            collector.stderr.close()
    finally:
        for pusher in pushers:
            pusher.ending = True
        for pusher in pushers:
            pusher.join()
    assert [pusher.failure for pusher in pushers] == [None] * 3
    verify(server, pushers)
    server.stop()
    check_root(server.root)


def test_a_found_blob_waits_for_its_manifest(work):
    """The grace time counts from the last time that a push asked for the blob."""
    server = Registry(work / "registry")
    client = server.client()
    layer = client.push_blob("r", b"layer")
    loose = client.push_blob("loose", b"loose")
    with sqlite3.connect(server.root / "registry.db") as database:
        database.execute("UPDATE repo_blobs SET last_used_ns = 0")
        database.execute("UPDATE repositories SET pushed_ns = 0")
    database.close()
    assert client.head(f"/v2/r/blobs/{layer}").status == 200
    server.collect()
    assert client.head(f"/v2/loose/blobs/{loose}").status == 404
    config = client.push_blob("r", b"{}")
    text = json.dumps({"schemaVersion": 2, "config": {"mediaType": "x/y", "digest": config, "size": 2},
                       "layers": [{"mediaType": "x/y", "digest": layer, "size": 5}]})
    answer = client.put("/v2/r/manifests/t", text, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
    assert answer.status == 201, answer
    server.stop()
    check_root(server.root)


def test_collection_frees_what_was_deleted(work):
    server = Registry(work / "registry", "--blob-grace", "0s")
    client = server.client()
    kept, gone = os.urandom(50_000), os.urandom(70_000)
    client.push_image("kept", "t", layers=[kept])
    name = client.push_image("gone", "t", layers=[kept, gone])
    assert client.delete(f"/v2/gone/manifests/{name}").status == 202
    assert server.collect("--blob-grace", "0s").startswith("2 blobs, ")
    assert not server.blob_path(digest(gone)).exists() and not server.blob_path(name).exists()
    assert client.get(f"/v2/kept/blobs/{digest(kept)}").body == kept
    assert client.get("/v2/_catalog").json()["repositories"] == ["kept"]
    server.stop()
    check_root(server.root)


def test_retention(work):
    server = Registry(work / "registry")
    client = server.client()
    for number in range(5):
        client.push_image("ci/app", f"t{number}", layers=[b"%d" % number])
    client.push_image("app", "t", layers=[b"app"])
    assert "3 tags" in server.collect("--retention", "ci/*=keep:2", "--retention", "*=keep:9")
    assert client.get("/v2/ci/app/tags/list").json()["tags"] == ["t3", "t4"]
    assert client.get("/v2/app/tags/list").json()["tags"] == ["t"]
    server.stop()
