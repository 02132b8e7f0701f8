#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""16 clients push and pull a blob of 100 MB each: `berth registry serve`, then Debian's docker-registry, each round
with empty roots. Prints the servers' CPU seconds (user and system) for each GB, the wall time and the peak of their
memory. The clients are curl processes, which cost little of the processors that they share with the servers.
The goals: at most half of docker-registry's CPU, no slower, memory flat.

usage: registry.py [ROUNDS [CLIENTS [MEGABYTES]]]
"""

import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import measure

sys.path.insert(0, str(measure.REPOSITORY / "tests"))

from support.registry import Client, DockerRegistry, Registry, berth_binary  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def make_blobs(folder, count, size):
    blobs = []
    for number in range(count):
        path = folder / f"blob{number}"
        hasher = hashlib.sha256()
        with open(path, "wb") as file:
            for _ in range(size // 1_000_000):
                piece = os.urandom(1_000_000)
                hasher.update(piece)
                file.write(piece)
        blobs.append((path, f"sha256:{hasher.hexdigest()}"))
    return blobs


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "-H", "Expect:", "-o", "/dev/null", "-w",
                           "%{http_code} %{size_download} %header{location}", *map(str, arguments)],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.split()


def path_of(location):
    return re.sub(r"^https?://[^/]*", "", location)


def push(port, number, blob, digest):
    """As docker does: POST, PATCH with everything, PUT with the digest."""
    client = Client(port)
    location = path_of(client.post(f"/v2/bench/r{number}/blobs/uploads/").headers["Location"])
    status, _, location = curl("-X", "PATCH", "-H", "Content-Type: application/octet-stream", "-T", blob,
                               f"http://127.0.0.1:{port}{location}")
    assert status == "202", status
    location = path_of(location)
    answer = client.put(f"{location}{'&' if '?' in location else '?'}digest={digest}")
    assert answer.status == 201, answer
    client.close()


def pull(port, number, blob, digest):
    status, size, *_ = curl(f"http://127.0.0.1:{port}/v2/bench/r{number}/blobs/{digest}")
    assert status == "200" and int(size) == blob.stat().st_size, (status, size)


def at_once(work, port, blobs):
    failures = []

    def run(number, blob, digest):
        try:
            work(port, number, blob, digest)
        except BaseException as error:  # noqa: BLE001 (ends the benchmark below)
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number, *blob)) for number, blob in enumerate(blobs)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"a client failed: {failures[0]}")
    return time.monotonic() - began


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_memory(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def measure_server(name, root, blobs, results):
    server = Registry(root) if name == "berth" else DockerRegistry(root)
    try:
        pid, total = server.process.pid, sum(path.stat().st_size for path, _ in blobs) / 1e9
        for action, work in (("push", push), ("pull", pull)):
            before = cpu_seconds(pid)
            wall = at_once(work, server.port, blobs)
            spent = cpu_seconds(pid) - before
            results.setdefault((action, "CPU", "s/GB"), {}).setdefault(name, []).append(spent / total)
            results.setdefault((action, "wall", "s"), {}).setdefault(name, []).append(wall)
        results.setdefault(("both", "memory", "MB"), {}).setdefault(name, []).append(peak_memory(pid))
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
        os.sync()  # the next one must not pay for it


def main(rounds=4, clients=16, megabytes=100):
    if not shutil.which("docker-registry"):
        sys.exit("docker-registry is not installed")
    print(f"{berth_binary()} and docker-registry: {clients} clients, {megabytes} MB each, {rounds} rounds")
    results = {}
    with measure.scratch() as folder:
        blobs = make_blobs(folder, clients, megabytes * 1_000_000)
        for name in ("berth", "docker"):
            # One round that does not count: what the other one left (pages that the machine's host has taken back, a
            # full disk queue) is not ours to measure. Directly after docker-registry's, a round of ours costs twice as much.
            measure_server(name, folder / name, blobs, {})
            for _ in range(rounds):
                measure_server(name, folder / name, blobs, results)
    print(f"\n{'':<22}{'berth':>10}{'docker':>10}{'ratio':>8}   (medians)")
    for (action, what, unit), values in results.items():
        each = " ".join(", ".join(f"{value:.2f}" for value in values[name]) + ";" for name in ("berth", "docker"))
        ours, theirs = (statistics.median(values[name]) for name in ("berth", "docker"))
        print(f"  {action + ' ' + what:<20}{ours:>10.2f}{theirs:>10.2f}{ours / theirs:>8.2f}   {unit:<6} ({each})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
