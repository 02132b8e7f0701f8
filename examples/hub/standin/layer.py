# SPDX-License-Identifier: Apache-2.0
"""A layer: a directory (the upper one of an overlay mount, or a whole root) as a reproducible tar.gz.

Overlay's marks become those of the OCI image specification (layer.md): a character device 0:0 becomes
`.wh.NAME`, the attribute trusted.overlay.opaque becomes `.wh..wh..opq`. Names are sorted; owners are numbers;
times at or after `built_since` (made by the installation, not by a package) become `epoch`, in the directory as
well: layers above copy them from there.
"""

import fnmatch
import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

# Caches and logs that package installation leaves behind: large, different each time, of use to nobody.
LEFT_OUT = (
    "dev/*", "proc/*", "sys/*", "run/*", "tmp/*",
    "etc/machine-id", "etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-",
    "etc/subgid-",
    "var/cache/apt/*.bin", "var/cache/apt/archives/*", "var/cache/debconf/*-old", "var/cache/ldconfig/aux-cache",
    "var/lib/apt/extended_states.old", "var/lib/apt/lists/*", "var/lib/dpkg/*-old", "var/lib/dpkg/lock*",
    "var/log/alternatives.log", "var/log/apt/*", "var/log/bootstrap.log", "var/log/dpkg.log", "var/log/faillog",
    "var/log/lastlog",
)


@dataclass
class Layer:
    digest: str   # of the compressed bytes
    diff_id: str  # of the tar
    size: int     # of the compressed bytes


class Hashing:
    """A writable file that hashes what passes through."""

    def __init__(self, file):
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def pack(directory: Path, target: Path, built_since: float, epoch: int) -> Layer:
    """Writes the layer to `target`."""
    # igzip is several times as fast as gzip. -n: no time in the header, so that the digest stays the same.
    compressor = ["igzip", "-1", "-n", "-c"] if shutil.which("igzip") else ["gzip", "-1", "-n", "-c"]
    with open(target, "wb") as out:
        process = subprocess.Popen(compressor, stdin=subprocess.PIPE, stdout=out)
        plain = Hashing(process.stdin)
        with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            Packer(tar, directory, built_since, epoch).add_children(directory)
        process.stdin.close()
        if process.wait() != 0:
            raise RuntimeError(f"{compressor[0]} ended with status {process.returncode}")
    with open(target, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return Layer("sha256:" + digest.hexdigest(), "sha256:" + plain.sha256.hexdigest(), target.stat().st_size)


class Packer:
    def __init__(self, tar: tarfile.TarFile, root: Path, built_since: float, epoch: int):
        self.tar = tar
        self.root = root
        self.built_since = built_since
        self.epoch = epoch
        self.first_names: dict[tuple[int, int], str] = {}  # (device, inode) of files with several names

    def add_children(self, directory: Path) -> None:
        for path in sorted(directory.iterdir()):
            name = str(path.relative_to(self.root))
            status = path.lstat()
            if left_out(name):
                continue
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                self.add_mark(path.parent, ".wh." + path.name)
            elif not stat.S_ISSOCK(status.st_mode):
                self.add(path, name, status)
            if stat.S_ISDIR(status.st_mode):
                if attribute(path, "trusted.overlay.opaque") == b"y":
                    self.add_mark(path, ".wh..wh..opq")
                self.add_children(path)

    def add(self, path: Path, name: str, status: os.stat_result) -> None:
        info = tarfile.TarInfo(name)
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid = status.st_uid, status.st_gid
        info.mtime = int(status.st_mtime)
        if status.st_mtime >= self.built_since:
            info.mtime = self.epoch
            os.utime(path, (self.epoch, self.epoch), follow_symlinks=False)
        for key in os.listxattr(path, follow_symlinks=False):
            if not key.startswith("trusted.overlay."):
                value = attribute(path, key).decode("utf-8", "surrogateescape")
                info.pax_headers["SCHILY.xattr." + key] = value
        if stat.S_ISREG(status.st_mode):
            self.add_file(path, info, status)
            return
        if stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(status.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
        elif stat.S_ISFIFO(status.st_mode):
            info.type = tarfile.FIFOTYPE
        else:
            info.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        self.tar.addfile(info)

    def add_file(self, path: Path, info: tarfile.TarInfo, status: os.stat_result) -> None:
        first = self.first_names.setdefault((status.st_dev, status.st_ino), info.name)
        if first != info.name:
            info.type, info.linkname = tarfile.LNKTYPE, first
            self.tar.addfile(info)
            return
        info.size = status.st_size
        with open(path, "rb") as file:
            self.tar.addfile(info, file)

    def add_mark(self, directory: Path, name: str) -> None:
        info = tarfile.TarInfo(str((directory / name).relative_to(self.root)))
        info.mtime = self.epoch
        self.tar.addfile(info)


def left_out(name: str) -> bool:
    return any(name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
               for pattern in LEFT_OUT)


def attribute(path: Path, key: str) -> bytes | None:
    try:
        return os.getxattr(path, key, follow_symlinks=False)
    except OSError:
        return None
