#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The programs on disk, stripped as a package would have them. The goal: berth-shim, which is the shim and the OCI
runtime, static, within 2 MiB.
"""

import subprocess

import measure


def stripped_size(path, work):
    target = work / "stripped"
    subprocess.run(["strip", "-o", target, path], check=True)
    return target.stat().st_size


rows = {}
with measure.scratch() as work:
    if measure.BIN.is_dir():
        for program in sorted(measure.BIN.iterdir()):
            if program.is_file() and not program.is_symlink() and program.suffix != ".debug":
                rows[program.name] = [stripped_size(program, work) / 1024]
    for name, path in measure.runtimes().items():
        if name != "berth-oci":
            rows[name] = [stripped_size(path, work) / 1024]
measure.table("size on disk, stripped", rows, peer="runc", unit="KiB")
