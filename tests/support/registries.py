# SPDX-License-Identifier: Apache-2.0
"""Registries of others, and a way to them that can be held, cut and watched."""

import dataclasses
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from support.images import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of


class Registry:
    """Debian's docker-registry on a port that the kernel chose."""

    def __init__(self, path: Path, htpasswd: dict[str, str] | None = None):
        self.path = path
        path.mkdir(parents=True)
        self.log = path / "log"
        config = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": False}, "level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(path / "data")}, "delete": {"enabled": True}},
            "http": {"addr": "127.0.0.1:0"},
        }
        if htpasswd:
            file = path / "htpasswd"
            for user, password in htpasswd.items():
                done = subprocess.run(["htpasswd", "-nbB", user, password], check=True, stdout=subprocess.PIPE)
                with file.open("ab") as out:
                    out.write(done.stdout.strip() + b"\n")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(file)}}
        (path / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", path / "config.yml"], stdout=log, stderr=log,
                                            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        self.host = self._wait()

    def _wait(self) -> str:
        pattern = re.compile(r"listening on (127\.0\.0\.1:\d+)")
        pidfd = os.pidfd_open(self.process.pid)
        try:
            for _ in range(1000):
                if found := pattern.search(self.log.read_text()):
                    return found.group(1)
                assert self.process.poll() is None, self.log.read_text()
                threading.Event().wait(0.01)
        finally:
            os.close(pidfd)
        raise TimeoutError(self.log.read_text())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def wipe(self) -> None:
        shutil.rmtree(self.path / "data", ignore_errors=True)

    def tags(self, repository: str) -> list[str]:
        connection = http.client.HTTPConnection(self.host)
        connection.request("GET", f"/v2/{repository}/tags/list")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return sorted(answer.get("tags") or [])

    def manifest(self, repository: str, reference: str) -> tuple[str, bytes]:
        """Digest and content."""
        connection = http.client.HTTPConnection(self.host)
        connection.request("GET", f"/v2/{repository}/manifests/{reference}",
                           headers={"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}"})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        assert response.status == 200, content
        return digest_of(content), content


@dataclasses.dataclass
class Request:
    method: str
    path: str
    range: str | None
    status: int = 0
    body_bytes: int = 0


class Link:
    """A way to a registry that notes every request, and may hold or cut the bodies of blobs.

    hold(digest, after): bodies of that blob stop after so many bytes until release() is called. `held` is set while one
    waits. cut(digest, after): the connection is closed there, once. corrupt(digest): other bytes come, always.
    """

    def __init__(self, upstream: str):
        self.upstream = upstream
        self.requests: list[Request] = []
        self.held = threading.Event()
        self._released = threading.Event()
        self._hold: tuple[str, int] | None = None
        self._cuts: dict[str, int] = {}
        self._corrupt: set[str] = set()
        link = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                link._handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the client went away, as it is killed in some tests

        self.server = Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def hold(self, digest: str, after: int) -> None:
        self._released.clear()
        self.held.clear()
        self._hold = (digest, after)

    def release(self) -> None:
        self._hold = None
        self._released.set()

    def cut(self, digest: str, after: int) -> None:
        self._cuts[digest] = after

    def corrupt(self, digest: str) -> None:
        self._corrupt.add(digest)

    def blob_requests(self, digest: str, method: str = "GET") -> list[Request]:
        return [r for r in self.requests if r.method == method and r.path.endswith("/blobs/" + digest)]

    def stop(self) -> None:
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def _handle(self, handler) -> None:
        record = Request(handler.command, handler.path.split("?")[0], handler.headers.get("Range"))
        self.requests.append(record)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Transfer-Encoding") == "chunked":
            body = self._read_chunked(handler.rfile)
        connection = http.client.HTTPConnection(self.upstream)
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("transfer-encoding", "content-length")}
        connection.request(handler.command, handler.path, body=body, headers=headers)
        response = connection.getresponse()
        record.status = response.status
        handler.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "server", "date"):
                handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            self._send_body(handler, response, record)
        connection.close()

    @staticmethod
    def _read_chunked(file) -> bytes:
        body = b""
        while size := int(file.readline().split(b";")[0], 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return body

    def _send_body(self, handler, response, record: Request) -> None:
        digest = record.path.rsplit("/", 1)[-1]
        while True:
            limit = 64 << 10
            stop = self._hold[1] if self._hold and self._hold[0] == digest else None
            cut = self._cuts.get(digest)
            for bound in (stop, cut):
                if bound is not None and record.body_bytes < bound:
                    limit = min(limit, bound - record.body_bytes)
            if stop is not None and record.body_bytes >= stop:
                handler.wfile.flush()
                self.held.set()
                self._released.wait()
            if cut is not None and record.body_bytes >= cut:
                del self._cuts[digest]
                handler.close_connection = True
                return
            part = response.read(limit)
            if not part:
                return
            if digest in self._corrupt:
                part = bytes(b ^ 0x55 for b in part)
            handler.wfile.write(part)
            record.body_bytes += len(part)
