# SPDX-License-Identifier: Apache-2.0
"""A `berth daemon` of a test's own: its roots, socket, cgroups; the docker CLI, python3-docker and plain HTTP on it.

    with Daemon(work, "--debug") as daemon:
        daemon.out("run", "--rm", "busybox", "true")

Readiness is told by sd_notify, ends by pidfds: nothing waits for time. `close` removes everything, also what a
failed test left: containers, shims, cgroups, mounts, folders.
"""

import hashlib
import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from pathlib import Path

import pytest

from support import engines, host, images, oci
from support.busybox import IMAGE, docker_archive, shared_archive  # noqa: F401: tests have them from here
from support.docker_http import TIMEOUT, Answer, EventStream, Hijacked, UnixConnection, frames  # noqa: F401

DOCKER = shutil.which("docker")


class NotStarted(Exception):
    """The daemon ended instead of getting ready; with its exit status and log."""

    def __init__(self, status: int, log: str):
        super().__init__(f"exit status {status}\n{log}")
        self.status, self.log = status, log


class Daemon:
    """`flags` are added to those that make it independent of others; `config` is its daemon.json."""

    def __init__(self, work: Path, *flags, config: dict | None = None, host_flags: list | None = None,
                 load: bool = True, start: bool = True, environment: dict | None = None, prefix: list | None = None):
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        self.data_root, self.exec_root = work / "data", work / "exec"
        self.pidfile, self.config_file = work / "pid", work / "daemon.json"
        # A unix address is at most 107 bytes long, and the folders of tests may be deep.
        self.short = Path(tempfile.mkdtemp(prefix="berthd-", dir="/tmp"))
        self.socket = str(self.short / "s")
        self.host = f"unix://{self.socket}"
        self.log_file = work / "daemon.log"
        self.config = {} if config is None else config
        self.flags, self.environment, self.prefix = [str(flag) for flag in flags], environment or {}, prefix or []
        self.host_flags = ["-H", self.host] if host_flags is None else host_flags
        self.process: subprocess.Popen | None = None
        self.log_mark = 0
        self._client = None
        self._count = 0
        self.write_config()
        try:
            if start:
                self.start()
                if load:
                    self.load(shared_archive())
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        left = self.close()
        assert not left, f"left behind: {left}"

    # --- the process ---

    def write_config(self) -> None:
        self.config_file.write_text(json.dumps(self.config))

    def command(self) -> list[str]:
        words = [*self.prefix, images.berth_binary(), "daemon", "--config-file", self.config_file, "--data-root", self.data_root,
                 "--exec-root", self.exec_root, "--pidfile", self.pidfile, *self.host_flags, *self.flags]
        return [str(word) for word in words]

    def start(self, wait: bool = True) -> "Daemon":
        oci.become_subreaper()
        notify_path = self.short / "notify"
        notify_path.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(notify_path))
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment.update(NOTIFY_SOCKET=str(notify_path), **self.environment)
        with open(self.log_file, "ab") as log:
            self.log_mark = log.tell()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, cwd=self.work)
        self.pidfd = os.pidfd_open(self.process.pid)
        if wait:
            self.wait_for("READY=1")
        return self

    def wait_for(self, state: str, timeout: float = TIMEOUT) -> None:
        """Until the daemon has told the service manager so; NotStarted where it ends."""
        deadline = time.monotonic() + timeout
        while True:
            ready, _, _ = select.select([self.notify, self.pidfd], [], [], max(0, deadline - time.monotonic()))
            if self.notify in ready:
                if state in self.notify.recv(4096).decode().splitlines():
                    return
            elif self.pidfd in ready:
                status = self.process.wait()
                self._forget_process()
                raise NotStarted(status, self.log()[self.log_mark:])
            else:
                raise TimeoutError(f"the daemon did not tell {state}\n{self.log()[-4000:]}")

    def _forget_process(self) -> None:
        self.process = None
        os.close(self.pidfd)
        self.notify.close()
        if self._client:
            self._client.close()
            self._client = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self.pidfd, number)

    def stop(self, number: int = signal.SIGTERM, timeout: float = TIMEOUT) -> int:
        """Ends it; the exit status."""
        self.send_signal(number)
        status = self.process.wait(timeout)
        self._forget_process()
        return status

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def restart(self, number: int = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def reload(self) -> None:
        """SIGHUP, until the daemon is done with it."""
        self.send_signal(signal.SIGHUP)
        self.wait_for("READY=1")

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def load(self, archive: Path) -> None:
        answer = self.post("/images/load?quiet=1", archive.read_bytes(), headers={"Content-Type": "application/x-tar"})
        assert answer.status == 200 and b"Loaded image" in answer.body, answer

    # --- clients ---

    def client_environment(self, **more) -> dict:
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.work / "client"), **more}

    @staticmethod
    def docker_command(*args) -> list[str]:
        if DOCKER is None:
            pytest.skip("there is no docker CLI here")
        return [DOCKER, *map(str, args)]

    def cli(self, *args, check: bool = True, input=None, timeout: float = TIMEOUT, env: dict | None = None):
        """The docker CLI; a CompletedProcess with texts. Asserts exit status 0 unless `check` is False."""
        argv = self.docker_command(*args)
        source = {"input": input.encode() if isinstance(input, str) else input} if input is not None else {
            "stdin": subprocess.DEVNULL}
        done = subprocess.run(argv, env=self.client_environment(**(env or {})), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout, **source)
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert not check or done.returncode == 0, \
            f"docker {' '.join(argv[1:])}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def out(self, *args, **more) -> str:
        """What it prints, without blanks around."""
        return self.cli(*args, **more).stdout.strip()

    def fails(self, *args, status: int = 1, **more) -> str:
        """The error's text."""
        done = self.cli(*args, check=False, **more)
        assert done.returncode == status, \
            f"docker {args}: exit status {done.returncode} instead of {status}\n{done.stdout}\n{done.stderr}"
        return done.stderr.strip()

    def popen(self, *args, **options) -> subprocess.Popen:
        defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.docker_command(*args), env=self.client_environment(), **{**defaults, **options})

    @property
    def client(self):
        """python3-docker's."""
        docker = pytest.importorskip("docker")
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.host, timeout=TIMEOUT)
        return self._client

    def request(self, method: str, target: str, body=None, headers: dict | None = None, timeout: float = TIMEOUT) -> Answer:
        """One request on a connection of its own. `body`: JSON, or bytes as they are."""
        connection = UnixConnection(self.socket, timeout)
        try:
            fields = dict(headers or {})
            if body is not None and not isinstance(body, (bytes, io.IOBase)):
                body = json.dumps(body).encode()
                fields.setdefault("Content-Type", "application/json")
            connection.request(method, target, body, fields)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, target: str, **more) -> Answer:
        return self.request("GET", target, **more)

    def post(self, target: str, body=None, **more) -> Answer:
        return self.request("POST", target, body, **more)

    def delete(self, target: str, **more) -> Answer:
        return self.request("DELETE", target, **more)

    def connect(self, timeout: float = TIMEOUT) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(self.socket)
        return sock

    def raw(self, data: bytes, timeout: float = TIMEOUT) -> bytes:
        """All that comes back for these bytes until the server closes."""
        with self.connect(timeout) as sock:
            sock.sendall(data)
            found = b""
            try:
                while more := sock.recv(65536):
                    found += more
            except ConnectionResetError:
                pass
            return found

    def hijack(self, target: str, body=None, upgrade: bool = True) -> Hijacked:
        """POST that takes the connection over (attach, exec start)."""
        payload = json.dumps(body).encode() if body is not None else b""
        head = f"POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
        if upgrade:
            head += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        sock = self.connect()
        sock.sendall(head.encode() + b"\r\n" + payload)
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            assert more, f"ended in the head: {data!r}"
            data += more
        text, rest = data.split(b"\r\n\r\n", 1)
        return Hijacked(sock, text.decode(), rest)

    # --- containers ---

    def new_name(self) -> str:
        self._count += 1
        return f"t{os.getpid()}-{self._count}"

    def run(self, *args, flags=(), check: bool = True, **more):
        """`docker run --rm --network none FLAGS busybox ARGS`."""
        return self.cli("run", "--rm", "--network", "none", *flags, IMAGE, *args, check=check, **more)

    def start_container(self, *args, flags=()) -> str:
        """A detached container that sleeps unless `args` say else; its name."""
        name = self.new_name()
        words = args or ("sleep", "1000")
        self.cli("run", "-d", "--name", name, "--network", "none", *flags, IMAGE, *words)
        return name

    def wait_for_output(self, name: str, text: str) -> None:
        """Until a running container has printed it; for programs that say when they are ready."""
        with self.connect() as sock:
            sock.sendall(f"GET /containers/{name}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            found = b""
            while text.encode() not in found:
                more = sock.recv(65536)
                assert more, f"{name} ended without {text!r}: {found!r}"
                found += more

    def start_trapping(self, traps: str, flags=()) -> str:
        """A container whose shell has these traps set and waits; its name."""
        name = self.start_container("sh", "-c", f"{traps}; echo trapping; while :; do sleep 0.05; done", flags=flags)
        self.wait_for_output(name, "trapping")
        return name

    def inspect(self, name: str) -> dict:
        answer = self.get(f"/containers/{name}/json")
        assert answer.status == 200, answer
        return answer.json

    def wait_until(self, name: str, condition, timeout: float = TIMEOUT) -> dict:
        """Inspects at each event until `condition(inspect)`."""
        with self.events() as events:
            deadline = time.monotonic() + timeout
            while not condition(found := self.inspect(name)):
                assert events.wait(deadline - time.monotonic()), f"{name} stays {found['State']}"
            return found

    def events(self, query: str = "") -> EventStream:
        return EventStream(self.socket, query)

    def remove_all(self) -> None:
        for container in self.get("/containers/json?all=1").json:
            self.delete(f"/containers/{container['Id']}?force=1&v=1")
        for volume in self.get("/volumes").json.get("Volumes") or []:
            self.delete(f"/volumes/{volume['Name']}?force=1")

    # --- the end ---

    @property
    def cgroup_tag(self) -> str:
        return "berth-" + hashlib.sha256(str(self.exec_root).encode()).hexdigest()[:8]

    def shims(self) -> list[int]:
        """The shims of this daemon's containers: their bundles are in its exec root."""
        found, root = [], f"{self.exec_root}/"
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and Path(f"/proc/{entry}/cmdline").read_bytes().startswith(b"berth-shim\0") and any(
                        os.readlink(f"/proc/{entry}/fd/{fd}").startswith(root) for fd in os.listdir(f"/proc/{entry}/fd")):
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def _remove_cgroups(self) -> list[str]:
        """Ends what runs in them; those of containers that are left."""
        left = []
        for hierarchy in set(host.hierarchies().values()):
            for folder, _, _ in os.walk(Path(hierarchy) / self.cgroup_tag, topdown=False):
                members = Path(folder, "cgroup.procs").read_text().split()
                for pid in members:
                    engines.end_process(int(pid))
                if re.fullmatch("[0-9a-f]{64}", Path(folder).name):  # a container's; parents may stay
                    left.append(f"cgroup {folder}")
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    left.append(f"cgroup {folder}: {error}")
        return left

    def close(self) -> list[str]:
        """Removes everything; what the daemon itself did not clean up."""
        left = []
        try:
            if self.process and self.process.poll() is None:
                try:
                    self.remove_all()
                except (OSError, AssertionError, ValueError, http.client.HTTPException) as error:
                    left.append(f"removing containers: {error!r}")
                try:
                    status = self.stop()
                    if status != 0:
                        left.append(f"the daemon's exit status is {status}")
                except subprocess.TimeoutExpired:
                    left.append("the daemon did not end")
                    self.kill()
            elif self.process:
                left.append(f"the daemon ended by itself: {self.process.returncode}")
                self._forget_process()
        finally:
            deadline = time.monotonic() + 5
            for pid in self.shims():
                if not ends_by_itself(pid, max(0, deadline - time.monotonic())):
                    left.append(f"process {pid}")
                    engines.end_process(pid)
            left += self._remove_cgroups()
            engines.reap_strays(self.work)
            for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
                target = line.split()[1].replace("\\040", " ")
                if target.startswith(f"{self.work}/"):
                    left.append(f"mount {target}")
                    subprocess.run(["umount", "-l", target], check=False)
            shutil.rmtree(self.short, ignore_errors=True)
            shutil.rmtree(self.work, ignore_errors=True)
        return left


def ends_by_itself(pid: int, timeout: float) -> bool:
    """Whether a process that has nothing left to do is gone in time."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], timeout)[0])
    finally:
        os.close(pidfd)


def in_threads(works) -> list:
    """Runs callables at the same time; their results, or the first exception."""
    results, errors = [None] * len(works), []

    def call(index, work):
        try:
            results[index] = work()
        except BaseException as error:  # noqa: BLE001: told below
            errors.append(error)

    threads = [threading.Thread(target=call, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def untar(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar.getmembers()}
