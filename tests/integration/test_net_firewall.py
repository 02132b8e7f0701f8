# SPDX-License-Identifier: Apache-2.0
"""How the daemon's packet rules live with those of others: its own table and no other, chains of others that drop, what is
flushed, the administrators' chain, --iptables=false; and that nothing stays behind."""

import json
import re

import pytest
from support import answers, engines, netlab
from support.netlab import FAR, HOST, HOST6, HOST_OUT, NEAR, Server, reaches, wait_until
from support.netlab_fixtures import bare_lab, lab, module_lab  # noqa: F401
from support.peer_docker import PeerDocker

SLEEP = ("sleep", "1000")

# As Docker, ufw and firewalld have them on hosts of theirs.
FOREIGN = """
table ip filter {
    chain INPUT { type filter hook input priority filter; policy accept; iifname "lan" tcp dport 1 drop; }
    chain FORWARD { type filter hook forward priority filter; policy drop; ip daddr 10.250.0.1 counter accept; }
}
table ip nat {
    chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; tcp dport 1234 redirect to :4321; }
}
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state established,related accept
        ct status dnat accept
        iifname "lo" accept
        reject with icmpx admin-prohibited
    }
}
table inet harmless {
    set known { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 } }
    chain forward { type filter hook forward priority filter + 5; policy accept; ip saddr @known counter accept; }
}
"""


def reached(host, address: str, port: int) -> bool:
    with host.inside():
        return reaches(address, port)


def own_table(made) -> str:
    return f"inet {made.cgroup_tag}"


def number_of_rules(lab, made) -> int:
    listed = json.loads(lab.host.run("nft", "-j", "list", "table", *own_table(made).split()))["nftables"]
    return sum("rule" in one for one in listed)


def is_whole(lab, web, client) -> bool:
    """Published, masqueraded, isolated."""
    with lab.near.inside():
        if not reaches(HOST, 8080, timeout=1):
            return False
    with client.inside():
        return reaches(FAR, 80, timeout=1) and not reaches(web.address(), 80)


@pytest.fixture
def pair(lab):
    """A published server, and a client on another bridge."""
    return lab.run("-p", "8080:80"), lab.run("--network", lab.network(), command=SLEEP)


# --- our table and others' -----------------------------------------------------------------------------------------


def test_one_table_of_our_own(bare_lab):
    lab = bare_lab
    lab.load_rules(FOREIGN.replace("policy drop", "policy accept").replace("reject with icmpx admin-prohibited", ""))
    theirs = {table: lab.rules("table", *table.split()) for table in lab.tables()}
    made = lab.new_daemon()
    lab.run("-p", "8080:80", "-p", "8080:80/udp", on=made)
    net = lab.network("--ipv6", "-o", "com.docker.network.bridge.enable_icc=false", on=made)
    web = lab.run("-p", "8081:80", "--network", net, on=made)
    assert lab.tables() - set(theirs) <= {own_table(made), f"bridge {made.cgroup_tag}", "inet berth-user"}
    assert own_table(made) in lab.tables()
    assert {table: lab.rules("table", *table.split()) for table in theirs} == theirs
    made.restart(9)
    with lab.near.inside():
        assert answers.ask(HOST, 8081).server == web.short
    lab.reset()
    assert lab.end_daemon(made) == []
    assert lab.tables() == set(theirs), "nothing is in the administrators' table, so it goes too"
    assert {table: lab.rules("table", *table.split()) for table in theirs} == theirs


def test_others_chains_that_drop_get_one_marked_rule(bare_lab):
    lab = bare_lab
    lab.load_rules(FOREIGN)
    before = lab.rules()
    made = lab.new_daemon()
    web = lab.run("-p", "8080:80", on=made)
    with Server(lab.far, "tcp:80"):
        assert web.ask(FAR).client == HOST_OUT
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
    for chain in ("ip filter FORWARD", "inet firewalld filter_FORWARD"):
        lines = [line for line in lab.rules("chain", *chain.split()).splitlines() if made.cgroup_tag in line]
        assert len(lines) == 1, (chain, lines)
    assert made.cgroup_tag not in lab.rules("table", "inet", "harmless")
    # One more network needs no more rules there.
    lab.network(on=made)
    assert lab.rules("chain", "ip", "filter", "FORWARD").count(made.cgroup_tag) <= 2
    # A chain that comes later is found too; one that is written anew gets it back.
    lab.load_rules("table ip late { chain f { type filter hook forward priority 7; policy drop; }; }")
    wait_until(lambda: made.cgroup_tag in lab.rules("table", "ip", "late"))
    lab.load_rules("flush chain ip filter FORWARD\nadd rule ip filter FORWARD ip daddr 10.250.0.1 counter accept")
    wait_until(lambda: made.cgroup_tag in lab.rules("chain", "ip", "filter", "FORWARD"))
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
    # What others drop otherwise stays dropped: this is not for other traffic through the host.
    with lab.route(lab.far, "192.0.2.9/32", "via", HOST_OUT), Server(lab.near, "tcp:81"):
        assert not reached(lab.far, NEAR, 81)
    lab.load_rules("delete table ip late")
    lab.reset()
    assert lab.end_daemon(made) == []
    assert lab.rules() == before


def test_the_marked_rule_can_be_switched_off(bare_lab):
    lab = bare_lab
    lab.load_rules(FOREIGN)
    before = {table: lab.rules("table", *table.split()) for table in lab.tables()}
    made = lab.new_daemon("--forward-accept=false")
    lab.run("-p", "8080:80", on=made)
    assert not reached(lab.near, HOST, 8080)
    assert {table: lab.rules("table", *table.split()) for table in before} == before
    warnings = [line for line in made.log().splitlines() if "FORWARD" in line]
    assert any("ip filter" in line for line in warnings) and len(warnings) <= 3, made.log()
    told = [line for line in made.get("/info").json["Warnings"] if "--forward-accept" in line]
    assert len(told) == 2 and any("FORWARD" in line for line in told), told


def test_a_killed_daemons_rule_in_others_chains_is_not_doubled(bare_lab):
    lab = bare_lab
    lab.load_rules(FOREIGN)
    made = lab.new_daemon()
    web = lab.run("-p", "8080:80", on=made)
    for number in (9, 15, 9):
        made.stop(number)
        with lab.near.inside():
            assert answers.ask(HOST, 8080).server == web.short
        made.start()
    lines = [line for line in lab.rules("chain", "ip", "filter", "FORWARD").splitlines() if made.cgroup_tag in line]
    assert len(lines) == 1, lines


def saved_rules(lab) -> list[str]:
    """iptables' view of both families, without counters and comments."""
    lines = lab.host.run("iptables-save").splitlines() + lab.host.run("ip6tables-save").splitlines()
    return [re.sub(r"\[\d+:\d+\]", "", line) for line in lines if not line.startswith("#")]


@pytest.mark.novm
@pytest.mark.skipif(not engines.available("dockerd", "iptables"), reason="dockerd is not installed")
def test_beside_docker_on_one_host(bare_lab):
    """Debian's dockerd with its own chains, which drop what they don't know, and containers of both."""
    lab = bare_lab
    peer = PeerDocker(lab)
    try:
        theirs = peer.run("-p", "8090:80")
        before = saved_rules(lab)
        assert ":FORWARD DROP " in before
        lab.base = {**lab.state(), "tables": lab.base["tables"] | lab.tables()}
        made = lab.new_daemon()
        web = lab.run("-p", "8080:80", on=made)
        client = lab.run("--network", lab.network(on=made), command=SLEEP, on=made)
        assert not [line for line in made.get("/info").json["Warnings"] or [] if "forward" in line.lower()]

        def check():
            with lab.near.inside():
                assert answers.ask(HOST, 8080).client == NEAR
                assert answers.wait_for_answer(HOST, 8090).server == theirs
            with Server(lab.far, "tcp:80"):
                assert client.ask(FAR).client == HOST_OUT
                assert HOST_OUT in peer.cli("exec", theirs, "wget", "-q", "-O", "-", f"http://{FAR}/")
            # To each other by the host's address alone.
            assert client.ask(HOST, 8090).server == theirs
            assert web.short in peer.cli("exec", theirs, "wget", "-q", "-O", "-", f"http://{HOST}:8080/")
            with answers.inside(f"/proc/{peer.cli('inspect', '-f', '{{.State.Pid}}', theirs)}/ns/net"):
                assert not reaches(web.address(), 80) and reaches(HOST, 8080, timeout=5)

        check()
        # It starts anew, and so do its rules.
        peer.stop()
        peer.start()
        theirs = peer.run("-p", "8090:80")
        wait_until(lambda: made.cgroup_tag in lab.rules("chain", "ip", "filter", "FORWARD"))
        check()
        made.restart(9)
        check()
        assert "address already in use" in made.fails("run", "-p", "8090:80", answers.IMAGE, status=125)
        lab.reset()
        assert lab.end_daemon(made) == []
        assert sorted(saved_rules(lab)) == sorted(before)
    finally:
        peer.close()


@pytest.mark.skipif(not engines.available("iptables-legacy"), reason="iptables-legacy is not installed")
def test_chains_of_the_old_iptables(bare_lab):
    """Which nftables doesn't show."""
    lab = bare_lab
    if lab.host.run("sh", "-c", "iptables-legacy -P FORWARD DROP 2>&1", check=False):
        pytest.skip("this kernel has no iptables of old")
    before = lab.host.run("iptables-legacy-save", "-t", "filter")
    made = lab.new_daemon()
    web = lab.run("-p", "8080:80", on=made)
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
    with Server(lab.far, "tcp:80"):
        assert web.ask(FAR).client == HOST_OUT
    assert sum("-j " + made.cgroup_tag in line for line in lab.host.run("iptables-legacy", "-S", "FORWARD").splitlines()) == 1
    lab.reset()
    assert lab.end_daemon(made) == []

    def rules(text):
        return [line for line in re.sub(r"\[\d+:\d+\]", "", text).splitlines() if not line.startswith("#")]

    assert rules(lab.host.run("iptables-legacy-save", "-t", "filter")) == rules(before)


# --- what is taken away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [
    "flush ruleset",
    "delete table inet {table}",
    "flush chain inet {table} into",
    "flush map inet {table} any_ports4",
    "flush table inet {table}",
])
def test_what_is_flushed_comes_back(lab, pair, harm):
    web, client = pair
    with Server(lab.far, "tcp:80"):
        assert is_whole(lab, web, client)
        lab.host.run("nft", harm.format(table=lab.daemon.cgroup_tag))
        wait_until(lambda: is_whole(lab, web, client), lab.rules())
    # And the daemon goes on to change it.
    other = lab.run("-p", "8081:80")
    with lab.near.inside():
        assert answers.ask(HOST, 8081).server == other.short


def test_what_is_flushed_while_the_daemon_is_away_comes_back_with_it(lab, pair):
    web, client = pair
    lab.daemon.kill()
    lab.host.run("nft", "flush", "ruleset")
    assert not reached(lab.near, HOST, 8080)
    lab.daemon.start()
    with Server(lab.far, "tcp:80"):
        assert is_whole(lab, web, client)


def test_a_bridge_that_is_taken_down_is_mended_by_a_restart(lab, pair):
    web, _ = pair
    bridge = lab.daemon.get("/networks/bridge").json["Options"]["com.docker.network.bridge.name"]
    lab.daemon.kill()
    lab.host.run("ip", "link", "set", bridge, "down")
    lab.host.run("ip", "address", "flush", "dev", bridge)
    lab.daemon.start()
    with lab.near.inside():
        assert answers.ask(HOST, 8080).server == web.short


# --- the administrators' chain -------------------------------------------------------------------------------------


def test_the_administrators_chain(lab, pair):
    web, client = pair
    admin = ("inet", "berth-user", "forward")
    lab.load_rules(f"add rule {' '.join(admin)} meta l4proto tcp ct original proto-dst 8080 ip saddr {NEAR} drop")
    try:
        assert not reached(lab.near, HOST, 8080)
        with lab.far.inside():
            assert answers.ask(HOST_OUT, 8080).server == web.short
        rules = lab.rules("chain", *admin)
        assert NEAR in rules
        lab.run("-p", "8081:80")
        lab.daemon.restart(9)
        lab.daemon.restart()
        assert lab.rules("chain", *admin) == rules, "it is the administrators'"
        assert not reached(lab.near, HOST, 8080)
        # No way out for one container.
        lab.load_rules(f"add rule {' '.join(admin)} ip saddr {client.address()} drop")
        with Server(lab.far, "tcp:80"):
            assert web.ask(FAR).client == HOST_OUT and not client.reaches(FAR)
    finally:
        lab.host.run("nft", "flush", "chain", *admin)


def test_marked_packets_pass(bare_lab):
    lab = bare_lab
    made = lab.new_daemon("--bridge-accept-fwmark", "0x100/0x100")
    web = lab.run(on=made)
    with lab.route(lab.near, f"{web.address()}/32", "via", HOST):
        assert not reached(lab.near, web.address(), 80)
        lab.load_rules(f"add rule inet berth-user forward ip saddr {NEAR} meta mark set 0x100")
        with lab.near.inside():
            assert answers.ask(web.address(), 80).client == NEAR


# --- without packet rules ------------------------------------------------------------------------------------------


def test_without_packet_rules(bare_lab):
    lab = bare_lab
    made = lab.new_daemon("--iptables=false", "--ip6tables=false")
    first, second = lab.run("-p", "8080:80", on=made), lab.run(command=SLEEP, on=made)
    assert made.cgroup_tag not in lab.rules()
    assert second.ask(first.address()).client == second.address()
    # The administrator's own rules do the rest.
    subnet = first.address().rsplit(".", 2)[0] + ".0.0/16"
    with Server(lab.far, "tcp:80"), lab.route(lab.far, subnet, "via", HOST_OUT):
        assert first.ask(FAR).client == first.address()


def test_without_rules_for_one_family(bare_lab):
    lab = bare_lab
    made = lab.new_daemon("--ip6tables=false")
    net = lab.network("--ipv6", "--subnet", "fd00:a::/64", on=made)
    web = lab.run("--network", net, "-p", "8080:80", on=made)
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
        assert answers.ask(HOST6, 8080).server == web.short


# --- how much of it there is ---------------------------------------------------------------------------------------


def test_the_number_of_rules_does_not_grow_with_ports(lab):
    lab.run("-p", "8080:80", command=SLEEP)
    few = number_of_rules(lab, lab.daemon)
    lab.run(*(word for port in range(9000, 9020) for word in ("-p", f"{port}:80")), command=SLEEP)
    lab.run("-p", "9100:80/udp", command=SLEEP)
    assert number_of_rules(lab, lab.daemon) == few
    lab.network()
    assert number_of_rules(lab, lab.daemon) == few


# --- the end -------------------------------------------------------------------------------------------------------


def test_nothing_is_left_after_the_end(bare_lab):
    lab = bare_lab
    made = lab.new_daemon()
    nets = [lab.network("--ipv6", on=made), lab.network("--internal", on=made),
            lab.network("-o", "com.docker.network.bridge.enable_icc=false", on=made)]
    names = [lab.run("--network", net, "-p", "80", "-p", "81/udp", on=made).name for net in ("bridge", *nets)]
    assert {"interfaces", "addresses", "routes", "tables", "listeners"} == {
        one.split(":")[0] for one in lab.leftovers()}, "the test sees what there is"
    made.out("rm", "-f", *names)
    # Networks stay, their bridges don't: nobody uses them.
    made.stop()
    lab.wait_for_no_leftovers()
    made.start()
    for net in nets:
        web, client = lab.run("--network", net, on=made), lab.run("--network", net, command=SLEEP, on=made)
        if net == nets[2]:
            assert not client.reaches(web.address())
        else:
            assert client.ask(web.address()).server == web.short
        made.out("rm", "-f", web.name, client.name)
    # Killed, and ended by the next one.
    made.restart(9)
    made.out("network", "rm", *nets)
    made.stop()
    lab.wait_for_no_leftovers()
    # What is left at a kill without containers goes with the next daemon.
    made.start()
    made.kill()
    assert lab.leftovers()
    made.start()
    made.stop()
    lab.wait_for_no_leftovers()
    assert netlab.end_processes(lab.host) == []
    made.start()


def test_containers_keep_what_they_need_after_the_end(bare_lab):
    lab = bare_lab
    made = lab.new_daemon("--live-restore")
    net = lab.network(on=made)
    web, client = lab.run("--network", net, "-p", "8080:80", on=made), lab.run("--network", net, command=SLEEP, on=made)
    address = web.address()
    made.stop()
    with Server(lab.far, "tcp:80"), lab.near.inside():
        assert answers.ask(HOST, 8080).server == web.short
        assert client.ask(address).server == web.short and client.ask(FAR).client == HOST_OUT
    made.start()
    with lab.near.inside():
        assert answers.ask(HOST, 8080).server == web.short
