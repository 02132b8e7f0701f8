# SPDX-License-Identifier: Apache-2.0
"""Children of the test run: waiting for them, and finding strays."""

import ctypes
import os
import select
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def wait_child(pid: int, pidfd: int, timeout: float) -> int:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    if not poller.poll(timeout * 1000):
        raise TimeoutError(f"process {pid} did not end within {timeout} s")
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return -1
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def children_of_this_process() -> dict[int, str]:
    """Children by pid, with their state letter (Z for a zombie) and name."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except FileNotFoundError:
            continue
        for pid in pids:
            try:
                text = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:]
            found[int(pid)] = f"{rest[0]} {name}"
    return found
