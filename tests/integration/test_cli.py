# SPDX-License-Identifier: Apache-2.0
"""The command line itself: spec, features, version, help, logging, unknown words."""

import json
import os

import pytest

needs = pytest.mark.needs

COMMANDS = ["create", "delete", "events", "exec", "features", "kill", "list", "pause", "ps", "resume", "run",
            "spec",
            "start", "state", "update"]


def bare(runtime, *args, **more):
    """Without the global flags that the tests usually give."""
    return runtime.call([str(runtime.binary), *args], **more)


# -- spec

def test_spec_writes_a_config_that_runs(runtime, bundle):
    runtime.cmd("spec", "--bundle", bundle.path)
    path = bundle.path / "config.json"
    config = json.loads(path.read_text())
    assert config["process"]["terminal"] is True
    assert config["process"]["args"] == ["sh"]
    assert config["root"] == {"path": "rootfs", "readonly": True}
    assert {n["type"] for n in config["linux"]["namespaces"]} >= {"pid", "network", "ipc", "uts", "mount"}
    config["process"].update(terminal=False, args=["/bin/echo", "runs"])
    config["linux"]["cgroupsPath"] = bundle.linux["cgroupsPath"]
    bundle.config = config
    assert runtime.run(bundle).out == "runs\n"


def test_spec_writes_to_the_current_directory(runtime):
    runtime.cmd("spec", cwd=runtime.work)
    assert json.loads((runtime.work / "config.json").read_text())["ociVersion"].startswith("1.")


def test_spec_does_not_overwrite(runtime):
    (runtime.work / "config.json").write_text("mine")
    result = runtime.cmd("spec", cwd=runtime.work, check=False)
    assert result.rc != 0 and "config.json" in result.error
    assert (runtime.work / "config.json").read_text() == "mine"


def test_spec_rootless(runtime):
    runtime.cmd("spec", "--rootless", cwd=runtime.work)
    config = json.loads((runtime.work / "config.json").read_text())
    types = {n["type"] for n in config["linux"]["namespaces"]}
    assert "user" in types and "network" not in types
    assert config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]


# -- features

def test_features(runtime):
    features = json.loads(runtime.cmd("features").out)
    assert features["ociVersionMin"] == "1.0.0"
    assert features["ociVersionMax"].startswith("1.")
    assert set(features["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer",
                                      "poststart",
                                      "poststop"}
    assert {"bind", "rbind", "ro", "nosuid", "tmpcopyup"} <= set(features["mountOptions"])
    linux = features["linux"]
    assert {"cgroup", "ipc", "mount", "network", "pid", "user", "uts"} <= set(linux["namespaces"])
    assert {"CAP_CHOWN", "CAP_SYS_ADMIN"} <= set(linux["capabilities"])
    assert linux["cgroup"]["v1"] and linux["cgroup"]["v2"]
    assert linux["seccomp"]["enabled"]
    assert {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY"} <= set(linux["seccomp"]["actions"])
    assert "SCMP_ARCH_X86_64" in linux["seccomp"]["archs"]


@needs("features of spec 1.1 and 1.2")
def test_features_of_later_versions(runtime):
    features = json.loads(runtime.cmd("features").out)
    assert features["ociVersionMax"] >= "1.2"
    assert {"rro", "idmap", "ridmap"} <= set(features["mountOptions"])
    assert "time" in features["linux"]["namespaces"]
    assert features["linux"]["mountExtensions"]["idmap"]["enabled"] is True


# -- version and help

@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_version(runtime, flag):
    """Docker and podman read this text: name and version first, then "spec: "."""
    lines = bare(runtime, flag).out.splitlines()
    assert lines[0].split()[:2] == [runtime.binary.name, "version"]
    assert any(line.startswith("spec: 1.") for line in lines)
    assert any(line.startswith("commit: ") for line in lines)


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_lists_the_commands(runtime, flag):
    text = bare(runtime, flag).out
    for command in COMMANDS:
        assert command in text.split(), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(runtime, command):
    assert command in bare(runtime, command, "--help").out


@pytest.mark.parametrize("command,flags", [
    ("create",
     ["--bundle", "--console-socket", "--pid-file", "--no-pivot", "--no-new-keyring", "--preserve-fds"]),
    ("run", ["--bundle", "--detach", "--no-subreaper", "--pid-file"]),
    ("exec", ["--process", "--tty", "--user", "--env", "--cwd", "--cap", "--detach", "--pid-file", "--cgroup",
              "--preserve-fds", "--console-socket", "--additional-gids", "--no-new-privs", "--apparmor",
              "--process-label", "--ignore-paused"]),
    ("kill", ["--all"]), ("delete", ["--force"]), ("list", ["--format", "--quiet"]), ("ps", ["--format"]),
    ("events", ["--interval", "--stats"]), ("spec", ["--bundle", "--rootless"]),
    ("update", ["--resources", "--memory", "--memory-swap", "--cpu-quota", "--cpuset-cpus", "--pids-limit",
                "--blkio-weight"])])
def test_help_names_the_flags(runtime, command, flags):
    text = bare(runtime, command, "--help").out
    for flag in flags:
        assert flag in text, flag


# -- words that are not known

def test_an_unknown_command(runtime):
    result = bare(runtime, "nonsense", check=False)
    assert result.rc != 0 and "nonsense" in result.err + result.out


@pytest.mark.parametrize("args",
                         [["--nonsense", "list"], ["list", "--nonsense"], ["create", "--nonsense", "x"]])
def test_an_unknown_flag(runtime, args):
    result = bare(runtime, *args, check=False)
    assert result.rc != 0 and "nonsense" in result.err + result.out


@pytest.mark.parametrize("args",
                         [["create"], ["start"], ["state"], ["kill"], ["delete"], ["exec"], ["exec", "x"],
                                  ["ps"], ["pause"], ["resume"], ["update"], ["events"], ["state", "a", "b"],
                                  ["list", "a"], ["run"]])
def test_a_wrong_number_of_arguments(runtime, args):
    result = runtime.cmd(*args, check=False)
    assert result.rc != 0, result
    assert runtime.ids() == []


def test_an_option_without_its_value(runtime):
    assert runtime.cmd("create", "--bundle", check=False).rc != 0


@pytest.mark.parametrize("form", [["--bundle", "{}"], ["-b", "{}"], ["--bundle={}"], ["-b={}"]])
def test_forms_of_a_flag(runtime, bundle, form):
    bundle.args("/bin/echo", "found").write()
    flags = [word.format(bundle.path) for word in form]
    assert runtime.cmd("run", *flags, runtime.new_id()).out == "found\n"


def test_flags_of_the_containers_program_are_its_own(runtime, bundle):
    container = runtime.paused(bundle)
    assert container.exec("/bin/echo", "-e", "--tty", "-d").out == "--tty -d\n"


@pytest.mark.parametrize("flag", ["--systemd-cgroup=false", "--rootless=false", "--rootless=auto", "--debug"])
def test_global_flags(runtime, bundle, flag):
    bundle.write()
    assert runtime.cmd("run", "--bundle", bundle.path, runtime.new_id(), globals=[flag]).rc == 0


def test_criu_is_not_there_or_refused_clearly(runtime):
    result = runtime.cmd("checkpoint", "no-such-container", check=False)
    assert result.rc != 0


# -- logging

def test_errors_go_to_stderr_without_a_log(runtime):
    result = bare(runtime, "--root", str(runtime.root), "state", "nobody", check=False)
    assert result.rc == 1 and "does not exist" in result.err and result.out == ""


def test_errors_go_to_the_log_and_to_stderr(runtime):
    result = runtime.cmd("state", "nobody", check=False)
    entry = json.loads(result.log.splitlines()[-1])
    assert entry["level"] == "error" and "does not exist" in entry["msg"]
    assert "does not exist" in result.err


def test_the_text_format(runtime):
    log = runtime.work / "text.log"
    bare(runtime, "--root", str(runtime.root), "--log", str(log), "--log-format", "text", "state", "nobody",
         check=False)
    line = log.read_text().splitlines()[-1]
    assert line.startswith("time=") and "level=error" in line and 'msg="' in line


def test_the_log_is_appended_to(runtime):
    runtime.log.write_text('{"level":"info","msg":"before"}\n')
    runtime.cmd("state", "nobody", check=False)
    lines = runtime.log.read_text().splitlines()
    assert "before" in lines[0] and len(lines) >= 2


@pytest.mark.parametrize("args", [["--log-format", "nonsense"], ["--log", "/no/such/dir/log"]])
def test_invalid_log_flags(runtime, args):
    assert bare(runtime, *args, "list", check=False).rc != 0


def test_debug_writes_more(runtime, bundle):
    bundle.write()
    log = runtime.work / "debug.log"
    bare(runtime, "--root", str(runtime.root), "--debug", "--log", str(log), "--log-format", "json", "run",
         "--bundle",
         str(bundle.path), runtime.new_id())
    assert any(json.loads(line)["level"] == "debug" for line in log.read_text().splitlines())


def test_the_root_comes_from_the_flag_only(runtime, bundle):
    container = runtime.paused(bundle)
    assert (runtime.root / container.id).is_dir()
