# SPDX-License-Identifier: Apache-2.0
"""The image of the engine's tests: busybox:latest, made of Debian's busybox-static."""

import atexit
import functools
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import images

IMAGE = "busybox:latest"


def docker_archive(path: Path, tag: str, entries: dict, config: dict) -> Path:
    """An image of one layer as `docker save` writes it, which every engine loads."""
    layer = images.tar_of(entries)
    document = {
        "created": "2024-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [images.digest_of(layer)]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "COPY busybox /bin"}],
    }
    data = json.dumps(document).encode()
    name = hashlib.sha256(data).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": ["layer/layer.tar"]}]
    path.write_bytes(images.tar_of({name: data, "layer": None, "layer/layer.tar": layer,
                                    "manifest.json": json.dumps(manifest).encode()}))
    return path


def busybox_archive(path: Path) -> Path:
    """busybox:latest from Debian's busybox-static, with some users and a folder with files for volumes."""
    program = shutil.which("busybox")
    applets = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    entries = [images.tar_entry("bin", None), images.tar_entry("bin/busybox", Path(program).read_bytes(), mode=0o755)]
    entries += [images.tar_entry(f"bin/{name}", "busybox") for name in applets if name != "busybox"]
    for folder in ("dev", "etc", "home", "home/user", "proc", "root", "sys", "usr", "usr/bin", "var", "var/data"):
        entries.append(images.tar_entry(folder, None))
    entries.append(images.tar_entry("tmp", None, mode=0o1777))
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\n"
                      "user:x:1000:1000:user:/home/user:/bin/sh\n",
        "etc/group": "root:x:0:\ndaemon:x:1:\nuser:x:1000:\nextra:x:2000:user\n",
        "var/data/file": "from the image\n",
    }
    entries += [images.tar_entry(name, text.encode()) for name, text in files.items()]
    config = {"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    return docker_archive(path, IMAGE, entries, config)


@functools.cache
def shared_archive() -> Path:
    """The archive, made once for a session."""
    folder = tempfile.mkdtemp(prefix="berth-test-busybox-")
    atexit.register(shutil.rmtree, folder)
    return busybox_archive(Path(folder) / "busybox.tar")
