# SPDX-License-Identifier: Apache-2.0
"""Servers that say who they are (answer.c), the image they are in, and clients that ask them; for tests and benchmarks of
networks. A daemon under test runs in a network namespace of its own, which is its host."""

import atexit
import ctypes
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from support import daemon, images

IMAGE = "answer:latest"
SOURCE = Path(__file__).with_name("answer.c")
CLONE_NEWNET = 0x40000000


def compiled(source: Path, *flags) -> Path:
    """The program of a C file, in a folder that goes with this process."""
    if os.environ.get("BERTH_VM"):  # no compiler there: tests/vm/run brings it
        return images.REPOSITORY / "build/tests" / source.stem
    target = Path(_folder()) / source.stem
    if not target.exists():
        subprocess.run(["clang-19", "-O2", "-D_GNU_SOURCE", *flags, "-o", target, source], check=True)
    return target


@functools.cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="berth-test-answer-")
    atexit.register(shutil.rmtree, folder, True)
    return folder


@functools.cache
def archive() -> Path:
    """An image with busybox, /bin/answer and, where the host has it, iperf3 with its libraries."""
    entries = {"bin": None, "bin/busybox": Path(shutil.which("busybox")).read_bytes(), "dev": None, "etc": None,
               "proc": None, "sys": None, "tmp": None, "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
               "bin/answer": compiled(SOURCE, "-static").read_bytes()}
    entries |= {f"bin/{name}": "busybox" for name in "sh sleep cat nc wget nslookup kill hostname ip ls touch rm".split()}
    if program := shutil.which("iperf3"):
        for path in [program, *_libraries(program)]:
            name = path.lstrip("/") if path != program else "bin/iperf3"
            for folder in reversed(Path(name).parents):
                if str(folder) != ".":
                    entries.setdefault(str(folder), None)
            entries[name] = Path(path).read_bytes()
    listed = []
    for name, content in entries.items():
        fields = {"mode": 0o755} if isinstance(content, bytes) and name != "etc/passwd" else {}
        listed.append(images.tar_entry(name, content, **fields))
    config = {"Cmd": ["answer", "tcp:80"], "Env": ["PATH=/bin"]}
    return daemon.docker_archive(Path(_folder()) / "answer.tar", IMAGE, listed, config)


def _libraries(program: str) -> list[str]:
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [word for line in text.splitlines() for word in line.split() if word.startswith("/")]


# --- namespaces ----------------------------------------------------------------------------------------------------


class Namespace:
    """A network namespace with lo up. `prefix` runs a command in it; `inside()` brings this thread into it."""

    def __init__(self, name: str):
        self.name = f"berth-{os.getpid()}-{name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.path = f"/run/netns/{self.name}"
        self.prefix = ["nsenter", f"--net={self.path}", "--"]
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command, check=True, **options) -> str:
        done = subprocess.run([*self.prefix, *map(str, command)], stdout=subprocess.PIPE, text=True, check=check, **options)
        return done.stdout

    def popen(self, *command, **options) -> subprocess.Popen:
        return subprocess.Popen([*self.prefix, *map(str, command)], **options)

    def connect(self, other: "Namespace", here: str, there: str) -> None:
        """A cable between two hosts; addresses with their lengths."""
        near, far = f"c{os.getpid() % 100000}a", f"c{os.getpid() % 100000}b"
        self.run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", other.name)
        self.run("ip", "address", "add", here, "dev", near)
        other.run("ip", "address", "add", there, "dev", far)
        self.run("ip", "link", "set", near, "up")
        other.run("ip", "link", "set", far, "up")

    @contextmanager
    def inside(self):
        with inside(self.path):
            yield

    def close(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


@contextmanager
def inside(path: str):
    """Sockets that this thread makes meanwhile are of that namespace, and stay so."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before, open(path) as target:
        if libc.setns(target.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
        try:
            yield
        finally:
            if libc.setns(before.fileno(), CLONE_NEWNET):
                os.abort()  # a thread in the wrong namespace must not go on


# --- clients -------------------------------------------------------------------------------------------------------


class Answer:
    def __init__(self, text: str):
        self.server, self.client = text.split()


def ask(address: str, port: int, timeout: float = 10, source: tuple | None = None) -> Answer:
    """One request on a connection of its own. OSError where it is refused, reset or cut."""
    with socket.create_connection((address, port), timeout, source) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while more := sock.recv(4096):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or not body.endswith(b"\n"):
        raise ConnectionError(f"a cut answer: {data!r}")
    return Answer(body.decode())


def ask_udp(sock: socket.socket, timeout: float = 10) -> Answer:
    """On a connected socket."""
    sock.settimeout(timeout)
    sock.send(b"?")
    return Answer(sock.recv(4096).decode())


def wait_for_answer(address: str, port: int, wanted=lambda answer: True, timeout: float = 30) -> Answer:
    """Asks until an answer is wanted. What one waits for happens in a container, which tells nobody outside."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = ask(address, port, 5)
            if wanted(answer):
                return answer
        except OSError as error:
            answer = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{address}:{port}: {getattr(answer, 'server', answer)}")
        time.sleep(0.005)


class Load:
    """Clients in a namespace that open a connection for each request, until stop(). `served`: {server: count};
    `failures`: [(when, text, how long the request took)]."""

    def __init__(self, namespace: Namespace, address: str, port: int, clients: int = 4, pause: float = 0):
        self.served, self.failures, self.clients = {}, [], clients
        self._ended, self._lock, self._pause = threading.Event(), threading.Lock(), pause
        self._pool = ThreadPoolExecutor(clients)
        self._clients = [self._pool.submit(self._ask, namespace, address, port) for _ in range(clients)]

    def _ask(self, namespace, address, port):
        with namespace.inside():
            while not self._ended.is_set():
                begin = time.monotonic()
                try:
                    server = ask(address, port).server
                    with self._lock:
                        self.served[server] = self.served.get(server, 0) + 1
                except OSError as error:
                    with self._lock:
                        self.failures.append((time.monotonic(), repr(error), time.monotonic() - begin))
                if self._pause:
                    time.sleep(self._pause)

    @property
    def total(self) -> int:
        return sum(self.served.values())

    def wait_for_more(self, count: int, timeout: float = 60) -> None:
        """Until so many more requests were answered."""
        wanted, deadline = self.total + count, time.monotonic() + timeout
        while self.total < wanted:
            assert time.monotonic() < deadline, f"{self.total} of {wanted}; {self.failures[-3:]}"
            time.sleep(0.005)

    def stop(self) -> "Load":
        self._ended.set()
        for client in self._clients:
            client.result()
        self._pool.shutdown()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
