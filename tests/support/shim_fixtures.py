# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the shim's tests; a module imports those that it needs."""

import json
import os
from pathlib import Path

import pytest

from support import oci, shim
from support.shim import Gone, ShimError


class Shims:
    """Shims of one test, on bundles of an `oci.Runtime` that also looks for what they left."""

    def __init__(self, program: Path, runtime: oci.Runtime):
        self.program, self.runtime = program, runtime
        self.made: list[shim.Shim] = []

    def prepare(self, bundle=None, **options) -> tuple[oci.Bundle, str]:
        bundle = bundle or self.runtime.bundle()
        bundle.process["capabilities"].pop("ambient", None)  # a warning where they are not inheritable
        bundle.write()
        ident = self.runtime.new_id()
        settings = {"id": ident, "runtime_root": str(self.runtime.root)} | options
        (bundle.path / "shim.json").write_text(json.dumps(settings))
        return bundle, ident

    def create(self, bundle=None, **options) -> shim.Shim:
        bundle, ident = self.prepare(bundle, **options)
        made = shim.Shim.spawn(self.program, bundle.path, ident)
        made.control.call("subscribe")
        self.made.append(made)
        return made

    def run(self, bundle, **options) -> shim.Shim:
        made = self.create(bundle, **options)
        made.control.call("start")
        return made

    def run_shell(self, script: str, **options) -> shim.Shim:
        return self.run(self.runtime.bundle().shell(script), **options)

    def idle(self, **options) -> shim.Shim:
        """A container that waits until it is killed."""
        return self.run_shell("trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done",
                              **options)

    def cleanup(self) -> None:
        for made in self.made:
            if made.process.poll() is None:
                try:
                    made.connect().call("shutdown")
                except (OSError, Gone, ShimError):
                    made.process.kill()
                made.wait_gone()
            made.control.close()


@pytest.fixture(scope="session")
def program() -> Path:
    path = Path(os.environ.get("BERTH_SHIM")
                or Path(__file__).resolve().parents[2] / "build/release/bin/berth-shim")
    if not os.access(path, os.X_OK):
        pytest.fail(f"no shim at {path}: build it, or set BERTH_SHIM", pytrace=False)
    return path


@pytest.fixture
def shims(program, runtime):
    made = Shims(program, runtime)
    yield made
    made.cleanup()


def process(*argv, **more) -> dict:
    return {"args": list(argv), "cwd": "/", "env": [oci.DEFAULT_PATH], "user": {"uid": 0, "gid": 0}} | more


def shell(script: str, **more) -> dict:
    return process("/bin/sh", "-c", script, **more)
