# SPDX-License-Identifier: Apache-2.0
"""Registries as processes of the tests, ours and Debian's, and a client that speaks the protocol by hand."""

import base64
import hashlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 30

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture
def work():
    """A directory of this test. Test modules import it; BERTH_TEST_KEEP=1 keeps it."""
    path = Path(tempfile.mkdtemp(prefix="berth-test-"))
    yield path
    if not os.environ.get("BERTH_TEST_KEEP"):
        shutil.rmtree(path)


def berth_binary() -> Path:
    return Path(os.environ.get("BERTH") or REPOSITORY / "build/release/bin/berth")


def digest(data: bytes, algorithm="sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    def json(self):
        return json.loads(self.body)

    def code(self):
        """The first error's code."""
        return self.json()["errors"][0]["code"]

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


class Client:
    """One kept connection; requests as they are asked for, nothing on its own."""

    def __init__(self, port, tls=None, user=None):
        self.port, self.tls, self.user = port, tls, user
        self.connection = None

    def open(self):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=TIMEOUT, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def request(self, method, path, body=None, headers=None) -> Answer:
        headers = dict(headers or {})
        if self.user:
            headers.setdefault("Authorization", "Basic " + base64.b64encode(self.user.encode()).decode())
        if self.connection is None:
            self.connection = self.open()
        try:
            self.connection.request(method, path, body=body, headers=headers,
                                    encode_chunked=headers.get("Transfer-Encoding") == "chunked")
            response = self.connection.getresponse()
            answer = Answer(response, response.read())
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def __getattr__(self, name):
        if name in ("get", "head", "put", "post", "patch", "delete"):
            return lambda *args, **more: self.request(name.upper(), *args, **more)
        raise AttributeError(name)

    # --- what tests need all the time ---

    def start_upload(self, repository) -> str:
        answer = self.post(f"/v2/{repository}/blobs/uploads/")
        assert answer.status == 202, answer
        return re.sub(r"^https?://[^/]*", "", answer.headers["Location"])

    def push_blob(self, repository, data) -> str:
        name = digest(data)
        location = self.start_upload(repository)
        answer = self.put(f"{location}{'&' if '?' in location else '?'}digest={name}", data, {"Content-Type": "application/octet-stream"})
        assert answer.status == 201, answer
        return name

    def push_manifest(self, repository, reference, document, media_type=OCI_MANIFEST) -> str:
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        reference = reference or digest(text)
        answer = self.put(f"/v2/{repository}/manifests/{reference}", text, {"Content-Type": media_type})
        assert answer.status == 201, answer
        assert answer.headers["Docker-Content-Digest"] == digest(text)
        return digest(text)

    def push_image(self, repository, tag, layers=(b"layer",), **more) -> str:
        config = self.push_blob(repository, b'{"architecture":"amd64","os":"linux"}')
        for layer in layers:
            self.push_blob(repository, layer)
        return self.push_manifest(repository, tag, manifest(config, 37, layers, **more))


def descriptor(media_type, name, size, **more):
    return {"mediaType": media_type, "digest": name, "size": size, **more}


def manifest(config, config_size, layers, **more):
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, config, config_size),
            "layers": [descriptor(OCI_LAYER, digest(layer), len(layer)) for layer in layers], **more}


class Process:
    """A server of a test: its standard error is kept for the report."""

    def __init__(self, command, log, env=None):
        self.log = open(log, "ab+")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, env=env)
        self.pid = self.process.pid

    def read_line(self) -> str:
        """One line of its standard output."""
        line = b""
        limit = time.monotonic() + TIMEOUT
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, limit - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1) if ready else b""
            if not piece:
                self.end()
                raise RuntimeError(f"{self.process.args[0]} did not start: {line!r}\n{self.errors()}")
            line += piece
        return line.decode()

    def errors(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def end(self, number=signal.SIGKILL) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            self.log.close()


class Registry:
    """`berth registry serve` on a port that the kernel chose."""

    def __init__(self, root, *flags, tls=None):
        self.root, self.flags, self.tls = Path(root), [str(flag) for flag in flags], tls
        self.start()

    def start(self, port=0):
        self.process = Process([berth_binary(), "registry", "serve", "--root", self.root, "--listen",
                                f"127.0.0.1:{port}", *self.flags], f"{self.root}.log")
        self.port = int(re.search(r"listening on 127\.0\.0\.1:(\d+)", self.process.read_line())[1])
        self.host = f"127.0.0.1:{self.port}"

    def kill(self):
        self.process.end(signal.SIGKILL)

    def stop(self) -> int:
        return self.process.end(signal.SIGTERM)

    def restart(self):
        self.start(self.port)

    def client(self, user=None) -> Client:
        return Client(self.port, self.tls, user)

    def collect(self, *flags) -> str:
        done = subprocess.run([berth_binary(), "registry", "gc", "--root", self.root, *flags], text=True,
                              capture_output=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def blob_path(self, name) -> Path:
        algorithm, _, digits = name.partition(":")
        return self.root / "blobs" / algorithm / digits


class DockerRegistry:
    """Debian's docker-registry."""

    def __init__(self, root, more=""):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        config = self.root.with_suffix(".yml")
        config.write_text(f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n"
                          f"storage: {{filesystem: {{rootdirectory: {self.root}}}, delete: {{enabled: true}}}}\n"
                          f"http: {{addr: '127.0.0.1:0'}}\n{more}")
        self.process = Process(["docker-registry", "serve", config], f"{self.root}.log")
        # It tells its port nowhere in this configuration but in the kernel's table.
        limit = time.monotonic() + TIMEOUT
        while not (port := listening_port(self.process.pid)):
            assert self.process.process.poll() is None and time.monotonic() < limit, self.process.errors()
            time.sleep(0.02)
        self.port = port
        self.host = f"127.0.0.1:{port}"

    def client(self) -> Client:
        return Client(self.port)

    def stop(self):
        self.process.end(signal.SIGTERM)


def listening_port(pid):
    """The TCP port that a process listens on, or None."""
    try:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except FileNotFoundError:
        return None
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].split(":")[1], 16)
    return None


def self_signed(directory: Path):
    """(certificate, key, client's context) for localhost and 127.0.0.1."""
    certificate, key = directory / "tls.crt", directory / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key, ssl.create_default_context(cafile=certificate)
