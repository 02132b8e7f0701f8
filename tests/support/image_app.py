# SPDX-License-Identifier: Apache-2.0
"""An image of two layers that many tests use, and the parts of a docker-archive."""

import hashlib
import json

from support import images
from support.images import digest_of

BASE = {
    "bin": None, "bin/tool": images.random_bytes("tool", 300_000), "bin/link": "tool", "etc": None, "etc/conf": b"one\n",
    "data": None, "data/gone": b"x", "data/kept": b"y",
}
TOP = {"etc/conf": b"two\n", "etc/more": b"more\n", "data/.wh.gone": b"", "very": None, "very/long": None,
       "very/long/" + "n" * 120: b"long name"}


def two_layers(layout, name="app:1", compression="gzip", top=None):
    """Images that differ in `top` alone share their first layer."""
    return layout.image(name, [layout.layer(BASE, compression), layout.layer(top or TOP, compression)])


def expect_app(store, name="app:1"):
    with store.mounted(name) as root:
        assert (root / "etc/conf").read_bytes() == b"two\n"
        assert (root / "bin/tool").read_bytes() == BASE["bin/tool"]
        assert (root / "bin/link").readlink().name == "tool"
        assert not (root / "data/gone").exists()
        assert (root / "data/kept").exists()
        assert (root / "very/long" / ("n" * 120)).read_bytes() == b"long name"


def docker_parts(layers: list[bytes], **config) -> tuple[bytes, str]:
    """The config of an image of these layers, uncompressed tars, and its digest's digits."""
    text = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, **config,
                       "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}}).encode()
    return text, hashlib.sha256(text).hexdigest()
