#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the results of a test run and prints the one line that CI reads: "N passed, N failed[, N skipped]".

usage: summary.py RESULTS_DIRECTORY

The directory holds what `./dev test` collects:
  checks            lines "passed|failed|skipped <name>"
  unit-*/ctest.xml  ctest's own JUnit file: tells which test programs failed
  unit-*/*.xml      one JUnit file for each GoogleTest program that lived to write it
  *.xml             pytest's JUnit files
Exit status 1 if anything failed, or if nothing was run.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def count_cases(file):
    """The verdicts of a JUnit file's test cases, GoogleTest's or pytest's."""
    counts = Counter()
    for case in ElementTree.parse(file).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif case.get("status") == "notrun":  # disabled, or not matched by the filter
            continue
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            counts["skipped"] += 1
        else:
            counts["passed"] += 1
    return counts


def count_unit_tests(directory):
    """GoogleTest's cases, and one failure for each program that failed without telling a case (a crash, a leak)."""
    counts = Counter()
    failed_in = {}
    for file in directory.glob("*.xml"):
        if file.name == "ctest.xml":
            continue
        cases = count_cases(file)
        failed_in[file.stem] = cases["failed"]
        counts += cases
    programs = directory / "ctest.xml"
    if not programs.exists():
        print(f"{directory.name}: ctest left no result")
        counts["failed"] += 1
        return counts
    for program in ElementTree.parse(programs).iter("testcase"):
        name = program.get("name")
        if program.get("status") == "fail" and not failed_in.get(name):
            print(f"{directory.name}: {name} died")
            counts["failed"] += 1
    return counts


def main(results):
    counts = Counter()
    checks = results / "checks"
    if checks.exists():
        for line in checks.read_text().splitlines():
            verdict, _, name = line.partition(" ")
            counts[verdict] += 1
            if verdict == "failed":
                print(f"FAILED {name}")
    for directory in sorted(results.glob("unit-*/")):
        counts += count_unit_tests(directory)
    for file in sorted(results.glob("*.xml")):
        counts += count_cases(file)
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        line += f", {counts['skipped']} skipped"
    print(line)
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
