#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine against Debian's dockerd, in the same run: `docker run`, the API's create to remove, memory, many
containers, logs, attach, a start beside a stream at full speed, the start of the daemon.

usage: engine.py [--containers N] [--log-megabytes N] [--rounds N] [PART…]

PART is one of: run api idle many logs attach beside restart. Without any: all.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measure

sys.path.insert(0, str(measure.REPOSITORY / "tests"))

from support import daemon, engines, oci  # noqa: E402

PARTS = "run api idle many logs attach beside restart".split()
IMAGE = daemon.IMAGE
NO_NETWORK = {"NetworkMode": "none"}


class Dockerd:
    """Debian's, with roots, mounts and a network namespace of its own."""

    name = "dockerd"
    namespaces = ["unshare", "--mount", "--net"]
    network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]

    def __init__(self, work):
        self.work = work
        measure.runtime_folder(work / "exec")
        self.socket = str(work / "s")
        self.parent = f"berth-bench-dockerd-{os.getpid()}"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(work / "notify"))
        notify.settimeout(60)
        (work / "daemon.json").write_text("{}")
        command = [*self.namespaces, "dockerd", "--config-file", work / "daemon.json", "--data-root", work / "data",
                   "--exec-root", work / "exec", "--pidfile", work / "pid", "-H", f"unix://{self.socket}", *self.network,
                   "--cgroup-parent", f"/{self.parent}"]
        with open(work / "log", "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=dict(os.environ, NOTIFY_SOCKET=str(work / "notify")))
        while b"READY=1" not in notify.recv(4096):
            pass
        notify.close()
        self.cli("load", "-i", daemon.shared_archive())
        self.driver = self.cli("info", "-f", "{{.Driver}} {{.ServerVersion}}").stdout.decode().strip()

    @property
    def pids(self):
        """Its own and containerd's (their processes for each container are not in it)."""
        found = []
        for pid in [self.process.pid, *children(self.process.pid)]:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name in ("dockerd", "containerd"):
                found.append(pid)
        return found

    def cli(self, *args):
        return subprocess.run(["docker", "-H", f"unix://{self.socket}", *map(str, args)], check=True, stdout=subprocess.PIPE)

    def close(self):
        for container in self.cli("ps", "-aq").stdout.split():
            self.cli("rm", "-f", container.decode())
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        engines.reap_strays(self.work)
        engines.remove_cgroups(self.parent)
        for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
            if line.split()[1].startswith(f"{self.work}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)


class Berth(daemon.Daemon):
    name = "berth"
    driver = "overlay2"

    def __init__(self, work, **more):
        measure.runtime_folder(work / "exec")
        super().__init__(work, **more)

    @property
    def pids(self):
        return [self.process.pid]


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
            found += [int(child), *children(child)]
    return found


def pss(engine):
    """MB of the engine's own processes."""
    kilobytes = 0
    for pid in engine.pids:
        kilobytes += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1))
    return kilobytes / 1024


class Api:
    """Requests on one kept connection."""

    def __init__(self, engine):
        self.connection = daemon.UnixConnection(engine.socket, 300)

    def call(self, method, target, body=None):
        data = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, target, data, {"Content-Type": "application/json"} if data else {})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 400:
            sys.exit(f"{method} {target}: {response.status} {text.decode()}")
        return json.loads(text) if text else None

    def create(self, *command, **host):
        body = {"Image": IMAGE, "Cmd": list(command), "HostConfig": {**NO_NETWORK, **host}}
        return self.call("POST", "/containers/create", body)["Id"]

    def start(self, identity):
        self.call("POST", f"/containers/{identity}/start")

    def remove(self, identity):
        self.call("DELETE", f"/containers/{identity}?force=1&v=1")

    def whole_life(self):
        """ms of create, start, wait and remove of `true`."""
        begin = time.perf_counter()
        identity = self.create("true")
        self.start(identity)
        self.call("POST", f"/containers/{identity}/wait")
        self.remove(identity)
        return (time.perf_counter() - begin) * 1000

    def only_start(self):
        identity = self.create("sleep", "100000")
        begin = time.perf_counter()
        self.start(identity)
        taken = (time.perf_counter() - begin) * 1000
        return identity, taken


def interleaved(engines_, rounds, work):
    """{name: [value, …]}: each round does `work(engine)` once for every engine."""
    found = {engine.name: [] for engine in engines_}
    for engine in engines_:
        work(engine)
    for _ in range(rounds):
        for engine in engines_:
            found[engine.name].append(work(engine))
    return found


def say(label, value, goal=""):
    print(f"  {label:<58}{value:>16}{'   goal ' + goal if goal else ''}")


def median(values):
    return statistics.median(values)


def faster(rows):
    """How many times faster Berth is than dockerd, by medians."""
    return f"{median(rows['dockerd']) / median(rows['berth']):.1f} times" if "dockerd" in rows else "–"


# --- the parts -----------------------------------------------------------------------------------------------------


def part_run(both, options):
    # The client's own configuration is empty.
    os.environ["DOCKER_CONFIG"] = str(options.work / "client")
    commands = {engine.name: ["docker", "-H", f"unix://{engine.socket}", "run", "--rm", "--network", "none", "busybox", "true"]
                for engine in both}
    rows = measure.interleaved(commands, options.rounds)
    alone = measure.interleaved({"docker": ["docker", "--version"]}, 10)["docker"]
    measure.table("docker run --rm --network none busybox true", rows, peer="dockerd")
    say("faster than dockerd", faster(rows), "≥ 8 times")
    say("of it the client alone (docker --version)", f"{median(alone):.1f} ms")


def part_api(both, options):
    apis = {engine.name: Api(engine) for engine in both}
    rows = interleaved(both, options.rounds, lambda engine: apis[engine.name].whole_life())
    measure.table("API: create, start, wait, remove", rows, peer="dockerd")
    say("berth", f"{median(rows['berth']):.1f} ms", "≤ 12 ms")


def part_idle(both, options):
    print("\nidle memory (PSS)")
    time.sleep(5)  # what an idle daemon gives back, it gives back within some seconds
    for engine in both:
        say(engine.name, f"{pss(engine):.1f} MB", "≤ 10 MB" if engine.name == "berth" else "")


def part_many(both, options):
    engine = both[0]
    api = Api(engine)
    print(f"\n{options.containers} running containers (berth)")
    before = [api.only_start() for _ in range(min(20, options.containers))]
    first = median([taken for _, taken in before])
    identities = [identity for identity, _ in before]
    begin = time.perf_counter()
    while len(identities) < options.containers:
        identities.append(api.only_start()[0])
    say("time to start them one after the other", f"{time.perf_counter() - begin:.1f} s")
    after = [api.only_start() for _ in range(20)]
    identities += [identity for identity, _ in after]
    last = median([taken for _, taken in after])
    listing = []
    for _ in range(20):
        begin = time.perf_counter()
        found = api.call("GET", "/containers/json")
        listing.append((time.perf_counter() - begin) * 1000)
    assert len(found) == len(identities)
    raw = []
    for _ in range(20):
        begin = time.perf_counter()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(engine.socket)
            sock.sendall(b"GET /containers/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while sock.recv(1 << 20):
                pass
        raw.append((time.perf_counter() - begin) * 1000)
    time.sleep(5)
    say("daemon's PSS", f"{pss(engine):.1f} MB", "≤ 25 MB")
    say("GET /containers/json", f"{median(raw):.1f} ms", "≤ 10 ms")
    say("start, the first ones", f"{first:.1f} ms")
    say("start, the last ones", f"{last:.1f} ms  ×{last / first:.2f}", "≤ 1.5 times")
    shims = engine.shims()
    total = sum(int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1)) for pid in shims)
    say("PSS of each shim", f"{total / max(1, len(shims)):.0f} kB")
    daemon.in_threads([lambda part=part: remove_some(engine, part) for part in (identities[::2], identities[1::2])])


def remove_some(engine, identities):
    api = Api(engine)
    for identity in identities:
        api.remove(identity)


def drain(sock, limit=None):
    """Bytes read until the end."""
    buffer, total = bytearray(1 << 20), 0
    while (limit is None or total < limit) and (got := sock.recv_into(buffer)):
        total += got
    return total


def read_logs(engine, identity, query):
    """(seconds, bytes, seconds to the first byte)"""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(engine.socket)
        begin = time.perf_counter()
        sock.sendall(f"GET /containers/{identity}/logs?stdout=1&{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        total = drain(sock)
        return time.perf_counter() - begin, total


def text_file(options):
    """50 MB of lines of 101 bytes, to be mounted into containers: their programs must not be what is slow."""
    path = options.work / "text"
    if not path.exists():
        line = b"0123456789" * 10 + b"\n"
        path.write_bytes(line * ((50 << 20) // len(line)))
    return path


def text_command(megabytes):
    return f"for i in $(seq {max(1, megabytes // 50)}); do cat /text; done"


def write_log(engine, megabytes, options):
    api = Api(engine)
    identity = api.create("sh", "-c", text_command(megabytes), Binds=[f"{text_file(options)}:/text:ro"],
                          LogConfig={"Type": "json-file", "Config": {"max-size": "4g", "max-file": "1"}})
    begin = time.perf_counter()
    api.start(identity)
    api.call("POST", f"/containers/{identity}/wait")
    return identity, time.perf_counter() - begin


def part_logs(both, options):
    for engine in both:
        # In steps of the text's size.
        megabytes = max(50, (options.log_megabytes if engine.name == "berth" else options.log_megabytes // 8) // 50 * 50)
        print(f"\nlogs of {megabytes} MB, lines of 101 bytes ({engine.name})")
        identity, taken = write_log(engine, megabytes, options)
        say("written by the container", f"{megabytes / taken:.0f} MB/s")
        rates = []
        for _ in range(3 if engine.name == "berth" else 1):
            seconds, total = read_logs(engine, identity, "")
            assert total > (megabytes << 20) * 0.99, (total, megabytes << 20)
            rates.append((megabytes << 20) / 1e6 / seconds)
        say("logs", f"{median(rates):.0f} MB/s", "≥ 500 MB/s" if engine.name == "berth" else "")
        begin = time.perf_counter()
        subprocess.run(["docker", "-H", f"unix://{engine.socket}", "logs", identity], stdout=subprocess.DEVNULL, check=True)
        say("docker logs >/dev/null", f"{(megabytes << 20) / 1e6 / (time.perf_counter() - begin):.0f} MB/s")
        tails = [read_logs(engine, identity, "tail=10")[0] * 1000 for _ in range(10)]
        say("logs --tail 10", f"{median(tails):.1f} ms", "≤ 5 ms" if engine.name == "berth" else "")
        Api(engine).remove(identity)


def attach_rate(engine, megabytes, driver, options):
    """MB/s of a container's stdout, lines of text, at an attached client."""
    api = Api(engine)
    body = {"Image": IMAGE, "Cmd": ["sh", "-c", "read x; " + text_command(megabytes)], "OpenStdin": True,
            "HostConfig": {**NO_NETWORK, "Binds": [f"{text_file(options)}:/text:ro"], "LogConfig": {"Type": driver, "Config": {}}}}
    identity = api.call("POST", "/containers/create", body)["Id"]
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(engine.socket)
        sock.sendall(f"POST /containers/{identity}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                     "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
        head = sock.recv(4096)
        assert b" 101 " in head, head
        api.start(identity)
        begin = time.perf_counter()
        sock.sendall(b"\n")
        total = drain(sock)
        taken = time.perf_counter() - begin
    assert total > (megabytes << 20) * 0.99, total
    api.remove(identity)
    return total / 1e6 / taken


def part_attach(both, options):
    for driver in ("none", "json-file"):
        rows = {}
        for engine in both:
            megabytes = 1000 if engine.name == "berth" else 250
            rows[engine.name] = [attach_rate(engine, megabytes, driver, options) for _ in range(3)]
        measure.table(f"attach, --log-driver {driver}", rows, peer="dockerd", unit="MB/s")
        if driver == "none":
            say("berth", f"{median(rows['berth']):.0f} MB/s", "≥ 1000 MB/s")
        if "dockerd" in rows:
            ratio = median(rows["berth"]) / median(rows["dockerd"])
            say("against dockerd", f"{ratio:.1f} times", "≥ 5 times")


def part_beside(both, options):
    engine = both[0]
    identity, _ = write_log(engine, min(options.log_megabytes, 500), options)
    print("\na start beside a client that reads logs as fast as it can (berth)")
    api = Api(engine)
    for _ in range(3):
        api.whole_life()
    # The reader is a process of its own, so that this interpreter's lock is not what is measured; `nice` leaves
    # the processors to what is.
    loop = ("import socket, sys\nbuffer = bytearray(1 << 20)\nprint('ready', flush=True)\nwhile True:\n"
            "  s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "  s.sendall(f'GET /containers/{sys.argv[2]}/logs?stdout=1 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n'.encode())\n"
            "  while s.recv_into(buffer): pass\n")
    alone, beside = [], []
    for _ in range(4):
        alone += [api.whole_life() for _ in range(options.rounds // 2)]
        reader = subprocess.Popen([sys.executable, "-c", loop, engine.socket, identity], stdout=subprocess.PIPE)
        reader.stdout.readline()
        beside += [api.whole_life() for _ in range(options.rounds // 2)]
        reader.kill()
        reader.wait()
    say("alone", f"{median(alone):.1f} ms")
    say("beside the stream", f"{median(beside):.1f} ms  ×{median(beside) / median(alone):.2f}", "≤ 1.2 times")
    api.remove(identity)


def part_restart(both, options):
    engine = both[0]
    api = Api(engine)
    identities = [api.only_start()[0] for _ in range(200)]
    times = []
    for _ in range(5):
        engine.stop()
        begin = time.perf_counter()
        engine.start()
        times.append((time.perf_counter() - begin) * 1000)
    print("\nstart of the daemon (berth)")
    say("with 200 running containers", f"{median(times):.0f} ms", "≤ 300 ms")
    remove_some(engine, identities)
    engine.stop()
    begin = time.perf_counter()
    engine.start()
    say("with none", f"{(time.perf_counter() - begin) * 1000:.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--containers", type=int, default=500)
    parser.add_argument("--log-megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--alone", action="store_true", help="without dockerd")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"no part {part}: {' '.join(PARTS)}")
    if os.geteuid() != 0:
        sys.exit("engines run as root")
    oci.become_subreaper()
    with measure.scratch() as work:
        options.work = work
        both = [Berth(work / "berth")]
        try:
            if not options.alone and shutil.which("dockerd"):
                both.append(Dockerd(work / "dockerd"))
                print(f"dockerd: {both[1].driver}")
            for part in options.parts or PARTS:
                globals()[f"part_{part}"](both, options)
        finally:
            for engine in both[::-1]:
                engine.close()


if __name__ == "__main__":
    try:
        main()
    except (http.client.HTTPException, OSError) as error:
        sys.exit(f"engine.py: {error!r}")
