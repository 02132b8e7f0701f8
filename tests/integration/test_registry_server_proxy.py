# SPDX-License-Identifier: Apache-2.0
"""`berth registry serve --proxy`: a pull-through cache of another registry, ours and Debian's."""

import http.client
import http.server
import os
import shutil
import socket
import subprocess
import threading

import pytest

from support.registry import OCI_MANIFEST, DockerRegistry, Registry, digest, work  # noqa: F401

pytestmark = pytest.mark.novm  # its clients are not in it, and no kernel matters to a registry

UPSTREAMS = ["berth", pytest.param("docker-registry", marks=pytest.mark.skipif(
    not shutil.which("docker-registry"), reason="docker-registry is not installed"))]


@pytest.fixture(params=UPSTREAMS)
def upstream(request, work):
    made = Registry(work / "upstream") if request.param == "berth" else DockerRegistry(work / "upstream")
    yield made
    made.stop()


@pytest.fixture
def cache(work, upstream):
    made = Registry(work / "cache", "--proxy", f"http://{upstream.host}")
    yield made
    assert made.stop() == 0


def accept(client, path):
    return client.get(path, headers={"Accept": OCI_MANIFEST})


def test_pull_through(upstream, cache):
    layer = os.urandom(2_000_000)
    name = upstream.client().push_image("a/b", "t", layers=[layer])
    client = cache.client()
    for _ in range(2):
        answer = accept(client, "/v2/a/b/manifests/t")
        assert answer.status == 200 and answer.headers["Docker-Content-Digest"] == name
        assert accept(client, f"/v2/a/b/manifests/{name}").status == 200
        answer = client.get(f"/v2/a/b/blobs/{digest(layer)}")
        assert answer.status == 200 and answer.body == layer
        assert answer.headers["Content-Length"] == str(len(layer))
        assert client.head(f"/v2/a/b/blobs/{digest(layer)}").headers["Content-Length"] == str(len(layer))
        assert client.get("/v2/a/b/tags/list").json()["tags"] == ["t"]
    assert cache.blob_path(digest(layer)).read_bytes() == layer
    metrics = client.get("/metrics").body.decode()
    assert "berth_registry_proxy_misses_total 1" in metrics


def test_head_of_what_is_not_here(upstream, cache):
    layer = os.urandom(10_000)
    upstream.client().push_image("r", "t", layers=[layer])
    answer = cache.client().head(f"/v2/r/blobs/{digest(layer)}")
    assert answer.status == 200 and answer.headers["Content-Length"] == "10000"
    assert not cache.blob_path(digest(layer)).exists()


def test_ranges_of_what_is_not_here(upstream, cache):
    layer = os.urandom(3_000_000)
    upstream.client().push_image("r", "t", layers=[layer])
    answer = cache.client().get(f"/v2/r/blobs/{digest(layer)}", headers={"Range": "bytes=1000000-1999999"})
    assert answer.status == 206 and answer.body == layer[1_000_000:2_000_000]


def test_tags_are_revalidated(upstream, cache):
    first = upstream.client().push_image("r", "t", layers=[b"1"])
    client = cache.client()
    assert accept(client, "/v2/r/manifests/t").headers["Docker-Content-Digest"] == first
    second = upstream.client().push_image("r", "t", layers=[b"2"])
    assert accept(client, "/v2/r/manifests/t").headers["Docker-Content-Digest"] == second
    assert upstream.client().delete(f"/v2/r/manifests/{second}").status == 202
    assert accept(client, "/v2/r/manifests/t").status == 404


def test_served_while_the_upstream_is_down(upstream, cache):
    name = upstream.client().push_image("r", "t", layers=[b"layer"])
    client = cache.client()
    accept(client, "/v2/r/manifests/t")
    client.get(f"/v2/r/blobs/{digest(b'layer')}")
    upstream.stop()
    try:
        assert accept(client, "/v2/r/manifests/t").headers["Docker-Content-Digest"] == name
        assert client.get(f"/v2/r/blobs/{digest(b'layer')}").body == b"layer"
        assert client.get("/v2/r/tags/list").json()["tags"] == ["t"]
        assert accept(client, "/v2/r/manifests/other").status == 503
        assert client.get(f"/v2/r/blobs/{digest(b'other')}").status == 503
    finally:
        upstream.stop = lambda: None


def test_unknown_things(upstream, cache):
    client = cache.client()
    answer = accept(client, "/v2/r/manifests/t")
    assert answer.status == 404 and answer.code() == "MANIFEST_UNKNOWN"
    answer = client.get(f"/v2/r/blobs/{digest(b'x')}")
    assert answer.status == 404 and answer.code() == "BLOB_UNKNOWN"
    assert client.post("/v2/r/blobs/uploads/").status == 405


def test_a_blob_is_visible_where_the_upstream_has_it(upstream, cache):
    upstream.client().push_image("one", "t", layers=[b"secret"])
    upstream.client().push_image("two", "t", layers=[b"other"])
    client = cache.client()
    assert client.get(f"/v2/one/blobs/{digest(b'secret')}").status == 200
    assert client.get(f"/v2/two/blobs/{digest(b'secret')}").status == 404


class CountingUpstream:
    """A registry that counts, stalls in the middle of blobs until told to go on, and breaks off on demand."""

    def __init__(self, blob):
        self.blob, self.requests, self.fails = blob, [], 0
        self.half, self.go_on = threading.Event(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, self.headers["Range"]))
                begin = int((self.headers["Range"] or "bytes=0-")[6:].rstrip("-"))
                content = outer.blob[begin:]
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:len(content) // 2])
                self.wfile.flush()
                outer.half.set()
                outer.go_on.wait(30)
                if outer.fails:
                    outer.fails -= 1
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.wfile.write(content[len(content) // 2:])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever).start()

    def close(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def counting(work):
    upstream = CountingUpstream(os.urandom(4_000_000))
    cache = Registry(work / "cache", "--proxy", f"http://{upstream.host}")
    yield upstream, cache
    upstream.close()
    assert cache.stop() == 0


def test_a_blob_is_fetched_once_for_many(counting):
    upstream, cache = counting
    path = f"/v2/r/blobs/{digest(upstream.blob)}"
    bodies = []
    threads = [threading.Thread(target=lambda: bodies.append(cache.client().get(path).body)) for _ in range(8)]
    connection = cache.client().open()
    connection.request("GET", path)
    assert upstream.half.wait(30)
    for thread in threads:
        thread.start()
    response = connection.getresponse()
    first = response.read(1_000_000)  # comes before the upstream has sent all
    upstream.go_on.set()
    for thread in threads:
        thread.join()
    assert first + response.read() == upstream.blob
    connection.close()
    assert bodies == [upstream.blob] * 8
    assert len(upstream.requests) == 1


def test_a_broken_fetch_goes_on_where_it_was(counting):
    upstream, cache = counting
    upstream.fails = 1
    upstream.go_on.set()
    assert cache.client().get(f"/v2/r/blobs/{digest(upstream.blob)}").body == upstream.blob
    ranges = [asked for _, asked in upstream.requests]
    assert len(ranges) == 2 and ranges[0] is None and int(ranges[1][6:-1]) > 0


def test_a_fetch_goes_on_after_kill(counting):
    upstream, cache = counting
    path = f"/v2/r/blobs/{digest(upstream.blob)}"
    connection = cache.client().open()
    connection.request("GET", path)
    connection.getresponse().read(1_000_000)
    cache.kill()
    connection.close()
    upstream.go_on.set()
    cache.restart()
    assert cache.client().get(path).body == upstream.blob
    assert int(upstream.requests[-1][1][6:-1]) >= 1_000_000


def test_stops_in_the_middle_of_a_fetch(counting):
    upstream, cache = counting
    path = f"/v2/r/blobs/{digest(upstream.blob)}"
    connection = cache.client().open()
    connection.request("GET", path, headers={"Range": "bytes=0-999"})
    assert connection.getresponse().read() == upstream.blob[:1000]
    assert cache.stop() == 0  # the fetch has its half, and waits
    connection.close()
    upstream.go_on.set()
    cache.restart()
    assert cache.client().get(path).body == upstream.blob
    assert int(upstream.requests[-1][1][6:-1]) >= 1000


def test_a_wrong_blob_reaches_nobody(counting):
    upstream, cache = counting
    upstream.go_on.set()
    wrong = digest(b"something else")
    connection = cache.client().open()
    connection.request("GET", f"/v2/r/blobs/{wrong}")
    with pytest.raises(Exception):
        connection.getresponse().read()
    connection.close()
    assert not cache.blob_path(wrong).exists()
    assert not list((cache.root / "ingest").iterdir())


class LyingUpstream(CountingUpstream):
    """Announces twice the blob, ends after the blob, and knows no ranges; tells the truth after `lies` answers."""

    def __init__(self, blob, lies):
        super().__init__(blob)
        outer = self
        self.lies = lies

        def answer(handler):
            outer.requests.append((handler.path, handler.headers["Range"]))
            if handler.headers["Range"]:
                handler.send_response(416)
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            outer.lies -= 1
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(outer.blob) * (2 if outer.lies >= 0 else 1)))
            handler.end_headers()
            handler.wfile.write(outer.blob)
            handler.close_connection = True

        self.server.RequestHandlerClass.do_GET = answer


@pytest.mark.parametrize("lies", [1, 1000])
def test_a_blob_that_is_shorter_than_announced(work, lies):
    upstream = LyingUpstream(os.urandom(1_000_000), lies)
    cache = Registry(work / "cache", "--proxy", f"http://{upstream.host}")
    path = f"/v2/r/blobs/{digest(upstream.blob)}"
    try:
        with pytest.raises(http.client.IncompleteRead):
            cache.client().get(path)
        assert len(upstream.requests) <= 8
        if lies == 1:
            assert cache.client().get(path).body == upstream.blob
    finally:
        upstream.close()
        assert cache.stop() == 0


def test_an_upstream_that_wants_a_password(work):
    users = work / "users"
    users.write_bytes(subprocess.run(["htpasswd", "-nbB", "alice", "secret"], capture_output=True, check=True).stdout)
    upstream = Registry(work / "upstream", "--htpasswd", users)
    cache = Registry(work / "cache", "--proxy", f"http://{upstream.host}")
    try:
        # 401 would say that the client's own is wrong.
        assert cache.client().get(f"/v2/r/blobs/{digest(b'x')}").status == 503
        assert cache.client().head(f"/v2/r/blobs/{digest(b'x')}").status == 503
        assert accept(cache.client(), "/v2/r/manifests/t").status == 503
    finally:
        upstream.stop()
        assert cache.stop() == 0


def test_a_full_disk_is_given_back(work):
    upstream = Registry(work / "upstream")
    upstream.client().push_image("r", "t", layers=[os.urandom(8_000_000)])
    name = upstream.client().get("/v2/r/manifests/t").json()["layers"][0]["digest"]
    root = work / "small"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "berth-test", root], check=True)
    cache = Registry(root, "--proxy", f"http://{upstream.host}")
    try:
        with pytest.raises(http.client.IncompleteRead):
            cache.client().get(f"/v2/r/blobs/{name}")
        # The client is told by the cut, which may come before the space is given back.
        for _ in range(300):
            if not list((root / "ingest").iterdir()):
                break
            threading.Event().wait(0.05)
        assert not list((root / "ingest").iterdir())
    finally:
        upstream.stop()
        cache.stop()
        subprocess.run(["umount", root], check=True)


def test_expiry_by_last_use(work):
    upstream = Registry(work / "upstream")
    upstream.client().push_image("r", "t", layers=[b"layer"])
    cache = Registry(work / "cache", "--proxy", f"http://{upstream.host}", "--proxy-ttl", "0s", "--gc-interval", "1s")
    try:
        client = cache.client()
        client.get(f"/v2/r/blobs/{digest(b'layer')}")
        path = cache.blob_path(digest(b"layer"))
        for _ in range(300):
            if not path.exists():
                break
            threading.Event().wait(0.05)
        assert not path.exists()
        assert client.get(f"/v2/r/blobs/{digest(b'layer')}").body == b"layer"
    finally:
        cache.stop()
        upstream.stop()
