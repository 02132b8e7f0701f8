# SPDX-License-Identifier: Apache-2.0
"""podman and dockerd run containers with the runtime, unaware that it is not theirs."""

import shlex
import shutil
import tempfile
from pathlib import Path

import pytest

from support import engines, host, oci

MiB = 1 << 20
MEMORY_LIMIT = "/sys/fs/cgroup/" + ("memory/memory.limit_in_bytes" if host.cgroup_mode() == "v1"
                                    else "memory.max")


@pytest.fixture(scope="module")
def engine_work():
    paths = []

    def make() -> Path:
        paths.append(Path(tempfile.mkdtemp(prefix="berth-engine-")))
        return paths[-1]

    yield make
    for path in paths:
        for entry in reversed(oci.mounts_of()):
            if Path(entry.point).is_relative_to(path):
                oci.umount(entry.point)
        shutil.rmtree(path, ignore_errors=True)


def _open(kind, programs, binary, root_maker, engine_work):
    if not engines.available(*programs):
        pytest.skip(f"{', '.join(programs)}: not installed")
    engine = kind(binary, engine_work(), root_maker)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def podman(binary, root_maker, engine_work):
    yield from _open(engines.Podman, ("podman", "conmon"), binary, root_maker, engine_work)


@pytest.fixture(scope="module")
def docker(binary, root_maker, engine_work):
    yield from _open(engines.Docker, ("dockerd", "docker", "containerd", "unshare"), binary, root_maker,
                     engine_work)


@pytest.fixture(params=["podman", "docker"])
def engine(request):
    return request.getfixturevalue(request.param)


WAITING = oci.probe_argv("catch 15 0", "say ready", "pause")


@pytest.fixture
def waiting(engine):
    """A container that ends with 0 at SIGTERM."""
    name = engine.start(*WAITING)
    yield name
    engine.cmd("rm", "-f", name)


@pytest.fixture
def lasting(engine):
    """A waiting container that the tests of an engine share: they do not change it."""
    if not hasattr(engine, "lasting"):
        engine.lasting = engine.start(*WAITING)
    return engine.lasting


# -- run

def test_run_gives_the_output(engine):
    done = engine.run("/bin/sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_run_gives_the_exit_code(engine):
    assert engine.run("/bin/probe", "exit", 42).returncode == 42


def test_stdin(engine):
    assert engine.run("/bin/cat", flags=["-i"], input="typed\n").stdout == "typed\n"


def test_a_program_that_is_not_found_is_127(engine):
    done = engine.run("no-such-program")
    assert done.returncode == 127, done
    assert "executable file" in done.stderr and "not found in $PATH" in done.stderr


def test_a_program_that_is_not_executable_is_126(engine):
    done = engine.run("/etc/passwd")
    assert done.returncode == 126, done
    assert "permission denied" in done.stderr.lower()


def test_a_terminal(engine):
    seen = oci.facts(engine.run("/bin/probe", "tty", flags=["-t"], check=True).stdout)
    assert seen["tty.0"] == seen["tty.1"] == "/dev/pts/0"
    assert seen["ctty"] == "ok"


def test_the_default_configuration_confines(engine):
    seen = engine.probe("seccomp", "process", "mkdir /proc/sys/x", "write /proc/sys/kernel/hostname x",
                        "readdir /sys/firmware", "unshare_user", "cat /proc/keys", "stat /dev/null")
    assert seen["pid"] == "1" and seen["seccomp"] == "2"
    assert seen["write./proc/sys/kernel/hostname"] == "EROFS"
    assert seen["unshare_user"] == "EPERM" or isinstance(engine, engines.Podman)
    assert seen["cat./proc/keys"] == ""
    assert seen["stat./dev/null"].split()[3] == "1:3"


def test_read_only(engine):
    seen = engine.probe("write /x y", "write /tmp/x y", "write /dev/shm/x y",
                        flags=["--read-only", "--tmpfs", "/tmp"])
    assert (seen["write./x"], seen["write./tmp/x"], seen["write./dev/shm/x"]) == ("EROFS", "ok", "ok")


def test_cap_drop_and_add(engine):
    seen = engine.probe("caps", flags=["--cap-drop", "ALL", "--cap-add", "CHOWN"])
    assert int(seen["effective"], 16) == 1


def test_user_and_groups(engine):
    seen = engine.probe("ids", "env", flags=["--user", "1000:1000", "--group-add", "29"])
    assert seen["uid"] == "1000 1000 1000 1000" and "29" in seen["groups"].split()
    assert seen["env.HOME"] == "/home/alice"


def test_memory_limit(engine):
    host.require_controller("memory")
    seen = engine.probe(f"cat {MEMORY_LIMIT}", flags=["--memory", "32m"])
    assert seen[f"cat.{MEMORY_LIMIT}"] == str(32 * MiB)


def test_too_much_memory(engine):
    host.require_controller("memory")
    name = engine.new_name()
    done = engine.cmd("run", "--name", name, *engine.run_flags, "--memory", "24m", engines.IMAGE,
                      *oci.probe_argv(f"hog {200 * MiB}"), check=False)
    assert done.returncode == 137
    assert engine.inspect(name, "{{.State.ExitCode}}") == "137"
    engine.cmd("rm", name)


def test_pids_limit(engine):
    host.require_controller("pids")
    assert engine.probe("fork 100", flags=["--pids-limit", "20"])["forked"] == "19 EAGAIN"


def test_volumes(engine):
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "file").write_text("outside")
        seen = engine.probe("cat /data/file", "write /data/new x", flags=["-v", f"{directory}:/data:ro"])
        assert (seen["cat./data/file"], seen["write./data/new"]) == ("outside", "EROFS")
        engine.probe("write /data/new x", flags=["-v", f"{directory}:/data"])
        assert Path(directory, "new").read_text() == "x"


def test_limits_hostname_workdir_environment(engine):
    seen = engine.probe("rlimit nofile", "process", "env", "cat /proc/sys/net/ipv4/ip_forward",
                        flags=["--ulimit", "nofile=77:88", "--ulimit", "nproc=1024:1024",
                               "--hostname", "given", "--workdir", "/var", "-e", "A=b", "--sysctl",
                               "net.ipv4.ip_forward=1"])
    assert seen["rlimit.nofile"] == "77 88" and seen["hostname"] == "given" and seen["cwd"] == "/var"
    assert seen["env.A"] == "b" and seen["cat./proc/sys/net/ipv4/ip_forward"] == "1"


def test_devices(engine):
    seen = engine.probe("stat /dev/given", "open /dev/given r", flags=["--device", "/dev/zero:/dev/given"])
    assert seen["stat./dev/given"].split()[3] == "1:5" and seen["open./dev/given"] == "ok"


def test_privileged(engine, binary):
    if oci.is_foreign(binary):
        host.require_capability(24, "CAP_SYS_RESOURCE")
    seen = engine.probe("caps", "seccomp", "open /proc/sys/kernel/panic w", flags=["--privileged"])
    known = (1 << 38) - 1  # Docker 20.10 knows no later ones
    assert int(seen["effective"], 16) & known == host.bounding_set() & known
    assert seen["seccomp"] == "0" and seen["open./proc/sys/kernel/panic"] == "ok"


def test_a_shared_pid_namespace(engine, lasting):
    seen = engine.probe("readdir /proc", flags=["--pid", f"container:{lasting}"])
    assert "1" in seen["dir./proc"].split()
    assert len([name for name in seen["dir./proc"].split() if name.isdigit()]) == 2


# -- life cycle

def test_exec(engine, lasting):
    done = engine.cmd("exec", lasting, "/bin/sh", "-c", "echo inside; exit 9", check=False)
    assert (done.returncode, done.stdout) == (9, "inside\n")


def test_exec_with_user_env_and_cwd(engine, lasting):
    done = engine.cmd("exec", "-u", "1000", "-e", "A=b", "-w", "/etc", lasting,
                      *oci.probe_argv("ids", "env", "process"))
    seen = oci.facts(done.stdout)
    assert seen["uid"].split()[0] == "1000" and seen["env.A"] == "b" and seen["cwd"] == "/etc"


def test_exec_of_what_is_not_there(engine, lasting):
    assert engine.cmd("exec", lasting, "no-such-program", check=False).returncode in (126, 127)
    assert engine.cmd("exec", lasting, "/bin/true").returncode == 0


def test_logs(engine):
    name = engine.start("/bin/sh", "-c", "echo one; echo two >&2; echo three")
    engine.cmd("wait", name)
    done = engine.cmd("logs", name)
    assert (done.stdout, done.stderr) == ("one\nthree\n", "two\n")
    engine.cmd("rm", name)


def test_stop_sends_term(engine, waiting):
    engine.cmd("stop", "-t", "30", waiting)
    assert engine.inspect(waiting, "{{.State.Status}} {{.State.ExitCode}}") == "exited 0"


def test_stop_kills_after_the_time(engine):
    name = engine.start(*oci.probe_argv("ignore 15", "say ready", "pause"))
    engine.cmd("stop", "-t", "0", name)
    assert engine.inspect(name, "{{.State.ExitCode}}") in ("137", "143")
    engine.cmd("rm", name)


def test_kill(engine, waiting):
    engine.cmd("kill", waiting)
    engine.cmd("wait", waiting)
    assert engine.inspect(waiting, "{{.State.ExitCode}}") == "137"


def test_restart(engine, waiting):
    before = engine.inspect(waiting, "{{.State.Pid}}")
    engine.cmd("restart", "-t", "30", waiting)
    after = engine.inspect(waiting, "{{.State.Pid}}")
    assert before != after and engine.inspect(waiting, "{{.State.Running}}") == "true"
    assert engine.cmd("exec", waiting, "/bin/true").returncode == 0


def test_start_again_after_the_end(engine):
    name = engine.start("/bin/sh", "-c", "echo again")
    engine.cmd("wait", name)
    assert "again" in engine.cmd("start", "-a", name).stdout
    assert engine.cmd("logs", name).stdout == "again\nagain\n"
    engine.cmd("rm", name)


def test_pause_and_unpause(engine, waiting):
    engine.cmd("pause", waiting)
    assert engine.inspect(waiting, "{{.State.Status}}") == "paused"
    assert engine.cmd("exec", waiting, "/bin/true", check=False).returncode != 0
    engine.cmd("unpause", waiting)
    assert engine.cmd("exec", waiting, "/bin/true").returncode == 0


def test_top(engine, lasting):
    assert "probe" in engine.cmd("top", lasting).stdout


def test_wait_gives_the_exit_code(engine):
    name = engine.start("/bin/probe", "exit", "33")
    assert engine.cmd("wait", name).stdout.strip() == "33"
    engine.cmd("rm", name)


def test_remove_by_force(engine):
    name = engine.start(*WAITING)
    engine.cmd("rm", "-f", name)
    assert engine.cmd("inspect", name, check=False).returncode != 0


def test_docker_updates_limits(docker):
    host.require_controller("memory")
    name = docker.start(*oci.probe_argv("pause"), flags=["--memory", "64m", "--memory-swap", "64m"])
    docker.cmd("update", "--memory", "48m", "--memory-swap", "48m", "--pids-limit", "33", name)
    assert docker.cmd("exec", name, "cat", MEMORY_LIMIT).stdout.strip() == str(48 * MiB)
    docker.cmd("rm", "-f", name)


def test_docker_reports_an_out_of_memory_kill(docker):
    host.require_controller("memory")
    # dockerd learns of it where it watches already: after the start.
    words = shlex.join(oci.probe_argv(f"hog {200 * MiB}"))
    name = docker.start("/bin/sh", "-c", f"while [ ! -e /go ]; do sleep 0.02; done; exec {words}",
                        flags=["--memory", "24m", "--memory-swap", "24m"])
    docker.cmd("exec", name, "touch", "/go")
    docker.cmd("wait", name)
    assert docker.inspect(name, "{{.State.OOMKilled}} {{.State.ExitCode}}") == "true 137"
    docker.cmd("rm", name)


def test_docker_restart_policy(docker):
    name = docker.start("/bin/sh", "-c", "echo run >> /count; exit 3", flags=["--restart", "on-failure:2"])
    events = docker.cmd("wait", name).stdout.strip()
    assert events == "3"
    docker.cmd("rm", "-f", name)


def test_docker_statistics(docker):
    name = docker.start(*oci.probe_argv("pause"), flags=["--memory", "64m"])
    row = docker.cmd("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", name).stdout.split()
    assert row[2] == "64MiB" and row[3] == "1"
    docker.cmd("rm", "-f", name)


def test_docker_terminal_keeps_its_size(docker):
    """The size that the client gives arrives by a resize of the console."""
    import fcntl
    import os
    import pty
    import struct
    import subprocess
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    script = "while ! probe tty | grep -q 'winsize=33 99'; do :; done; echo resized"
    child = subprocess.Popen([*docker.command, "run", "--rm", "-it", *docker.run_flags, engines.IMAGE,
                              "/bin/sh", "-c",
                              script], env=docker.env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    stream = oci.Stream(master)
    stream.until("resized")
    assert child.wait(20) == 0
    stream.close()
