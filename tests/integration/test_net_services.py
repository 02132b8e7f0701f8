# SPDX-License-Identifier: Apache-2.0
"""Published ports that several containers share: who gets which connection, who joins and leaves when, and what clients
notice of it. The daemon's host and its client's are network namespaces with a cable between them."""

import os
import shutil
import socket
import subprocess

import pytest

from support import answers, daemon
from support.netlab import wait_until

HOST, CLIENT = "192.0.2.1", "192.0.2.2"
LABEL = ("--label", "berth.service=web")
PUBLISH = ("-p", "8080:80")


class Lab:
    """A daemon on a host, and another host that is its client."""

    def __init__(self, work):
        self.host, self.client = answers.Namespace("host"), answers.Namespace("client")
        try:
            self.host.connect(self.client, f"{HOST}/24", f"{CLIENT}/24")
            self.daemon = daemon.Daemon(work, prefix=self.host.prefix, load=False)
            self.daemon.load(answers.archive())
        except BaseException:
            self.close()
            raise

    def close(self):
        left = []
        try:
            if hasattr(self, "daemon"):
                left = self.daemon.close()
        finally:
            self.client.close()
            self.host.close()
        return left

    def start(self, *command, flags=(*LABEL, *PUBLISH)) -> str:
        """A container; the short id, which is the name that it answers with."""
        return self.daemon.out("run", "-d", *flags, answers.IMAGE, *command)[:12]

    def replica(self, *command, flags=(*LABEL, *PUBLISH)) -> str:
        """One that answers at the service's port."""
        server = self.start(*command, flags=flags)
        self.wait_for(server)
        return server

    def ask(self, address=HOST, port=8080) -> answers.Answer:
        with self.client.inside():
            return answers.ask(address, port)

    def servers(self, count: int, port=8080) -> list[str]:
        with self.client.inside():
            return [answers.ask(HOST, port).server for _ in range(count)]

    def wait_for(self, server: str, port=8080) -> None:
        with self.client.inside():
            answers.wait_for_answer(HOST, port, lambda answer: answer.server == server)

    def touch(self, server: str, path: str) -> None:
        self.daemon.cli("exec", server, "touch", path)

    def address(self, server: str) -> str:
        return next(iter(self.daemon.inspect(server)["NetworkSettings"]["Networks"].values()))["IPAddress"]

    def gateway(self, server: str) -> str:
        return next(iter(self.daemon.inspect(server)["NetworkSettings"]["Networks"].values()))["Gateway"]

    def rules(self) -> str:
        return self.host.run("nft", "list", "ruleset")


@pytest.fixture
def lab(binary, tmp_path):
    made = Lab(tmp_path)
    yield made
    left = made.close()
    assert not left, f"left behind: {left}"


@pytest.fixture
def three(lab):
    """Three replicas behind port 8080."""
    return [lab.replica() for _ in range(3)]


def counts(servers: list[str]) -> dict[str, int]:
    return {server: servers.count(server) for server in set(servers)}


# --- spreading -----------------------------------------------------------------------------------------------------


@pytest.mark.novm  # 3000 connections; that they take turns is seen by other tests too
def test_three_replicas_get_a_third_each_exactly(lab, three):
    assert counts(lab.servers(3000)) == {server: 1000 for server in three}


def test_the_clients_own_address_arrives(lab, three):
    assert {lab.ask().client for _ in range(3)} == {CLIENT}


def test_it_answers_on_the_hosts_own_addresses(lab, three):
    with lab.host.inside():
        for address in (HOST, "127.0.0.1", lab.gateway(three[0])):
            assert counts([answers.ask(address, 8080).server for _ in range(30)]) == {server: 10 for server in three}, address


def test_a_container_on_the_same_bridge_is_seen_as_the_gateway(lab, three):
    text = lab.daemon.out("run", "--rm", answers.IMAGE, "sh", "-c",
                          f"for i in 1 2 3 4 5 6; do wget -q -O - http://{HOST}:8080/; done")
    lines = [line.split() for line in text.splitlines()]
    assert counts([server for server, _ in lines]) == {server: 2 for server in three}
    assert {client for _, client in lines} == {lab.gateway(three[0])}


def test_source_keeps_a_client_at_one_replica(lab):
    flags = (*LABEL, *PUBLISH, "--label", "berth.balance=source")
    servers = set()
    for port in (8081, 8082, 8083):  # at ports of their own they can be met one by one
        server = lab.start(flags=(*flags, "-p", f"{port}:80"))
        lab.wait_for(server, port)
        servers.add(server)
    found = set(lab.servers(30))
    assert len(found) == 1 and found < servers
    # Other clients may have another one, and the one that has it keeps it when another replica ends.
    lab.daemon.cli("rm", "-f", (servers - found).pop())
    assert set(lab.servers(30)) == found


def test_random_meets_all(lab):
    flags = (*LABEL, *PUBLISH, "--label", "berth.balance=random")
    servers = {lab.replica(flags=flags) for _ in range(3)}
    assert set(lab.servers(200)) == servers


def test_labels_that_say_nothing_known_are_refused(lab):
    text = lab.daemon.fails("run", *LABEL, "--label", "berth.balance=fair", answers.IMAGE, status=125)
    assert "berth.balance" in text and "round-robin" in text
    text = lab.daemon.fails("run", *LABEL, "--label", "berth.drain=soon", answers.IMAGE, status=125)
    assert "berth.drain" in text


def test_an_images_labels_make_no_container_a_replica(lab):
    server = lab.replica()
    built = lab.daemon.out("create", answers.IMAGE)
    lab.daemon.cli("commit", "-c", "LABEL berth.service=web berth.balance=fair", built, "hostile")
    text = lab.daemon.fails("run", "-d", *PUBLISH, "hostile", status=125)
    assert "port is already allocated" in text
    assert set(lab.servers(10)) == {server}


def test_only_the_same_service_may_share_a_port(lab):
    server = lab.replica()
    name = lab.daemon.inspect(server)["Name"].lstrip("/")
    for flags in (PUBLISH, (*PUBLISH, "--label", "berth.service=other")):
        text = lab.daemon.fails("run", "-d", *flags, answers.IMAGE, status=125)
        assert "port is already allocated" in text and name in text
    lab.daemon.cli("rm", "-f", server)
    assert lab.replica(flags=PUBLISH)


def test_several_ports_of_one_service(lab):
    flags = (*LABEL, "-p", "8080:80", "-p", "9090:90")
    one = lab.replica("answer", "tcp:80", "tcp:90", flags=flags)
    other = lab.replica("answer", "tcp:80", flags=flags)
    lab.wait_for(one, 9090)
    assert counts(lab.servers(10)) == {one: 5, other: 5}
    assert set(lab.servers(10, 9090)) == {one}, "the other one does not listen there"


# --- joining -------------------------------------------------------------------------------------------------------


def test_a_replica_joins_once_it_listens_and_leaves_when_it_does_not(lab):
    ready = lab.replica()
    wait = ("while [ ! -e /tmp/go ]; do sleep 0.02; done; answer tcp:80 & "
            "while [ ! -e /tmp/end ]; do sleep 0.02; done; kill $!; cat")
    late = lab.start("sh", "-c", wait, flags=("-i", *LABEL, *PUBLISH))
    assert set(lab.servers(100)) == {ready}
    lab.touch(late, "/tmp/go")
    lab.wait_for(late)
    assert counts(lab.servers(100)) == {ready: 50, late: 50}
    lab.touch(late, "/tmp/end")
    with lab.client.inside():
        for _ in range(3):
            answers.wait_for_answer(HOST, 8080, lambda answer: answer.server == ready)
    # Its port is looked at some times a second: until then it refuses, after it nobody asks it.
    with answers.Load(lab.client, HOST, 8080, clients=1, pause=0.01) as load:
        load.wait_for_more(100)
        failed = len(load.failures)
        load.wait_for_more(100)
        assert len(load.failures) == failed


def test_with_a_health_check_it_joins_before_that_is_shown(lab):
    ready = lab.replica()
    checked = lab.start(flags=(*LABEL, *PUBLISH, "--health-cmd", "test -e /tmp/well", "--health-interval", "100ms",
                               "--health-retries", "1"))
    with lab.host.inside():
        answers.wait_for_answer(lab.address(checked), 80)
    assert set(lab.servers(50)) == {ready}, "it listens, and is not healthy"

    lab.touch(checked, "/tmp/well")
    lab.daemon.wait_until(checked, lambda found: found["State"]["Health"]["Status"] == "healthy")
    assert counts(lab.servers(2)) == {ready: 1, checked: 1}, "shown as healthy, and not in the map"

    lab.daemon.cli("exec", checked, "rm", "/tmp/well")
    lab.daemon.wait_until(checked, lambda found: found["State"]["Health"]["Status"] == "unhealthy")
    assert set(lab.servers(50)) == {ready}


def test_without_a_replica_that_is_ready_connections_are_refused(lab):
    waiting = lab.start("sleep", "1000")
    with lab.client.inside(), pytest.raises(ConnectionRefusedError):
        answers.ask(HOST, 8080)
    with lab.host.inside(), pytest.raises(ConnectionRefusedError):
        answers.ask("127.0.0.1", 8080)
    lab.daemon.cli("rm", "-f", waiting)
    assert "8080" not in lab.rules()


# --- leaving -------------------------------------------------------------------------------------------------------


def test_replacing_all_under_load_loses_no_request(lab):
    flags = (*LABEL, *PUBLISH, "--label", "berth.drain=1")
    old = [lab.replica(flags=flags) for _ in range(3)]
    with answers.Load(lab.client, HOST, 8080) as load:
        load.wait_for_more(200)
        for server in old:
            new = lab.replica(flags=flags)
            lab.daemon.cli("stop", "-t", "5", server)
            lab.daemon.cli("rm", server)
            load.wait_for_more(200)
            assert new in load.served
    assert load.failures == []
    assert not set(lab.servers(30)) & set(old)


def test_a_connection_that_is_open_may_end_while_it_drains(lab):
    flags = (*LABEL, *PUBLISH, "--label", "berth.drain=3")
    leaving = lab.replica(flags=flags)
    with lab.client.inside():
        sock = socket.create_connection((HOST, 8080), 10)
    staying = lab.replica(flags=flags)
    stop = lab.daemon.popen("stop", "-t", "30", leaving)
    with lab.client.inside():
        while {answers.ask(HOST, 8080).server for _ in range(4)} != {staying}:
            pass
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert leaving.encode() in sock.makefile("rb").read()
    assert stop.wait(60) == 0
    assert lab.daemon.inspect(leaving)["State"]["ExitCode"] == 0


def test_stops_time_out_counts_the_drain(lab):
    server = lab.replica(flags=(*LABEL, *PUBLISH, "--label", "berth.drain=3600"))
    lab.daemon.cli("stop", "-t", "1", server, timeout=30)
    assert lab.daemon.inspect(server)["State"]["Running"] is False


def test_the_next_life_does_not_wait_for_the_drain_of_the_last(lab, tmp_path):
    folder = tmp_path / "health"
    folder.mkdir()
    (folder / "well").touch()
    server = lab.start(flags=(*LABEL, *PUBLISH, "--label", "berth.drain=3600", "-v", f"{folder}:/health:ro", "--health-cmd",
                              "test -e /health/well", "--health-interval", "100ms"))
    lab.daemon.wait_until(server, lambda found: found["State"]["Health"]["Status"] == "healthy")
    stop = lab.daemon.popen("stop", "-t", "3600", server)

    def has_left():
        try:
            lab.ask()
        except OSError:
            return True

    wait_until(has_left, "it drains")
    os.kill(lab.daemon.inspect(server)["State"]["Pid"], 9)
    assert stop.wait(60) == 0
    (folder / "well").unlink()  # so it is in no map, and has nothing to drain
    lab.daemon.cli("start", server)
    lab.daemon.wait_for_output(server, "ready")
    lab.daemon.cli("stop", "-t", "3600", server, timeout=60)


def test_a_killed_replica_costs_what_is_in_flight(lab, three):
    with answers.Load(lab.client, HOST, 8080) as load:
        load.wait_for_more(200)
        os.kill(lab.daemon.inspect(three[0])["State"]["Pid"], 9)
        load.wait_for_more(600)
    assert len(load.failures) <= load.clients, load.failures
    assert "refused" not in str(load.failures), "TCP tries again, and meets another"
    assert set(lab.servers(30)) == set(three[1:])


def test_a_daemon_that_is_killed_and_comes_back_is_not_noticed(lab, three):
    with answers.Load(lab.client, HOST, 8080) as load:
        load.wait_for_more(200)
        lab.daemon.kill()
        load.wait_for_more(200)
        lab.daemon.start()
        load.wait_for_more(200)
    assert load.failures == []
    assert counts(lab.servers(30)) == {server: 10 for server in three}
    lab.daemon.cli("stop", three[0])
    assert counts(lab.servers(30)) == {server: 15 for server in three[1:]}


def test_who_ended_while_the_daemon_was_away_is_in_no_map(lab, three):
    pid = lab.daemon.inspect(three[0])["State"]["Pid"]
    lab.daemon.kill()
    os.kill(pid, 9)
    lab.daemon.start()
    assert counts(lab.servers(30)) == {server: 15 for server in three[1:]}


# --- UDP -----------------------------------------------------------------------------------------------------------


def test_a_udp_flow_keeps_its_replica_until_that_leaves(lab):
    flags = (*LABEL, "-p", "5353:53/udp")
    servers = {lab.start("answer", "udp:53", flags=flags) for _ in range(2)}
    with lab.client.inside():
        found = set()
        while found != servers:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect((HOST, 5353))
                try:
                    found.add(answers.ask_udp(sock, 1).server)
                except OSError:
                    pass
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((HOST, 5353))
    with sock:
        first = answers.ask_udp(sock).server
        assert {answers.ask_udp(sock).server for _ in range(10)} == {first}
        lab.daemon.cli("stop", "-t", "1", first)
        assert {answers.ask_udp(sock).server for _ in range(10)} == servers - {first}


# --- virtual addresses ---------------------------------------------------------------------------------------------


def resolve(lab, network: str, name: str) -> str:
    text = lab.daemon.out("run", "--rm", "--network", network, answers.IMAGE, "nslookup", "-type=a", name, "127.0.0.11")
    return text.splitlines()[-1].split()[-1]


def test_a_service_has_a_name_and_an_address_that_stay(lab):
    lab.daemon.cli("network", "create", "shop")
    flags = (*LABEL, "--network", "shop", "--expose", "80")
    servers = {lab.start(flags=flags) for _ in range(2)}
    for server in servers:
        with lab.host.inside():
            answers.wait_for_answer(lab.address(server), 80)
    address = resolve(lab, "shop", "web.service")
    assert address not in {lab.address(server) for server in servers}
    with lab.host.inside():
        for server in servers:
            answers.wait_for_answer(address, 80, lambda answer, one=server: answer.server == one)
    text = lab.daemon.out("run", "--rm", "--network", "shop", answers.IMAGE, "sh", "-c",
                          "for i in 1 2 3 4; do wget -q -O - http://web.service/; done")
    assert counts([line.split()[0] for line in text.splitlines()]) == {server: 2 for server in servers}

    lab.daemon.cli("rm", "-f", *servers)
    with lab.host.inside(), pytest.raises(ConnectionRefusedError):
        answers.ask(address, 80)
    again = lab.start(flags=flags)
    assert resolve(lab, "shop", "web.service") == address
    with lab.host.inside():
        assert answers.wait_for_answer(address, 80).server == again
    lab.daemon.restart()
    assert resolve(lab, "shop", "web.service") == address
    lab.daemon.cli("rm", "-f", again)
    lab.daemon.cli("network", "rm", "shop")
    assert address not in lab.rules()


# --- Compose -------------------------------------------------------------------------------------------------------

COMPOSE = """
version: "2.4"
services:
  web:
    image: answer:latest
    command: answer tcp:80
    ports: ["8080:80"]
    labels: {berth.drain: "1"}
  asks:
    image: answer:latest
    command: sleep 1000
    stop_signal: SIGKILL
"""


def test_compose_scales_a_service_with_a_host_port(lab, tmp_path):
    program = shutil.which("docker-compose", path="/usr/bin")
    if program is None:
        pytest.skip("there is no docker-compose here")
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)

    def compose(*words):
        done = subprocess.run([program, *words], cwd=folder, env=lab.daemon.client_environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert done.returncode == 0, f"docker-compose {words}: {done.stdout}"
        return done.stdout

    def replicas():
        ids = lab.daemon.out("ps", "-q", "--filter", "label=com.docker.compose.service=web").split()
        return {identity[:12] for identity in ids}

    compose("up", "-d", "--scale", "web=3")
    servers = replicas()
    assert len(servers) == 3
    for server in servers:
        lab.wait_for(server)
    assert counts(lab.servers(300)) == {server: 100 for server in servers}

    text = compose("exec", "-T", "asks", "wget", "-q", "-O", "-", "http://web.service/")
    assert text.split()[0] in servers
    text = compose("exec", "-T", "asks", "wget", "-q", "-O", "-", "http://web.shop.service/")
    assert text.split()[0] in servers
    compose("run", "--rm", "-T", "web", "sh", "-c", "answer tcp:80 & wget -q -O - http://web.service/; kill $!")

    with answers.Load(lab.client, HOST, 8080) as load:
        load.wait_for_more(100)
        compose("up", "-d", "--scale", "web=1")
        load.wait_for_more(100)
    assert load.failures == []
    assert set(lab.servers(10)) == replicas()
    compose("down")
    assert "8080" not in lab.rules()
