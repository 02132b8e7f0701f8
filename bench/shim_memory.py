#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PSS of each shim with 100 containers running, and as peer conmon (podman's, with crun). The goal: 0.5 MB.

usage: shim_memory.py [COUNT]

The shims are started and spoken to as docs/shim.md says; each keeps its connection to this program, as it would to
a daemon. Memory is read some seconds later, when the shims have given back what starting took.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import measure

PR_SET_CHILD_SUBREAPER = 36
SETTLE_S = 5


def pss_kib(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE).group(1))


class Shim:
    """One container behind berth-shim."""

    def __init__(self, program, bundle, directory, name, runtime_root):
        directory.mkdir()
        config = json.loads((bundle / "config.json").read_text())
        config["root"]["path"] = str(bundle / "rootfs")
        (directory / "config.json").write_text(json.dumps(config))
        (directory / "shim.json").write_text(json.dumps({"id": name, "runtime_root": str(runtime_root)}))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        null = os.open("/dev/null", os.O_RDWR)
        places = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1),
                  (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)]
        os.posix_spawn(program, ["berth-shim", "run"], os.environ, file_actions=places)
        socket.send_fds(ours, [json.dumps({"run": name, "subscribe": False}).encode()], [folder])
        os.close(folder)
        os.close(null)
        theirs.close()
        self.socket = ours
        self.socket.settimeout(30)
        hello = self._receive()
        if "ready" not in hello:
            sys.exit(f"{name}: {hello}")
        self.pid = hello["shim_pid"]
        self.ask("start")

    def _receive(self):
        text = self.socket.recv(65536)
        return json.loads(text) if text else {"error": "the shim hung up"}

    def ask(self, operation, **members):
        self.socket.send(json.dumps({"id": 1, "op": operation, **members}).encode())
        answer = self._receive()
        if "error" in answer:
            sys.exit(f"{operation}: {answer['error']}")
        return answer

    def close(self):
        self.ask("delete", force=True)
        self.socket.close()


class Conmon:
    """One container behind conmon."""

    def __init__(self, runtime, bundle, directory, name, runtime_root):
        directory.mkdir()
        self.delete = [runtime, "--root", str(runtime_root), "delete", "--force", name]
        command = ["conmon", "--cid", name, "--cuuid", name, "--name", name, "--full-attach",
                   "--runtime", runtime, "--runtime-arg", "--root", "--runtime-arg", runtime_root, "--bundle", bundle,
                   "--container-pidfile", directory / "pid", "--conmon-pidfile", directory / "conmon.pid",
                   "--log-path", f"k8s-file:{directory}/log", "--exit-dir", directory, "--persist-dir", directory]
        subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not (directory / "pid").exists() or not (directory / "pid").read_text():
            if time.monotonic() > deadline:
                sys.exit(f"{name} was not created")
            time.sleep(0.01)
        subprocess.run([runtime, "--root", str(runtime_root), "start", name], check=True)
        self.pid = int((directory / "conmon.pid").read_text())

    def close(self):
        subprocess.run(self.delete, check=False)


def measured(make, count):
    """KiB of each of `count` shims that make(index) starts."""
    shims = []
    try:
        for index in range(count):
            shims.append(make(index))
        time.sleep(SETTLE_S)
        return [pss_kib(shim.pid) for shim in shims]
    finally:
        for shim in shims:
            shim.close()
        with contextlib.suppress(ChildProcessError):
            while True:  # shims end by themselves when their container has
                os.wait()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    measure.private_mounts_without_unified()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # shims detach; their exit is waited for here
    program = os.environ.get("BERTH_SHIM") or str(measure.BIN / "berth-shim")
    rows = {}
    with measure.scratch() as work:
        bundle = measure.make_bundle(work / "bundle", "sleep", "1000000")
        if os.access(program, os.X_OK):
            rows["berth-shim"] = measured(
                lambda i: Shim(program, bundle, work / f"shim-{i}", f"bench-{i}", work / "runtime"), count)
        else:
            print(f"{program} is not built: peer alone")
        crun = shutil.which("crun")
        if crun and shutil.which("conmon"):
            rows["conmon"] = measured(
                lambda i: Conmon(crun, bundle, work / f"conmon-{i}", f"bench-{i}", work / "crun"), count)
    measure.table(f"PSS of one shim, {count} running", rows, peer="conmon", unit="KiB")


main()
