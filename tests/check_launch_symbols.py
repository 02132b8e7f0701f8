#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what src/launch may call. It runs between clone and exec, so nothing that allocates, locks, buffers, throws or
runs a constructor: the parent may have been anywhere in that when it forked.

usage: check_launch_symbols.py BUILD_DIRECTORY

Compares the undefined symbols of its objects with the list below. Exit status 1 if one is not in it; 77 (skipped) where
the build can't tell, because sanitizers add calls of their own.
"""

import re
import subprocess
import sys
from pathlib import Path

ALLOWED = {
    # The one way into the kernel, and the errno that it leaves.
    "syscall",
    "__errno_location",
    # The time, out of the vDSO: in a process that must not make a system call (launch/process.cpp, load_filter).
    "clock_gettime",
    # Arithmetic: makedev(3), where the compiler doesn't put it in line.
    "gnu_dev_makedev",
    # What the compiler itself may call for assignments, loops and the stack protector.
    "memcpy",
    "memset",
    "memmove",
    "memcmp",
    "bcmp",
    "strlen",
    "__stack_chk_fail",
    "_GLOBAL_OFFSET_TABLE_",
    # Plain loops over bytes.
    "strcmp",
    "strncmp",
    "strchr",
    "strnlen",
    "memchr",
}

# In launch's tests, not in launch.
NOT_LAUNCH = re.compile(r"_test\.")


def undefined_and_defined(nm, objects):
    undefined, defined = {}, set()
    for file in objects:
        output = subprocess.run([nm, "-g", str(file)], capture_output=True, text=True, check=True).stdout
        for line in output.splitlines():
            fields = line.split()
            if len(fields) == 2 and fields[0] in "Uvw":
                undefined.setdefault(fields[1], file.name)
            elif len(fields) == 3:
                defined.add(fields[2])
    return undefined, defined


def main(build):
    cache = build / "CMakeCache.txt"
    if not cache.exists():
        print(f"{build} is no build directory")
        return 1
    if re.search(r"^BERTH_SANITIZE:\w+=.+", cache.read_text(), re.MULTILINE):
        print(f"{build} is built with sanitizers, which add calls of their own")
        return 77
    objects = [file for file in (build / "src" / "launch").rglob("*.o") if not NOT_LAUNCH.search(file.name)]
    if not objects:
        print(f"{build} holds no objects of src/launch: build first")
        return 1
    # LLVM's nm would read the bitcode in fat objects; binutils' reads the machine code, which is what runs.
    undefined, defined = undefined_and_defined("/usr/bin/nm", objects)
    offending = {name: file for name, file in undefined.items() if name not in ALLOWED | defined}
    for name, file in sorted(offending.items()):
        demangled = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout
        print(f"src/launch: {file} calls {demangled.strip()}")
    if offending:
        print("use raw system calls (launch/syscalls.h), or say in ALLOWED why a symbol is safe")
    return 1 if offending else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
