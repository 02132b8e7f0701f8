#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: `berth run` of a whole life beside `docker run` on Debian's dockerd and `podman run`, what of it is the
client's own, `berth ps` with many containers, the start of the program, the size of all programs.

usage: cli.py [--containers N] [--rounds N] [--alone] [PART…]

PART is one of: start run ps size. Without any: all. BERTH_CLI names another program for the client.
"""

import argparse
import os
import shutil
import subprocess
import sys

import engine as engines_
import measure
from engine import Api, daemon, interleaved, median, oci, say
from net import Berth, Dockerd, NetApi

from support import answers  # noqa: E402

PARTS = "start run ps size".split()
NETWORKS = {"bridge": 20, "none": 12}  # goals in ms
OURS = os.environ.get("BERTH_CLI") or str(engines_.daemon.images.berth_binary())
MEGABYTE = 1_000_000
SCRIPT = """#!/bin/sh
exec nsenter --net={namespace} unshare --mount sh -c 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$0" "$@"' \\
    podman --root {work}/root --runroot {work}/run --cgroup-manager cgroupfs "$@"
"""
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
GOAL_SIZE = 12 * MEGABYTE


class Podman:
    """With roots and a network namespace of its own. No daemon: its process does all the work. Its crun 1.8 refuses a
    hybrid cgroup layout and to raise limits, so both are taken from it; the shell for that costs it some ms."""

    name = "podman"

    def __init__(self, work):
        self.work = work
        measure.runtime_folder(work / "run")
        self.namespace = answers.Namespace("podman")
        (work / "podman").write_text(SCRIPT.format(work=work, namespace=self.namespace.path))
        (work / "podman").chmod(0o755)
        self.words = [str(work / "podman")]
        subprocess.run([*self.words, "load", "-q", "-i", daemon.shared_archive()], check=True, stdout=subprocess.DEVNULL)

    def run(self, network):
        return [*self.words, "run", "--rm", *LIMITS, "--network", "podman" if network == "bridge" else network, "busybox", "true"]

    def close(self):
        subprocess.run([*self.words, "rm", "-fa"], stdout=subprocess.DEVNULL, check=False)
        subprocess.run([*self.words, "rmi", "-fa"], stdout=subprocess.DEVNULL, check=False)
        for line in open("/proc/self/mounts").read().splitlines()[::-1]:
            if line.split()[1].startswith(f"{self.work}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        self.namespace.close()


def works(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"left out: {' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
    return done.returncode == 0


def part_start(engines, options):
    commands = {"berth": [OURS, "--version"]}
    if shutil.which("docker"):
        commands["docker"] = ["docker", "--version"]
    if any(engine.name == "podman" for engine in engines):
        commands["podman"] = ["podman", "--version"]
    rows = measure.interleaved(commands, options.rounds)
    measure.table("start of the program: --version", rows, peer="docker")
    say("berth", f"{median(rows['berth']):.1f} ms", "≤ 3 ms")


def part_run(engines, options):
    berth = engines[0]
    start = median(measure.interleaved({"berth": [OURS, "--version"]}, options.rounds)["berth"])
    for network, goal in NETWORKS.items():
        words = ["run", "--rm", "--network", network, "busybox", "true"]
        commands = {"berth": [OURS, "-H", berth.host, *words]}
        for engine in engines:
            if engine.name == "podman":
                commands["podman"] = engine.run(network)
            elif shutil.which("docker"):
                socket = f"unix://{engine.socket}"
                commands["docker/berth" if engine is berth else "dockerd"] = ["docker", "-H", socket, *words]
        commands = {name: command for name, command in commands.items() if works(command)}
        rows = measure.interleaved(commands, options.rounds)
        measure.table(f"{' '.join(words)}", rows, peer="dockerd" if "dockerd" in rows else "berth")
        say("berth", f"{median(rows['berth']):.1f} ms", f"≤ {goal} ms")
        api = (NetApi if network == "bridge" else Api)(berth)
        lives = interleaved([berth], options.rounds, lambda _, api=api: api.whole_life())
        alone = median(lives["berth"])
        say("the same by the API from a process that runs", f"{alone:.1f} ms")
        say("the start of the program", f"{start:.1f} ms", "≤ 3 ms")
        say("so the command's own", f"{median(rows['berth']) - alone - start:.1f} ms", "≤ 2 ms")


def part_ps(engines, options):
    berth = engines[0]
    api = Api(berth)
    identities = [api.only_start()[0] for _ in range(options.containers)]
    commands = {"berth": [OURS, "-H", berth.host, "ps"]}
    if shutil.which("docker"):
        commands["docker"] = ["docker", "-H", berth.host, "ps"]
    rows = measure.interleaved(commands, options.rounds)
    measure.table(f"ps with {options.containers} containers, both of berth's daemon", rows, peer="docker")
    say("berth", f"{median(rows['berth']):.1f} ms", "≤ 5 ms")
    for identity in identities:
        api.remove(identity)


def part_size(engines, options):
    print("\nsize of the programs, stripped")
    total = 0
    with measure.scratch() as work:
        for name in ("berth", "berth-shim"):
            path = measure.BIN / name if name != "berth" else OURS
            subprocess.run(["strip", "-o", work / "stripped", path], check=True)
            size = (work / "stripped").stat().st_size
            total += size
            say(name, f"{size / MEGABYTE:.1f} MB")
    say("all", f"{total / MEGABYTE:.1f} MB", f"≤ {GOAL_SIZE // MEGABYTE} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--containers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--alone", action="store_true", help="without dockerd and podman")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"no part {part}: {' '.join(PARTS)}")
    if os.geteuid() != 0:
        sys.exit("benchmarks run containers with cgroups: as root")
    oci.become_subreaper()
    # The clients' own configuration is empty.
    with measure.scratch("/var/tmp") as work:
        os.environ["DOCKER_CONFIG"] = str(work / "client")
        (work / "client").mkdir()
        (work / "client/config.json").write_text("{}")
        engines = []
        try:
            engines.append(Berth(work / "berth"))
            if not options.alone and shutil.which("dockerd"):
                engines.append(Dockerd(work / "dockerd"))
                print(f"dockerd: {engines[-1].driver}")
            if not options.alone and shutil.which("podman"):
                (work / "podman").mkdir()
                engines.append(Podman(work / "podman"))
            for part in options.parts or PARTS:
                globals()[f"part_{part}"](engines, options)
        finally:
            for engine in reversed(engines):
                engine.close()


if __name__ == "__main__":
    main()
