# SPDX-License-Identifier: Apache-2.0
"""Published ports, with packets from the host, from another host, from beyond it and from containers: what reaches the
container, whom it sees, and what must not get there."""

import os
import socket
import subprocess

import pytest
from support import answers, netlab
from support.netlab import FAR, HOST, HOST6, HOST6_OUT, HOST_OUT, NEAR, NEAR6, Datagrams, Server, reaches, wait_until
from support.netlab_fixtures import bridge_filter, lab, module_lab  # noqa: F401

IMAGE = answers.IMAGE
SLEEP = ("sleep", "1000")
V6 = ("--ipv6", "--subnet", "fd00:a::/64")


def ask(host, address: str, port: int, source: str | None = None) -> answers.Answer:
    with host.inside():
        return answers.ask(address, port, 10, (source, 0) if source else None)


def reached(host, address: str, port: int) -> bool:
    with host.inside():
        return reaches(address, port)


def bindings(container, inner="80/tcp") -> set[tuple[str, int]]:
    return {(one["HostIp"], int(one["HostPort"])) for one in container.inspect()["NetworkSettings"]["Ports"][inner]}


# --- the forms of -p -----------------------------------------------------------------------------------------------


def test_a_port_of_the_daemons_choice(lab):
    web = lab.run("-p", "80")
    port, port6 = web.port(), web.port(family=6)
    assert port == port6 and 1024 < port < 65536
    assert ask(lab.near, HOST, port).server == ask(lab.near, HOST6, port).server == web.short


def test_a_port_of_the_users_choice_on_each_address(lab):
    web = lab.run("-p", "8080:80")
    assert bindings(web) == {("0.0.0.0", 8080), ("::", 8080)}
    for host, address in ((lab.near, HOST), (lab.near, HOST_OUT), (lab.far, HOST_OUT), (lab.host, HOST), (lab.host, "127.0.0.1"),
                          (lab.host, "127.1.2.3"), (lab.host, web.endpoint()["Gateway"]), (lab.near, HOST6),
                          (lab.far, HOST6_OUT), (lab.host, HOST6), (lab.host, "::1")):
        assert ask(host, address, 8080).server == web.short, address


def test_one_address_of_the_host(lab):
    web = lab.run("-p", f"{HOST}:8080:80", "-p", f"[{HOST6}]:8081:80")
    assert bindings(web) == {(HOST, 8080), (HOST6, 8081)}
    assert ask(lab.near, HOST, 8080).server == ask(lab.near, HOST6, 8081).server == web.short
    assert not reached(lab.far, HOST_OUT, 8080) and not reached(lab.host, "127.0.0.1", 8080)
    assert not reached(lab.far, HOST6_OUT, 8081) and not reached(lab.host, "::1", 8081)


def test_loopback_is_for_the_host_alone(lab):
    web = lab.run("-p", "127.0.0.1:8080:80", "-p", "[::1]:8080:80")
    with lab.host.inside():
        assert answers.ask("127.0.0.1", 8080).server == answers.ask("::1", 8080).server == web.short
        assert not reaches(HOST, 8080) and not reaches(HOST6, 8080)
    assert not reached(lab.near, HOST, 8080) and not reached(lab.near, HOST6, 8080)


def test_ranges(lab):
    web = lab.run("-p", "8085-8086:80-81", "-p", "9000-9010:82", command=("answer", "tcp:80", "tcp:81", "tcp:82"))
    other = lab.run("-p", "9000-9010:80")
    assert (web.port("80/tcp"), web.port("81/tcp")) == (8085, 8086)
    assert all(ask(lab.near, HOST, port).server == web.short for port in (8085, 8086, web.port("82/tcp")))
    assert ask(lab.near, HOST, other.port()).server == other.short
    assert {web.port("82/tcp"), other.port()} <= set(range(9000, 9011)) and web.port("82/tcp") != other.port()
    text = lab.daemon.fails("run", "-d", "-p", "8085-8086:80-81", IMAGE, *SLEEP, status=125)
    assert "port is already allocated" in text


def test_tcp_and_udp_are_different_ports(lab):
    command = ("answer", "tcp:80", "udp:81")
    web = lab.run("-p", "8080:80/tcp", "-p", "8080:81/udp", command=command)
    assert ask(lab.near, HOST, 8080).server == web.short
    for address in (HOST, HOST6):
        with Datagrams(lab.near, address, 8080) as client:
            assert client.ask(5).server == web.short
    for address in ("127.0.0.1", "::1"):
        with Datagrams(lab.host, address, 8080) as client:
            assert client.ask(5).server == web.short


def test_all_that_is_exposed(lab):
    web = lab.run("-P", "--expose", "80", "--expose", "81/udp", command=("answer", "tcp:80", "udp:81"))
    assert ask(lab.near, HOST, web.port()).server == web.short
    with Datagrams(lab.near, HOST, web.port("81/udp")) as client:
        assert client.ask(5).server == web.short


def test_what_is_only_exposed_is_not_published(lab):
    web = lab.run("--expose", "80")
    assert web.inspect()["NetworkSettings"]["Ports"] == {"80/tcp": None}
    assert not reached(lab.near, HOST, 80)


def test_sctp(lab):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError as error:
        pytest.skip(f"this kernel has no SCTP: {error}")
    web = lab.run("-p", "8080:80/sctp", command=SLEEP)
    with web.inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    with server:
        server.bind(("0.0.0.0", 80))
        server.listen()
        with lab.near.inside():
            client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        with client:
            client.settimeout(10)
            client.connect((HOST, 8080))
            assert server.accept()[1][0] == NEAR


# --- whom the container sees ---------------------------------------------------------------------------------------


def test_the_clients_own_address_arrives(lab):
    net = lab.network(*V6)
    web = lab.run("--network", net, "-p", "8080:80", "-p", "8080:81/udp", command=("answer", "tcp:80", "udp:81"))
    assert ask(lab.near, HOST, 8080).client == NEAR
    assert ask(lab.far, HOST_OUT, 8080, FAR).client == FAR
    assert ask(lab.near, HOST6, 8080).client == NEAR6
    with Datagrams(lab.near, HOST, 8080) as client, Datagrams(lab.near, HOST6, 8080) as client6:
        assert client.ask(5).client == NEAR
        assert client6.ask(5).client == NEAR6
    # From the host's loopback, which the container could not answer: the gateway.
    with lab.host.inside():
        assert answers.ask("127.0.0.1", 8080).client == web.endpoint()["Gateway"]
        assert answers.ask("::1", 8080).server == web.short


def test_a_new_bridge_takes_ipv6_at_once(lab):
    """Its link-local address is the source of its questions for neighbours."""
    web = lab.run("--network", lab.network(*V6), "-p", "8080:80")
    tentative = ("ip", "-6", "address", "show", "tentative")
    for shown in (lab.host.run(*tentative), web.enter(*tentative)):
        assert not [line for line in shown.splitlines() if "inet6" in line and "fe80" not in line]
    bridge = "br-" + lab.daemon.get(f"/networks/{next(iter(web.networks()))}").json["Id"][:12]
    assert "fe80" not in lab.host.run("ip", "-6", "address", "show", "dev", bridge, "tentative")
    assert ask(lab.near, HOST6, 8080).client == NEAR6


def test_hairpin(lab, bridge_filter):
    """Containers reach published ports by the host's addresses: their own, of their bridge, of another bridge."""
    one, two = lab.network(*V6), lab.network("--ipv6", "--subnet", "fd00:b::/64")
    web = lab.run("--network", one, "-p", "8080:80")
    neighbour, stranger, default = (lab.run("--network", net, command=SLEEP) for net in (one, two, "bridge"))
    for container in (web, neighbour, stranger, default):
        for address in (HOST, HOST_OUT, container.endpoint()["Gateway"]):
            assert container.ask(address, 8080).server == web.short, (container.name, address)
    for container in (web, neighbour, stranger):
        assert container.ask(HOST6, 8080).server == web.short
    # By the gateway where its answer would go astray, else as itself.
    assert neighbour.ask(HOST, 8080).client == web.endpoint()["Gateway"]
    assert stranger.ask(HOST, 8080).client == stranger.address()
    # Loopback of a container is not that of the host.
    assert not neighbour.reaches("127.0.0.1", 8080)


def test_two_networks_have_one_port(lab, bridge_filter):
    """The published port of a container is reached from both of its bridges and from outside."""
    one, two = lab.network(), lab.network()
    web = lab.run("--network", f"name={one},gw-priority=1", "--network", two, "-p", "8080:80")
    assert ask(lab.near, HOST, 8080).client == NEAR
    clients = {net: lab.run("--network", net, command=SLEEP) for net in (one, two)}
    for restart in (False, True):
        if restart:
            lab.daemon.restart(9)
        for net, client in clients.items():
            assert client.ask(HOST, 8080).server == web.short, net
            assert client.ask(web.address(net), 80).client == client.address()


def test_ports_move_to_another_network(lab):
    one, two = lab.network(), lab.network()
    web = lab.run("--network", one, "-p", "8080:80")
    lab.daemon.out("network", "connect", two, web.name)
    lab.daemon.out("network", "disconnect", one, web.name)
    assert ask(lab.near, HOST, 8080).client == NEAR
    lab.daemon.out("network", "disconnect", two, web.name)
    assert not reached(lab.near, HOST, 8080)


# --- conflicts -----------------------------------------------------------------------------------------------------


def test_a_conflict_names_the_container_that_has_it(lab):
    first = lab.run("-p", "8080:80")
    # The address is that which the other has.
    for flag, where in (("8080:80", "0.0.0.0:8080"), (f"{HOST}:8080:80", "0.0.0.0:8080"), ("127.0.0.1:8080:80", "0.0.0.0:8080"),
                        ("[::1]:8080:80", ":::8080")):
        name = lab.daemon.new_name()
        text = lab.daemon.fails("run", "-d", "--name", name, "-p", flag, IMAGE, *SLEEP, status=125)
        assert f"driver failed programming external connectivity on endpoint {name}" in text
        assert f"Bind for {where} failed: port is already allocated" in text
        assert first.name in text
        assert lab.daemon.inspect(name)["State"]["Status"] == "created"
    # What does not meet: another protocol, another address.
    second = lab.run("-p", "8080:80/udp", "-p", f"{HOST}:8081:80")
    third = lab.run("-p", f"{HOST_OUT}:8081:80")
    assert ask(lab.near, HOST, 8081).server == second.short
    assert ask(lab.near, HOST_OUT, 8081).server == third.short


def test_a_port_of_the_hosts_own_is_found_before_the_start(lab):
    with Server(lab.host, "tcp:8080", "udp:8081"):
        for flag, protocol in (("8080:80", "tcp"), (f"{HOST}:8080:80", "tcp"), ("8081:80/udp", "udp")):
            text = lab.daemon.fails("run", "-d", "-p", flag, IMAGE, *SLEEP, status=125)
            assert "failed to bind host port" in text and "address already in use" in text, text
            assert f"/{protocol}" in text
        assert not lab.daemon.get("/containers/json").json
    assert lab.run("-p", "8080:80", "-p", "8081:81/udp").short


def test_a_published_port_is_nobody_elses(lab):
    lab.run("-p", "8080:80", "-p", "8080:80/udp")
    with lab.host.inside():
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(family, kind) as sock, pytest.raises(OSError, match="in use"):
                    sock.bind((address, 8080))


def test_ports_are_free_at_stop_and_taken_again_at_start(lab):
    web = lab.run("-p", "8080:80", "-p", "8080:81/udp")
    lab.daemon.out("stop", "-t", "0", web.name)
    assert not reached(lab.host, "127.0.0.1", 8080)
    with Server(lab.host, "tcp:8080", "udp:8080"):
        assert ask(lab.near, HOST, 8080).client == NEAR
        assert "address already in use" in lab.daemon.fails("start", web.name)
    other = lab.run("-p", "8080:80")
    assert "port is already allocated" in lab.daemon.fails("start", web.name)
    lab.daemon.out("rm", "-f", other.name)
    lab.daemon.out("start", web.name)
    wait_until(lambda: reached(lab.near, HOST, 8080))


def test_a_container_that_ends_by_itself_frees_its_ports(lab):
    web = lab.run("-p", "8080:80")
    lab.daemon.out("kill", web.name)
    lab.daemon.out("wait", web.name)
    assert ask(lab.near, HOST, lab.run("-p", "8080:80").port()).client == NEAR


# --- what must not get in ------------------------------------------------------------------------------------------


def test_loopback_ports_are_out_of_reach_for_hostile_routes(lab):
    """CVE-2020-8558: a neighbour sends packets to 127.0.0.1 over the wire."""
    web = lab.run("-p", "127.0.0.1:8080:80", "-p", "127.0.0.1:8080:81/udp", command=("answer", "tcp:80", "udp:81"))
    near = lab.near
    near.run("sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1", "net.ipv4.conf.all.route_localnet=1")
    # Else the neighbour's own lo has the address.
    near.run("ip", "address", "del", "127.0.0.1/8", "dev", "lo")
    try:
        with lab.route(near, "127.0.0.0/8", "via", HOST, "src", NEAR):
            assert not reached(near, "127.0.0.1", 8080)
            with Datagrams(near, "127.0.0.1", 8080) as client:
                assert client.ask() is None
            # The same from a container that may do what it wants.
            bad = lab.run(command=SLEEP)
            bad.enter("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip address del 127.0.0.1/8 dev lo; "
                      f"ip route add 127.0.0.0/8 via {bad.endpoint()['Gateway']} src {bad.address()}")
            assert not bad.reaches("127.0.0.1", 8080)
    finally:
        near.run("ip", "address", "add", "127.0.0.1/8", "dev", "lo")
    assert ask(lab.host, "127.0.0.1", 8080).server == web.short


def test_a_route_to_the_containers_own_address_leads_nowhere(lab):
    """moby#45610: the container's port is open for who knows its address and is on the host's wire."""
    net = lab.network(*V6)
    web = lab.run("--network", net, "-p", "127.0.0.1:8080:80", "-p", f"{HOST}:8081:80",
                  command=("answer", "tcp:80", "tcp:90", "udp:91"))
    with lab.route(lab.near, f"{web.address()}/32", "via", HOST), lab.route(lab.near, f"{web.address6()}/128", "via", HOST6):
        for port in (80, 90):
            assert not reached(lab.near, web.address(), port)
            assert not reached(lab.near, web.address6(), port)
        with Datagrams(lab.near, web.address(), 91) as client:
            assert client.ask() is None
        assert ask(lab.near, HOST, 8081).client == NEAR
    # The host itself is not outside.
    assert ask(lab.host, web.address(), 90).server == ask(lab.host, web.address6(), 80).server == web.short


def test_addresses_of_other_bridges_are_those_of_the_host(lab):
    """A port on one address of the host is not on the gateways' addresses."""
    web = lab.run("-p", f"{HOST}:8080:80")
    stranger = lab.run("--network", lab.network(), command=SLEEP)
    assert not stranger.reaches(web.endpoint()["Gateway"], 8080)
    assert stranger.ask(HOST, 8080).server == web.short


# --- datagrams whose flow is known to the kernel -------------------------------------------------------------------


def test_a_datagram_flow_finds_the_new_container(lab):
    """A client that goes on sending from its port while the container is replaced: the kernel's entry for the flow
    leads to the old one, or, made in between, to the host itself."""
    first = lab.run("-p", "8080:80/udp", command=("answer", "udp:80"))
    with Datagrams(lab.near, HOST, 8080) as client, Datagrams(lab.host, "127.0.0.1", 8080) as local:
        assert client.ask(5).server == local.ask(5).server == first.short
        lab.daemon.out("rm", "-f", first.name)
        assert client.ask(0.05) is None and local.ask(0.05) is None
        lab.run(command=SLEEP)  # takes the address
        second = lab.run("-p", "8080:80/udp", command=("answer", "udp:80"))
        assert second.address() != first.address
        assert client.wait_for(second.short).client == NEAR
        local.wait_for(second.short)
        lab.daemon.out("restart", "-t", "0", second.name)
        client.wait_for(second.short)
        local.wait_for(second.short)


def test_a_flow_moves_with_the_container_to_another_network(lab):
    one, two = lab.network(), lab.network()
    server = lab.run("--network", one, "-p", "8080:80/udp", command=("answer", "udp:80"))
    with Datagrams(lab.near, HOST, 8080) as client:
        assert client.ask(5).server == server.short
        lab.daemon.out("network", "connect", two, server.name)
        lab.daemon.out("network", "disconnect", one, server.name)
        assert client.wait_for(server.short).client == NEAR


# --- by default somewhere else -------------------------------------------------------------------------------------


def test_the_default_address_of_ports(lab):
    """Two daemons are on the host; one keeps its ports off the LAN unless they are told to be there."""
    made = lab.new_daemon("--default-publish-ip", "127.0.0.1")
    web = lab.run("-p", "8080:80", "-p", f"{HOST}:8081:80", "-p", "0.0.0.0:8082:80", on=made)
    with lab.host.inside():
        assert answers.ask("127.0.0.1", 8080).server == web.short
        assert not reaches(HOST, 8080) and not reaches("::1", 8080)
    assert not reached(lab.near, HOST, 8080)
    assert ask(lab.near, HOST, 8081).server == ask(lab.near, HOST, 8082).server == web.short
    net = lab.network("-o", f"com.docker.network.bridge.host_binding_ipv4={HOST}", on=made)
    other = lab.run("--network", net, "-p", "8083:80", on=made)
    assert ask(lab.near, HOST, 8083).server == other.short
    assert not reached(lab.host, "127.0.0.1", 8083)


def test_ports_of_two_daemons_do_not_meet(lab):
    made = lab.new_daemon()
    first, second = lab.run("-p", "8080:80"), lab.run("-p", "8081:80", on=made)
    assert ask(lab.near, HOST, 8080).server == first.short and ask(lab.near, HOST, 8081).server == second.short
    text = made.fails("run", "-d", "-p", "8080:80", IMAGE, *SLEEP, status=125)
    assert "failed to bind host port" in text and "address already in use" in text
    # By the host's address, from one daemon's bridge to the other's.
    assert first.ask(HOST, 8081).server == second.short and second.ask(HOST, 8080).server == first.short
    assert not first.reaches(second.address()) and not second.reaches(first.address())


# --- without the daemon --------------------------------------------------------------------------------------------


def test_ports_stay_while_the_daemon_is_away(lab):
    web = lab.run("-p", "8080:80", "-p", "8081:81/udp", command=("answer", "tcp:80", "udp:81"))
    with lab.near.inside():
        kept = socket.create_connection((HOST, 8080), 10)
    with kept, Datagrams(lab.near, HOST, 8081) as client:
        assert client.ask(5).server == web.short
        lab.daemon.kill()
        for host, address in ((lab.near, HOST), (lab.near, HOST6), (lab.host, "127.0.0.1"), (lab.host, "::1")):
            assert ask(host, address, 8080).server == web.short
        assert client.ask(5).server == web.short
        with lab.host.inside(), socket.socket() as sock, pytest.raises(OSError, match="in use"):
            sock.bind(("0.0.0.0", 8080))
        with netlab.Probe(lambda: ask(lab.near, HOST, 8080)) as probe:
            lab.daemon.start()
            seen = probe.count
            wait_until(lambda: probe.count > seen + 5)
        assert not probe.failures, probe.failures[:3]
        assert client.ask(5).server == web.short
        # A connection that was there before goes on.
        kept.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
    lab.daemon.out("rm", "-f", web.name)
    assert not reached(lab.near, HOST, 8080) and not reached(lab.host, "::1", 8080)


def test_ports_of_who_ended_meanwhile_are_free(lab):
    web = lab.run("-p", "8080:80")
    lab.daemon.kill()
    subprocess.run(["kill", "-9", str(web.pid)], check=True)
    lab.daemon.start()
    lab.daemon.wait_until(web.name, lambda found: found["State"]["Status"] == "exited")
    other = lab.run("-p", "8080:80")
    assert ask(lab.near, HOST, 8080).server == other.short


def test_the_port_holder_is_replaced_when_it_is_killed(lab):
    web = lab.run("-p", "8080:80", "-p", "8081:81/udp", command=("answer", "tcp:80", "udp:81"))
    held = [one for one in lab.listeners() if one.endswith((":8080", ":8081"))]
    assert held

    def holders() -> list[int]:
        pids = subprocess.run(["ip", "netns", "pids", lab.host.name], stdout=subprocess.PIPE, text=True)
        return [int(pid) for pid in pids.stdout.split() if b"ports" in open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")]

    [holder] = holders()
    os.kill(holder, 9)
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR, "the kernel's part does without it"
    wait_until(lambda: [one for one in lab.listeners() if one.endswith((":8080", ":8081"))] == held)
    with lab.host.inside():
        assert answers.ask("::1", 8080).server == web.short
    # Killed together with the daemon.
    [holder] = holders()
    lab.daemon.kill()
    os.kill(holder, 9)
    lab.daemon.start()
    wait_until(lambda: [one for one in lab.listeners() if one.endswith((":8080", ":8081"))] == held)
    with lab.host.inside():
        assert answers.ask("::1", 8080).server == web.short
