# SPDX-License-Identifier: Apache-2.0
"""Debian's dockerd on a host of a lab, with its own bridge and packet rules: a neighbour of Berth's."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from support import answers, engines

TIMEOUT = 60


class PeerDocker:
    def __init__(self, lab):
        self.work = Path(tempfile.mkdtemp(prefix="berth-peer-", dir="/tmp"))
        self.parent = f"berth-peer-dockerd-{os.getpid()}"
        self.address = f"unix://{self.work}/s"
        (self.work / "daemon.json").write_text("{}")
        self.command = [*lab.host.prefix, "unshare", "--mount", "dockerd", "--config-file", self.work / "daemon.json",
                        "--data-root", self.work / "data", "--exec-root", self.work / "exec", "--pidfile", self.work / "pid",
                        "-H", self.address, "--storage-driver", "vfs", "--cgroup-parent", f"/{self.parent}"]
        try:
            self.start()
            self.cli("load", "-i", answers.archive())
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (self.work / "notify").unlink(missing_ok=True)
        notify.bind(str(self.work / "notify"))
        notify.settimeout(TIMEOUT)
        with notify, open(self.work / "log", "ab") as log:
            environment = dict(os.environ, NOTIFY_SOCKET=str(self.work / "notify"))
            self.process = subprocess.Popen([str(word) for word in self.command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment)
            while b"READY=1" not in notify.recv(4096):
                pass

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cli(self, *words) -> str:
        return subprocess.run(["docker", "-H", self.address, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True,
                              timeout=TIMEOUT).stdout.strip()

    def run(self, *flags, command=("answer", "tcp:80")) -> str:
        """The short id, which is the name that it answers with."""
        return self.cli("run", "-d", *flags, answers.IMAGE, *command)[:12]

    def close(self) -> None:
        try:
            if self.process.poll() is None:
                for container in self.cli("ps", "-aq").split():
                    self.cli("rm", "-f", container)
        finally:
            self.stop()
            engines.reap_strays(self.work)
            engines.remove_cgroups(self.parent)
            for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
                if line.split()[1].startswith(f"{self.work}/"):
                    subprocess.run(["umount", "-l", line.split()[1]], check=False)
            shutil.rmtree(self.work, ignore_errors=True)
