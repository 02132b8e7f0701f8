# SPDX-License-Identifier: Apache-2.0
"""Images to pull in benchmarks, as folders of the OCI image layout, and a docker-registry that holds them."""

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

# About 400 MB unpacked: a base of middling files, very many small ones, few large ones.
LAYERS = {
    "base": ["libc6", "libc-bin", "bash", "coreutils", "perl-base", "perl-modules-5.36", "libperl5.36",
             "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "git"],
    "small files": ["libboost1.81-dev", "linux-libc-dev"],
    "large files": ["libllvm19"],
}


def package_files(packages):
    paths = set()
    for package in packages:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout
        paths.update(line for line in listed.splitlines() if line.startswith("/") and line != "/.")
    # /bin and others are links into /usr: no file of a layer lies behind a link.
    real = {os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in paths}
    return sorted(path for path in real if os.path.lexists(path))


def layer_tar(paths, target):
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            tar.add(path, arcname=path[1:], recursive=False)


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Layout:
    """A folder in the OCI image layout with one image."""

    def __init__(self, path):
        self.path = Path(path)
        self.layers, self.diff_ids = [], []
        (self.path / "blobs/sha256").mkdir(parents=True, exist_ok=True)

    def add_file(self, path, media_type):
        digest = digest_of(path)
        size = path.stat().st_size
        path.rename(self.path / "blobs/sha256" / digest)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}

    def add_json(self, value, media_type):
        path = self.path / "document"
        path.write_text(json.dumps(value, separators=(",", ":")))
        return self.add_file(path, media_type)

    def add_layer(self, tar, level):
        self.diff_ids.append("sha256:" + digest_of(tar))
        packed = tar.with_suffix(".gz")
        with open(packed, "wb") as out:
            if level == 0:
                with open(tar, "rb") as data, gzip.GzipFile(fileobj=out, mode="wb", compresslevel=0, mtime=0) as to:
                    shutil.copyfileobj(data, to, 1 << 20)
            else:
                subprocess.run(["gzip", "-n", f"-{level}", "-c", tar], stdout=out, check=True)
        tar.unlink()
        self.layers.append(self.add_file(packed, "application/vnd.oci.image.layer.v1.tar+gzip"))

    def finish(self):
        config = self.add_json({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
                                "rootfs": {"type": "layers", "diff_ids": self.diff_ids}},
                               "application/vnd.oci.image.config.v1+json")
        manifest = self.add_json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                  "config": config, "layers": self.layers},
                                 "application/vnd.oci.image.manifest.v1+json")
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blobs(self):
        """The layers' files, lowest first."""
        manifest = json.loads((self.path / "index.json").read_text())["manifests"][0]
        document = json.loads(self._blob(manifest).read_text())
        return [self._blob(layer) for layer in document["layers"]]

    def _blob(self, descriptor):
        return self.path / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")


def package_image(cache):
    """The image of LAYERS; made once."""
    path = Path(cache) / "packages"
    if not (path / "oci-layout").exists():
        shutil.rmtree(path, ignore_errors=True)
        layout = Layout(path)
        for packages in LAYERS.values():
            tar = path / "layer.tar"
            layer_tar(package_files(packages), tar)
            layout.add_layer(tar, 6)
        layout.finish()
    return Layout(path)


def random_image(path, layers, layer_bytes):
    """An image that does not compress."""
    layout = Layout(path)
    source = random.Random(1)
    for index in range(layers):
        tar = layout.path / "layer.tar"
        with tarfile.open(tar, "w") as archive:
            for part in range(4):
                info = tarfile.TarInfo(f"file-{index}-{part}")
                info.size = layer_bytes // 4
                archive.addfile(info, io.BytesIO(source.randbytes(info.size)))
        layout.add_layer(tar, 0)
    layout.finish()
    return layout


@contextmanager
def docker_registry(path, port=0):
    """Debian's docker-registry on a loopback port; its address."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    config = path / "config.yml"
    config.write_text(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
                      f"storage: {{filesystem: {{rootdirectory: {path}/data}}}}\nhttp: {{addr: '{address}'}}\n")
    with open(path / "log", "w") as log:
        server = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=log)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
                break
            except OSError:
                if server.poll() is not None:
                    raise RuntimeError((path / "log").read_text())
                time.sleep(0.02)
        yield address
    finally:
        server.terminate()
        server.wait()


def push(layout, address, name):
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout.path}",
                    f"docker://{address}/{name}"], check=True)
