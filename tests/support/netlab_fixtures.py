# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests with hosts and cables; a test file imports those it wants."""

from pathlib import Path

import pytest

from support import netlab


@pytest.fixture(scope="module")
def module_lab(berth_program):
    """One for a file, with one daemon."""
    made = netlab.Lab()
    yield made
    left = made.close()
    assert not left, f"left behind: {left}"


@pytest.fixture
def lab(module_lab, request):
    """The file's; what a test made in it is removed after it, also daemons of its own."""
    common = module_lab.daemons[:]
    request.node.berth_daemons = module_lab.daemons
    for made in common:
        made.log_mark = len(made.log())
    yield module_lab
    left = []
    for made in module_lab.daemons[:]:
        if made not in common:
            left += module_lab.end_daemon(made)
    module_lab.reset()
    if left and not getattr(request.node, "berth_failed", False):
        pytest.fail(f"the test left behind: {left}", pytrace=False)


@pytest.fixture
def bare_lab(berth_program, request):
    """Hosts without a daemon; those that the test makes end with it."""
    made = netlab.Lab(start=False)
    request.node.berth_daemons = made.daemons
    yield made
    left = made.close()
    if left and not getattr(request.node, "berth_failed", False):
        pytest.fail(f"the test left behind: {left}", pytrace=False)


@pytest.fixture(params=[0, 1], ids=["bridges", "br_netfilter"])
def bridge_filter(lab, request):
    """Frames between two ports of a bridge pass the packet rules of IP, or don't: Docker and Kubernetes load the
    module that has the switch."""
    switch = "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"
    if not Path("/proc/sys/net/bridge").exists():
        if request.param:
            pytest.skip("br_netfilter is not loaded")
        yield
        return
    before = [lab.host.run("sysctl", "-n", name).strip() for name in switch]
    lab.host.run("sysctl", "-qw", *(f"{name}={request.param}" for name in switch))
    yield
    lab.host.run("sysctl", "-qw", *(f"{name}={value}" for name, value in zip(switch, before)))
