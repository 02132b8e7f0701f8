# SPDX-License-Identifier: Apache-2.0
"""What not every kernel has: ipvlan, macvlan without a parent, VLANs, SCTP. Each test is skipped with the reason where this
one lacks it; the kernel of the virtual machine has all of it. And one short look at networks there, on the oldest kernel."""

import os
import socket
from contextlib import closing

import pytest
from support import answers
from support.answers import IMAGE
from support.netlab import HOST, HOST6, NEAR, NEAR6, reaches, wait_until
from support.netlab_fixtures import lab, module_lab  # noqa: F401

SLEEP = ("sleep", "1000")


def needs(lab, kind: str, *options: str) -> None:
    """Skips unless the kernel makes such a device on the cable (a dummy: beside it)."""
    link = () if kind == "dummy" else ("link", "lan")
    done = lab.host.run("sh", "-c", f"ip link add {' '.join(link)} name probe type {kind} {' '.join(options)} 2>&1 "
                        "&& ip link del probe", check=False)
    if done.strip():
        assert not os.environ.get("BERTH_VM"), f"the virtual machine has to have {kind}: {done}"
        pytest.skip(f"this kernel has no {kind}: {done.strip()}")


def reached(host, address: str, port: int = 80) -> bool:
    with host.inside():
        return reaches(address, port)


def asked(host, address: str, port: int = 80) -> answers.Answer:
    with host.inside():
        return answers.ask(address, port)


# --- the short look ------------------------------------------------------------------------------------------------


@pytest.mark.vm_short
def test_a_published_port_a_name_and_a_service(lab):
    net = lab.network("--ipv6", "--subnet", "fd00:c::/64")
    service = ("--label", "berth.service=shared", "-p", "8081:80")
    web = lab.run("--network", net, "-p", "8080:80")
    pair = {lab.run("--network", net, *service).short for _ in range(2)}
    for address, client in ((HOST, NEAR), (HOST6, NEAR6)):
        answer = asked(lab.near, address, 8080)
        assert (answer.server, answer.client) == (web.short, client)
    for address in ("127.0.0.1", "::1"):
        assert asked(lab.host, address, 8080).server == web.short
    # Hairpin, by the host's address; and another network, which has no other way.
    assert web.ask(HOST, 8080).server == web.short
    other = lab.run(command=SLEEP)
    assert other.ask(HOST, 8080).server == web.short and not other.reaches(web.address())
    assert web.short in lab.daemon.out("run", "--rm", "--network", net, IMAGE, "wget", "-q", "-O", "-", f"http://{web.name}/")
    wait_until(lambda: {asked(lab.near, HOST, 8081).server for _ in range(4)} == pair, "both replicas in turn")
    lab.daemon.restart(9)
    assert asked(lab.near, HOST, 8080).server == web.short
    assert {asked(lab.near, HOST, 8081).server for _ in range(4)} == pair


# --- macvlan and ipvlan --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_ipvlan_in_layer_3(lab, mode):
    """No neighbours are asked for: other hosts route to the subnets, and the containers of all subnets reach each other."""
    needs(lab, "ipvlan", "mode", mode)
    net = lab.network("-d", "ipvlan", "-o", "parent=lan", "-o", f"ipvlan_mode={mode}", "--subnet", "10.79.0.0/24",
                      "--subnet", "10.79.1.0/24", "--ipv6", "--subnet", "fd00:79::/64")
    web = lab.run("--network", net, "--ip", "10.79.0.9")
    other = lab.run("--network", net, "--ip", "10.79.1.9")
    assert other.ask("10.79.0.9").client == "10.79.1.9"
    assert other.ask(web.address6()).client == other.address6()
    lab.near.run("ip", "-6", "route", "add", "fd00:79::/64", "via", HOST6)
    try:
        with lab.route(lab.near, "10.79.0.0/16", "via", HOST):
            assert asked(lab.near, "10.79.0.9").client == NEAR
            assert asked(lab.near, web.address6()).client == NEAR6
            lab.daemon.restart(9)
            lab.daemon.out("restart", "-t", "0", web.name)
            lab.daemon.wait_for_output(web.name, "ready")
            with lab.near.inside():
                assert answers.wait_for_answer("10.79.0.9", 80).server == web.short
    finally:
        lab.near.run("ip", "-6", "route", "del", "fd00:79::/64")
    # Names work as in any user-defined network.
    assert web.short in lab.daemon.out("exec", other.name, "wget", "-q", "-O", "-", f"http://{web.name}/")
    inner = lab.network("-d", "ipvlan", "--internal", "-o", "parent=lan", "-o", f"ipvlan_mode={mode}", "--subnet",
                        "10.79.5.0/24")
    assert "default" not in lab.run("--network", inner, command=SLEEP).enter("ip", "route")


def test_neighbours_learn_who_has_the_address_now(lab):
    needs(lab, "ipvlan")
    needs(lab, "macvlan")
    for driver in ("macvlan", "ipvlan", "macvlan"):
        net = lab.network("-d", driver, "-o", "parent=lan", "--subnet", "192.0.2.0/24", "--gateway", NEAR)
        web = lab.run("--network", net, "--ip", "192.0.2.200")
        assert asked(lab.near, "192.0.2.200").server == web.short
        lab.daemon.out("rm", "-f", web.name)
        lab.daemon.out("network", "rm", net)


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_a_network_without_a_parent_leads_nowhere(lab, driver):
    needs(lab, "dummy")
    needs(lab, driver)
    net = lab.network("-d", driver, "--subnet", "10.79.2.0/24")
    device = "dm-" + lab.daemon.get(f"/networks/{net}").json["Id"][:12]
    link = lab.links()[device]
    assert link["linkinfo"]["info_kind"] == "dummy" and link["ifalias"] == lab.daemon.cgroup_tag
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    assert client.ask(web.address()).client == client.address()
    assert not client.reaches(NEAR) and not reached(lab.host, web.address())
    lab.daemon.restart(9)
    later = lab.run("--network", net, command=SLEEP)
    assert later.ask(web.address()).server == client.ask(web.address()).server == web.short
    lab.daemon.out("rm", "-f", web.name, client.name, later.name)
    lab.daemon.out("network", "rm", net)
    wait_until(lambda: device not in lab.links())


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_a_vlan_is_made_and_removed(lab, driver):
    needs(lab, "vlan", "id", "4000")
    needs(lab, driver)
    net = lab.network("-d", driver, "-o", "parent=lan.77", "--subnet", "10.79.3.0/24", "--ipv6", "--subnet", "fd00:77::/64")
    assert lab.links()["lan.77"]["linkinfo"]["info_data"]["id"] == 77
    web = lab.run("--network", net)
    near = lab.near
    near.run("ip", "link", "add", "eth0.77", "link", "eth0", "type", "vlan", "id", "77")
    try:
        for address in ("10.79.3.200/24", "fd00:77::200/64"):
            near.run("ip", "address", "add", address, "dev", "eth0.77", *(["nodad"] if ":" in address else []))
        near.run("ip", "link", "set", "eth0.77", "up")
        assert asked(near, web.address()).client == "10.79.3.200"
        assert asked(near, web.address6()).client == "fd00:77::200"
        lab.daemon.restart(9)
        assert asked(near, web.address()).server == web.short
    finally:
        near.run("ip", "link", "del", "eth0.77")
    lab.daemon.out("rm", "-f", web.name)
    lab.daemon.out("network", "rm", net)
    wait_until(lambda: "lan.77" not in lab.links())


def test_a_vlan_of_the_users_stays(lab):
    needs(lab, "vlan", "id", "4000")
    needs(lab, "macvlan")
    lab.host.run("ip", "link", "add", "lan.78", "link", "lan", "type", "vlan", "id", "78")
    try:
        net = lab.network("-d", "macvlan", "-o", "parent=lan.78", "--subnet", "10.79.4.0/24")
        lab.daemon.out("network", "rm", net)
        assert "lan.78" in lab.links()
    finally:
        lab.host.run("ip", "link", "del", "lan.78")


@pytest.mark.parametrize("mode, together", [("private", False), ("vepa", False), ("bridge", True)])
def test_modes_of_macvlan(lab, mode, together):
    """Without a switch that sends frames back, only `bridge` lets containers reach each other."""
    needs(lab, "macvlan", "mode", mode)
    net = lab.network("-d", "macvlan", "-o", "parent=lan", "-o", f"macvlan_mode={mode}", "--subnet", "192.0.2.0/24",
                      "--ip-range", "192.0.2.160/28", "--gateway", NEAR)
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    assert asked(lab.near, web.address()).client == NEAR
    assert client.reaches(web.address()) == together


# --- SCTP ----------------------------------------------------------------------------------------------------------


def sctp(family: int = socket.AF_INET) -> socket.socket:
    """Skips where there is none."""
    try:
        return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    except OSError as error:
        assert not os.environ.get("BERTH_VM"), f"the virtual machine has to have SCTP: {error}"
        pytest.skip(f"this kernel has no SCTP: {error}")


@pytest.fixture
def sctp_server(lab):
    """A container with a listening socket on port 80, of both families; the socket is of this process."""
    sctp().close()
    net = lab.network("--ipv6", "--subnet", "fd00:5::/64")
    web = lab.run("--network", net, "-p", "8080:80/sctp", "-p", "127.0.0.1:8081:80/sctp", command=SLEEP)
    with web.inside():
        server = sctp(socket.AF_INET6)
    with closing(server):
        server.bind(("::", 80))
        server.listen()
        server.settimeout(10)
        yield web, server


def exchange(server: socket.socket, host, address: str, port: int) -> str:
    """A message there and back; whom the server sees."""
    with host.inside():
        client = sctp(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with closing(client):
        client.settimeout(10)
        client.connect((address, port))
        accepted, peer = server.accept()
        with closing(accepted):
            client.sendall(b"there")
            assert accepted.recv(100) == b"there"
            accepted.sendall(b"back")
            assert client.recv(100) == b"back"
    return peer[0].removeprefix("::ffff:")


def test_a_published_sctp_port(lab, sctp_server):
    web, server = sctp_server
    assert web.inspect()["NetworkSettings"]["Ports"]["80/sctp"][0]["HostPort"] == "8080"
    assert exchange(server, lab.near, HOST, 8080) == NEAR
    assert exchange(server, lab.near, HOST6, 8080) == NEAR6
    # Its own port and another bridge's container, by the host's address; the host by its loopback address.
    assert exchange(server, web, HOST, 8080) == web.endpoint()["Gateway"]
    other = lab.run(command=SLEEP)
    assert exchange(server, other, HOST, 8080) == other.address()
    assert exchange(server, lab.host, "127.0.0.1", 8081) == web.endpoint()["Gateway"]


def test_an_sctp_port_of_the_hosts_is_not_taken_twice(lab, sctp_server):
    sctp_server[0]
    text = lab.daemon.fails("run", "-d", "-p", "8080:80/sctp", IMAGE, *SLEEP, status=125)
    assert "port is already allocated" in text
    with lab.host.inside():
        with closing(sctp()) as taken, pytest.raises(OSError, match="in use"):
            taken.bind(("0.0.0.0", 8080))
        with closing(sctp()) as taken:
            taken.bind(("0.0.0.0", 8090))
            taken.listen()
            text = lab.daemon.fails("run", "-d", "-p", "8090:80/sctp", IMAGE, *SLEEP, status=125)
    assert "address already in use" in text
