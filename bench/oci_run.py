#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`run` of `true` in a busybox bundle: ours, crun and runc in turn; and the floor, which is clone with all
namespaces, exec and wait. The goals: 8 ms on the reference machine, 0.7 of crun's time.

usage: oci_run.py [ROUNDS]
"""

import sys

import measure

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
measure.private_mounts_without_unified()
runtimes = measure.runtimes()
with measure.scratch() as work:
    bundle = measure.make_bundle(work / "bundle", "true")
    commands = {
        name: [path, "--root", work / name, "run", "--bundle", bundle, "bench-run-@"]
        for name, path in runtimes.items()
    }
    commands["floor"] = ["+floor", bundle / "rootfs/bin/true"]
    times = measure.interleaved(commands, rounds)
measure.table(f"run of `true`, {rounds} rounds", times, peer="crun")
