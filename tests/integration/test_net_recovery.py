# SPDX-License-Identifier: Apache-2.0
"""A daemon's start where a shim does not answer, and where things have gone from the host meanwhile."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from support import answers
from support.dns_packets import NOERROR, ask
from support.netlab import HOST, wait_until
from support.netlab_fixtures import lab, module_lab  # noqa: F401

SLEEP = ("sleep", "1000")


def shim_of(container) -> int:
    """The parent of the container's program."""
    return int(Path(f"/proc/{container.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


@contextmanager
def mute(container):
    """Its shim answers nobody, while its program runs on."""
    pid = shim_of(container)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def restart(lab) -> None:
    lab.daemon.kill()
    lab.daemon.start()


def addresses(container, name: str) -> list[str]:
    with container.inside():
        reply = ask(name)
    assert reply.code == NOERROR, reply
    return reply.values


def wait_until_back(lab, container) -> None:
    """What is asked of it waits for its shim."""
    assert lab.daemon.post(f"/containers/{container.id}/update", {}).status == 200


def test_nobody_gets_what_a_container_has_whose_shim_does_not_answer(lab):
    net = lab.network()
    web = lab.run("--network", net, "--network-alias", "web", "-p", "8081:80")
    peer = lab.run("--network", net, command=SLEEP)
    before = web.endpoint()
    with mute(web):
        restart(lab)
        assert web.endpoint()["IPAddress"] == before["IPAddress"]
        members = lab.daemon.get(f"/networks/{net}").json["Containers"]
        assert members[web.id]["IPv4Address"].split("/")[0] == before["IPAddress"]
        # Its port works, and is nobody else's.
        with lab.near.inside():
            assert answers.ask(HOST, 8081).server == web.short
        name = lab.daemon.new_name()
        text = lab.daemon.fails("run", "-d", "--name", name, "-p", "8081:80", answers.IMAGE, "answer", "tcp:80", status=125)
        assert "port is already allocated" in text and web.name in text
        lab.daemon.out("rm", "-f", name)
        others = [lab.run("--network", net) for _ in range(3)]
        taken = [one.address() for one in (*others, peer)]
        assert before["IPAddress"] not in taken and len(set(taken)) == 4
        assert addresses(peer, "web") == [before["IPAddress"]]
    wait_until_back(lab, web)
    assert web.endpoint() == before
    # Those who came and go take nothing of it along.
    for one in others:
        lab.daemon.out("rm", "-f", one.name)
    with lab.near.inside():
        assert answers.ask(HOST, 8081).server == web.short
    # Its DNS sockets are those that the shim has, now and after another restart.
    assert addresses(web, peer.name) == [peer.address()]
    restart(lab)
    assert addresses(web, peer.name) == [peer.address()] and addresses(peer, "web") == [before["IPAddress"]]
    lab.daemon.out("rm", "-f", web.name)
    again = lab.run("--network", net, "--network-alias", "web", "-p", "8081:80")
    with lab.near.inside():
        assert answers.ask(HOST, 8081).server == again.short


def test_a_service_keeps_its_port_where_a_shim_does_not_answer(lab):
    labels = ("--label", "berth.service=web")
    net = lab.network()
    web = lab.run("--network", net, *labels, "-p", "8082:80")
    with mute(web):
        restart(lab)
        with lab.near.inside():
            assert answers.ask(HOST, 8082).server == web.short
    wait_until_back(lab, web)
    other = lab.run("--network", net, *labels, "-p", "8082:80")

    def servers():
        with lab.near.inside():
            return {answers.ask(HOST, 8082).server for _ in range(4)}

    wait_until(lambda: servers() == {web.short, other.short}, "both replicas")


def test_what_a_container_had_is_free_where_it_ended_and_its_shim_did_not_answer(lab):
    net = lab.network("--subnet", "10.66.0.0/24")
    place = "--network", net, "--ip", "10.66.0.7", "-p", "8083:80"
    web = lab.run(*place)
    shim = shim_of(web)
    os.kill(shim, signal.SIGSTOP)
    try:
        restart(lab)
        os.kill(web.pid, signal.SIGKILL)
        lab.daemon.fails("run", "-d", *place, answers.IMAGE, "answer", "tcp:80", status=125)
    finally:
        os.kill(shim, signal.SIGCONT)
    lab.daemon.wait_until(web.name, lambda found: not found["State"]["Running"])

    def is_free():
        return not lab.daemon.get(f"/networks/{net}").json["Containers"]

    wait_until(is_free, "its place in the network")
    again = lab.run(*place)
    with lab.near.inside():
        assert answers.ask(HOST, 8083).server == again.short


def test_another_process_s_network_is_not_touched(lab):
    """The record's pid may be anybody's where the shim has not said that it is the container's."""
    net = lab.network()
    web = lab.run("--network", net)
    with mute(web):
        listeners = web.enter("ss", "-H", "-a", "-n", "-t", "-u")
        rules = web.enter("nft", "list", "ruleset")
        restart(lab)
        assert web.enter("ss", "-H", "-a", "-n", "-t", "-u") == listeners
        assert web.enter("nft", "list", "ruleset") == rules
    wait_until_back(lab, web)
    assert addresses(web, web.name) == [web.address()]


def test_an_interface_of_another_name_stays_where_a_connect_fails(lab):
    """The name is another endpoint's, or the container made it itself."""
    one, two = lab.network(), lab.network()
    web = lab.run("--network", one, "--cap-add", "NET_ADMIN")
    web.enter("ip", "link", "add", "own0", "type", "bridge")
    for name in ("eth0", "own0", "lo", "a/b", "eth%d", "x" * 16, "with space"):
        answer = lab.daemon.post(f"/networks/{two}/connect", {
            "Container": web.name, "EndpointConfig": {"DriverOpts": {"com.docker.network.endpoint.ifname": name}}})
        assert answer.status >= 400, name
    assert "own0" in web.enter("ip", "-br", "link")
    assert set(web.networks()) == {one}
    with lab.host.inside():
        assert answers.ask(web.address(), 80).server == web.short
    lab.daemon.out("network", "connect", two, web.name)
    assert "eth1" in web.enter("ip", "-br", "link")


def test_a_container_s_new_name_is_in_conflicts(lab):
    web = lab.run("-p", "8084:80")
    name = lab.daemon.new_name()
    lab.daemon.out("rename", web.name, name)
    assert f"by container {name}" in lab.daemon.fails("run", "-p", "8084:80", answers.IMAGE, "true", status=125)


def test_links_variables_are_there_for_who_joins_the_container(lab):
    db = lab.run("--expose", "5432")
    web = lab.run("--link", f"{db.name}:db", "-e", "DB_NAME=own")
    for _ in range(2):
        shown = lab.daemon.out("exec", "-e", "DB_PORT_5432_TCP_PROTO=mine", web.name, "cat",
                               "/proc/self/environ").split("\0")
        assert f"DB_PORT=tcp://{db.address()}:5432" in shown
        assert "DB_NAME=own" in shown and "DB_PORT_5432_TCP_PROTO=mine" in shown
        restart(lab)


def test_events_of_a_container_that_does_not_run(lab):
    net = lab.network()
    name = lab.daemon.new_name()
    lab.daemon.out("create", "--name", name, answers.IMAGE, "answer", "tcp:80")
    since = time.time()
    lab.daemon.out("network", "connect", net, name)
    lab.daemon.out("network", "disconnect", net, name)
    query = f"since={since}&until={time.time()}&filters=%7B%22type%22%3A%5B%22network%22%5D%7D"
    events = lab.daemon.get(f"/events?{query}").lines
    # As dockerd.
    assert [(one["Action"], one["Actor"]["Attributes"]["name"]) for one in events] == [("disconnect", net)]
    assert events[0]["Actor"]["Attributes"]["container"] == lab.daemon.inspect(name)["Id"]


def test_a_bridge_that_was_deleted_meanwhile_has_its_containers_again(lab):
    net = lab.network()
    web, peer = lab.run("--network", net, "-p", "8085:80"), lab.run("--network", net)
    device = f"br-{lab.daemon.get(f'/networks/{net}').json['Id'][:12]}"
    lab.daemon.kill()
    lab.host.run("ip", "link", "del", device)
    lab.daemon.start()
    assert peer.ask(web.address()).server == web.short
    with lab.near.inside():
        assert answers.ask(HOST, 8085).server == web.short
