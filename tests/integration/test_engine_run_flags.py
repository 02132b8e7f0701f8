# SPDX-License-Identifier: Apache-2.0
"""Flags of `docker run`, each proven by a fact inside the container (or on the host, where it shows there)."""

import os
import re

import pytest

from support import host
from support.daemon import IMAGE

V2 = host.cgroup_mode() == "v2"


def inside(engine, command, *flags, **more) -> str:
    """What a shell in a container prints."""
    return engine.run("sh", "-c", command, flags=flags, **more).stdout.strip()


def cgroup_value(engine, name, controller, v1, v2) -> str:
    """A control file of a running container, read on the host."""
    pid = engine.inspect(name)["State"]["Pid"]
    for line in open(f"/proc/{pid}/cgroup").read().splitlines():
        _, controllers, path = line.split(":", 2)
        if (V2 and not controllers) or controller in controllers.split(","):
            return (host.hierarchies()[controller] / path.lstrip("/") / (v2 if V2 else v1)).read_text().strip()
    raise AssertionError(f"no {controller} cgroup")


# --- resources -----------------------------------------------------------------------------------------------------


def test_memory(engine):
    name = engine.start_container(flags=["-m", "64m", "--memory-reservation", "32m", "--memory-swap", "64m"])
    assert cgroup_value(engine, name, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert cgroup_value(engine, name, "memory", "memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)


def test_cpus(engine):
    name = engine.start_container(flags=["--cpus", "0.5", "--cpu-shares", "512"])
    if V2:
        assert cgroup_value(engine, name, "cpu", "", "cpu.max") == "50000 100000"
    else:
        assert cgroup_value(engine, name, "cpu", "cpu.cfs_quota_us", "") == "50000"
        assert cgroup_value(engine, name, "cpu", "cpu.shares", "") == "512"


def test_cpuset(engine):
    assert inside(engine, "grep Cpus_allowed_list /proc/self/status", "--cpuset-cpus", "0").split()[-1] == "0"


def test_cpuset_that_is_not_there(engine):
    text = engine.fails("run", "--rm", "--network", "none", "--cpuset-cpus", "4000", IMAGE, "true", status=125)
    assert "equested CPUs are not available" in text


def test_pids_limit(engine):
    name = engine.start_container(flags=["--pids-limit", "33"])
    assert cgroup_value(engine, name, "pids", "pids.max", "pids.max") == "33"


def test_blkio_weight(engine):
    """Kept where the kernel has it, else left out with a warning."""
    done = engine.cli("create", "--network", "none", "--blkio-weight", "300", IMAGE, "true")
    weight = engine.inspect(done.stdout.strip())["HostConfig"]["BlkioWeight"]
    assert weight == 300 or (weight == 0 and "Weight discarded" in done.stderr)


def test_ulimits(engine):
    assert inside(engine, "ulimit -Sn; ulimit -Hn; ulimit -c", "--ulimit", "nofile=100:200", "--ulimit", "core=0").split() == ["100", "200", "0"]


def test_oom_settings(engine):
    assert inside(engine, "cat /proc/self/oom_score_adj", "--oom-score-adj", "500") == "500"


def test_shm_size(engine):
    assert inside(engine, "df -k /dev/shm | tail -1").split()[1] == "65536"
    assert inside(engine, "df -k /dev/shm | tail -1", "--shm-size", "8m").split()[1] == "8192"


def test_wrong_resources(engine):
    for flags, words in ((["--cpus", "100000"], "Range of CPUs is from"), (["--memory", "10m", "--memory-swap", "8m"], "Minimum memoryswap limit"),
                         (["--memory-swap", "8m"], "You should always set the Memory limit"), (["--shm-size", "-1"], "")):
        text = engine.fails("run", "--rm", "--network", "none", *flags, IMAGE, "true", status=125)
        assert words in text


# --- rights --------------------------------------------------------------------------------------------------------

DEFAULT_CAPABILITIES = 0xA80425FB


def capabilities(engine, *flags) -> int:
    return int(re.search(r"CapEff:\s*(\w+)", inside(engine, "cat /proc/self/status", *flags)).group(1), 16)


def test_default_capabilities(engine):
    assert capabilities(engine) == DEFAULT_CAPABILITIES


def test_cap_add_and_drop(engine):
    assert capabilities(engine, "--cap-add", "NET_ADMIN") == DEFAULT_CAPABILITIES | 1 << 12
    assert capabilities(engine, "--cap-drop", "chown") == DEFAULT_CAPABILITIES & ~1
    assert capabilities(engine, "--cap-drop", "ALL") == 0
    assert capabilities(engine, "--cap-drop", "ALL", "--cap-add", "CAP_KILL") == 1 << 5
    assert capabilities(engine, "--cap-add", "ALL", "--cap-drop", "SYS_ADMIN") & 1 << 21 == 0
    text = engine.fails("run", "--rm", "--network", "none", "--cap-add", "NONSENSE", IMAGE, "true", status=125)
    assert "NONSENSE" in text


def test_users_have_no_capabilities(engine):
    assert capabilities(engine, "--user", "1000") == 0


def test_privileged(engine):
    text = inside(engine, "grep -c . /proc/sys/kernel/hostname; ls -d /dev/mem /dev/kmsg 2>/dev/null; grep Seccomp: /proc/self/status", "--privileged")
    assert "/dev/kmsg" in text or "/dev/mem" in text
    assert re.search(r"Seccomp:\s+0", text)
    assert inside(engine, "mkdir /m && mount -t tmpfs none /m && echo mounted", "--privileged") == "mounted"


def test_seccomp(engine, tmp_path):
    assert re.search(r"Seccomp:\s+2", inside(engine, "grep Seccomp: /proc/self/status"))
    assert re.search(r"Seccomp:\s+0", inside(engine, "grep Seccomp: /proc/self/status", "--security-opt", "seccomp=unconfined"))
    assert "erm" in engine.run("sh", "-c", "mkdir /m; mount -t tmpfs none /m", check=False).stderr
    profile = tmp_path / "profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}')
    assert "not permitted" in engine.run("mkdir", "/x", flags=["--security-opt", f"seccomp={profile}"], check=False).stderr


def test_no_new_privileges(engine):
    assert re.search(r"NoNewPrivs:\s+1", inside(engine, "cat /proc/self/status", "--security-opt", "no-new-privileges"))
    assert re.search(r"NoNewPrivs:\s+0", inside(engine, "cat /proc/self/status"))


def test_masked_and_read_only_paths(engine):
    assert inside(engine, "cat /proc/kcore | wc -c; cat /proc/timer_list 2>/dev/null | wc -c; echo x > /proc/sysrq-trigger || echo ro").endswith("ro")
    text = inside(engine, "touch /proc/sys/kernel/x 2>&1; head -c1 /proc/keys | wc -c", "--security-opt", "systempaths=unconfined")
    assert "Read-only" not in text


def test_wrong_security_options(engine):
    text = engine.fails("run", "--rm", "--network", "none", "--security-opt", "nonsense=1", IMAGE, "true", status=125)
    assert "nvalid --security-opt" in text


def test_user(engine):
    assert inside(engine, "id -u; id -g; echo $HOME; id -G", "--user", "user").split() == ["1000", "1000", "/home/user", "1000", "2000"]
    assert inside(engine, "id -u; id -g", "--user", "1234:5").split() == ["1234", "5"]
    assert inside(engine, "id -u; id -g", "-u", ":extra").split() in (["0", "2000"],)
    text = engine.fails("run", "--rm", "--network", "none", "--user", "nobody-such", IMAGE, "true", status=125)
    assert "unable to find user nobody-such: no matching entries in passwd file" in text


def test_group_add(engine):
    assert set(inside(engine, "id -G", "--user", "1000:1000", "--group-add", "extra", "--group-add", "4321").split()) >= {"1000", "2000", "4321"}


# --- devices, mounts -----------------------------------------------------------------------------------------------


def test_devices(engine):
    assert "x:null" in inside(engine, "ls -l /dev/x | tr -d ' ' >/dev/null; test -c /dev/x && echo x:null", "--device", "/dev/null:/dev/x")
    assert inside(engine, "ls /dev").split() == sorted(
        ["console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]) \
        or "null" in inside(engine, "ls /dev")
    denied = engine.run("sh", "-c", "mknod /dev/z b 7 200 && head -c1 /dev/z", check=False)
    assert denied.returncode != 0 and "not permitted" in denied.stderr
    text = engine.fails("run", "--rm", "--network", "none", "--device", "/dev/no-such", IMAGE, "true", status=127)
    assert "/dev/no-such" in text and "no such file or directory" in text


def test_device_cgroup_rule(engine):
    """A device that nobody serves: what is refused is another error than what is absent."""
    command = "mknod /tmp/k c 240 77 && head -c1 /tmp/k"
    assert "not permitted" in engine.run("sh", "-c", command, check=False).stderr
    assert "No such device" in engine.run("sh", "-c", command, flags=["--device-cgroup-rule", "c 240:77 rwm"], check=False).stderr


def test_read_only(engine):
    done = engine.run("sh", "-c", "touch /x; touch /dev/shm/y && echo shm", flags=["--read-only"])
    assert "Read-only file system" in done.stderr and done.stdout == "shm\n"


def test_tmpfs(engine):
    text = inside(engine, "grep ' /scratch ' /proc/mounts; touch /scratch/x && echo written", "--tmpfs", "/scratch:size=64k,mode=700")
    assert "tmpfs" in text and "size=64k" in text and "mode=700" in text and "noexec" in text and text.endswith("written")


def test_mount_tmpfs(engine):
    text = inside(engine, "grep ' /t ' /proc/mounts", "--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770")
    assert "size=1024k" in text and "mode=1770" in text


# --- name spaces ---------------------------------------------------------------------------------------------------


def namespace(engine, kind, *flags) -> str:
    return inside(engine, f"readlink /proc/self/ns/{kind}", *flags)


@pytest.mark.parametrize("kind", ["ipc", "pid", "uts", "mnt", "net", "cgroup"])
def test_own_namespaces(engine, kind):
    if kind == "cgroup" and not V2:
        pytest.skip("the host's is the default with cgroup v1")
    assert namespace(engine, kind) != os.readlink(f"/proc/self/ns/{kind}")


@pytest.mark.parametrize("kind, flag", [("ipc", "--ipc"), ("pid", "--pid"), ("uts", "--uts"), ("cgroup", "--cgroupns")])
def test_host_namespaces(engine, kind, flag):
    assert namespace(engine, kind, flag, "host") == os.readlink(f"/proc/{engine.pid}/ns/{kind}")


def test_private_cgroup_namespace(engine):
    assert namespace(engine, "cgroup", "--cgroupns", "private") != os.readlink(f"/proc/{engine.pid}/ns/cgroup")


def test_namespaces_of_another_container(engine):
    name = engine.start_container(flags=["--ipc", "shareable"])
    for kind in ("ipc", "pid"):
        theirs = engine.out("exec", name, "readlink", f"/proc/self/ns/{kind}")
        assert namespace(engine, kind, f"--{kind}", f"container:{name}") == theirs
    theirs = engine.out("exec", name, "readlink", "/proc/self/ns/net")
    assert engine.out("run", "--rm", "--network", f"container:{name}", IMAGE, "readlink", "/proc/self/ns/net") == theirs
    engine.cli("exec", name, "sh", "-c", "echo shared > /dev/shm/x")
    assert inside(engine, "cat /dev/shm/x", "--ipc", f"container:{name}") == "shared"


def test_ipc_of_a_container_that_does_not_share(engine):
    name = engine.start_container(flags=["--ipc", "private"])
    text = engine.fails("run", "--rm", "--network", "none", "--ipc", f"container:{name}", IMAGE, "true", status=125)
    assert "non-shareable IPC" in text


def test_ipc_none(engine):
    assert inside(engine, "test -e /dev/shm && mount | grep -c ' /dev/shm ' || echo none", "--ipc", "none") in ("none", "0\nnone")


def test_host_network(engine):
    assert engine.out("run", "--rm", "--network", "host", IMAGE, "readlink", "/proc/self/ns/net") == os.readlink(f"/proc/{engine.pid}/ns/net")


def test_no_network(engine):
    assert inside(engine, "ls /sys/class/net") == "lo"


def test_hostname_and_hosts(engine):
    assert inside(engine, "hostname; cat /etc/hostname", "--hostname", "box").split() == ["box", "box"]
    name = engine.start_container()
    assert engine.out("exec", name, "hostname") == engine.inspect(name)["Id"][:12]
    assert "10.1.2.3\tother" in inside(engine, "cat /etc/hosts", "--add-host", "other:10.1.2.3")


def test_dns(engine):
    text = inside(engine, "cat /etc/resolv.conf", "--dns", "10.9.8.7", "--dns-search", "example.org", "--dns-option", "ndots:3")
    assert "nameserver 10.9.8.7" in text and "search example.org" in text and "options ndots:3" in text


def test_sysctls(engine):
    assert inside(engine, "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward", "--sysctl", "kernel.msgmax=9999", "--sysctl",
                  "net.ipv4.ip_forward=1").split() == ["9999", "1"]
    text = engine.fails("run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", IMAGE, "true", status=125)
    assert "sysctl" in text


# --- the process ---------------------------------------------------------------------------------------------------


@pytest.mark.noasan  # the init is berth-shim, which needs libraries in an ASan build
def test_init(engine):
    name = engine.start_container("sh", "-c", "sleep 1000; true", flags=["--init"])
    first = engine.out("exec", name, "cat", "/proc/1/comm")
    assert first not in ("sh", "sleep")
    # It reaps what lost its parent.
    engine.cli("exec", name, "sh", "-c", "(sleep 0.01 &) ; true")
    engine.cli("exec", name, "sh", "-c", "while ps -o stat,comm | grep -q '^Z'; do sleep 0.02; done")
    assert inside(engine, "cat /proc/1/comm; true") == "sh"


def test_workdir(engine):
    assert inside(engine, "pwd", "-w", "/tmp") == "/tmp"
    assert inside(engine, "pwd", "-w", "/new/deep") == "/new/deep"
    text = engine.fails("run", "--rm", "--network", "none", "-w", "relative", IMAGE, "true", status=125)
    assert "working directory 'relative' is invalid, it needs to be an absolute path" in text


def test_entrypoint(engine):
    assert engine.out("run", "--rm", "--network", "none", "--entrypoint", "echo", IMAGE, "a", "b") == "a b"
    assert engine.out("run", "--rm", "--network", "none", "--entrypoint", "", IMAGE, "echo", "c") == "c"


def test_environment(engine, tmp_path):
    (tmp_path / "env").write_text("FROM_FILE=1\n# words\nEMPTY=\n")
    text = inside(engine, "env", "-e", "A=b", "-e", "SPACED=x y", "--env-file", str(tmp_path / "env"))
    for line in ("A=b", "SPACED=x y", "FROM_FILE=1", "EMPTY=", "HOME=/root"):
        assert line in text.splitlines()
    assert any(line.startswith("PATH=/usr/local/sbin") for line in text.splitlines())
    assert any(line.startswith("HOSTNAME=") for line in text.splitlines())


def test_tty(engine):
    answer = engine.post("/containers/create", {"Image": IMAGE, "Tty": True, "Cmd": ["sh", "-c", "tty; echo $TERM; stty size"],
                                                "HostConfig": {"NetworkMode": "none", "ConsoleSize": [30, 100]}}).json["Id"]
    engine.post(f"/containers/{answer}/start")
    engine.post(f"/containers/{answer}/wait")
    assert engine.get(f"/containers/{answer}/logs?stdout=1").body == b"/dev/pts/0\r\nxterm\r\n30 100\r\n"


def test_labels_and_annotations(engine):
    name = engine.start_container(flags=["--label", "a=b", "--annotation", "x=y"])
    found = engine.inspect(name)
    assert found["Config"]["Labels"] == {"a": "b"} and found["HostConfig"]["Annotations"] == {"x": "y"}


def test_cgroup_parent(engine):
    name = engine.start_container(flags=["--cgroup-parent", f"/{engine.cgroup_tag}/sub"])
    pid = engine.inspect(name)["State"]["Pid"]
    assert f"/{engine.cgroup_tag}/sub/" in open(f"/proc/{pid}/cgroup").read()


def test_default_cgroup_parent(engine):
    name = engine.start_container()
    found = engine.inspect(name)
    assert f"/{engine.cgroup_tag}/{found['Id']}" in open(f"/proc/{found['State']['Pid']}/cgroup").read()


def test_runtime(engine):
    assert inside(engine, "echo ours", "--runtime", "runc") == "ours"
    text = engine.fails("run", "--rm", "--network", "none", "--runtime", "kata", IMAGE, "true", status=125)
    assert "unknown or invalid runtime name: kata" in text


def test_platform(engine):
    assert inside(engine, "echo here", "--platform", "linux/amd64") == "here"


def test_links_need_a_running_container(engine):
    text = engine.fails("run", "--rm", "--network", "none", "--link", "no-such", IMAGE, "true", status=125)
    assert "no-such" in text


@pytest.mark.noasan  # has an init
def test_daemon_s_defaults(make_daemon):
    made = make_daemon("--default-ulimit", "nofile=77:88", "--default-shm-size", "4m", "--init", "--no-new-privileges",
                       "--log-opt", "max-size=1m", "--cgroup-parent", f"/berth-test-{os.getpid()}")
    try:
        text = made.run("sh", "-c", "ulimit -n; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2; cat /proc/1/comm; grep NoNew /proc/self/status").stdout.split()
        assert text[:2] == ["77", "4096"] and text[2] != "sh" and text[-1] == "1"
        name = made.start_container()
        found = made.inspect(name)
        assert found["HostConfig"]["LogConfig"]["Config"]["max-size"] == "1m"
        assert f"/berth-test-{os.getpid()}/" in open(f"/proc/{found['State']['Pid']}/cgroup").read()
        made.cli("rm", "-f", name)
    finally:
        from support import engines

        engines.remove_cgroups(f"berth-test-{os.getpid()}")
