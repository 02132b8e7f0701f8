# SPDX-License-Identifier: Apache-2.0
"""`berth registry serve` with users, TLS and without the right to write."""

import base64
import json
import os
import subprocess

import pytest

from support.registry import Client, Registry, digest, self_signed, work  # noqa: F401

pytestmark = pytest.mark.novm  # its clients are not in it, and no kernel matters to a registry

ALICE, BOB = "alice:wonder:land", "bob:builder"


def write_users(path, *users):
    lines = []
    for user in users:
        name, _, password = user.partition(":")
        lines.append(subprocess.run(["htpasswd", "-nbBC", "5", name, password], check=True, capture_output=True,
                                    text=True).stdout.strip())
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n")
    os.replace(fresh, path)
    return path


@pytest.fixture
def users(work):
    return write_users(work / "users", ALICE)


@pytest.fixture
def serve(work):
    servers = []

    def start(*flags, **more):
        servers.append(Registry(work / f"registry{len(servers)}", *flags, **more))
        return servers[-1]

    yield start
    for server in servers:
        assert server.stop() == 0


def test_basic(serve, users):
    server = serve("--htpasswd", users)
    anonymous = server.client()
    for method, path in (("GET", "/v2/"), ("GET", "/v2/_catalog"), ("GET", "/metrics"), ("HEAD", "/v2/r/manifests/t"),
                         ("POST", "/v2/r/blobs/uploads/"), ("GET", "/v2/unknown")):
        answer = anonymous.request(method, path)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic realm="), path
        assert method == "HEAD" or answer.code() == "UNAUTHORIZED"
    assert anonymous.get("/healthz").status == 200
    for wrong in ("alice:wonderland", "alice:", "bob:wonder:land", ":", "alice"):
        assert server.client(wrong).get("/v2/").status == 401
    for field in ("Basic", "Basic ???", "Bearer x", "Nonsense", "Basic " + base64.b64encode(b"a\0b:c").decode()):
        assert anonymous.get("/v2/", headers={"Authorization": field}).status == 401
    alice = server.client(ALICE)
    alice.push_image("r", "t")
    assert alice.get("/v2/r/manifests/t").status == 200


def test_users_change_while_it_runs(serve, users):
    server = serve("--htpasswd", users)
    assert server.client(BOB).get("/v2/").status == 401
    write_users(users, ALICE, BOB)
    assert server.client(BOB).get("/v2/").status == 200
    write_users(users, BOB)
    assert server.client(ALICE).get("/v2/").status == 401, "what was verified before must not outlive the user"
    users.write_text("nonsense")
    assert server.client(BOB).get("/v2/").status == 200, "a file that cannot be read changes nothing"


def test_anonymous_pull(serve, users):
    server = serve("--htpasswd", users, "--anonymous-pull")
    server.client(ALICE).push_image("r", "t")
    anonymous = server.client()
    assert anonymous.get("/v2/r/manifests/t").status == 200
    assert anonymous.get("/v2/").status == 401, "clients learn from it how to log in"
    answer = anonymous.post("/v2/r/blobs/uploads/")
    assert answer.status == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge == (f'Bearer realm="http://{server.host}/token",service="berth-registry",'
                         'scope="repository:r:pull,push"')

    def token(client):
        answer = client.get("/token?service=berth-registry&scope=repository:r:pull")
        return answer.status == 200 and {"Authorization": "Bearer " + answer.json()["token"]}

    nobody, somebody = token(anonymous), token(server.client(ALICE))
    assert anonymous.get("/v2/", headers=nobody).status == 200
    assert anonymous.get("/v2/r/tags/list", headers=nobody).json()["tags"] == ["t"]
    assert anonymous.post("/v2/r/blobs/uploads/", headers=nobody).status == 401
    assert anonymous.post("/v2/r/blobs/uploads/", headers=somebody).status == 202
    assert server.client("alice:wrong").get("/token").status == 401
    assert anonymous.post("/token", b"grant_type=password").status == 405, "containerd goes on with GET then"
    forged = somebody["Authorization"][:-1] + "x"
    assert anonymous.get("/v2/r/tags/list", headers={"Authorization": forged}).status == 401
    assert anonymous.get("/v2/r/tags/list", headers={"Authorization": "Bearer "}).status == 401


def test_many_guesses_don_t_hold_up_others(serve, users):
    server = serve("--htpasswd", users, "--anonymous-pull")
    guessing = [server.client(f"alice:guess{number}") for number in range(20)]
    for client in guessing:
        client.connection = client.open()
        client.connection.request("GET", "/v2/", headers={
            "Authorization": "Basic " + base64.b64encode(client.user.encode()).decode()})
    assert server.client().get("/v2/_catalog").status == 200
    for client in guessing:
        assert client.connection.getresponse().status == 401
        client.close()


def test_read_only(serve, work):
    server = serve()
    server.client().push_image("r", "t")
    name = server.client().push_blob("r", b"x")
    server.stop()
    server.flags.append("--read-only")
    server.start()
    client = server.client()
    assert client.get("/v2/r/manifests/t").status == 200
    for method, path in (("POST", "/v2/r/blobs/uploads/"), ("PUT", "/v2/r/manifests/u"),
                         ("DELETE", "/v2/r/manifests/t"), ("DELETE", f"/v2/r/blobs/{name}"),
                         ("PATCH", "/v2/r/blobs/uploads/0123")):
        answer = client.request(method, path, b"")
        assert answer.status == 405 and answer.code() == "UNSUPPORTED"


def test_tls(serve, users, work):
    certificate, key, context = self_signed(work)
    server = serve("--tls-cert", certificate, "--tls-key", key, "--htpasswd", users, tls=context)
    client = server.client(ALICE)
    data = os.urandom(3_000_000)
    name = client.push_blob("r", data)
    assert client.get(f"/v2/r/blobs/{name}").body == data
    assert client.get(f"/v2/r/blobs/{name}", headers={"Range": "bytes=1000000-1999999"}).body == data[1000000:2000000]
    plain = Client(server.port)
    try:
        assert plain.get("/v2/").status == 400
    except OSError:
        pass  # a server may just close


def skopeo(*arguments, check=True):
    done = subprocess.run(["skopeo", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done


def layout(work):
    """An OCI layout with one small image."""
    root = work / "layout"
    (root / "blobs/sha256").mkdir(parents=True)

    def blob(data):
        (root / "blobs/sha256" / digest(data)[7:]).write_bytes(data)
        return digest(data)

    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [],
                       "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob(config),
                                  "size": len(config)}}).encode()
    index = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                                                "digest": blob(text), "size": len(text),
                                                "annotations": {"org.opencontainers.image.ref.name": "x"}}]}
    (root / "index.json").write_text(json.dumps(index))
    (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return f"oci:{root}:x"


@pytest.mark.parametrize("anonymous", [False, True])
def test_skopeo_logs_in(serve, users, work, anonymous):
    certificate, key, context = self_signed(work)
    certs = work / "certs"
    certs.mkdir()
    (certs / "ca.crt").write_bytes(certificate.read_bytes())
    server = serve("--tls-cert", certificate, "--tls-key", key, "--htpasswd", users,
                   *(["--anonymous-pull"] if anonymous else []), tls=context)
    image, target = layout(work), f"docker://localhost:{server.port}/r:t"
    refused = skopeo("copy", "--dest-cert-dir", certs, image, target, check=False)
    assert refused.returncode != 0
    skopeo("copy", "--dest-cert-dir", certs, "--dest-creds", ALICE, image, target)
    skopeo("inspect", "--cert-dir", certs, "--creds", ALICE, target)
    assert (skopeo("inspect", "--cert-dir", certs, target, check=False).returncode == 0) == anonymous
    assert skopeo("inspect", "--cert-dir", certs, "--creds", "alice:wrong", target, check=False).returncode != 0
