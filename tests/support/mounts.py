# SPDX-License-Identifier: Apache-2.0
"""Mounting from the tests, and reading mountinfo."""

import ctypes
import os
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind=None, flags=0, data=None) -> None:
    def encode(text):
        return None if text is None else os.fsencode(text)

    if libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED, MS_SLAVE = 4096, 16384, 1 << 18, 1 << 20, 1 << 19


def umount(target, lazy=True) -> None:
    if libc.umount2(os.fsencode(target), 2 if lazy else 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


def unescape_mount(path: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, char)
    return path


class Mount:
    """One line of a mountinfo file."""

    def __init__(self, line: str):
        left, right = line.split(" - ", 1)
        fields = left.split()
        self.id, self.parent = int(fields[0]), int(fields[1])
        self.root, self.point = unescape_mount(fields[3]), unescape_mount(fields[4])
        self.options = set(fields[5].split(","))
        self.propagation = {field.split(":")[0] for field in fields[6:]}
        self.type, self.source, data = right.split(" ", 2)
        self.data = dict(item.partition("=")[::2] for item in data.split(","))

    def __repr__(self):
        return f"<{self.point} {self.type} {sorted(self.options)} {sorted(self.propagation)} {self.data}>"


def parse_mounts(text: str) -> list[Mount]:
    return [Mount(line) for line in text.splitlines() if " - " in line]


def mounts_of(pid="self") -> list[Mount]:
    return parse_mounts(Path(f"/proc/{pid}/mountinfo").read_text())


def mount_at(mounts: list[Mount], point: str) -> Mount | None:
    """The uppermost mount on a mount point."""
    found = [m for m in mounts if m.point == point]
    return found[-1] if found else None
