# SPDX-License-Identifier: Apache-2.0
"""Failures: the message says what is wrong, the exit code is the expected one, nothing stays behind."""

import json
import os

import pytest

from support import oci

needs = pytest.mark.needs


def fails(runtime, result, *words):
    """The command failed, said each of these words, and left nothing."""
    assert result.rc != 0, result
    for word in words:
        assert word in result.error, f"no {word!r} in the error: {result}"
    runtime.assert_clean()
    assert runtime.ids() == []


# -- config.json

def test_no_bundle(runtime):
    result = runtime.cmd("create", "--bundle", runtime.work / "missing", runtime.new_id(), check=False)
    fails(runtime, result, "missing")


def test_no_config(runtime, bundle):
    result = runtime.cmd("create", "--bundle", bundle.path, runtime.new_id(), check=False)
    fails(runtime, result, "config.json")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ociVersion": "1.0.2"', "null"])
def test_config_is_not_json(runtime, bundle, text):
    (bundle.path / "config.json").write_text(text)
    result = runtime.cmd("create", "--bundle", bundle.path, runtime.new_id(), check=False)
    fails(runtime, result)


def set_field(config, path, value):
    *parents, last = path
    for name in parents:
        config = config[name]
    config[last] = value


INVALID = [
    ("process.args", ("process", "args"), []),
    ("process.cwd", ("process", "cwd"), ""),
    ("process.cwd", ("process", "cwd"), "relative/path"),
    ("process.args", ("process", "args"), "not a list"),
    ("process.user.uid", ("process", "user"), {"uid": "zero", "gid": 0}),
    ("root", ("root",), {"path": "no-such-rootfs"}),
    ("process.rlimits", ("process", "rlimits"), [{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]),
    ("process.rlimits", ("process", "rlimits"), [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
    ("linux.namespaces", ("linux", "namespaces"), [{"type": "nonsense"}]),
    ("linux.namespaces", ("linux", "namespaces"), [{"type": "mount"}, {"type": "mount"}]),
    ("linux.devices", ("linux", "devices"), [{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}]),
    ("linux.rootfsPropagation", ("linux", "rootfsPropagation"), "sideways"),
    ("linux.seccomp.defaultAction", ("linux", "seccomp"), {"defaultAction": "SCMP_ACT_NONSENSE"}),
    ("linux.uidMappings", ("linux", "uidMappings"), [{"containerID": 0, "hostID": 0, "size": 1}]),
    ("hooks", ("hooks",), {"createRuntime": [{"path": "relative"}]}),
]


@needs("validation before anything is made, naming the field")
@pytest.mark.parametrize("field,path,value", INVALID, ids=[f"{f}-{i}" for i, (f, _, _) in enumerate(INVALID)])
def test_an_invalid_field_is_named(runtime, bundle, field, path, value):
    set_field(bundle.config, path, value)
    fails(runtime, runtime.try_create(bundle), field)


@needs("validation before anything is made, naming the field")
@pytest.mark.parametrize("field", ["ociVersion", "process.cwd", "root"])
def test_a_missing_field_is_named(runtime, bundle, field):
    *parents, last = field.split(".")
    owner = bundle.config
    for name in parents:
        owner = owner[name]
    del owner[last]
    fails(runtime, runtime.try_create(bundle), field)


@needs("validation before anything is made, naming the field")
def test_a_mount_is_named_by_index(runtime, bundle):
    bundle.mounts[2].pop("destination")
    fails(runtime, runtime.try_create(bundle), "mounts[2]", "destination")


def test_unknown_fields_are_ignored(runtime, bundle):
    bundle.config["org.example.future"] = {"a": 1}
    bundle.process["futureField"] = [1, 2]
    assert runtime.run(bundle).rc == 0


def test_an_unknown_version_is_refused(runtime, bundle):
    if runtime.foreign:
        pytest.skip("runc takes any version")
    bundle.config["ociVersion"] = "2.0.0"
    fails(runtime, runtime.try_create(bundle), "ociVersion")


# -- the program

def test_a_program_that_is_not_in_path(runtime, bundle):
    result = runtime.run(bundle.args("no-such-program"))
    fails(runtime, result, 'exec: "no-such-program": executable file not found in $PATH')
    assert result.rc == (1 if runtime.foreign else 127)


def test_an_absolute_program_that_does_not_exist(runtime, bundle):
    result = runtime.run(bundle.args("/no/such/program"))
    fails(runtime, result, 'exec: "/no/such/program"', "no such file or directory")
    assert result.rc == (1 if runtime.foreign else 127)


def test_a_program_without_x(runtime, bundle):
    (bundle.rootfs / "bin/plain").write_text("#!/bin/sh\n")
    result = runtime.run(bundle.args("/bin/plain"))
    fails(runtime, result, 'exec: "/bin/plain"', "permission denied")
    assert result.rc == (1 if runtime.foreign else 126)


def test_a_directory_is_no_program(runtime, bundle):
    result = runtime.run(bundle.args("/bin"))
    fails(runtime, result, 'exec: "/bin"')
    assert result.rc == (1 if runtime.foreign else 126)


def test_a_program_of_an_unknown_format(runtime, bundle):
    path = bundle.rootfs / "bin/garbage"
    path.write_bytes(b"\x00\x01garbage")
    path.chmod(0o755)
    result = runtime.run(bundle.args("/bin/garbage"))
    fails(runtime, result, "exec format error")
    assert result.rc == (1 if runtime.foreign else 126)


def test_a_program_not_in_path_fails_create(runtime, bundle):
    """Docker and podman expect the lookup to fail at create, before start."""
    fails(runtime, runtime.try_create(bundle.args("no-such-program")), "executable file not found in $PATH")


# -- what create needs

def test_a_cwd_that_is_no_directory(runtime, bundle):
    bundle.process["cwd"] = "/etc/passwd"
    fails(runtime, runtime.run(bundle), "/etc/passwd")


def test_a_bind_source_that_does_not_exist(runtime, bundle):
    bundle.mount("/mnt", source="/no/such/source")
    fails(runtime, runtime.run(bundle), "/no/such/source", "no such file or directory")


def test_a_file_cannot_be_mounted_on_a_directory(runtime, bundle):
    bundle.mount("/etc", source="/etc/passwd")
    fails(runtime, runtime.run(bundle), "not a directory")


def test_an_unknown_file_system(runtime, bundle):
    bundle.mount("/mnt", kind="nonsensefs", options=())
    fails(runtime, runtime.run(bundle), "nonsensefs", "no such device")


def test_an_invalid_file_system_option(runtime, bundle):
    bundle.mount("/mnt", kind="tmpfs", options=["nonsense=1"])
    fails(runtime, runtime.run(bundle), "/mnt")


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "pid"])
def test_a_namespace_path_that_does_not_exist(runtime, bundle, kind):
    bundle.namespace(kind, "/no/such/namespace")
    fails(runtime, runtime.try_create(bundle), "/no/such/namespace")


def test_a_namespace_path_of_another_type(runtime, bundle):
    bundle.namespace("network", "/proc/self/ns/uts")
    fails(runtime, runtime.try_create(bundle))


def test_a_namespace_path_that_is_no_namespace(runtime, bundle):
    bundle.namespace("network", "/etc/passwd")
    fails(runtime, runtime.try_create(bundle), "/etc/passwd" if not runtime.foreign else "")


def test_a_sysctl_outside_the_namespaces(runtime, bundle):
    bundle.linux["sysctl"] = {"kernel.panic": "1"}
    fails(runtime, runtime.try_create(bundle), "kernel.panic")


def test_a_network_sysctl_needs_a_network_namespace(runtime, bundle):
    bundle.drop_namespace("network")
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    fails(runtime, runtime.try_create(bundle), "net.ipv4.ip_forward")


def test_hostname_needs_a_uts_namespace(runtime, bundle):
    bundle.drop_namespace("uts")
    fails(runtime, runtime.try_create(bundle), "hostname")


def test_a_gid_outside_the_mapping(runtime, bundle):
    bundle.user_namespace(size=1000)
    bundle.process["user"] = {"uid": 0, "gid": 5000}
    fails(runtime, runtime.run(bundle))


def test_a_terminal_without_console_socket_when_detached(runtime, bundle):
    bundle.process["terminal"] = True
    fails(runtime, runtime.try_create(bundle), "console")


def test_a_console_socket_without_terminal(runtime, bundle):
    socket = runtime.console_socket()
    fails(runtime, runtime.try_create(bundle, "--console-socket", socket.path), "console")


def test_a_console_socket_that_does_not_exist(runtime, bundle):
    bundle.process["terminal"] = True
    fails(runtime, runtime.try_create(bundle, "--console-socket", runtime.work / "missing"), "missing")


def test_a_pid_file_that_cannot_be_written(runtime, bundle):
    result = runtime.try_create(bundle, "--pid-file", "/no/such/dir/pid")
    fails(runtime, result, "/no/such/dir")


# -- identifiers and order of commands

@pytest.mark.parametrize("ident", ["", "a/b", "..", ".", "../x", "-x y", "a b", "a\nb", "x" * 2000, "é"])
def test_invalid_ids(runtime, bundle, ident):
    fails(runtime, runtime.try_create(bundle, "--", ident=ident))


@pytest.mark.parametrize("ident", ["a", "0", "with_underscore", "dots.and-dash", "plus+", "A1"])
def test_valid_ids(runtime, bundle, ident):
    assert runtime.run(bundle, ident=runtime.tag + ident).rc == 0


@pytest.mark.parametrize("verb", ["state", "start", "delete", "pause", "resume", "ps", "events"])
def test_commands_on_a_container_that_does_not_exist(runtime, verb):
    fails(runtime, runtime.cmd(verb, "no-such-container", check=False), "does not exist")


def test_kill_and_exec_of_a_container_that_does_not_exist(runtime):
    fails(runtime, runtime.cmd("kill", "no-such-container", "KILL", check=False), "does not exist")
    fails(runtime, runtime.cmd("exec", "no-such-container", "true", check=False), "does not exist")
    fails(runtime, runtime.cmd("update", "--pids-limit", "10", "no-such-container", check=False),
          "does not exist")


def test_an_id_is_taken_once(runtime, bundle):
    container = runtime.paused(bundle)
    result = runtime.try_create(runtime.bundle(), ident=container.id)
    assert result.rc != 0 and "already exists" in result.error or "already" in result.error, result
    assert container.state()["status"] == "running"
    container.kill("TERM")
    assert container.wait() == 0


def test_start_of_a_running_container(runtime, bundle):
    container = runtime.paused(bundle)
    result = container.cmd("start", check=False)
    assert result.rc != 0 and "running" in result.error, result
    assert container.state()["status"] == "running"


def test_start_of_a_stopped_container(runtime, bundle):
    container = runtime.launch(bundle)
    container.wait()
    result = container.cmd("start", check=False)
    assert result.rc != 0 and "stopped" in result.error, result


def test_kill_of_a_stopped_container(runtime, bundle):
    container = runtime.launch(bundle)
    container.wait()
    result = container.kill("KILL", check=False)
    assert result.rc != 0
    assert "not running" in result.error or "stopped" in result.error, result


def test_an_unknown_signal(runtime, bundle):
    container = runtime.paused(bundle)
    result = container.kill("NONSENSE", check=False)
    assert result.rc != 0 and "NONSENSE" in result.error
    assert container.state()["status"] == "running"


def test_exec_in_a_stopped_container(runtime, bundle):
    container = runtime.launch(bundle)
    container.wait()
    result = container.exec("/bin/true", check=False)
    assert result.rc != 0 and ("not running" in result.error or "stopped" in result.error), result


def test_a_damaged_state_file_is_an_error_of_that_container_only(runtime, bundle):
    good = runtime.paused(bundle)
    bad = runtime.create(runtime.bundle())
    state = runtime.root / bad.id / "state.json"
    kept = state.read_text()
    state.write_text("{")
    assert runtime.cmd("state", bad.id, check=False).rc != 0
    assert good.id in runtime.cmd("list", "-q", check=False).out
    assert good.state()["status"] == "running"
    state.write_text(kept)


def test_an_error_is_written_to_the_json_log(runtime, bundle):
    result = runtime.run(bundle.args("no-such-program"))
    last = json.loads(result.log.splitlines()[-1])
    assert last["level"] == "error" and "no-such-program" in last["msg"] and last["time"]


# -- what the host cannot give is left out with a warning

@needs("a warning instead of a failure")
def test_a_capability_outside_the_bounding_set_is_left_out(runtime, bundle):
    from support import host

    missing = [(n, name) for n, name in ((24, "CAP_SYS_RESOURCE"), (16, "CAP_SYS_MODULE"))
               if not host.bounding_set() >> n & 1]
    if not missing:
        pytest.skip("every capability is in the bounding set here")
    number, name = missing[0]
    bundle.capabilities("CAP_KILL", name)
    result = runtime.run(bundle.probe("caps"), check=True)
    assert int(result.facts["effective"], 16) == 1 << 5
    assert name in result.log and '"warning"' in result.log


@needs("a warning instead of a failure")
def test_an_unknown_capability_is_left_out(runtime, bundle):
    bundle.capabilities("CAP_KILL", "CAP_FROM_THE_FUTURE")
    result = runtime.run(bundle.probe("caps"), check=True)
    assert int(result.facts["effective"], 16) == 1 << 5
    assert "CAP_FROM_THE_FUTURE" in result.log


@needs("a warning instead of a failure")
def test_a_higher_rlimit_than_allowed_is_capped(runtime, bundle):
    import resource

    from support import host

    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if host.bounding_set() >> 24 & 1 or hard == resource.RLIM_INFINITY:
        pytest.skip("any limit can be raised here")
    bundle.process["rlimits"] = [{"type": "RLIMIT_NPROC", "soft": hard + 1000, "hard": hard + 1000}]
    result = runtime.run(bundle.probe("rlimit nproc"), check=True)
    assert result.facts["rlimit.nproc"] == f"{hard} {hard}"
    assert "RLIMIT_NPROC" in result.log


@needs("a warning instead of a failure")
def test_apparmor_that_the_host_lacks_is_left_out(runtime, bundle):
    if os.path.exists("/sys/module/apparmor/parameters/enabled"):
        pytest.skip("this machine has AppArmor")
    bundle.process["apparmorProfile"] = "some-profile"
    result = runtime.run(bundle)
    assert result.rc == 0 and "apparmor" in result.log.lower(), result


# -- clean-up at every step: a failure late in create takes back all that was made before

LATE_FAILURES = {
    "mount": lambda b: b.mount("/mnt", kind="nonsensefs", options=()),
    "device-hidden": lambda b: b.mount("/dev/null", source="/no/such/source"),
    "cwd": lambda b: b.process.update(cwd="/etc/passwd/x"),
    "program": lambda b: b.args("/no/such/program"),
    "namespace": lambda b: b.namespace("ipc", "/proc/self/ns/uts"),
    "sysctl": lambda b: b.linux.update(sysctl={"net.nonsense.key": "1"}),
    "hook": lambda b: b.hook("createContainer", "/bin/false"),
    "prestart": lambda b: b.hook("prestart", "/bin/false"),
    "create-runtime": lambda b: b.hook("createRuntime", "/no/such/hook"),
}


@pytest.mark.parametrize("failure", LATE_FAILURES)
@pytest.mark.parametrize("pid_namespace", [True, False], ids=["pidns", "host-pid"])
def test_nothing_is_left_after_a_failed_create(runtime, bundle, failure, pid_namespace):
    if not pid_namespace:
        bundle.drop_namespace("pid")
    LATE_FAILURES[failure](bundle)
    fails(runtime, runtime.try_create(bundle))


@pytest.mark.parametrize("failure", LATE_FAILURES)
def test_nothing_is_left_after_a_failed_run(runtime, bundle, failure):
    LATE_FAILURES[failure](bundle)
    before = {m.point for m in oci.mounts_of()}
    fails(runtime, runtime.run(bundle))
    assert {m.point for m in oci.mounts_of()} <= before
    assert not [m for m in oci.mounts_of() if str(runtime.work) in m.root]
