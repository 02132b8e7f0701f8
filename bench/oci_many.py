#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""100 containers that run `true`, one after the other, and all at once: time for all.

usage: oci_many.py [COUNT]
"""

import sys

import measure

ROUNDS = 3

count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
measure.private_mounts_without_unified()
runtimes = measure.runtimes()
in_turn, together = {}, {}
with measure.scratch() as work:
    bundle = measure.make_bundle(work / "bundle", "true")
    for _ in range(ROUNDS):
        for name, path in runtimes.items():
            command = [path, "--root", work / name, "run", "--bundle", bundle, "bench-many-@"]
            times = measure.interleaved({name: command}, count, warm_up=1)[name]
            in_turn.setdefault(name, []).append(sum(times))
            together.setdefault(name, []).append(measure.at_once(command, count))
measure.table(f"{count} one after the other, {ROUNDS} rounds", in_turn, peer="crun")
measure.table(f"{count} at once, {ROUNDS} rounds", together, peer="crun")
