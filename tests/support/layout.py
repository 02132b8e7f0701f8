# SPDX-License-Identifier: Apache-2.0
"""Images of an OCI layout as overlay mounts, made with tar and mount alone: for tests that need an image's root
file system, whatever the state of our own image store is."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

REF_NAME = "org.opencontainers.image.ref.name"


@dataclass
class Image:
    config: dict         # the image configuration's `config`
    layers: list[Path]   # unpacked, the lowest first

    def mount(self, target: Path, scratch: Path) -> None:
        for directory in (target, scratch / "upper", scratch / "work"):
            directory.mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in reversed(self.layers))
        options = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(target)], check=True)


class Layout:
    """`unpacked` keeps each layer once, by its digest."""

    def __init__(self, root: Path, unpacked: Path):
        self.root, self.unpacked = root, unpacked

    def forget_old_layers(self) -> None:
        """Removes unpacked layers that the layout no longer has."""
        for path in self.unpacked.glob("*"):
            if not (self.root / "blobs/sha256" / path.name).exists():
                shutil.rmtree(path)

    def blob(self, digest: str) -> Path:
        return self.root / "blobs" / digest.replace(":", "/")

    def references(self) -> dict[str, str]:
        """Reference -> digest of the manifest."""
        index = json.loads((self.root / "index.json").read_bytes())
        return {entry["annotations"][REF_NAME]: entry["digest"] for entry in index["manifests"]}

    def image(self, name: str) -> Image:
        manifest = json.loads(self.blob(self.references()["docker.io/library/" + name]).read_bytes())
        config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
        return Image(config["config"], [self.layer(layer["digest"]) for layer in manifest["layers"]])

    def layer(self, digest: str) -> Path:
        target = self.unpacked / digest.split(":")[1]
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            subprocess.run(["tar", "--extract", "--gzip", "--xattrs", "--xattrs-include=*", "--numeric-owner",
                            "--file", self.blob(digest), "--directory", partial], check=True)
            mark_whiteouts(partial)
            os.rename(partial, target)
        return target


def mark_whiteouts(layer: Path) -> None:
    """`.wh.` files become overlay's marks."""
    for mark in list(layer.rglob(".wh.*")):
        mark.unlink()
        if mark.name == ".wh..wh..opq":
            os.setxattr(mark.parent, "trusted.overlay.opaque", b"y")
        else:
            os.mknod(mark.with_name(mark.name.removeprefix(".wh.")), 0o020000, os.makedev(0, 0))
