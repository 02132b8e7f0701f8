# SPDX-License-Identifier: Apache-2.0
"""How the daemon's packet rules live with those of others: its own table and no other, chains of others that drop, what is
flushed, the administrators' chain, --iptables=false; and that nothing stays behind."""

import json
import subprocess

import pytest
from support import answers, netlab
from support.netlab import FAR, HOST, HOST6, HOST_OUT, NEAR, Server, reaches, wait_until
from support.netlab_fixtures import bare_lab, lab, module_lab  # noqa: F401

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


def load(lab, text: str) -> None:
    subprocess.run([*lab.host.prefix, "nft", "-f", "-"], input=text, text=True, check=True)


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
        if not reaches(HOST, 8080):
            return False
    return client.reaches(FAR) and not client.reaches(web.address())


@pytest.fixture
def pair(lab):
    """A published server, and a client on another bridge."""
    return lab.run("-p", "8080:80"), lab.run("--network", lab.network(), command=SLEEP)


# --- our table and others' -----------------------------------------------------------------------------------------


def test_one_table_of_our_own(bare_lab):
    lab = bare_lab
    load(lab, FOREIGN.replace("policy drop", "policy accept").replace("reject with icmpx admin-prohibited", ""))
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
    assert lab.tables() == set(theirs) | {"inet berth-user"}
    assert {table: lab.rules("table", *table.split()) for table in theirs} == theirs


def test_others_chains_that_drop_get_one_marked_rule(bare_lab):
    lab = bare_lab
    load(lab, FOREIGN)
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
    load(lab, "table ip late { chain f { type filter hook forward priority 7; policy drop; }; }")
    wait_until(lambda: made.cgroup_tag in lab.rules("table", "ip", "late"))
    load(lab, "flush chain ip filter FORWARD\nadd rule ip filter FORWARD ip daddr 10.250.0.1 counter accept")
    wait_until(lambda: made.cgroup_tag in lab.rules("chain", "ip", "filter", "FORWARD"))
    with lab.near.inside():
        assert answers.ask(HOST, 8080).client == NEAR
    # What others drop otherwise stays dropped: this is not for other traffic through the host.
    with lab.route(lab.far, "192.0.2.9/32", "via", HOST_OUT), Server(lab.near, "tcp:81"):
        assert not reached(lab.far, NEAR, 81)
    load(lab, "delete table ip late")
    lab.reset()
    assert lab.end_daemon(made) == []
    lab.host.run("nft", "delete", "table", "inet", "berth-user")
    assert lab.rules() == before


def test_the_marked_rule_can_be_switched_off(bare_lab):
    lab = bare_lab
    load(lab, FOREIGN)
    before = {table: lab.rules("table", *table.split()) for table in lab.tables()}
    made = lab.new_daemon("--forward-accept=false")
    lab.run("-p", "8080:80", on=made)
    assert not reached(lab.near, HOST, 8080)
    assert {table: lab.rules("table", *table.split()) for table in before} == before
    warnings = [line for line in made.log().splitlines() if "FORWARD" in line]
    assert any("ip filter" in line for line in warnings) and len(warnings) <= 3, made.log()


def test_a_killed_daemons_rule_in_others_chains_is_not_doubled(bare_lab):
    lab = bare_lab
    load(lab, FOREIGN)
    made = lab.new_daemon()
    web = lab.run("-p", "8080:80", on=made)
    for number in (9, 15, 9):
        made.stop(number)
        with lab.near.inside():
            assert answers.ask(HOST, 8080).server == web.short
        made.start()
    lines = [line for line in lab.rules("chain", "ip", "filter", "FORWARD").splitlines() if made.cgroup_tag in line]
    assert len(lines) == 1, lines


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
    load(lab, f"add rule {' '.join(admin)} ct original proto-dst 8080 ip saddr {NEAR} counter drop")
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
        load(lab, f"add rule {' '.join(admin)} ip saddr {client.address()} drop")
        with Server(lab.far, "tcp:80"):
            assert not client.reaches(FAR) and web.reaches(FAR)
    finally:
        lab.host.run("nft", "flush", "chain", *admin)


def test_marked_packets_pass(bare_lab):
    lab = bare_lab
    made = lab.new_daemon("--bridge-accept-fwmark", "0x100/0x100")
    web = lab.run(on=made)
    with lab.route(lab.near, f"{web.address()}/32", "via", HOST):
        assert not reached(lab.near, web.address(), 80)
        load(lab, f"add rule inet berth-user forward ip saddr {NEAR} meta mark set 0x100")
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
        assert client.reaches(web.address()) == (net != nets[2])
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
