# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the runtime's black-box tests.

BERTH_OCI names the runtime under test (default: build/release/bin/berth-oci). With a foreign runtime, tests
marked `needs("…")` are skipped; Berth itself is never excused by that mark. BERTH_TEST_KEEP=1 keeps the
directories of the tests.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
REPOSITORY = TESTS.parent
sys.path.insert(0, str(TESTS))

from support import daemon, images, oci  # noqa: E402

BUILD = REPOSITORY / "build/tests"


def runtime_binary() -> Path:
    named = os.environ.get("BERTH_OCI")
    if not named:
        return REPOSITORY / "build/release/bin/berth-oci"
    found = shutil.which(named) or named
    return Path(os.path.abspath(found))


def pytest_configure(config):
    # A shell's background job ignores it, and what a test starts would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "needs(feature): foreign runtimes lack the feature; never skips Berth")


def pytest_report_header(config):
    return f"runtime: {runtime_binary()}"


def pytest_collection_modifyitems(config, items):
    binary = runtime_binary()
    for item in items:
        mark = item.get_closest_marker("needs")
        if mark and oci.is_foreign(binary):
            item.add_marker(pytest.mark.skip(reason=f"{binary.name} lacks: {mark.args[0]}"))


@pytest.fixture(scope="session")
def binary() -> Path:
    if os.geteuid() != 0:
        pytest.skip("containers with cgroups and devices need root")
    path = runtime_binary()
    if not os.access(path, os.X_OK):
        pytest.fail(f"no runtime at {path}: build it, or set BERTH_OCI", pytrace=False)
    oci.become_subreaper()
    return path


@pytest.fixture(scope="session")
def probe_binary() -> Path:
    """support/probe.c, compiled when it is newer than the program."""
    source, target = TESTS / "support/probe.c", BUILD / "probe"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = f"{target}.{os.getpid()}"
        subprocess.run(["cc", "-static", "-O1", "-o", fresh, source], check=True)
        os.rename(fresh, target)
    return target


@pytest.fixture(scope="session")
def root_maker(probe_binary, tmp_path_factory):
    """Root file systems of hard links; their origin lies on the file system of the tests' directories."""
    cache = Path(tempfile.mkdtemp(prefix="berth-test-programs-"))
    yield oci.Root(cache, probe_binary)
    shutil.rmtree(cache)


@pytest.fixture
def work():
    """A directory of this test, which a mapped root may enter too. `runtime` removes it."""
    path = Path(tempfile.mkdtemp(prefix="berth-test-"))
    path.chmod(0o755)
    return path


@pytest.fixture
def runtime(binary, work, root_maker, request):
    made = oci.Runtime(binary, work, root_maker)
    request.node.berth_runtime = made
    yield made
    left = made.cleanup()
    if left and not getattr(request.node, "berth_failed", False):
        pytest.fail(f"the test left behind: {left}", pytrace=False)


@pytest.fixture
def bundle(runtime) -> oci.Bundle:
    return runtime.bundle()


# --- the engine ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def berth_program() -> Path:
    if os.geteuid() != 0:
        pytest.skip("the engine needs root")
    path = images.berth_binary()
    if not os.access(path, os.X_OK):
        pytest.fail(f"no berth at {path}: build it, or set BERTH", pytrace=False)
    return path


@pytest.fixture(scope="session")
def engine_daemon(berth_program):
    """One daemon for all tests that need none of their own, with busybox:latest."""
    made = daemon.Daemon(Path(tempfile.mkdtemp(prefix="berth-engine-")))
    yield made
    left = made.close()
    assert not left, f"left behind: {left}"


@pytest.fixture
def engine(engine_daemon, request):
    """The shared daemon; what a test made in it is removed after it."""
    request.node.berth_daemons = [engine_daemon]
    engine_daemon.log_mark = len(engine_daemon.log())
    if engine_daemon.process is None:
        engine_daemon.start()
    yield engine_daemon
    engine_daemon.remove_all()


@pytest.fixture
def make_daemon(berth_program, request):
    """Makes daemons for one test: make_daemon("--flag", config={…})."""
    request.node.berth_daemons = made = []

    def make(*flags, **more) -> daemon.Daemon:
        made.append(daemon.Daemon(Path(tempfile.mkdtemp(prefix="berth-engine-")), *flags, **more))
        return made[-1]

    yield make
    left = [line for each in made for line in each.close()]
    if left and not getattr(request.node, "berth_failed", False):
        pytest.fail(f"the test left behind: {left}", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when != "teardown" and report.failed:
        item.berth_failed = True
    runtime = getattr(item, "berth_runtime", None)
    if report.failed and runtime:
        report.sections += runtime.dump()
    if report.failed:
        for made in getattr(item, "berth_daemons", []):
            report.sections.append(("log of the daemon", made.log()[made.log_mark:][-8000:]))
