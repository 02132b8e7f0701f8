# SPDX-License-Identifier: Apache-2.0
"""An OCI image layout (image-layout.md): blobs by digest, and index.json, whose entries carry the references."""

import hashlib
import json
import os
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
REF_NAME = "org.opencontainers.image.ref.name"


class Layout:
    def __init__(self, root: Path):
        self.root = root
        self.blobs = root / "blobs" / "sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        replace(root / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}\n')

    def blob(self, digest: str) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.blob(digest).exists()

    def add_file(self, file: Path, digest: str) -> None:
        """Takes the file, which has to be on the same file system."""
        file.chmod(0o644)
        os.replace(file, self.blob(digest))

    def add_json(self, value: dict, media_type: str) -> dict:
        """Returns the descriptor."""
        data = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        replace(self.blob(digest), data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def read_json(self, digest: str) -> dict:
        return json.loads(self.blob(digest).read_bytes())

    def images(self) -> dict[str, dict]:
        """Reference -> descriptor of the manifest."""
        try:
            index = json.loads((self.root / "index.json").read_bytes())
        except FileNotFoundError:
            return {}
        return {entry["annotations"][REF_NAME]: entry for entry in index["manifests"]}

    def set_images(self, images: dict[str, dict]) -> None:
        """Replaces index.json, and deletes the blobs that nothing refers to any more."""
        entries = [descriptor | {"annotations": {REF_NAME: reference}}
                   for reference, descriptor in sorted(images.items())]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        replace(self.root / "index.json", json.dumps(index, indent=1).encode() + b"\n")
        used = set()
        for descriptor in images.values():
            manifest = self.read_json(descriptor["digest"])
            used |= {descriptor["digest"], manifest["config"]["digest"]}
            used |= {layer["digest"] for layer in manifest["layers"]}
        for path in self.blobs.iterdir():
            if "sha256:" + path.name not in used:
                path.unlink()


def replace(path: Path, data: bytes) -> None:
    """Writes all or nothing: a reader never sees half a file."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data)
    os.replace(temporary, path)
