#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Networks against Debian's dockerd, in the same run: a container's life on the default bridge, published ports, many
containers on one bridge, DNS, service ports. Each daemon has a network namespace of its own, in which the clients run too.

usage: net.py [--containers N] [--rounds N] [--seconds N] [--alone] [PART…]

PART is one of: api ports many dns services. Without any: all.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time

import engine as engines_
import measure
from engine import Api, daemon, faster, interleaved, median, oci, say

from support import answers  # noqa: E402

PARTS = "api ports many dns services".split()
REPLICAS = 3


class Berth(engines_.Berth):
    def __init__(self, work):
        self.namespace = answers.Namespace("berth")
        try:
            super().__init__(work, prefix=self.namespace.prefix)
            self.load(answers.archive())
        except BaseException:
            self.namespace.close()
            raise

    def close(self):
        try:
            return super().close()
        finally:
            self.namespace.close()


class Dockerd(engines_.Dockerd):
    network = []

    def __init__(self, work):
        self.namespace = answers.Namespace("dockerd")
        self.namespaces = [*self.namespace.prefix, "unshare", "--mount"]
        try:
            super().__init__(work)
            self.cli("load", "-i", answers.archive())
        except BaseException:
            self.namespace.close()
            raise

    def close(self):
        try:
            super().close()
        finally:
            self.namespace.close()


class NetApi(Api):
    """On the default bridge unless told otherwise."""

    def create(self, *command, image=engines_.IMAGE, labels=None, **host):
        body = {"Image": image, "Cmd": list(command), "Labels": labels or {}, "HostConfig": {"NetworkMode": "default", **host},
                "ExposedPorts": {port: {} for port in host.get("PortBindings", {})}}
        return self.call("POST", "/containers/create", body)["Id"]

    def run(self, *command, **more):
        identity = self.create(*command, **{"image": answers.IMAGE, **more})
        self.start(identity)
        return identity

    def networks(self, identity):
        return self.call("GET", f"/containers/{identity}/json")["NetworkSettings"]["Networks"]

    def address(self, identity):
        return next(iter(self.networks(identity).values()))["IPAddress"]

    def pid(self, identity):
        return self.call("GET", f"/containers/{identity}/json")["State"]["Pid"]


def published(container, host):
    """HostConfig of one published TCP port."""
    return {"PortBindings": {f"{container}/tcp": [{"HostPort": str(host)}]}}


def wait_for(engine, address, port, server=None):
    with engine.namespace.inside():
        answers.wait_for_answer(address, port, lambda answer: server is None or answer.server == server[:12])


# --- the parts -----------------------------------------------------------------------------------------------------


def part_api(both, options):
    apis = {engine.name: NetApi(engine) for engine in both}
    rows = interleaved(both, options.rounds, lambda engine: apis[engine.name].whole_life())
    measure.table("API: create, start, wait, remove of `true` on the default bridge", rows, peer="dockerd")
    alone = Api(both[0])
    without = [alone.whole_life() for _ in range(options.rounds)]
    say("berth", f"{median(rows['berth']):.1f} ms", "≤ 20 ms")
    say("of it the bridge (against --network none)", f"{median(rows['berth']) - median(without):.1f} ms")
    say("faster than dockerd", faster(rows), "≥ 20 times")


def iperf(engine, address, port, options):
    """Gbit/s of one stream to a container."""
    text = engine.namespace.run("iperf3", "-c", address, "-p", port, "-t", options.seconds, "-J", check=False)
    found = json.loads(text)
    if "error" in found:
        sys.exit(f"iperf3 -c {address} -p {port}: {found['error']}")
    return found["end"]["sum_received"]["bits_per_second"] / 1e9


def wrk(engine, address, port, options):
    text = engine.namespace.run("wrk", "-t1", "-c32", f"-d{options.seconds}s", f"http://{address}:{port}/")
    if "errors" in text:
        sys.exit(text)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))


def wait_for_iperf(engine, address, port):
    deadline = time.monotonic() + 30
    while '"error"' in engine.namespace.run("iperf3", "-c", address, "-p", port, "-n", "1", "-J", check=False):
        if time.monotonic() > deadline:
            sys.exit(f"iperf3 does not answer at {address}:{port}")
        time.sleep(0.1)


def ratio(rows, one, other):
    """The median of the rounds' own ratios: what else runs on the machine hits both halves of a round."""
    return median([a / b for a, b in zip(rows[one], rows[other])])


def part_ports(both, options):
    ways = {}
    for engine in both:
        api = NetApi(engine)
        web = api.run("answer", "tcp:80", **published(80, 8080))
        bulk = api.run("iperf3", "-s", **published(5201, 5201))
        gateway = next(iter(api.networks(web).values()))["Gateway"]
        wait_for(engine, api.address(web), 80)
        wait_for(engine, gateway, 8080)
        wait_for(engine, "127.0.0.1", 8080)
        wait_for_iperf(engine, api.address(bulk), 5201)
        ways[engine.name] = {"containers": (web, bulk), "direct": (api.address(web), 80, api.address(bulk), 5201),
                             "published": (gateway, 8080, gateway, 5201),
                             "loopback": ("127.0.0.1", 8080, "127.0.0.1", 5201)}
    requests, stream = {}, {}
    for _ in range(9):
        for engine in both:
            for way in ("direct", "published", "loopback"):
                web, web_port, bulk, bulk_port = ways[engine.name][way]
                label = f"{engine.name} {way}"
                requests.setdefault(label, []).append(wrk(engine, web, web_port, options) / 1000)
                stream.setdefault(label, []).append(iperf(engine, bulk, bulk_port, options))
    for title, rows, unit in (("requests of 1 client with 32 connections (wrk)", requests, "k/s"),
                              ("one stream (iperf3)", stream, "Gbit/s")):
        print(f"\n{title}")
        for label, values in rows.items():
            say(label, f"{median(values):.1f} {unit}")
        say("published, of the container's address", f"{ratio(rows, 'berth published', 'berth direct'):.2f}", "≥ 0.95")
        say("published on 127.0.0.1, of the container's address", f"{ratio(rows, 'berth loopback', 'berth direct'):.2f}")
        if "dockerd loopback" in rows:
            times = ratio(rows, "berth loopback", "dockerd loopback")
            say("127.0.0.1, against docker-proxy", f"{times:.1f} times", "≥ 1.5 times")
    for engine in both:
        for identity in ways[engine.name]["containers"]:
            NetApi(engine).remove(identity)


def table_size(engine):
    """(rules, set elements) of the daemon's tables."""
    rules = elements = 0
    for item in json.loads(engine.namespace.run("nft", "-j", "list", "ruleset"))["nftables"]:
        rules += "rule" in item
        for kind in ("set", "map"):
            if kind in item:
                elements += len(item[kind].get("elem", []))
    return rules, elements


def timed_start(api, number):
    identity = api.create("sleep", "100000", **published(80, 20000 + number))
    begin = time.perf_counter()
    api.start(identity)
    return identity, (time.perf_counter() - begin) * 1000


def part_many(both, options):
    engine, count = both[0], options.containers
    api = NetApi(engine)
    print(f"\n{count} containers with a published port on one bridge (berth)")
    warm = [timed_start(api, number) for number in range(5)]
    for identity, _ in warm:
        api.remove(identity)
    few = [timed_start(api, number) for number in range(20)]
    before = table_size(engine)
    rest = [timed_start(api, number) for number in range(20, count)]
    after = table_size(engine)
    first, last = median([taken for _, taken in few]), median([taken for _, taken in rest[-20:]])
    say("start, the first 20", f"{first:.1f} ms")
    say(f"start, the last 20 of {count}", f"{last:.1f} ms  ×{last / first:.2f}", "≤ 1.5 times")
    say("rules that the containers added", str(after[0] - before[0]), "0")
    say("set elements that each added", f"{(after[1] - before[1]) / max(1, count - 20):.1f}")
    say("daemon's PSS", f"{engines_.pss(engine):.1f} MB")
    identities = [identity for identity, _ in few + rest]
    daemon.in_threads([lambda part=part: engines_.remove_some(engine, part) for part in (identities[::2], identities[1::2])])
    say("rules once they are gone", str(table_size(engine)[0] - before[0]), "0")


def part_dns(both, options):
    program = answers.compiled(measure.REPOSITORY / "bench/dns_ask.c")
    rows, setups = {}, {}
    for engine in both:
        api = NetApi(engine)
        network = api.call("POST", "/networks/create", {"Name": "names"})["Id"]
        found = []
        for number in range(4):
            identity = api.create("sleep", "100000", NetworkMode="names")
            name = f"server{number}"
            api.call("POST", f"/containers/{identity}/rename?name={name}")
            api.start(identity)
            found.append(identity)
        setups[engine.name] = (api, network, found)
    for _ in range(5):
        for engine in both:
            api, _, found = setups[engine.name]
            text = answers_in(api.pid(found[0]), program, "127.0.0.11", str(options.seconds), "server1", "server2", "server3")
            rate, bad, lost = text.split()
            if int(bad) or int(lost) > 64:
                print(f"  {engine.name}: {bad} bad answers, {lost} lost")
            rows.setdefault(engine.name, []).append(float(rate) / 1000)
    measure.table("DNS: answers to one client with 64 queries under way", rows, peer="dockerd", unit="k/s")
    if "dockerd" in rows:
        say("against dockerd", f"{median(rows['berth']) / median(rows['dockerd']):.1f} times", "≥ 3 times")
    for api, network, found in setups.values():
        for identity in found:
            api.remove(identity)
        api.call("DELETE", f"/networks/{network}")


def answers_in(pid, *command):
    """What a program of the host prints in a container's network."""
    return subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout


def replica(engine, api, drain):
    identity = api.run("answer", "tcp:80", labels={"berth.service": "web", "berth.drain": str(drain)}, **published(80, 8080))
    wait_for(engine, "127.0.0.1", 8080, identity)
    return identity


def part_services(both, options):
    engine = both[0]
    api = NetApi(engine)
    print(f"\na service of {REPLICAS} replicas (berth)")
    running = [replica(engine, api, 1) for _ in range(REPLICAS)]
    found = {}
    with engine.namespace.inside():
        for _ in range(1000 * REPLICAS):
            server = answers.ask("127.0.0.1", 8080).server
            found[server] = found.get(server, 0) + 1
    say(f"{1000 * REPLICAS} connections", " ".join(map(str, found.values())), "1000 each")

    with answers.Load(engine.namespace, "127.0.0.1", 8080) as load:
        begin, identities = time.monotonic(), list(running)
        for old in identities:
            running.append(replica(engine, api, 1))
            api.call("POST", f"/containers/{old}/stop?t=10")
            api.remove(old)
            running.remove(old)
        load.wait_for_more(500)
    say(f"replacing all, drain 1 s: of {load.total} requests failed", str(len(load.failures)), "0")
    say("it took", f"{time.monotonic() - begin:.1f} s")

    with answers.Load(engine.namespace, "127.0.0.1", 8080) as load:
        load.wait_for_more(500)
        os.kill(api.pid(running[0]), 9)
        load.wait_for_more(1000)
    say(f"kill -9 of a replica under {load.clients} clients: failed", str(len(load.failures)), f"≤ {load.clients}")
    for identity in running:
        api.remove(identity)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--containers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement of a rate")
    parser.add_argument("--alone", action="store_true", help="without dockerd")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"no part {part}: {' '.join(PARTS)}")
    if os.geteuid() != 0:
        sys.exit("engines run as root")
    for program in ("iperf3", "wrk", "nft"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            sys.exit(f"{program} is missing: ./dev setup")
    oci.become_subreaper()
    with measure.scratch() as work:
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
        sys.exit(f"net.py: {error!r}")
