#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`exec` of `true` in a running container. The goal: 5 ms on the reference machine.

usage: oci_exec.py [ROUNDS]
"""

import subprocess
import sys

import measure

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
measure.private_mounts_without_unified()
runtimes = measure.runtimes()
with measure.scratch() as work:
    bundle = measure.make_bundle(work / "bundle", "sleep", "1000000")
    commands, running = {}, []
    try:
        for name, path in runtimes.items():
            runtime, container = [path, "--root", str(work / name)], f"bench-exec-{name}"
            # Not our pipes: the container would hold them open.
            subprocess.run([*runtime, "run", "--detach", "--bundle", bundle, container], check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            running.append([*runtime, "delete", "--force", container])
            commands[name] = [*runtime, "exec", container, "true"]
        times = measure.interleaved(commands, rounds)
    finally:
        for delete in running:
            subprocess.run(delete, check=False)
measure.table(f"exec of `true`, {rounds} rounds", times, peer="crun")
