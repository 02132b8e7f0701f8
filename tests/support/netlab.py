# SPDX-License-Identifier: Apache-2.0
"""Three hosts with cables between them, each a network namespace, and daemons on the one in the middle:

    near ── 192.0.2.0/24 ── [lan] host [wan] ── 198.51.100.0/24 ── far (203.0.113.9)

`far` is the host's way out and knows no other route than its cables and those to `near`; `near` is a host of the LAN,
which has the host as its router. Nothing touches the network of the machine, and labs stand beside each other. What the
daemon reads as /etc/resolv.conf is `Lab.resolv_conf`, since it runs in a mount namespace of the lab's too.

A container is asked from inside its namespace by this process: `with container.inside(): …`.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from support import answers, daemon, images

HOST, NEAR = "192.0.2.1", "192.0.2.2"
HOST_OUT, FAR_LINK, FAR = "198.51.100.1", "198.51.100.2", "203.0.113.9"
HOST6, NEAR6 = "2001:db8:1::1", "2001:db8:1::2"
HOST6_OUT, FAR6_LINK, FAR6 = "2001:db8:2::1", "2001:db8:2::2", "2001:db8:f::9"

TIMEOUT = 20
REFUSAL = 0.3  # s: how long nothing has to come where packets are dropped


class Container:
    """One that runs."""

    def __init__(self, made: daemon.Daemon, name: str):
        self.daemon, self.name = made, name
        found = self.inspect()
        self.id, self.pid = found["Id"], found["State"]["Pid"]
        self.short = self.id[:12]

    def inspect(self) -> dict:
        return self.daemon.inspect(self.name)

    def networks(self) -> dict:
        return self.inspect()["NetworkSettings"]["Networks"]

    def endpoint(self, network: str | None = None) -> dict:
        """That of a network, or the only one."""
        found = self.networks()
        return found[network] if network else next(iter(found.values()))

    def address(self, network: str | None = None) -> str:
        return self.endpoint(network)["IPAddress"]

    def address6(self, network: str | None = None) -> str:
        return self.endpoint(network)["GlobalIPv6Address"]

    def port(self, inner: str = "80/tcp", family: int = 4) -> int:
        """The host's, of what is published."""
        bindings = self.inspect()["NetworkSettings"]["Ports"][inner]
        return next(int(one["HostPort"]) for one in bindings if (":" in one["HostIp"]) == (family == 6))

    @contextmanager
    def inside(self):
        with answers.inside(f"/proc/{self.pid}/ns/net"):
            yield

    def enter(self, *command, check: bool = True) -> str:
        """A program of the machine in the container's network."""
        done = subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *map(str, command)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def ask(self, address: str, port: int = 80, timeout: float = 10) -> answers.Answer:
        with self.inside():
            return answers.ask(address, port, timeout)

    def reaches(self, address: str, port: int = 80) -> bool:
        with self.inside():
            return reaches(address, port)


def reaches(address: str, port: int, timeout: float = REFUSAL) -> bool:
    """Whether a connection is made, from where this thread is."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect((address, port))
            # The port holder takes a connection before it has one to the container.
            sock.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            return bool(sock.recv(1))
        except OSError:
            return False


def wait_until(condition, what: str = "", timeout: float = TIMEOUT):
    """Polls; for what nobody tells. What the condition was in the end."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        time.sleep(0.01)
    return found


class Server:
    """answer.c on a host of the lab."""

    def __init__(self, host: answers.Namespace, *ports: str):
        self.process = host.popen(answers.compiled(answers.SOURCE, "-static"), *ports, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Lab:
    _count = itertools.count()  # several labs of one process

    def __init__(self, *flags, image: bool = True, start: bool = True, name: str = "lab"):
        self.flags, self.daemons, self._others = flags, [], []
        self.work = Path(tempfile.mkdtemp(prefix="berth-netlab-"))
        self.resolv_conf = self.work / "resolv.conf"
        self.resolv_conf.write_text(f"nameserver {FAR}\n")
        self._mounts = None
        self.hosts = []
        try:
            number = next(Lab._count)
            for part in ("host", "near", "far"):
                self.hosts.append(answers.Namespace(f"{name}{number}-{part}"))
            self.host, self.near, self.far = self.hosts
            self._lay_cables()
            self._make_mounts()
            self.base = self.state()
            if start:
                self.daemon = self.new_daemon(*flags, image=image)
        except BaseException:
            self.close()
            raise

    def _lay_cables(self) -> None:
        batch(self.host, f"""
            link add lan type veth peer name eth0 netns {self.near.name}
            link add wan type veth peer name eth0 netns {self.far.name}
            address add {HOST}/24 dev lan
            address add {HOST6}/64 dev lan nodad
            address add {HOST_OUT}/24 dev wan
            address add {HOST6_OUT}/64 dev wan nodad
            link set lan up
            link set wan up""")
        batch(self.near, f"""
            address add {NEAR}/24 dev eth0
            address add {NEAR6}/64 dev eth0 nodad
            link set eth0 up
            route add default via {HOST}
            -6 route add default via {HOST6}""")
        batch(self.far, f"""
            address add {FAR_LINK}/24 dev eth0
            address add {FAR6_LINK}/64 dev eth0 nodad
            address add {FAR}/32 dev lo
            address add {FAR6}/128 dev lo nodad
            link set eth0 up
            route add 192.0.2.0/24 via {HOST_OUT}
            -6 route add 2001:db8:1::/64 via {HOST6_OUT}""")
        batch(self.host, f"route add default via {FAR_LINK}\n-6 route add default via {FAR6_LINK}")
        for host in self.hosts:  # "port unreachable" comes each time, not once a second
            host.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")

    def _make_mounts(self) -> None:
        """A mount namespace with a resolv.conf of its own, which outlives the daemon."""
        script = f"mount --bind {self.resolv_conf} /etc/resolv.conf && echo ready && exec sleep infinity"
        self._mounts = subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "sh", "-c", script],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._mounts.stdout.readline() == b"ready\n"
        self.prefix = ["nsenter", f"--net={self.host.path}", f"--mount=/proc/{self._mounts.pid}/ns/mnt", "--"]

    def new_daemon(self, *flags, image: bool = True, **more) -> daemon.Daemon:
        """One more daemon on the host."""
        made = daemon.Daemon(Path(tempfile.mkdtemp(prefix="berth-engine-")), *flags, prefix=self.prefix, load=False,
                             **more)
        self.daemons.append(made)
        if image and made.process:
            made.load(answers.archive())
        return made

    def end_daemon(self, made: daemon.Daemon) -> list[str]:
        """What it left behind."""
        self.daemons.remove(made)
        return made.close()

    # --- containers ---

    def run(self, *flags, command=("answer", "tcp:80"), image: str = answers.IMAGE, on: daemon.Daemon | None = None,
            name: str | None = None) -> Container:
        """A detached container, once it says that it is ready (answer does)."""
        made = on or self.daemon
        name = name or made.new_name()
        made.out("run", "-d", "--name", name, *flags, image, *command)
        if command[0] == "answer":
            made.wait_for_output(name, "ready")
        return Container(made, name)

    def network(self, *flags, name: str | None = None, on: daemon.Daemon | None = None) -> str:
        made = on or self.daemon
        name = name or made.new_name()
        made.out("network", "create", *flags, name)
        return name

    def reset(self) -> None:
        """Removes what a test made in the daemons."""
        for made in self.daemons:
            if made.process is None:
                made.start()
            made.remove_all()
            for network in made.get("/networks").json:
                if network["Name"] not in ("bridge", "host", "none"):
                    made.delete(f"/networks/{network['Id']}")

    # --- the host ---

    def rules(self, *what: str) -> str:
        """`nft list …`, without counters."""
        return self.host.run("nft", "-s", "list", *(what or ("ruleset",)))

    def load_rules(self, text: str) -> None:
        """Packet rules of others; their tables may stay."""
        before = self.tables()
        subprocess.run([*self.host.prefix, "nft", "-f", "-"], input=text, text=True, check=True)
        self.base["tables"] |= self.tables() - before

    def tables(self) -> set[str]:
        return {line.removeprefix("table ") for line in self.host.run("nft", "list", "tables").splitlines()}

    def links(self) -> dict[str, dict]:
        return {link["ifname"]: link for link in json.loads(self.host.run("ip", "-j", "-d", "link"))}

    def state(self) -> dict:
        """What a daemon could leave behind on its host. The administrators' table stays by design."""
        addresses = {f"{device['ifname']} {one['local']}/{one['prefixlen']}"
                     for device in json.loads(self.host.run("ip", "-j", "address")) for one in device["addr_info"]
                     if one["scope"] != "link"}
        routes = set()
        for family in ("-4", "-6"):
            for route in self.host.run("ip", family, "route", "show").splitlines():
                if not route.startswith("fe80"):  # comes when a device has someone at its other end
                    routes.add(route.replace("linkdown", "").strip())
        return {"interfaces": set(self.links()), "addresses": addresses, "routes": routes,
                "tables": self.tables() - {"inet berth-user"}, "listeners": set(self.listeners())}

    def leftovers(self) -> list[str]:
        """What the host has now and had not in the beginning."""
        now = self.state()
        return sorted(f"{kind}: {one}" for kind in now for one in now[kind] - self.base[kind])

    def wait_for_no_leftovers(self) -> None:
        """The kernel removes the interfaces of ended namespaces in the background."""
        wait_until(lambda: not self.leftovers(), f"{self.leftovers()}")

    def listeners(self) -> list[str]:
        """Host ports that somebody has: "tcp 0.0.0.0:80"."""
        text = self.host.run("ss", "-H", "-a", "-n", "-t", "-u")
        fields = [line.split() for line in text.splitlines()]
        return sorted({f"{one[0]} {one[4]}" for one in fields if one[1] in ("LISTEN", "UNCONN")})

    @contextmanager
    def route(self, host: answers.Namespace, *words: str):
        """A route that is there for a while."""
        host.run("ip", "route", "add", *words)
        try:
            yield
        finally:
            host.run("ip", "route", "del", *words, check=False)

    # --- the end ---

    def close(self) -> list[str]:
        left = []
        try:
            for made in self.daemons[:]:
                left += self.end_daemon(made)
            if hasattr(self, "base"):
                try:
                    self.wait_for_no_leftovers()
                except AssertionError:
                    left += self.leftovers()
        finally:
            if self._mounts:
                self._mounts.kill()
                self._mounts.wait()
                self._mounts.stdout.close()
            for host in self.hosts:
                left += end_processes(host)
                host.close()
            shutil.rmtree(self.work, ignore_errors=True)
        return left

    def __enter__(self):
        return self

    def __exit__(self, *_):
        left = self.close()
        assert not left, f"left behind: {left}"


def batch(host: answers.Namespace, lines: str) -> None:
    """Commands of ip(8); a line may begin with -6."""
    script = "".join(f"ip {line.strip()} && " for line in lines.splitlines() if line.strip()) + "true"
    host.run("sh", "-c", script)


def end_processes(host: answers.Namespace) -> list[str]:
    """What still runs in a network namespace would hold it. Those that are meant to outlive the daemon and have nothing
    left to do end by themselves."""
    left = []
    pids = subprocess.run(["ip", "netns", "pids", host.name], stdout=subprocess.PIPE, text=True).stdout.split()
    for pid in map(int, pids):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            if not daemon.ends_by_itself(pid, 5):
                left.append(f"process {pid}: {words}")
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return left


class Datagrams:
    """A client that goes on sending from one port."""

    def __init__(self, host, address: str, port: int):
        with host.inside():
            self.sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.connect((address, port))

    def ask(self, timeout: float = REFUSAL) -> answers.Answer | None:
        try:
            return answers.ask_udp(self.sock, timeout)
        except OSError:
            return None

    def wait_for(self, server: str, timeout: float = TIMEOUT) -> answers.Answer:
        def answered():
            found = self.ask(0.05)
            return found if found and found.server == server else None

        return wait_until(answered, f"an answer of {server}", timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


class Probe(threading.Thread):
    """Calls a function again and again beside the test; `failures` are its exceptions."""

    def __init__(self, call, pause: float = 0.005):
        super().__init__(daemon=True)
        self.call, self.pause = call, pause
        self.count, self.failures, self._end = 0, [], threading.Event()

    def run(self):
        while not self._end.is_set():
            try:
                self.call()
                self.count += 1
            except Exception as error:  # noqa: BLE001: told by the test
                self.failures.append(error)
            self._end.wait(self.pause)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()


def program_image(folder: Path, tag: str, program: str) -> Path:
    """An archive of an image with busybox and a program of this machine."""
    path = shutil.which(program)
    entries = {"bin/busybox": Path(shutil.which("busybox")).read_bytes(), f"bin/{program}": Path(path).read_bytes(),
               "bin/sh": "busybox", "bin/sleep": "busybox", "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}
    text = subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    for library in (word for line in text.splitlines() for word in line.split() if word.startswith("/")):
        entries[library.lstrip("/")] = Path(library).read_bytes()
    folders = {str(parent): None for name in entries for parent in Path(name).parents if str(parent) != "."}
    folders |= dict.fromkeys(("dev", "proc", "sys", "tmp", "run", "var", "var/run"))
    listed = [images.tar_entry(name, None) for name in sorted(folders)]
    listed += [images.tar_entry(name, data, mode=0o755 if isinstance(data, bytes) else 0o777)
               for name, data in entries.items()]
    return daemon.docker_archive(folder / f"{program}.tar", tag, listed, {"Cmd": ["sh"], "Env": ["PATH=/bin"]})
