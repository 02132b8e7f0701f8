# SPDX-License-Identifier: Apache-2.0
"""`berth registry serve`, spoken to by hand: the OCI distribution-spec, request by request."""

import json
import os
import socket
import time
from urllib.parse import quote

import pytest

from support import registry
from support.registry import (OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Registry, descriptor, digest,
                              manifest, work)  # noqa: F401

pytestmark = pytest.mark.novm  # its clients are not in it, and no kernel matters to a registry

MISSING = "sha256:" + "0" * 64


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


# --- base --------------------------------------------------------------------------------------------------------


def test_base(client):
    for path in ("/v2/", "/v2"):
        answer = client.get(path)
        assert answer.status == 200 and answer.json() == {}
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert client.get("/healthz").status == 200


@pytest.mark.parametrize("path", ["/v1/", "/v2/x", "/v2/x/manifests/", "/v2/x/unknown/y", "/other"])
def test_unknown_paths(client, path):
    answer = client.get(path)
    assert answer.status == 404 and answer.code() == "UNSUPPORTED"


@pytest.mark.parametrize("name", ["A", "a//b", "-a", "a-", "a/_b", "a" * 256, "a..b", "a b", "../a", "a/..", "ä"])
def test_repository_names(client, name):
    answer = client.get(f"/v2/{quote(name)}/tags/list")
    assert answer.status == 400 and answer.code() == "NAME_INVALID", answer


@pytest.mark.parametrize("name", ["a", "a/b/c", "a-b", "a__b", "a.b", "0", "blobs/uploads", "tags/list/manifests"])
def test_repositories_with_unusual_names(client, name):
    client.push_image(name, "t")
    assert client.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["t"]}


def test_methods(client):
    client.push_image("r", "t")
    for path in ("/v2/r/manifests/t", f"/v2/r/blobs/{MISSING}", "/v2/r/tags/list", "/v2/_catalog"):
        answer = client.post(path)
        assert answer.status == 405 and answer.code() == "UNSUPPORTED" and "GET" in answer.headers["Allow"]


# --- blobs -------------------------------------------------------------------------------------------------------


def test_blob(client):
    data = os.urandom(100_000)
    name = client.push_blob("r", data)
    answer = client.get(f"/v2/r/blobs/{name}")
    assert answer.status == 200 and answer.body == data
    assert answer.headers["Docker-Content-Digest"] == name
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["ETag"] == f'"{name}"'
    head = client.head(f"/v2/r/blobs/{name}")
    assert head.status == 200 and head.headers["Content-Length"] == "100000" and head.body == b""


def test_empty_blob(client):
    name = client.push_blob("r", b"")
    answer = client.get(f"/v2/r/blobs/{name}")
    assert answer.status == 200 and answer.headers["Content-Length"] == "0"


def test_unknown_blobs(client):
    name = client.push_blob("r", b"x")
    for path in (f"/v2/r/blobs/{MISSING}", f"/v2/other/blobs/{name}"):
        answer = client.get(path)
        assert answer.status == 404 and answer.code() == "BLOB_UNKNOWN"
        assert client.head(path).status == 404
    for bad in ("sha256:0", "sha256:" + "G" * 64, "md5:" + "0" * 32, "nothing"):
        answer = client.get(f"/v2/r/blobs/{bad}")
        assert answer.status == 400 and answer.code() == "DIGEST_INVALID"


def test_blob_conditional(client):
    name = client.push_blob("r", b"content")
    for value in (f'"{name}"', name, f'W/"{name}"', f'"other", "{name}"', "*"):
        answer = client.get(f"/v2/r/blobs/{name}", headers={"If-None-Match": value})
        assert answer.status == 304 and answer.body == b"", value
    assert client.get(f"/v2/r/blobs/{name}", headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("field, begin, end", [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=90-", 90, 100),
                                               ("bytes=-10", 90, 100), ("bytes=50-999", 50, 100)])
def test_blob_range(client, field, begin, end):
    data = bytes(range(100))
    name = client.push_blob("r", data)
    answer = client.get(f"/v2/r/blobs/{name}", headers={"Range": field})
    assert answer.status == 206 and answer.body == data[begin:end]
    assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/100"
    answer = client.get(f"/v2/r/blobs/{name}", headers={"Range": field, "If-Range": '"other"'})
    assert answer.status == 200 and answer.body == data


def test_blob_ranges_that_are_none(client):
    name = client.push_blob("r", b"0123456789")
    answer = client.get(f"/v2/r/blobs/{name}", headers={"Range": "bytes=10-"})
    assert answer.status == 416 and answer.headers["Content-Range"] == "bytes */10"
    for ignored in ("bytes=5-2", "bytes=0-1,3-4", "lines=1-2"):
        assert client.get(f"/v2/r/blobs/{name}", headers={"Range": ignored}).body == b"0123456789"


def test_sha512(client):
    data = b"content"
    name = digest(data, "sha512")
    location = client.start_upload("r")
    assert client.put(f"{location}?digest={name}", data).status == 201
    assert client.get(f"/v2/r/blobs/{name}").body == data
    location = client.start_upload("r")
    assert client.put(f"{location}?digest={name}", b"other").code() == "DIGEST_INVALID"
    text = json.dumps(manifest(name, 7, [])).encode()
    answer = client.put(f"/v2/r/manifests/{digest(text, 'sha512')}", text, {"Content-Type": OCI_MANIFEST})
    assert answer.status == 201
    assert client.get(f"/v2/r/manifests/{digest(text, 'sha512')}").body == text


def test_delete_blob(client):
    name = client.push_blob("r", b"x")
    assert client.delete(f"/v2/r/blobs/{name}").status == 202
    assert client.head(f"/v2/r/blobs/{name}").status == 404
    assert client.delete(f"/v2/r/blobs/{name}").status == 404


# --- uploads -----------------------------------------------------------------------------------------------------


def test_monolithic_post(client):
    name = digest(b"abc")
    answer = client.post(f"/v2/r/blobs/uploads/?digest={name}", b"abc")
    assert answer.status == 201 and answer.headers["Location"] == f"/v2/r/blobs/{name}"
    assert client.get(answer.headers["Location"]).body == b"abc"
    answer = client.post(f"/v2/r/blobs/uploads/?digest={name}", b"abd")
    assert answer.status == 400 and answer.code() == "DIGEST_INVALID"


def test_chunked_upload(client):
    location = client.start_upload("r")
    first = client.patch(location, b"0123456789", {"Content-Range": "0-9", "Content-Type": "application/octet-stream"})
    assert first.status == 202 and first.headers["Range"] == "0-9"
    status = client.get(first.headers["Location"])
    assert status.status == 204 and status.headers["Range"] == "0-9" and status.headers["Location"]
    second = client.patch(first.headers["Location"], b"abcde", {"Content-Range": "10-14"})
    assert second.status == 202 and second.headers["Range"] == "0-14"
    name = digest(b"0123456789abcdeEND")
    done = client.put(f"{second.headers['Location']}?digest={name}", b"END", {"Content-Range": "15-17"})
    assert done.status == 201 and done.headers["Docker-Content-Digest"] == name
    assert client.get(done.headers["Location"]).body == b"0123456789abcdeEND"
    assert client.get(location).code() == "BLOB_UPLOAD_UNKNOWN"


def test_streamed_upload(client):
    data = os.urandom(3_000_000)
    location = client.start_upload("r")
    pieces = iter([data[:1], data[1:1_000_000], data[1_000_000:]])
    answer = client.request("PATCH", location, pieces, {"Transfer-Encoding": "chunked"})
    assert answer.status == 202 and answer.headers["Range"] == "0-2999999"
    assert client.put(f"{answer.headers['Location']}?digest={digest(data)}").status == 201
    assert client.get(f"/v2/r/blobs/{digest(data)}").body == data


@pytest.mark.parametrize("content_range", ["5-9", "0-9", "1-5", "x", "9-5", "11-15", "bytes"])
def test_chunks_out_of_order(client, content_range):
    location = client.start_upload("r")
    assert client.patch(location, b"0123456789", {"Content-Range": "0-9"}).status == 202
    answer = client.patch(location, b"abcde", {"Content-Range": content_range})
    assert answer.status == 416, answer
    assert answer.headers["Range"] == "0-9" and answer.headers["Location"]
    assert client.patch(location, b"abcde", {"Content-Range": "10-14"}).status == 202


def test_chunk_of_another_length(client):
    location = client.start_upload("r")
    answer = client.patch(location, b"abc", {"Content-Range": "0-9"})
    assert answer.status == 400 and answer.code() == "SIZE_INVALID"


def test_wrong_digest_ends_the_upload(client, server):
    location = client.start_upload("r")
    answer = client.put(f"{location}?digest={digest(b'other')}", b"abc")
    assert answer.status == 400 and answer.code() == "DIGEST_INVALID"
    assert client.get(location).status == 404
    assert not list((server.root / "ingest").iterdir())
    location = client.start_upload("r")
    for bad in ("", "?digest=", "?digest=sha256:zz"):
        assert client.put(location + bad, b"abc").code() == "DIGEST_INVALID"


def test_cancel(client, server):
    location = client.start_upload("r")
    client.patch(location, b"abc")
    assert client.delete(location).status == 204
    for answer in (client.delete(location), client.get(location), client.patch(location, b"x"),
                   client.put(f"{location}?digest={digest(b'abc')}")):
        assert answer.status == 404 and answer.code() == "BLOB_UPLOAD_UNKNOWN"
    assert not list((server.root / "ingest").iterdir())


def test_uploads_belong_to_a_repository(client):
    location = client.start_upload("r")
    assert client.get(location.replace("/r/", "/other/")).status == 404
    assert client.get("/v2/r/blobs/uploads/..%2F..%2Fregistry.db").status in (400, 404)


def received(client, location, size):
    """Waits until the server has taken so many bytes from a connection that ended."""
    limit = time.monotonic() + 30
    while client.get(location).headers["Range"] != f"0-{size - 1}":
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_resume_after_a_broken_connection(server, client):
    data = os.urandom(1_000_000)
    location = client.start_upload("r")
    with socket.create_connection(("127.0.0.1", server.port)) as broken:
        broken.sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode())
        broken.sendall(data[:600_000])
    received(client, location, 600_000)
    # The request that broke off holds the upload until the server has seen the end of its connection.
    answer = client.patch(location, b"", {"Content-Type": "application/octet-stream"})
    assert answer.status == 202 and answer.headers["Range"] == "0-599999"
    answer = client.patch(location, data[600_000:], {"Content-Range": "600000-999999"})
    assert answer.status == 202, answer
    assert client.put(f"{location}?digest={digest(data)}").status == 201


def test_a_client_that_leaves_is_no_error(server, client):
    location = client.start_upload("r")
    with socket.create_connection(("127.0.0.1", server.port)) as broken:
        broken.sendall(f"PUT {location}?digest={MISSING} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc".encode())
    received(client, location, 3)
    assert client.patch(location, b"").headers["Range"] == "0-2"
    assert server.process.errors() == ""


def test_upload_survives_a_restart(server):
    data = os.urandom(700_000)
    location = server.client().start_upload("r")
    assert server.client().patch(location, data[:400_000]).status == 202
    server.kill()
    server.restart()
    status = server.client().get(location)
    assert status.status == 204 and status.headers["Range"] == "0-399999"
    assert server.client().put(f"{location}?digest={digest(data)}", data[400_000:],
                               {"Content-Range": "400000-699999"}).status == 201
    assert server.client().get(f"/v2/r/blobs/{digest(data)}").body == data


def test_mount(client):
    name = client.push_blob("from/here", b"x")
    answer = client.post(f"/v2/to/there/blobs/uploads/?mount={name}&from=from/here")
    assert answer.status == 201 and answer.headers["Location"] == f"/v2/to/there/blobs/{name}"
    assert client.get(answer.headers["Location"]).body == b"x"
    for query in (f"mount={MISSING}&from=from/here", f"mount={name}", f"mount={name}&from=nowhere",
                  f"mount={name}&from=BAD", "mount=bad&from=from/here"):
        answer = client.post(f"/v2/other/blobs/uploads/?{query}")
        assert answer.status == 202 and answer.headers["Location"].startswith("/v2/other/blobs/uploads/"), query


# --- manifests ---------------------------------------------------------------------------------------------------


def test_manifest_by_tag_and_digest(client):
    name = client.push_image("r", "v1.0", annotations={"a": "b"})
    for reference in ("v1.0", name):
        answer = client.get(f"/v2/r/manifests/{reference}", headers={"Accept": OCI_MANIFEST})
        assert answer.status == 200 and digest(answer.body) == name
        assert answer.headers["Content-Type"] == OCI_MANIFEST
        assert answer.headers["Docker-Content-Digest"] == name
        head = client.head(f"/v2/r/manifests/{reference}")
        assert head.status == 200 and head.headers["Content-Length"] == str(len(answer.body)) and not head.body
        assert client.get(f"/v2/r/manifests/{reference}", headers={"If-None-Match": f'"{name}"'}).status == 304


def test_unknown_manifests(client):
    client.push_image("r", "t")
    for path in ("/v2/r/manifests/other", f"/v2/r/manifests/{MISSING}", "/v2/nowhere/manifests/t",
                 "/v2/r/manifests/-bad"):
        answer = client.get(path)
        assert answer.status == 404 and answer.code() == "MANIFEST_UNKNOWN"


def test_accept(client):
    name = client.push_image("r", "t")
    refused = client.get("/v2/r/manifests/t", headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"})
    assert refused.status == 404 and refused.code() == "MANIFEST_UNKNOWN"
    assert client.get(f"/v2/r/manifests/{name}", headers={"Accept": "text/plain"}).status == 200
    for accept in ("*/*", "application/json", f"x/y, {OCI_MANIFEST};q=0.5"):
        assert client.get("/v2/r/manifests/t", headers={"Accept": accept}).status == 200


def test_index_for_a_client_that_reads_none(client):
    name = client.push_image("r", None)
    size = len(client.get(f"/v2/r/manifests/{name}").body)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        descriptor(OCI_MANIFEST, name, size, platform={"os": "linux", "architecture": "amd64"})]}
    client.push_manifest("r", "t", index, OCI_INDEX)
    assert client.get("/v2/r/manifests/t", headers={"Accept": OCI_INDEX}).json() == index
    answer = client.get("/v2/r/manifests/t", headers={"Accept": OCI_MANIFEST})
    assert answer.headers["Docker-Content-Digest"] == name and answer.headers["Content-Type"] == OCI_MANIFEST


def test_manifest_needs_its_blobs(client):
    client.push_blob("r", b"here")
    document = manifest(MISSING, 1, [b"here", b"missing"])
    answer = client.put("/v2/r/manifests/t", json.dumps(document), {"Content-Type": OCI_MANIFEST})
    assert answer.status == 404
    told = {(error["code"], error["detail"]["digest"]) for error in answer.json()["errors"]}
    assert told == {("MANIFEST_BLOB_UNKNOWN", MISSING), ("MANIFEST_BLOB_UNKNOWN", digest(b"missing"))}
    index = {"schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, MISSING, 1)]}
    answer = client.put("/v2/r/manifests/t", json.dumps(index), {"Content-Type": OCI_INDEX})
    assert answer.code() == "MANIFEST_BLOB_UNKNOWN"
    assert client.get("/v2/r/tags/list").json()["tags"] == []


def test_layers_elsewhere_need_not_be_here(client):
    config = client.push_blob("r", b"{}")
    document = manifest(config, 2, [])
    document["layers"] = [descriptor(OCI_LAYER, MISSING, 1, urls=["https://example.com/layer"])]
    client.push_manifest("r", "t", document)


@pytest.mark.parametrize("text, media_type", [
    ("", OCI_MANIFEST), ("{", OCI_MANIFEST), ("[]", OCI_MANIFEST), ("{}", OCI_MANIFEST), ("{}", "text/plain"),
    ('{"schemaVersion":2,"manifests":[{"digest":"bad"}]}', OCI_INDEX),
    ('{"schemaVersion":1,"name":"r","tag":"t"}', "application/vnd.docker.distribution.manifest.v1+json"),
])
def test_manifests_that_are_none(client, text, media_type):
    answer = client.put("/v2/r/manifests/t", text, {"Content-Type": media_type})
    assert answer.status == 400 and answer.code() == "MANIFEST_INVALID"


@pytest.mark.parametrize("tag", ["-bad", ".bad", "a" * 129, "b@d"])
def test_tags_that_are_none(client, tag):
    answer = client.put(f"/v2/r/manifests/{tag}", "{}", {"Content-Type": OCI_MANIFEST})
    assert answer.status == 400 and answer.code() == "TAG_INVALID"


def test_manifest_of_another_digest(client):
    answer = client.put(f"/v2/r/manifests/{MISSING}", json.dumps(manifest(MISSING, 1, [])),
                        {"Content-Type": OCI_MANIFEST})
    assert answer.status == 400 and answer.code() == "DIGEST_INVALID"


def test_manifest_size_limit(client):
    config = client.push_blob("r", b"{}")
    fits = manifest(config, 2, [], annotations={"x": "y" * (4 << 20)})
    text = json.dumps(fits).encode()
    answer = client.put("/v2/r/manifests/t", text, {"Content-Type": OCI_MANIFEST})
    assert answer.status == 413
    answer = client.request("PUT", "/v2/r/manifests/t", iter([text]), {"Transfer-Encoding": "chunked",
                                                                       "Content-Type": OCI_MANIFEST})
    assert answer.status == 413
    fits["annotations"]["x"] = "y" * (4_000_000)
    client.push_manifest("r", "t", fits)


def test_delete_manifest(client):
    name = client.push_image("r", "a")
    client.push_image("r", "b")
    assert client.delete("/v2/r/manifests/a").status == 202
    assert client.delete("/v2/r/manifests/a").status == 404
    assert client.get("/v2/r/tags/list").json()["tags"] == ["b"]
    assert client.delete(f"/v2/r/manifests/{name}").status == 202
    assert client.delete(f"/v2/r/manifests/{name}").code() == "MANIFEST_UNKNOWN"
    assert client.get("/v2/r/manifests/b").status == 404
    assert client.get("/v2/r/tags/list").json()["tags"] == []


def test_tag_moves(client):
    first = client.push_image("r", "t", layers=[b"1"])
    second = client.push_image("r", "t", layers=[b"2"])
    assert client.head("/v2/r/manifests/t").headers["Docker-Content-Digest"] == second
    assert client.head(f"/v2/r/manifests/{first}").status == 200


# --- listings ----------------------------------------------------------------------------------------------------


def test_tags_in_pages(client):
    for tag in ("b", "a", "D", "c", "10"):
        client.push_image("r", tag)
    assert client.get("/v2/r/tags/list").json()["tags"] == ["10", "D", "a", "b", "c"]
    seen, path = [], "/v2/r/tags/list?n=2"
    while path:
        answer = client.get(path)
        seen.append(answer.json()["tags"])
        link = answer.headers["Link"]
        path = link and link.split(";")[0].strip("<>")
        assert not link or link.endswith('rel="next"')
    assert seen == [["10", "D"], ["a", "b"], ["c"]]
    assert client.get("/v2/r/tags/list?n=0").json()["tags"] == []
    assert client.get("/v2/r/tags/list?last=b").json()["tags"] == ["c"]
    assert client.get("/v2/r/tags/list?n=5").headers["Link"] is None
    for bad in ("-1", "x", ""):
        assert client.get(f"/v2/r/tags/list?n={bad}").code() == "PAGINATION_NUMBER_INVALID"
    answer = client.get("/v2/nowhere/tags/list")
    assert answer.status == 404 and answer.code() == "NAME_UNKNOWN"


def test_catalogue_in_pages(client):
    assert client.get("/v2/_catalog").json() == {"repositories": []}
    for name in ("b", "a/x", "c"):
        client.push_image(name, "t")
    client.start_upload("never-completed")
    answer = client.get("/v2/_catalog?n=2")
    assert answer.json()["repositories"] == ["a/x", "b"]
    answer = client.get(answer.headers["Link"].split(";")[0].strip("<>"))
    assert answer.json()["repositories"] == ["c"] and answer.headers["Link"] is None


# --- referrers ---------------------------------------------------------------------------------------------------


def test_referrers(client):
    subject = client.push_image("r", "t")
    described = descriptor(OCI_MANIFEST, subject, 2)
    config = client.push_blob("r", b"{}")
    typed = manifest(config, 2, [], subject=described, artifactType="x/signature", annotations={"k": "v"})
    text = json.dumps(typed).encode()
    answer = client.put(f"/v2/r/manifests/{digest(text)}", text, {"Content-Type": OCI_MANIFEST})
    assert answer.status == 201 and answer.headers["OCI-Subject"] == subject
    untyped = client.push_manifest("r", None, manifest(config, 2, [], subject=described))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": described, "artifactType": "x/sbom"}
    sbom = client.push_manifest("r", None, index, OCI_INDEX)

    answer = client.get(f"/v2/r/referrers/{subject}")
    assert answer.status == 200 and answer.headers["Content-Type"] == OCI_INDEX
    assert answer.headers["OCI-Filters-Applied"] is None
    found = {entry["digest"]: entry for entry in answer.json()["manifests"]}
    assert found[digest(text)] == {"mediaType": OCI_MANIFEST, "digest": digest(text), "size": len(text),
                                   "artifactType": "x/signature", "annotations": {"k": "v"}}
    assert found[untyped]["artifactType"] == registry.OCI_CONFIG
    assert found[sbom]["mediaType"] == OCI_INDEX and len(found) == 3

    answer = client.get(f"/v2/r/referrers/{subject}?artifactType=x/sbom")
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert [entry["digest"] for entry in answer.json()["manifests"]] == [sbom]
    client.delete(f"/v2/r/manifests/{sbom}")
    assert len(client.get(f"/v2/r/referrers/{subject}").json()["manifests"]) == 2


def test_referrers_of_nothing(client):
    for name in ("r", "nowhere"):
        answer = client.get(f"/v2/{name}/referrers/{MISSING}")
        assert answer.status == 200 and answer.json()["manifests"] == [] and answer.json()["schemaVersion"] == 2
    assert client.get("/v2/r/referrers/bad").code() == "DIGEST_INVALID"
    # A subject may come after what refers to it.
    config = client.push_blob("r", b"{}")
    early = client.push_manifest("r", None, manifest(config, 2, [], subject=descriptor(OCI_MANIFEST, MISSING, 1)))
    found = client.get(f"/v2/r/referrers/{MISSING}").json()["manifests"]
    assert [entry["digest"] for entry in found] == [early]
