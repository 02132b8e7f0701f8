# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the image tests; a module imports those that it needs."""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import images, registries


@pytest.fixture(scope="session")
def berth() -> Path:
    if os.geteuid() != 0:
        pytest.skip("unpacking layers and mounting needs root")
    path = images.berth_binary()
    if not os.access(path, os.X_OK):
        pytest.fail(f"no berth at {path}: build it, or set BERTH", pytrace=False)
    return path


@pytest.fixture
def work():
    # Not mkdtemp: podman makes a reference of the path, which has no "_" after a "-".
    path = Path(tempfile.gettempdir()) / f"berth-images-{secrets.token_hex(6)}"
    path.mkdir(mode=0o700)
    yield path
    for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
        mount = line.split()[1]
        if mount.startswith(f"{path}/"):
            subprocess.run(["umount", mount], check=True)
    shutil.rmtree(path)


@pytest.fixture
def store(berth, work) -> images.Store:
    return images.Store(work / "store")


@pytest.fixture
def other_store(berth, work) -> images.Store:
    return images.Store(work / "other")


@pytest.fixture
def layout(work) -> images.Layout:
    return images.Layout(work / "layout")


@pytest.fixture
def registry(work):
    made = registries.Registry(work / "registry")
    yield made
    made.stop()


@pytest.fixture
def link(registry):
    made = registries.Link(registry.host)
    yield made
    made.stop()


@pytest.fixture
def podman(work):
    made = images.Podman(work / "podman")
    yield made
    subprocess.run(["podman", "--root", work / "podman/root", "--runroot", work / "podman/run", "--storage-driver", "vfs",
                    "rmi", "-a", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
