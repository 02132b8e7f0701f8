# SPDX-License-Identifier: Apache-2.0
"""Pushes images of a layout into a registry (OCI distribution specification, plain HTTP, no authentication): blobs
once, mounted into the other repositories, and only what the registry does not have."""

import http.client
from pathlib import Path

from .layout import MANIFEST, Layout


class RegistryError(Exception):
    pass


class Registry:
    def __init__(self, address: str):
        self.address = address
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.holders: dict[str, str] = {}  # blob -> a repository that has it

    def call(self, method: str, path: str, *expected: int, body=None, headers=None) -> http.client.HTTPResponse:
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in expected:
            said = text.decode(errors="replace")[:300]
            raise RegistryError(f"{self.address}: {method} {path}: {answer.status} {said}")
        return answer

    def push(self, layout: Layout, digest: str, repository: str, tag: str) -> bool:
        """False when the registry had this image under this tag already."""
        present = self.call("HEAD", f"/v2/{repository}/manifests/{tag}", 200, 404, headers={"Accept": MANIFEST})
        if present.status == 200 and present.headers["Docker-Content-Digest"] == digest:
            return False
        manifest = layout.read_json(digest)
        for blob in [manifest["config"], *manifest["layers"]]:
            self.push_blob(layout.blob(blob["digest"]), blob["digest"], repository)
        self.call("PUT", f"/v2/{repository}/manifests/{tag}", 201, body=layout.blob(digest).read_bytes(),
                  headers={"Content-Type": manifest["mediaType"]})
        return True

    def push_blob(self, file: Path, digest: str, repository: str) -> None:
        if self.holders.get(digest) == repository:
            return
        if self.call("HEAD", f"/v2/{repository}/blobs/{digest}", 200, 404).status == 404:
            holder = self.holders.get(digest)
            mount = f"?mount={digest}&from={holder}" if holder else ""
            answer = self.call("POST", f"/v2/{repository}/blobs/uploads/{mount}", 201, 202, body=b"")
            if answer.status == 202:
                self.upload(file, digest, answer.headers["Location"])
        self.holders[digest] = repository

    def upload(self, file: Path, digest: str, location: str) -> None:
        path = location.removeprefix(f"http://{self.address}")
        path += ("&" if "?" in path else "?") + "digest=" + digest
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        with open(file, "rb") as body:
            self.call("PUT", path, 201, body=body, headers=headers)
