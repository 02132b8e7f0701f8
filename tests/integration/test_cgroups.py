# SPDX-License-Identifier: Apache-2.0
"""Limits: written, enforced, updated; the freezer, statistics, out-of-memory reports, cgroup paths."""

import json
import os
from pathlib import Path

import pytest

from support import host
from support.oci import Stream

pytestmark = pytest.mark.vm_short
needs = pytest.mark.needs
MiB = 1 << 20


def limited(runtime, bundle, controller, **resources):
    """A waiting container with limits of a controller that this machine has."""
    host.require_controller(controller)
    bundle.resources.update(resources)
    return runtime.paused(bundle)


def require_cgroup_file(container, controller, v1, v2):
    if not container.cgroup.file(controller, v1, v2).exists():
        pytest.skip(f"this kernel has no {v1 if host.cgroup_mode() == 'v1' else v2}")


# -- where the container is

def test_the_process_is_in_its_cgroups(runtime, bundle):
    container = runtime.paused(bundle)
    for controller in host.controllers():
        if host.cgroup_mode() == "v1" and host.hierarchies()[controller].name == "unified":
            continue
        members = (container.cgroup.directory(controller) / "cgroup.procs").read_text().split()
        assert members == [str(container.pid)]


def test_children_are_counted_too(runtime, bundle):
    host.require_controller("pids")
    container = runtime.run_detached(bundle.shell("sleep 1000 & echo ready; exec sleep 1000")).ready()
    assert len((container.cgroup.directory("pids") / "cgroup.procs").read_text().split()) == 2


def test_without_a_path_the_id_is_the_name(runtime, bundle):
    del bundle.linux["cgroupsPath"]
    container = runtime.paused(bundle)
    lines = Path(f"/proc/{container.pid}/cgroup").read_text().splitlines()
    paths = {line.split(":", 2)[2] for line in lines if line.split(":", 2)[1] in ("pids", "memory", "")}
    assert any(path.endswith(f"/{container.id}") for path in paths), lines


def test_a_relative_path(runtime, bundle):
    bundle.linux["cgroupsPath"] = f"{runtime.tag}-parent/inner"
    container = runtime.paused(bundle)
    text = Path(f"/proc/{container.pid}/cgroup").read_text()
    assert f"/{runtime.tag}-parent/inner\n" in text


def test_a_path_with_dots_stays_inside(runtime, bundle):
    bundle.linux["cgroupsPath"] = f"/../../{runtime.tag}-dots/../{runtime.tag}-inner"
    container = runtime.paused(bundle)
    text = Path(f"/proc/{container.pid}/cgroup").read_text()
    assert f"/{runtime.tag}-inner\n" in text and ".." not in text


def test_delete_removes_only_the_containers_own(runtime):
    first, second = runtime.paused(), runtime.paused()
    first.delete("--force")
    first.wait()
    assert not first.cgroup.directory("pids").exists()
    assert second.cgroup.directory("pids").is_dir()
    assert second.state()["status"] == "running"


# -- memory

def test_memory_limit(runtime, bundle):
    container = limited(runtime, bundle, "memory", memory={"limit": 64 * MiB})
    assert container.cgroup.read("memory", "memory.limit_in_bytes", "memory.max") == str(64 * MiB)


def test_memory_reservation(runtime, bundle):
    container = limited(runtime, bundle, "memory", memory={"limit": 64 * MiB, "reservation": 32 * MiB})
    assert container.cgroup.read("memory", "memory.soft_limit_in_bytes", "memory.low") == str(32 * MiB)


def test_memory_without_limit(runtime, bundle):
    container = limited(runtime, bundle, "memory", memory={"limit": -1})
    assert container.cgroup.read("memory", "memory.limit_in_bytes", "memory.max") in (str(2**63 - 4096),
                                                                                      "max")


def test_swap_is_memory_and_swap_together(runtime, bundle):
    host.require_controller("memory")
    v1, v2 = "memory.memsw.limit_in_bytes", "memory.swap.max"
    require_cgroup_file(runtime.paused(), "memory", v1, v2)
    container = limited(runtime, bundle, "memory", memory={"limit": 64 * MiB, "swap": 96 * MiB})
    assert container.cgroup.read("memory", v1, v2) == str((96 if host.cgroup_mode() == "v1" else 32) * MiB)


def test_swappiness(runtime, bundle):
    host.require_v1()
    container = limited(runtime, bundle, "memory", memory={"limit": 64 * MiB, "swappiness": 13})
    assert container.cgroup.read("memory", "memory.swappiness", "") == "13"


def test_the_oom_killer_can_be_turned_off(runtime, bundle):
    host.require_v1()
    container = limited(runtime, bundle, "memory", memory={"limit": 64 * MiB, "disableOOMKiller": True})
    assert "oom_kill_disable 1" in container.cgroup.read("memory", "memory.oom_control", "")


def test_too_much_memory_is_killed(runtime, bundle):
    host.require_controller("memory")
    bundle.resources["memory"] = {"limit": 24 * MiB, "swap": 24 * MiB}
    result = runtime.run(bundle.probe(f"hog {200 * MiB}"))
    assert result.rc == 137 and "hog=ok" not in result.out
    assert "hog.at=4194304" in result.out


def test_memory_within_the_limit_is_given(runtime, bundle):
    host.require_controller("memory")
    bundle.resources["memory"] = {"limit": 64 * MiB, "swap": 64 * MiB}
    assert "hog=ok" in runtime.run(bundle.probe(f"hog {24 * MiB}"), check=True).out


def test_the_limit_counts_exec_too(runtime, bundle):
    container = limited(runtime, bundle, "memory", memory={"limit": 24 * MiB, "swap": 24 * MiB})
    script = f"echo 1000 > /proc/self/oom_score_adj; exec probe hog {200 * MiB}"
    assert container.exec("/bin/sh", "-c", script, check=False).rc == 137
    assert container.state()["status"] == "running"


# -- cpu

def test_cpu_shares(runtime, bundle):
    container = limited(runtime, bundle, "cpu", cpu={"shares": 512})
    value = container.cgroup.read("cpu", "cpu.shares", "cpu.weight")
    assert value == "512" if host.cgroup_mode() == "v1" else 15 <= int(value) <= 60


def test_cpu_quota_and_period(runtime, bundle):
    container = limited(runtime, bundle, "cpu", cpu={"quota": 20000, "period": 50000})
    if host.cgroup_mode() == "v1":
        assert container.cgroup.read("cpu", "cpu.cfs_quota_us", "") == "20000"
        assert container.cgroup.read("cpu", "cpu.cfs_period_us", "") == "50000"
    else:
        assert container.cgroup.read("cpu", "", "cpu.max") == "20000 50000"


@needs("cpu.burst (spec 1.1)")
def test_cpu_burst(runtime, bundle):
    require_cgroup_file(runtime.paused(), "cpu", "cpu.cfs_burst_us", "cpu.max.burst")
    container = limited(runtime, bundle, "cpu", cpu={"quota": 20000, "period": 50000, "burst": 10000})
    assert container.cgroup.read("cpu", "cpu.cfs_burst_us", "cpu.max.burst") == "10000"


@needs("cpu.idle (spec 1.1)")
def test_cpu_idle(runtime, bundle):
    require_cgroup_file(runtime.paused(), "cpu", "cpu.idle", "cpu.idle")
    container = limited(runtime, bundle, "cpu", cpu={"idle": 1})
    assert container.cgroup.read("cpu", "cpu.idle", "cpu.idle") == "1"


def test_a_cpu_quota_throttles(runtime, bundle):
    container = limited(runtime, bundle, "cpu", cpu={"quota": 5000, "period": 50000})
    container.exec_probe("burn 20")
    stat = dict(line.split() for line in container.cgroup.read("cpu", "cpu.stat", "cpu.stat").splitlines())
    assert int(stat["nr_throttled"]) > 0


def test_cpuset(runtime, bundle):
    container = limited(runtime, bundle, "cpuset", cpu={"cpus": "0", "mems": "0"})
    assert container.exec_probe("affinity")["affinity"] == "0"
    assert container.cgroup.read("cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    assert container.cgroup.read("cpuset", "cpuset.mems", "cpuset.mems") == "0"


def test_a_cpuset_that_does_not_exist(runtime, bundle):
    host.require_controller("cpuset")
    bundle.resources["cpu"] = {"cpus": "4000"}
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "cpuset.cpus" in result.error, result
    runtime.assert_clean()


# -- pids

def test_pids_limit_is_enforced(runtime, bundle):
    host.require_controller("pids")
    bundle.resources["pids"] = {"limit": 10}
    assert runtime.probe(bundle, "fork 50")["forked"] == "9 EAGAIN"


def test_pids_without_limit(runtime, bundle):
    container = limited(runtime, bundle, "pids", pids={"limit": -1})
    assert container.cgroup.read("pids", "pids.max", "pids.max") == "max"


# -- block I/O

@pytest.fixture
def disk() -> tuple[int, int]:
    """Device number of a whole disk."""
    for name in sorted(os.listdir("/sys/block")):
        if name.startswith(("vd", "sd", "nvme", "loop")):
            major, minor = Path(f"/sys/block/{name}/dev").read_text().split(":")
            return int(major), int(minor)
    pytest.skip("this machine has no disk")


@pytest.mark.parametrize("field,v1,v2", [
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops")])
def test_io_throttling(runtime, bundle, disk, field, v1, v2):
    controller = "blkio" if host.cgroup_mode() == "v1" else "io"
    container = limited(runtime, bundle, controller,
                        blockIO={field: [{"major": disk[0], "minor": disk[1], "rate": 1048576}]})
    text = container.cgroup.read(controller, v1, "io.max")
    assert text.startswith(f"{disk[0]}:{disk[1]} ")
    assert text.split()[1] == "1048576" if host.cgroup_mode() == "v1" else f"{v2}=1048576" in text


def test_io_weight(runtime, bundle):
    controller = "blkio" if host.cgroup_mode() == "v1" else "io"
    host.require_controller(controller)
    directory = runtime.paused().cgroup.directory(controller)
    names = [name for name in ("blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight")
             if (directory / name).exists()]
    if not names:
        pytest.skip("this kernel has no I/O weights")
    container = limited(runtime, bundle, controller, blockIO={"weight": 500})
    text = (container.cgroup.directory(controller) / names[0]).read_text()
    assert text.split()[-1] in ("500", "4950")  # io.weight runs from 1 to 10000


# -- others

@needs("the hugetlb controller of a hybrid host's unified hierarchy")
def test_hugetlb(runtime, bundle):
    host.require_controller("hugetlb")
    page = "2MB"
    container = limited(runtime, bundle, "hugetlb", hugepageLimits=[{"pageSize": page, "limit": 4 * MiB}])
    directory = container.cgroup.directory("hugetlb")
    unified = host.hierarchies()["hugetlb"] == host.hierarchies().get("unified")
    text = (directory / (f"hugetlb.{page}.max" if unified else f"hugetlb.{page}.limit_in_bytes")).read_text()
    assert int(text) == 4 * MiB


@needs("a warning for a controller that the host lacks")
@pytest.mark.parametrize("controller,resources,setting", [
    ("rdma", {"rdma": {"mlx5_0": {"hcaHandles": 3}}}, "rdma"),
    ("net_cls", {"network": {"classID": 0x100001}}, "net_cls"),
    ("net_prio", {"network": {"priorities": [{"name": "lo", "priority": 5}]}}, "net_prio")])
def test_a_controller_the_host_lacks_is_left_out(runtime, bundle, controller, resources, setting):
    if controller in host.controllers():
        pytest.skip(f"this machine has the {controller} controller")
    bundle.resources.update(resources)
    result = runtime.run(bundle)
    assert result.rc == 0 and setting in result.log and '"warning"' in result.log, result


def test_unified_settings(runtime, bundle):
    host.require_v2()
    container = limited(runtime, bundle, "memory", unified={"memory.high": str(48 * MiB), "memory.min": "0"})
    assert container.cgroup.read("memory", "", "memory.high") == str(48 * MiB)


def test_an_unknown_unified_setting(runtime, bundle):
    host.require_v2()
    bundle.resources["unified"] = {"memory.nonsense": "1"}
    result = runtime.try_create(bundle)
    assert result.rc != 0 and "memory.nonsense" in result.error
    runtime.assert_clean()


# -- update

@pytest.mark.parametrize("flags,controller,v1,v2,expected", [
    (["--memory", "100m"], "memory", "memory.limit_in_bytes", "memory.max", str(100 * MiB)),
    (["--memory", str(99 * MiB)], "memory", "memory.limit_in_bytes", "memory.max", str(99 * MiB)),
    (["--memory-reservation", "50m"], "memory", "memory.soft_limit_in_bytes", "memory.low", str(50 * MiB)),
    (["--cpu-quota", "30000"], "cpu", "cpu.cfs_quota_us", "cpu.max", ("30000", "30000 100000")),
    (["--cpu-quota", "-1"], "cpu", "cpu.cfs_quota_us", "cpu.max", ("-1", "max 100000")),
    (["--cpuset-cpus", "0"], "cpuset", "cpuset.cpus", "cpuset.cpus", "0"),
    (["--cpuset-mems", "0"], "cpuset", "cpuset.mems", "cpuset.mems", "0"),
    (["--pids-limit", "23"], "pids", "pids.max", "pids.max", "23"),
])
def test_update_by_flag(runtime, bundle, flags, controller, v1, v2, expected):
    container = limited(runtime, bundle, controller)
    runtime.cmd("update", *flags, container.id)
    if isinstance(expected, tuple):
        expected = expected[0 if host.cgroup_mode() == "v1" else 1]
    assert container.cgroup.read(controller, v1, v2) == expected


def test_update_cpu_shares_and_period(runtime, bundle):
    container = limited(runtime, bundle, "cpu")
    runtime.cmd("update", "--cpu-share", "300", "--cpu-period", "60000", "--cpu-quota", "10000", container.id)
    if host.cgroup_mode() == "v1":
        assert container.cgroup.read("cpu", "cpu.shares", "") == "300"
        assert container.cgroup.read("cpu", "cpu.cfs_period_us", "") == "60000"
    else:
        assert container.cgroup.read("cpu", "", "cpu.max") == "10000 60000"


@pytest.mark.parametrize("way", ["stdin", "file"])
def test_update_by_resources(runtime, bundle, way):
    container = limited(runtime, bundle, "pids")
    text = json.dumps({"memory": {"limit": 80 * MiB}, "pids": {"limit": 31}})
    if way == "stdin":
        runtime.cmd("update", "--resources", "-", container.id, input=text)
    else:
        path = runtime.work / "resources.json"
        path.write_text(text)
        runtime.cmd("update", "-r", path, container.id)
    assert container.cgroup.read("pids", "pids.max", "pids.max") == "31"
    assert container.cgroup.read("memory", "memory.limit_in_bytes", "memory.max") == str(80 * MiB)


def test_update_leaves_the_others_alone(runtime, bundle):
    container = limited(runtime, bundle, "pids", pids={"limit": 40}, memory={"limit": 70 * MiB})
    runtime.cmd("update", "--pids-limit", "41", container.id)
    assert container.cgroup.read("memory", "memory.limit_in_bytes", "memory.max") == str(70 * MiB)
    assert container.cgroup.read("pids", "pids.max", "pids.max") == "41"


def test_update_raises_and_lowers_memory_with_swap(runtime, bundle):
    require_cgroup_file(runtime.paused(), "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    container = limited(runtime, bundle, "memory", memory={"limit": 50 * MiB, "swap": 60 * MiB})
    for limit, swap in ((100, 120), (30, 40)):
        runtime.cmd("update", "--memory", f"{limit}m", "--memory-swap", f"{swap}m", container.id)
        assert container.cgroup.read("memory", "memory.limit_in_bytes", "memory.max") == str(limit * MiB)


def test_update_of_a_created_container(runtime, bundle):
    host.require_controller("pids")
    container = runtime.create(bundle)
    runtime.cmd("update", "--pids-limit", "17", container.id)
    assert container.cgroup.read("pids", "pids.max", "pids.max") == "17"


def test_update_does_not_touch_device_rules(runtime, bundle):
    container = limited(runtime, bundle, "pids")
    runtime.cmd("update", "--pids-limit", "50", container.id)
    assert container.exec_probe("open /dev/null rw")["open./dev/null"] == "ok"


def test_an_invalid_update_is_refused(runtime, bundle):
    container = limited(runtime, bundle, "pids")
    assert runtime.cmd("update", "--memory", "a lot", container.id, check=False).rc != 0
    assert runtime.cmd("update", "--resources", "-", container.id, input="{", check=False).rc != 0
    assert container.state()["status"] == "running"


# -- freezer

def test_pause_and_resume(runtime, bundle):
    if host.cgroup_mode() == "v1":
        host.require_controller("freezer")
    container = runtime.paused(bundle)
    container.cmd("pause")
    assert container.state()["status"] == "paused"
    files = [container.cgroup.directory(name) / file  # a hybrid host has both, and either does
             for name, file in (("unified", "cgroup.freeze"), ("freezer", "freezer.state"))
             if name in host.hierarchies()]
    assert {path.read_text().strip() for path in files if path.exists()} & {"FROZEN", "1"}
    container.cmd("resume")
    assert container.state()["status"] == "running"


def test_pause_and_resume_of_a_created_container(runtime, bundle):
    """A frozen process that waits for `start` is paused; its state is back after `resume`."""
    container = runtime.create(bundle.shell("echo started"))
    container.cmd("pause")
    assert container.state()["status"] == "paused"
    container.cmd("resume")
    assert container.state()["status"] == "created"
    container.start()
    assert container.wait() == 0
    assert container.out.all() == "started\n"


def test_force_delete_of_a_paused_created_container(runtime, bundle):
    container = runtime.create(bundle)
    container.cmd("pause")
    container.delete("--force")
    container.wait()
    runtime.assert_clean()


def test_a_paused_process_does_not_move(runtime, bundle):
    """A signal to a frozen container takes effect after resume only."""
    container = runtime.paused(bundle)
    container.cmd("pause")
    os.kill(container.pid, 15)
    with pytest.raises(TimeoutError):
        container.wait(0.2)
    container.cmd("resume")
    assert container.wait() == 0


def test_kill_ends_a_paused_container(runtime, bundle):
    container = runtime.paused(bundle)
    container.cmd("pause")
    container.kill("KILL")
    container.cmd("resume", check=False)
    assert container.wait() == 137


def test_force_delete_of_a_paused_container(runtime, bundle):
    container = runtime.paused(bundle)
    container.cmd("pause")
    container.delete("--force")
    container.wait()
    runtime.assert_clean()


def test_resume_of_a_running_container_is_refused(runtime, bundle):
    container = runtime.paused(bundle)
    result = container.cmd("resume", check=False)
    assert result.rc != 0 and "not paused" in result.error, result


def test_pause_of_a_stopped_container_is_refused(runtime, bundle):
    container = runtime.paused(bundle)
    container.stop()
    assert container.cmd("pause", check=False).rc != 0


# -- statistics

def stats_of(container) -> dict:
    event = json.loads(container.runtime.cmd("events", "--stats", container.id).out)
    assert (event["type"], event["id"]) == ("stats", container.id)
    return event["data"]


def test_statistics(runtime, bundle):
    container = limited(runtime, bundle, "memory", memory={"limit": 64 * MiB}, pids={"limit": 20})
    data = stats_of(container)
    assert data["memory"]["usage"]["limit"] == 64 * MiB
    assert 0 < data["memory"]["usage"]["usage"] < 64 * MiB
    assert (data["pids"]["current"], data["pids"]["limit"]) == (1, 20)
    assert data["cpu"]["usage"]["total"] > 0
    assert data["memory"]["raw"]


def test_statistics_count_the_processor(runtime, bundle):
    container = runtime.paused(bundle)
    before = stats_of(container)["cpu"]["usage"]["total"]
    container.exec_probe("burn 50")
    assert stats_of(container)["cpu"]["usage"]["total"] - before >= 40_000_000


def test_statistics_of_throttling(runtime, bundle):
    container = limited(runtime, bundle, "cpu", cpu={"quota": 5000, "period": 50000})
    container.exec_probe("burn 20")
    assert stats_of(container)["cpu"]["throttling"]["throttledPeriods"] > 0


def test_statistics_of_a_stopped_container_are_refused(runtime, bundle):
    container = runtime.paused(bundle)
    container.stop()
    assert runtime.cmd("events", "--stats", container.id, check=False).rc != 0


def test_events_report_an_out_of_memory_kill(runtime, bundle):
    """The stream ends with the container, and says "oom" before."""
    host.require_controller("memory")
    bundle.resources["memory"] = {"limit": 24 * MiB, "swap": 24 * MiB}
    gate = runtime.fifo("gate")
    bundle.mount("/gate", source=gate.path, options=["bind"])
    bundle.shell(f"echo ready; read x < /gate; probe hog {200 * MiB}")
    container = runtime.run_detached(bundle).ready()
    reader, writer = os.pipe()
    child = runtime.popen("events", "--interval", "1s", container.id, stdout=writer)
    os.close(writer)
    events = Stream(reader)
    seen = [json.loads(events.line())["type"]]  # the first statistics: it listens
    gate.send()
    while "oom" not in seen:
        seen.append(json.loads(events.line())["type"])
    container.wait()
    container.delete("--force")
    child.kill()
    child.wait()
    events.close()
