# SPDX-License-Identifier: Apache-2.0
"""The devices cgroup (v1) or its BPF program (v2): what may be opened."""

import pytest

KMSG = {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
pytestmark = pytest.mark.vm_short


def kmsg(runtime, bundle, *rules):
    """What opening a device that exists in the container, but is none of the defaults, gives: read, write."""
    bundle.linux["devices"] = [dict(KMSG)]
    bundle.resources["devices"] = [{"allow": False, "access": "rwm"}, *rules]
    bundle.capabilities("CAP_SYSLOG", "CAP_SYS_ADMIN", "CAP_MKNOD")
    seen = [runtime.probe(bundle, f"open /dev/kmsg {mode}")["open./dev/kmsg"] for mode in "rw"]
    return tuple(seen)


def test_a_device_is_denied_by_default(runtime, bundle):
    assert kmsg(runtime, bundle) == ("EPERM", "EPERM")


@pytest.mark.parametrize("access,expected",
                         [("rwm", ("ok", "ok")), ("rw", ("ok", "ok")), ("r", ("ok", "EPERM")),
                                             ("w", ("EPERM", "ok")), ("m", ("EPERM", "EPERM"))])
def test_a_device_is_allowed(runtime, bundle, access, expected):
    assert kmsg(runtime, bundle,
                {"allow": True, "type": "c", "major": 1, "minor": 11, "access": access}) == expected


@pytest.mark.parametrize("rule", [
    {"allow": True, "access": "rwm"},
    {"allow": True, "type": "a", "access": "rwm"},
    {"allow": True, "type": "c", "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "access": "rwm"},
    {"allow": True, "type": "c", "major": -1, "minor": -1, "access": "rwm"},
], ids=["none", "a", "c", "c1", "wildcards"])
def test_wildcards(runtime, bundle, rule):
    assert kmsg(runtime, bundle, rule) == ("ok", "ok")


def test_a_rule_of_another_type_or_number_does_not_count(runtime, bundle):
    assert kmsg(runtime, bundle, {"allow": True, "type": "b", "major": 1, "minor": 11, "access": "rwm"},
                {"allow": True, "type": "c", "major": 1, "minor": 12, "access": "rwm"}) == ("EPERM", "EPERM")


def test_a_later_denial_takes_back(runtime, bundle):
    allow = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rwm"}
    deny = {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "w"}
    assert kmsg(runtime, bundle, allow, deny) == ("ok", "EPERM")


def test_all_but_one(runtime, bundle):
    assert kmsg(runtime, bundle, {"allow": True, "access": "rwm"},
                {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwm"}) == ("EPERM", "EPERM")


def test_default_devices_are_always_allowed(runtime, bundle):
    names = ("null", "zero", "full", "random", "urandom")
    seen = runtime.probe(bundle, *[f"open /dev/{name} r" for name in names])
    assert set(seen.values()) == {"ok"}


def test_mknod_is_allowed_but_not_its_use(runtime, bundle):
    bundle.capabilities("CAP_MKNOD")
    bundle.resources["devices"].append({"allow": True, "type": "b", "access": "m"})
    seen = runtime.probe(bundle, "mknod /tmp/disk b 7 0", "open /tmp/disk r")
    assert seen["mknod./tmp/disk"] == "ok"
    assert seen["open./tmp/disk"] in ("EPERM", "EACCES")  # EACCES: the bundle lies on a file system without devices


def test_exec_is_bound_by_the_device_rules(runtime, bundle):
    bundle.linux["devices"] = [dict(KMSG)]
    bundle.capabilities("CAP_SYSLOG", "CAP_SYS_ADMIN")
    assert runtime.paused(bundle).exec_probe("open /dev/kmsg r")["open./dev/kmsg"] == "EPERM"
