# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon at random points of connect, disconnect, start, stop and run --rm; after each start what the kernel
has is exactly what the daemon says, and in the end there is nothing.

BERTH_KILLS sets the number of kills, BERTH_SEED repeats a run's choices.
"""

import http.client
import ipaddress
import json
import os
import random
import re
import threading
import time

import pytest
from support import answers
from support.dns_packets import ask as ask_name
from support.netlab import HOST, Container, Lab
from support.netlab_fixtures import bare_lab  # noqa: F401

pytestmark = pytest.mark.novm  # what it is about is the daemon, not the kernel
SECONDS_UNDER_LOAD = 0.4
WORKERS = 4
NETWORKS = ("one", "two", "inner")


class CutOff(Exception):
    """No answer came."""


class Worker(threading.Thread):
    """Does what may be cut short; refusals are fine, failures of the daemon are not."""

    def __init__(self, made, number, seed, kill):
        super().__init__()
        self.made, self.number, self.kill = made, number, kill
        self.random = random.Random(f"{seed}-{kill}-{number}")
        self.stop, self.error, self.count = False, None, 0

    def call(self, method, target, body=None):
        try:
            answer = self.made.request(method, target, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CutOff from error
        # Docker's status for it, too.
        is_refusal = answer.status < 500 or "is not connected to" in answer.message
        assert is_refusal, f"{method} {target}: {answer}"
        return answer

    def run(self):
        try:
            while not self.stop:
                self.step()
        except CutOff:
            pass
        except BaseException as error:  # noqa: BLE001: told by the test
            self.error = error

    def step(self):
        verbs = [self.create, self.start_one, self.stop_one, self.remove, self.connect, self.disconnect, self.run_once]
        self.random.choice(verbs)()

    def pick(self) -> str | None:
        mine = [one["Id"] for one in self.call("GET", "/containers/json?all=1").json
                if one["Labels"].get("worker") == str(self.number)]
        return self.random.choice(mine) if mine else None

    def make(self, command, **host_config):
        self.count += 1
        net = self.random.choice(("bridge", *NETWORKS))
        ports = {}
        if self.random.random() < 0.5:
            first = 10000 + self.number * 100
            ports = {"80/tcp": [{"HostPort": str(self.random.randrange(first, first + 10))}],
                     "81/udp": [{"HostPort": f"{first + 20}-{first + 99}"}]}
        body = {"Image": answers.IMAGE, "Cmd": command, "Labels": {"worker": str(self.number)},
                "HostConfig": {"NetworkMode": net, "PortBindings": ports, **host_config}}
        name = f"chaos-{self.kill}-{self.number}-{self.count}"
        return self.call("POST", f"/containers/create?name={name}", body).json["Id"]

    def create(self):
        if len(self.call("GET", "/containers/json?all=1").json) < 5 * WORKERS:
            self.start_one(self.make(["answer", "tcp:80", "udp:81"]))

    def start_one(self, identity=None):
        if identity := identity or self.pick():
            try:
                self.call("POST", f"/containers/{identity}/start")
            except AssertionError as error:
                # A host port that another container of this worker has.
                if "port is already allocated" not in str(error):
                    raise

    def stop_one(self):
        if identity := self.pick():
            self.call("POST", f"/containers/{identity}/{self.random.choice(['stop?t=0', 'kill', 'restart?t=0'])}") \
                if self.random.random() < 0.7 else self.start_one(identity)

    def remove(self):
        if identity := self.pick():
            self.call("DELETE", f"/containers/{identity}?force=1")

    def connect(self):
        if identity := self.pick():
            self.call("POST", f"/networks/{self.random.choice(NETWORKS)}/connect", {"Container": identity})

    def disconnect(self):
        if identity := self.pick():
            net = self.random.choice(("bridge", *NETWORKS))
            self.call("POST", f"/networks/{net}/disconnect", {"Container": identity, "Force": self.random.random() < 0.2})

    def run_once(self):
        identity = self.make(["sleep", "0"], AutoRemove=True)
        self.start_one(identity)
        self.call("POST", f"/containers/{identity}/wait")


class Anchors:
    """Containers that nobody touches: they go on to reach each other."""

    def __init__(self, lab):
        self.lab = lab
        self.made = {net: [lab.run("--network", net, "--network-alias", f"anchor-{net}") for _ in range(2)]
                     for net in NETWORKS}
        self.published = lab.run("--network", "one", "-p", "8080:80")
        self.facts = {one.name: (one.address(), one.pid) for pair in self.made.values() for one in pair}

    def all(self):
        return [one for pair in self.made.values() for one in pair]

    def check(self):
        for net, (first, second) in self.made.items():
            assert second.ask(self.facts[first.name][0]).server == first.short
            with first.inside():
                wanted = {self.facts[one.name][0] for one in (first, second)}
                assert set(ask_name(f"anchor-{net}").values) == wanted
        with self.lab.near.inside():
            assert answers.ask(HOST, 8080).server == self.published.short
        assert {one.name: (one.address(), one.inspect()["State"]["Pid"]) for one in self.all()} == self.facts


def kernel_addresses(container) -> dict[str, list[str]]:
    """Of each interface but lo."""
    found = json.loads(container.enter("ip", "-j", "address"))
    return {link["ifname"]: sorted(one["local"] for one in link["addr_info"] if one["scope"] != "link")
            for link in found if link["ifname"] != "lo"}


def check_names(lab, anchors, running) -> None:
    """Who runs is known by name on its networks, and nobody else."""
    places = {one.inspect()["Name"][1:]: one.networks() for one in running}
    names = [one["Names"][0][1:] for one in lab.daemon.get("/containers/json?all=1").json]
    for net in NETWORKS:
        with anchors.made[net][0].inside():
            for name in names:
                place = places.get(name, {}).get(net)
                assert ask_name(name).values == ([place["IPAddress"]] if place else []), f"{name} in {net}"


def check(lab, anchors) -> None:
    """The kernel has what the daemon says: no more, no less."""
    made = lab.daemon
    running = [Container(made, one["Id"]) for one in made.get("/containers/json").json]
    taken, ports, endpoints = {}, set(), 0
    for container in running:
        networks = {name: one for name, one in container.networks().items()}
        told = sorted([one["IPAddress"]] if one["IPAddress"] else [] for one in networks.values())
        found = sorted(kernel_addresses(container).values())
        assert found == told, f"{container.name}: in the kernel {found}, told {told}"
        for name, one in networks.items():
            assert one["IPAddress"] not in taken, f"{container.name} and {taken[one['IPAddress']]} have {one['IPAddress']}"
            taken[one["IPAddress"]] = container.name
            members = made.get(f"/networks/{name}").json["Containers"]
            assert members[container.id]["IPv4Address"].split("/")[0] == one["IPAddress"]
        endpoints += len(networks)
        for inner, bindings in (container.inspect()["NetworkSettings"]["Ports"] or {}).items():
            for one in bindings or []:
                ports.add((inner.split("/")[1], one["HostIp"], int(one["HostPort"])))
    check_names(lab, anchors, running)
    # Networks have no other members.
    for net in ("bridge", *NETWORKS):
        members = made.get(f"/networks/{net}").json["Containers"]
        assert set(members) <= {container.id for container in running}, net
        for one in members.values():
            assert ipaddress.ip_interface(one["IPv4Address"]).ip

    # Of the host's ends those in a bridge are endpoints'; those that wait for containers are in none.
    ends = {name: link for name, link in lab.links().items()
            if link.get("linkinfo", {}).get("info_kind") == "veth" and name not in lab.base["interfaces"]}
    bridged = [name for name, link in ends.items() if "master" in link]
    assert len(bridged) == endpoints, f"{len(bridged)} host interfaces for {endpoints} endpoints"
    assert len(ends) - len(bridged) <= 12, ends.keys()
    rules = {(one[0], int(one[1])) for one in re.findall(r"(tcp|udp) \. (\d+) : ", lab.host.run(
        "nft", "-n", "list", "map", "inet", made.cgroup_tag, "any_ports4").replace("6 . ", "tcp . ").replace("17 . ", "udp . "))}
    assert rules == {(protocol, port) for protocol, address, port in ports if address == "0.0.0.0"}
    held = {tuple(one.split()) for one in lab.listeners()} - {tuple(one.split()) for one in lab.base["listeners"]}
    wanted = {(protocol, f"{address}:{port}" if address != "::" else f"[::]:{port}") for protocol, address, port in ports}
    assert {one[1].rsplit(":", 1)[1] for one in held} == {one[1].rsplit(":", 1)[1] for one in wanted}, (held, wanted)


def settle(work, timeout: float = 5) -> None:
    """What was told to end when the daemon was killed ends while the new one runs."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return work()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def run_chaos(kills: int) -> None:
    seed = os.environ.get("BERTH_SEED") or os.urandom(4).hex()
    source = random.Random(seed)
    lab = Lab(name="chaos")
    try:
        for net in NETWORKS:
            lab.network(*(["--internal"] if net == "inner" else []), name=net)
        anchors = Anchors(lab)
        for kill in range(kills):
            workers = [Worker(lab.daemon, number, seed, kill) for number in range(WORKERS)]
            for worker in workers:
                worker.start()
            time.sleep(source.uniform(0.05, SECONDS_UNDER_LOAD))  # the random point
            lab.daemon.kill()
            for worker in workers:
                worker.stop = True
            for worker in workers:
                worker.join()
            errors = [worker.error for worker in workers if worker.error]
            assert not errors, (seed, kill, errors)
            lab.daemon.start()
            try:
                anchors.check()
                settle(lambda: check(lab, anchors))
            except AssertionError as error:
                log = lab.daemon.log()[lab.daemon.log_mark:][-3000:]
                raise AssertionError(f"seed {seed}, kill {kill}: {error}\n{log}") from error
        lab.reset()
        lab.daemon.stop()
        lab.wait_for_no_leftovers()
        assert not list((lab.daemon.exec_root / "c").rglob("*"))
        lab.daemon.start()
    finally:
        left = lab.close()
    assert not left, f"left behind: {left}"


def test_killed_while_it_starts(bare_lab):
    """Each kill comes a bit later in the recovery."""
    lab = bare_lab
    lab.daemon = lab.new_daemon()
    for net in NETWORKS:
        lab.network(name=net)
    anchors = Anchors(lab)
    lab.daemon.kill()
    for step in range(10):
        lab.daemon.start(wait=False)
        time.sleep(step * 0.01)  # the point to be killed at
        lab.daemon.kill()
    lab.daemon.start()
    anchors.check()
    check(lab, anchors)
    lab.reset()
    assert lab.end_daemon(lab.daemon) == []
    lab.wait_for_no_leftovers()


@pytest.mark.timeout(300)
def test_killed_while_networks_change(berth_program):
    run_chaos(int(os.environ.get("BERTH_KILLS", "10")))


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_killed_fifty_times_while_networks_change(berth_program):
    run_chaos(int(os.environ.get("BERTH_KILLS", "50")))
