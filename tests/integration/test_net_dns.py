# SPDX-License-Identifier: Apache-2.0
"""Names in containers: 127.0.0.11 on user-defined networks, what it answers itself, whom it asks for the rest, and who has
which resolv.conf. Queries are made packet by packet in the containers' namespaces."""

import json
import shutil
import socket
import subprocess
import time

import pytest
from support import answers, daemon, netlab
from support.dns_packets import (LOCAL, NOERROR, NXDOMAIN, REFUSED, SERVFAIL, Server, ask, make_query, parse, read_tcp)
from support.netlab import FAR, FAR_LINK, HOST, HOST_OUT, wait_until
from support.netlab_fixtures import lab, module_lab  # noqa: F401

SLEEP = ("sleep", "1000")
V6 = ("--ipv6", "--subnet", "fd00:a::/64")
OUTSIDE = {("www.example.test", "A"): ["203.0.113.80"], ("www.example.test", "AAAA"): ["2001:db8:f::80"]}


@pytest.fixture(autouse=True)
def resolvers(lab):
    """Each test begins with one resolver of the host's."""
    lab.resolv_conf.write_text(f"nameserver {FAR}\n")


def look_up(container, name: str, kind: str = "A", **more):
    with container.inside():
        return ask(name, kind, **more)


def addresses(container, name: str, kind: str = "A") -> list[str]:
    reply = look_up(container, name, kind)
    assert reply.code == NOERROR, reply
    return reply.values


def resolv_conf(container) -> list[str]:
    return container.daemon.out("exec", container.name, "cat", "/etc/resolv.conf").splitlines()


# --- what is ours --------------------------------------------------------------------------------------------------


def test_all_names_of_a_container(lab):
    net = lab.network()
    web = lab.run("--network", net, "--network-alias", "www", "--hostname", "box")
    client = lab.run("--network", net, command=SLEEP)
    for name in (web.name, web.short, "www", "WwW", "box", f"{web.name}.{net}", web.name.upper(), f"www.{net}"):
        reply = look_up(client, name)
        assert (reply.code, reply.values) == (NOERROR, [web.address()]), name
        assert reply.question == (name, "A") and reply.answers[0].name == name and 0 < reply.answers[0].ttl <= 60
    # As a program of the container sees it.
    assert web.address() in lab.daemon.out("exec", client.name, "nslookup", "www")
    assert lab.daemon.out("exec", client.name, "wget", "-q", "-O", "-", "http://www/") == f"box {client.address()}"
    # A container knows itself.
    assert addresses(web, web.name) == [web.address()]


def test_several_containers_with_one_alias_take_turns(lab):
    net = lab.network()
    servers = [lab.run("--network", net, "--network-alias", "web") for _ in range(3)]
    client = lab.run("--network", net, command=SLEEP)
    known = {server.address() for server in servers}
    replies = [addresses(client, "web") for _ in range(6)]
    assert all(set(reply) == known and len(reply) == 3 for reply in replies)
    assert {reply[0] for reply in replies} == known
    gone = servers[0].address()
    lab.daemon.out("stop", "-t", "0", servers[0].name)
    assert set(addresses(client, "web")) == known - {gone}
    lab.daemon.out("rm", "-f", *(server.name for server in servers))
    assert look_up(client, "web").values == []


def test_both_families(lab):
    net = lab.network(*V6)
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    assert addresses(client, web.name) == [web.address()]
    assert addresses(client, web.name, "AAAA") == [web.address6()]
    plain = lab.network()
    other, asker = lab.run("--network", plain), lab.run("--network", plain, command=SLEEP)
    with Server(lab.far, FAR, OUTSIDE) as upstream:
        for kind in ("AAAA", "MX", "TXT"):
            reply = look_up(asker, other.name, kind)
            assert (reply.code, reply.values) == (NOERROR, []), kind
        assert not upstream.asked, "a name of ours is nobody else's"


def test_addresses_have_names(lab):
    net = lab.network(*V6)
    web = lab.run("--network", net, "--network-alias", "www")
    client = lab.run("--network", net, command=SLEEP)
    reverse = ".".join(reversed(web.address().split("."))) + ".in-addr.arpa"
    assert addresses(client, reverse, "PTR") == [f"{web.name}.{net}"]
    digits = "".join(f"{int(group or '0', 16):04x}" for group in _groups(web.address6()))
    assert addresses(client, ".".join(reversed(digits)) + ".ip6.arpa", "PTR") == [f"{web.name}.{net}"]
    assert web.name in lab.daemon.out("exec", client.name, "nslookup", web.address())
    with Server(lab.far, FAR, {("9.113.0.203.in-addr.arpa", "PTR"): ["far.example.test"]}):
        assert addresses(client, "9.113.0.203.in-addr.arpa", "PTR") == ["far.example.test"]


def _groups(address: str) -> list[str]:
    head, _, tail = address.partition("::")
    first, last = head.split(":"), tail.split(":") if tail else []
    return first + ["0"] * (8 - len(first) - len(last)) + last


def test_services(lab):
    net = lab.network()
    web = lab.run("--network", net, "--expose", "80", "--network-alias", "www")
    client = lab.run("--network", net, command=SLEEP)
    reply = look_up(client, "_80._tcp.www", "SRV")
    [(_, _, port, target)] = reply.values
    assert port == 80 and addresses(client, target) == [web.address()]
    assert look_up(client, "_81._tcp.www", "SRV").code == NXDOMAIN


def test_a_name_is_known_when_the_start_is_answered_and_gone_with_the_stop(lab):
    net = lab.network()
    client = lab.run("--network", net, command=SLEEP)
    for _ in range(5):
        web = lab.run("--network", net, "--network-alias", "www", command=SLEEP)
        assert addresses(client, "www") == addresses(client, web.name) == [web.address()]
        lab.daemon.out("kill", web.name)
        lab.daemon.out("wait", web.name)
        assert look_up(client, "www").values == look_up(client, web.name).values == []
        lab.daemon.out("start", web.name)
        assert addresses(client, "www") == [web.address()]
        lab.daemon.out("rm", "-f", web.name)
        assert look_up(client, "www").values == []


def test_networks_have_names_of_their_own(lab):
    one, two = lab.network(), lab.network()
    web = lab.run("--network", f"name={one},alias=first", "--network", f"name={two},alias=second")
    in_one, in_two = (lab.run("--network", net, command=SLEEP) for net in (one, two))
    assert addresses(in_one, web.name) == addresses(in_one, "first") == [web.address(one)]
    assert addresses(in_two, web.name) == addresses(in_two, "second") == [web.address(two)]
    assert look_up(in_one, "second").values == look_up(in_two, "first").values == []
    assert look_up(in_one, in_two.name).values == []
    assert addresses(web, in_one.name) and addresses(web, in_two.name)
    lab.daemon.out("network", "disconnect", two, web.name)
    assert look_up(in_two, web.name).values == look_up(in_two, "second").values == []
    assert look_up(web, in_two.name).values == []
    assert addresses(in_one, web.name) == [web.address(one)]
    lab.daemon.out("network", "connect", "--alias", "third", two, web.name)
    assert addresses(in_two, "third") == addresses(in_two, web.name) == [web.address(two)]


def test_the_default_bridge_has_no_names_but_links(lab):
    web = lab.run()
    other, linked = lab.run(command=SLEEP), lab.run("--link", f"{web.name}:db", command=SLEEP)
    assert resolv_conf(other) == [f"nameserver {FAR}"]
    with pytest.raises(OSError), other.inside():
        ask(web.name, timeout=1)
    assert lab.daemon.cli("exec", other.name, "wget", "-q", "-O", "-", f"http://{web.name}/", check=False).returncode
    for name in ("db", web.name, web.short):
        shown = lab.daemon.out("exec", linked.name, "wget", "-q", "-O", "-", f"http://{name}/")
        assert shown == f"{web.short} {linked.address()}"


def test_links_in_a_network_are_names_for_one(lab):
    net = lab.network()
    web = lab.run("--network", net)
    linked = lab.run("--network", net, "--link", f"{web.name}:db", command=SLEEP)
    other = lab.run("--network", net, command=SLEEP)
    assert addresses(linked, "db") == [web.address()]
    assert look_up(other, "db").values == []


def test_who_shares_a_network_asks_there(lab):
    net = lab.network()
    web = lab.run("--network", net)
    guest = lab.run("--network", f"container:{web.name}", command=SLEEP)
    other = lab.run("--network", net, command=SLEEP)
    assert lab.daemon.out("exec", guest.name, "wget", "-q", "-O", "-", f"http://{web.name}/") == f"{web.short} {web.address()}"
    assert addresses(guest, other.name) == [other.address()]


# --- transport -----------------------------------------------------------------------------------------------------


def test_tcp(lab):
    net = lab.network()
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    assert look_up(client, web.name, tcp=True).values == [web.address()]
    with client.inside():
        sock = socket.create_connection((LOCAL, 53), 10)
    with sock, Server(lab.far, FAR, OUTSIDE) as upstream:
        # Several on one connection; one in pieces; one for elsewhere.
        first, second, third = (make_query(name) for name in (web.name, "www.example.test", web.short))
        packets = b"".join(len(query).to_bytes(2, "big") + query for query in (first, second, third))
        sock.sendall(packets[:5])
        sock.sendall(packets[5:])
        replies = {reply.id: reply for reply in (parse(read_tcp(sock)) for _ in range(3))}
        assert len(replies) == 3 and {reply.code for reply in replies.values()} == {NOERROR}
        assert sorted(value for reply in replies.values() for value in reply.values) == sorted(
            [web.address(), web.address(), "203.0.113.80"])
        assert [name for name, _, _, _ in upstream.asked] == ["www.example.test"]


def test_what_is_too_long_is_truncated_and_asked_again_by_tcp(lab):
    net, count = lab.network(), 40
    made = lab.daemon

    def start(index):
        body = {"Image": answers.IMAGE, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": net},
                "NetworkingConfig": {"EndpointsConfig": {net: {"Aliases": ["many"]}}}}
        identity = made.post(f"/containers/create?name=many-{index}", body).json["Id"]
        assert made.post(f"/containers/{identity}/start").status == 204
        return identity

    daemon.in_threads([lambda part=part: [start(index) for index in range(part, count, 4)] for part in range(4)])
    client = lab.run("--network", net, command=SLEEP)
    reply = look_up(client, "many")
    assert reply.truncated and reply.code == NOERROR
    assert len(set(look_up(client, "many", edns=4096).values)) == count
    full = look_up(client, "many", tcp=True)
    assert not full.truncated and len(set(full.values)) == len(full.values) == count
    many = {("many.example.test", "A"): [f"10.1.{i // 200}.{i % 200}" for i in range(300)]}
    with Server(lab.far, FAR, many) as upstream:
        assert look_up(client, "many.example.test").truncated
        assert len(set(look_up(client, "many.example.test", tcp=True).values)) == 300
        assert upstream.asked[-1][3] == "tcp"


def test_nonsense_is_refused_or_ignored_and_hurts_nobody(lab):
    net = lab.network()
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    loop = make_query("x")[:12] + b"\xc0\x0c\0\1\0\1"
    with client.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((LOCAL, 53))
        for packet in (b"", b"\0", b"\xff" * 500, loop, make_query("x")[:14], bytes(9000)):
            sock.send(packet)
        refused = make_query("version.bind", "TXT", identity=7)[:-2] + b"\0\3"  # class CHAOS
        sock.send(refused)
        sock.settimeout(10)
        while (reply := sock.recv(4096))[:2] != b"\0\7":
            pass
        assert reply[3] & 15 == REFUSED
    assert addresses(client, web.name) == [web.address()]


# --- what is others' -----------------------------------------------------------------------------------------------


def test_other_names_are_asked_of_the_hosts_resolvers(lab):
    client = lab.run("--network", lab.network(), command=SLEEP)
    with Server(lab.far, FAR, OUTSIDE) as upstream:
        assert addresses(client, "www.example.test") == ["203.0.113.80"]
        assert addresses(client, "www.example.test", "AAAA") == ["2001:db8:f::80"]
        assert look_up(client, "none.example.test").code == NXDOMAIN
        reply = look_up(client, "www.example.test", "TXT")
        assert (reply.code, reply.values) == (NOERROR, [])
        assert {who for _, _, who, _ in upstream.asked} == {HOST_OUT}
        assert "203.0.113.80" in lab.daemon.out("exec", client.name, "nslookup", "www.example.test")
    # The host gets others.
    lab.resolv_conf.write_text(f"nameserver {FAR_LINK}\n")
    with Server(lab.far, FAR_LINK, {("www.example.test", "A"): ["203.0.113.81"]}):
        assert addresses(client, "www.example.test") == ["203.0.113.81"]


@pytest.mark.parametrize("network", ["bridge", "named"])
def test_a_resolver_on_the_hosts_loopback(lab, network):
    """systemd-resolved's way: no container could reach it."""
    lab.resolv_conf.write_text("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.test\n")
    net = lab.network() if network == "named" else "bridge"
    client = lab.run("--network", net, command=SLEEP)
    with Server(lab.host, "127.0.0.53", OUTSIDE) as upstream:
        assert addresses(client, "www.example.test") == ["203.0.113.80"]
        assert "203.0.113.80" in lab.daemon.out("exec", client.name, "nslookup", "www.example.test")
        assert {who.startswith("127.") for _, _, who, _ in upstream.asked} == {True}
    assert resolv_conf(client)[:2] == ["nameserver 127.0.0.11", "search example.test"]


def test_a_server_that_fails_is_followed_by_the_next(lab):
    lab.resolv_conf.write_text(f"nameserver {FAR_LINK}\nnameserver {FAR}\n")
    client = lab.run("--network", lab.network(), command=SLEEP)
    with Server(lab.far, FAR, OUTSIDE):
        with Server(lab.far, FAR_LINK, {}, code=SERVFAIL):
            assert addresses(client, "www.example.test") == ["203.0.113.80"]
        # Nobody is there: the kernel says so, and that is not waited for.
        assert addresses(client, "www.example.test") == ["203.0.113.80"]
        with Server(lab.far, FAR_LINK, {}, silent=True):
            assert addresses(client, "www.example.test") == ["203.0.113.80"]
    assert look_up(client, "www.example.test").code == SERVFAIL


def test_servers_of_a_container(lab):
    net = lab.network()
    elsewhere = {("www.example.test", "A"): ["203.0.113.90"]}
    with Server(lab.far, FAR, OUTSIDE), Server(lab.far, FAR_LINK, elsewhere), Server(lab.near, "192.0.2.2", elsewhere) as near:
        own = lab.run("--network", net, "--dns", FAR_LINK, command=SLEEP)
        assert addresses(own, "www.example.test") == ["203.0.113.90"]
        other = lab.run("--network", net, "--dns", "192.0.2.2", command=SLEEP)
        assert addresses(other, "www.example.test") == ["203.0.113.90"]
        assert {who for _, _, who, _ in near.asked} == {HOST}
        assert resolv_conf(own)[0] == "nameserver 127.0.0.11"
        plain = lab.run("--dns", FAR_LINK, "--dns", FAR, command=SLEEP)
        assert resolv_conf(plain) == [f"nameserver {FAR_LINK}", f"nameserver {FAR}"]
        # That of another container of its network.
        assert addresses(lab.run("--network", net, command=SLEEP), "www.example.test") == ["203.0.113.80"]


def test_search_domains_and_options(lab):
    lab.resolv_conf.write_text(f"nameserver {FAR}\nsearch example.test corp.test\noptions timeout:3\n")
    net = lab.network()
    lines = resolv_conf(lab.run("--network", net, command=SLEEP))
    assert "search example.test corp.test" in lines
    assert any(line.startswith("options") and "timeout:3" in line and "ndots:0" in line for line in lines)
    lines = resolv_conf(lab.run("--network", net, "--dns-search", "other.test", "--dns-opt", "ndots:2", command=SLEEP))
    assert "search other.test" in lines and any(line.split() == ["options", "ndots:2"] for line in lines)
    lines = resolv_conf(lab.run("--network", net, "--dns-search", ".", command=SLEEP))
    assert not any(line.startswith("search") for line in lines)
    # They are followed by programs, and names of ours come first.
    client = lab.run("--network", net, "--dns-search", "example.test", "--dns-opt", "ndots:1", command=SLEEP)
    with Server(lab.far, FAR, {("far.example.test", "A"): [FAR]}), netlab.Server(lab.far, "tcp:80"):
        assert HOST_OUT in lab.daemon.out("exec", client.name, "wget", "-q", "-O", "-", "http://far/")


def test_nobody_is_asked_for_an_internal_network(lab):
    net = lab.network("--internal")
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    with Server(lab.far, FAR, OUTSIDE) as upstream:
        assert addresses(client, web.name) == [web.address()]
        assert look_up(client, "www.example.test").code in (SERVFAIL, NXDOMAIN, REFUSED)
        assert not upstream.asked
        # With a way out it may ask.
        outer = lab.network()
        lab.daemon.out("network", "connect", outer, client.name)
        assert addresses(client, "www.example.test") == ["203.0.113.80"]
        lab.daemon.out("network", "disconnect", outer, client.name)
        assert look_up(client, "www.example.test").code in (SERVFAIL, NXDOMAIN, REFUSED)
        assert len(upstream.asked) == 1


def test_no_resolvers_at_all(lab):
    lab.resolv_conf.write_text("")
    net = lab.network()
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    assert addresses(client, web.name) == [web.address()]
    assert look_up(client, "www.example.test").code == SERVFAIL


# --- containers that serve names -----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed")
def test_a_container_serves_port_53_itself(lab):
    lab.daemon.load(netlab.program_image(lab.work, "dnsmasq:latest", "dnsmasq"))
    net = lab.network()
    web = lab.run("--network", net)
    server = lab.run("--network", net, "-p", f"{HOST}:53:53/udp", "-p", f"{HOST}:53:53/tcp", image="dnsmasq:latest", command=(
        "dnsmasq", "--keep-in-foreground", "--user=root", "--conf-file=/dev/null", "--log-facility=-", "--no-hosts",
        "--pid-file=", "--address=/inner.test/10.9.9.9", "--cache-size=0"))
    client = lab.run("--network", net, command=SLEEP)

    def answered():
        try:
            return look_up(client, "x.inner.test", server=server.address(), timeout=1).values
        except OSError:
            return None

    assert wait_until(answered) == ["10.9.9.9"]
    # In it: its own at each of its addresses, ours at 127.0.0.11.
    for address in ("127.0.0.1", server.address()):
        assert look_up(server, "x.inner.test", server=address).values == ["10.9.9.9"]
        assert look_up(server, "x.inner.test", server=address, tcp=True).values == ["10.9.9.9"]
    assert look_up(server, web.name).values == [web.address()]
    assert look_up(server, web.name, tcp=True).values == [web.address()]
    # It passes on to us what it doesn't know.
    assert look_up(client, web.name, server=server.address()).values == [web.address()]
    # Published, and as another container's server.
    with lab.near.inside():
        assert ask("x.inner.test", server=HOST).values == ask("x.inner.test", server=HOST, tcp=True).values == ["10.9.9.9"]
    user = lab.run("--network", net, "--dns", server.address(), command=SLEEP)
    assert addresses(user, "x.inner.test") == ["10.9.9.9"]
    assert addresses(user, web.name) == [web.address()]


# --- the daemon's restart ------------------------------------------------------------------------------------------


def test_queries_wait_for_the_daemons_return(lab):
    net = lab.network()
    web, client = lab.run("--network", net, "--network-alias", "www"), lab.run("--network", net, command=SLEEP)
    for number in (9, 15):
        lab.daemon.stop(number)
        with client.inside():
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.connect((LOCAL, 53))
            tcp = socket.create_connection((LOCAL, 53), 10)
        with udp, tcp:
            queries = [make_query(name) for name in ("www", web.name, web.short)]
            for query in queries:
                udp.send(query)
            tcp.sendall(len(queries[0]).to_bytes(2, "big") + queries[0])
            lab.daemon.start()
            deadline = time.monotonic() + 2
            for _ in queries:
                udp.settimeout(max(0.001, deadline - time.monotonic()))
                assert parse(udp.recv(4096)).values == [web.address()]
            tcp.settimeout(max(0.001, deadline - time.monotonic()))
            assert parse(read_tcp(tcp)).values == [web.address()]
    # New containers are known to old ones and the other way round.
    late = lab.run("--network", net, command=SLEEP)
    assert addresses(client, late.name) == [late.address()] and addresses(late, "www") == [web.address()]
    with Server(lab.far, FAR, OUTSIDE):
        assert addresses(client, "www.example.test") == ["203.0.113.80"]


def test_who_ended_meanwhile_has_no_name(lab):
    net = lab.network()
    web, client = lab.run("--network", net), lab.run("--network", net, command=SLEEP)
    lab.daemon.kill()
    subprocess.run(["kill", "-9", str(web.pid)], check=True)
    lab.daemon.start()
    wait_until(lambda: look_up(client, web.name).values == [])


def test_no_process_or_thread_for_each_container(lab):
    net = lab.network()

    def threads() -> int:
        return int(next(line for line in open(f"/proc/{lab.daemon.pid}/status") if line.startswith("Threads:")).split()[1])

    first = lab.run("--network", net, command=SLEEP)
    before = threads()
    made = [lab.run("--network", net, command=SLEEP) for _ in range(5)]
    assert all(addresses(one, first.name) for one in made)
    assert threads() < before + 5
    # In the namespace of a container listens nobody but us, on ports that no program wants.
    sockets = made[0].enter("ss", "-H", "-a", "-n", "-t", "-u").split("\n")
    assert {line.split()[4].rsplit(":", 1)[0] for line in sockets if line} == {LOCAL}
    assert json.loads(made[0].enter("ip", "-j", "link"))[0]["ifname"] == "lo"
