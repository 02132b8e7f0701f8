# SPDX-License-Identifier: Apache-2.0
"""Ping, version, info, events, df, prune, stats, metrics, and what is not built."""

import json
import threading
import time

import pytest

from support.daemon import IMAGE, UnixConnection


def test_ping(engine):
    answer = engine.get("/_ping")
    assert (answer.status, answer.body) == (200, b"OK")
    for name, value in (("Api-Version", "1.51"), ("Ostype", "linux"), ("Docker-Experimental", "false"), ("Builder-Version", "1"),
                        ("Swarm", "inactive"), ("Cache-Control", "no-cache, no-store, must-revalidate"), ("Pragma", "no-cache")):
        assert answer.headers[name] == value, name
    assert answer.headers["Content-Type"].startswith("text/plain")
    head = engine.request("HEAD", "/_ping")
    assert head.status == 200 and head.body == b"" and head.headers["Api-Version"] == "1.51"


def test_version(engine):
    found = engine.get("/version").json
    assert (found["ApiVersion"], found["MinAPIVersion"], found["Os"], found["Arch"]) == ("1.51", "1.24", "linux", "amd64")
    assert found["Components"][0]["Name"] == "Engine" and found["KernelVersion"]
    text = engine.out("version")
    assert "Server" in text and "1.51 (minimum version 1.24)" in text


def test_info(engine):
    engine.start_container()
    stopped = engine.out("create", "--network", "none", IMAGE, "true")
    paused = engine.start_container()
    engine.cli("pause", paused)
    found = engine.get("/info").json
    assert (found["Containers"], found["ContainersRunning"], found["ContainersPaused"], found["ContainersStopped"]) == (3, 1, 1, 1), stopped
    assert found["Images"] >= 1 and found["Driver"] == "overlay2" and found["NCPU"] >= 1 and found["MemTotal"] > 0
    assert found["OSType"] == "linux" and found["Architecture"] == "x86_64" and found["LiveRestoreEnabled"] is True
    assert found["Swarm"]["LocalNodeState"] == "inactive" and "runc" in found["Runtimes"] and found["DefaultRuntime"] == "runc"
    assert "json-file" in found["Plugins"]["Log"] and "local" in found["Plugins"]["Volume"] and found["ID"]
    assert found["CgroupDriver"] == "cgroupfs" and found["CgroupVersion"] in ("1", "2")
    assert "name=seccomp,profile=builtin" in found["SecurityOptions"]
    text = engine.out("info")
    assert "Storage Driver: overlay2" in text and "Live Restore Enabled: true" in text
    engine.cli("unpause", paused)


def test_id_stays(make_daemon):
    made = make_daemon(load=False)
    before = made.get("/info").json["ID"]
    made.restart()
    assert made.get("/info").json["ID"] == before


# --- events --------------------------------------------------------------------------------------------------------


def test_events_of_a_life(engine):
    with engine.events() as events:
        engine.run("sh", "-c", "exit 3", flags=["--name", "lives", "--label", "x=y"], check=False)
        found = []
        while not found or found[-1]["Action"] != "destroy":
            found.append(events.next())
    actions = [event["Action"] for event in found if event["Type"] == "container"]
    assert actions == ["create", "attach", "start", "die", "destroy"]
    for event in found:
        if event["Type"] == "container":
            attributes = event["Actor"]["Attributes"]
            assert attributes["name"] == "lives" and attributes["image"] == "busybox:latest" and attributes["x"] == "y"
            assert event["id"] == event["Actor"]["ID"] and event["status"] == event["Action"] and event["from"] == "busybox:latest"
            assert event["scope"] == "local" and event["timeNano"] // 10**9 == event["time"]
    die = [event for event in found if event["Action"] == "die"][0]
    assert die["Actor"]["Attributes"]["exitCode"] == "3" and "execDuration" in die["Actor"]["Attributes"]


def test_events_of_everything_else(engine):
    with engine.events() as events:
        engine.cli("volume", "create", "evented")
        assert (events.next()["Type"], events.lines[-1]["Action"]) == ("volume", "create")
        name = engine.start_container(flags=["-v", "evented:/v"])
        assert events.until("mount")["Actor"]["Attributes"]["destination"] == "/v"
        events.until("start")
        for verb in ("pause", "unpause"):
            engine.cli(verb, name)
            assert events.until(verb)["Type"] == "container"
        engine.cli("rename", name, "renamed")
        assert events.until("rename")["Actor"]["Attributes"]["oldName"] == f"/{name}"
        engine.cli("update", "--cpu-shares", "5", "renamed")
        events.until("update")
        engine.cli("kill", "renamed")
        assert events.until("kill")["Actor"]["Attributes"]["signal"] in ("9", "SIGKILL")
        events.until("die")
        engine.cli("rm", "renamed")
        events.until("destroy")
        engine.cli("volume", "rm", "evented")
        assert events.until("destroy")["Type"] == "volume"


def test_history_of_events(engine):
    start = time.time()
    engine.run("true", flags=["--name", "past"])
    end = time.time()
    found = engine.get(f"/events?since={start:.9f}&until={end:.9f}").lines
    assert [event["Action"] for event in found if event["Type"] == "container"] == ["create", "attach", "start", "die", "destroy"]
    filters = json.dumps({"event": ["die"], "container": ["past"], "type": ["container"]}).replace('"', "%22").replace(" ", "")
    found = engine.get(f"/events?since={start:.9f}&until={end:.9f}&filters={filters}").lines
    assert [event["Action"] for event in found] == ["die"]
    assert engine.out("events", "--since", f"{start:.9f}", "--until", f"{end:.9f}", "--filter", "event=start", "--format", "{{.Action}}") == "start"
    assert engine.get("/events?since=nonsense").status == 400
    assert engine.get(f"/events?since={end:.9f}&until={start:.9f}").status in (200, 400)


def test_events_outlive_the_daemon(make_daemon):
    made = make_daemon()
    start = time.time()
    made.run("true")
    made.restart()
    found = made.get(f"/events?since={start:.9f}&until={time.time():.9f}").lines
    assert "die" in [event["Action"] for event in found]


def test_two_listeners_get_the_same(engine):
    with engine.events() as first, engine.events() as second:
        engine.run("true")
        first.until("destroy")
        second.until("destroy")
        assert first.lines == second.lines


# --- numbers -------------------------------------------------------------------------------------------------------


def test_df(engine):
    name = engine.start_container("sh", "-c", "dd if=/dev/zero of=/x bs=1M count=2; sleep 1000")
    engine.cli("exec", name, "sh", "-c", "while [ \"$(stat -c %s /x 2>/dev/null)\" != 2097152 ]; do sleep 0.02; done")
    found = engine.get("/system/df").json
    container = [each for each in found["Containers"] if f"/{name}" in each["Names"]][0]
    assert container["SizeRw"] >= 2 << 20 and container["SizeRootFs"] > container["SizeRw"]
    assert found["LayersSize"] > 0 and found["Images"][0]["Containers"] >= 0 and found["BuildCache"] == []
    assert engine.get("/system/df?type=volume").json.keys() >= {"Volumes"}
    assert engine.get("/system/df?type=nonsense").status == 400
    assert "Local Volumes" in engine.out("system", "df")


def test_system_prune(engine):
    engine.out("create", "--network", "none", IMAGE, "true")
    assert "Total reclaimed space" in engine.out("system", "prune", "-f")
    assert engine.out("ps", "-aq") == ""


def test_stats_once(engine):
    name = engine.start_container("sh", "-c", "while :; do :; done", flags=["--memory", "50m"])
    found = engine.get(f"/containers/{name}/stats?stream=0").json
    assert found["name"] == f"/{name}" and found["memory_stats"]["limit"] == 50 << 20 and found["memory_stats"]["usage"] > 0
    assert found["cpu_stats"]["cpu_usage"]["total_usage"] > 0 and found["cpu_stats"]["online_cpus"] >= 1
    assert found["cpu_stats"]["system_cpu_usage"] > 0 and found["pids_stats"]["current"] >= 1 and found["num_procs"] == 0
    assert engine.get(f"/containers/{name}/stats?stream=0&one-shot=1").json["read"] > "20"
    assert name in engine.out("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}}")


def test_stats_stream(engine):
    name = engine.start_container("sh", "-c", "while :; do :; done")
    connection = UnixConnection(engine.socket)
    connection.request("GET", f"/containers/{name}/stats")
    response = connection.getresponse()
    first, second = json.loads(response.readline()), json.loads(response.readline())
    assert second["precpu_stats"]["cpu_usage"]["total_usage"] == first["cpu_stats"]["cpu_usage"]["total_usage"]
    assert second["read"] > first["read"]
    engine.cli("rm", "-f", name)
    while response.readline():
        pass
    connection.close()


def test_stats_of_a_stopped_one(engine):
    identity = engine.out("create", "--network", "none", IMAGE, "true")
    found = engine.get(f"/containers/{identity}/stats?stream=0").json
    assert found["memory_stats"] == {} and found["id"] == identity


def test_metrics(engine):
    engine.start_container()
    text = engine.get("/metrics").body.decode()
    assert 'engine_daemon_container_states_containers{state="running"} 1' in text


# --- what is not built ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, target", [
    ("GET", "/services"), ("GET", "/nodes"), ("GET", "/tasks"), ("GET", "/secrets"), ("GET", "/configs"), ("GET", "/swarm"),
    ("POST", "/services/create"), ("POST", "/swarm/leave"),
])
def test_swarm_is_inactive(engine, method, target):
    answer = engine.request(method, target, body={} if method == "POST" else None)
    assert answer.status == 503 and "This node is not a swarm manager" in answer.message or "not part of a swarm" in answer.message


def test_no_plugins(engine):
    assert engine.get("/plugins").json == []
    assert engine.out("plugin", "ls", "-q") == ""


def test_cli_words_on_swarm(engine):
    assert "This node is not a swarm manager" in engine.fails("service", "ls")
    assert "This node is not a swarm manager" in engine.fails("node", "ls")


def test_networks_that_are_there(engine):
    names = {network["Name"] for network in engine.get("/networks").json}
    assert names >= {"none", "host"}
    assert engine.get("/networks/none").json["Driver"] == "null"
    assert engine.out("network", "ls", "--filter", "name=^host$", "--format", "{{.Driver}}") == "host"


def test_auth(engine, tmp_path):
    answer = engine.post("/auth", {"username": "u", "password": "p", "serveraddress": "127.0.0.1:9"})
    assert answer.status in (401, 500, 502, 503)


@pytest.mark.noasan  # measures memory
def test_idle_memory(make_daemon):
    """The figure itself is the benchmark's; this is the order of magnitude."""
    made = make_daemon()
    made.run("true")
    pss = sum(int(line.split()[1]) for line in open(f"/proc/{made.pid}/smaps_rollup") if line.startswith("Pss:"))
    assert pss < 30_000


def test_requests_while_much_goes_on(engine):
    stop = threading.Event()

    def load():
        while not stop.is_set():
            engine.run("true")

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            assert engine.get("/containers/json?all=1").status == 200
            assert engine.get("/info").status == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join()
