# SPDX-License-Identifier: Apache-2.0
"""The life of containers, through the docker CLI, python3-docker and plain requests."""

import json
import os
import re
import signal
import threading

import pytest

from support.daemon import IMAGE, in_threads

HOST = {"NetworkMode": "none"}


def create(engine, *command, name="", host=None, **config) -> str:
    body = {"Image": IMAGE, "Cmd": list(command) or ["sleep", "1000"], "HostConfig": {**HOST, **(host or {})}, **config}
    answer = engine.post(f"/containers/create?name={name}", body)
    assert answer.status == 201, answer
    return answer.json["Id"]


# --- run -----------------------------------------------------------------------------------------------------------


def test_run_prints_and_exits(engine):
    done = engine.run("sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert engine.out("ps", "-aq") == ""


def test_run_reads_stdin(engine):
    done = engine.run("cat", flags=["-i"], input="some\ntext\n")
    assert done.stdout == "some\ntext\n"


def test_run_big_output(engine):
    done = engine.run("sh", "-c", "dd if=/dev/zero bs=1M count=20 2>/dev/null | tr '\\0' x")
    assert len(done.stdout) == 20 << 20


def test_run_big_input_and_output(engine):
    data = os.urandom(1 << 20).hex()
    assert engine.run("cat", flags=["-i"], input=data).stdout == data


@pytest.mark.parametrize("command, status, words", [
    (["/no/such/program"], 127, "no such file or directory"),
    (["no-such-program"], 127, "executable file not found in $PATH"),
    (["/etc/passwd"], 126, "permission denied"),
    (["/etc"], 126, ""),
])
def test_run_status_of_what_cannot_run(engine, command, status, words):
    text = engine.fails("run", "--rm", "--network", "none", IMAGE, *command, status=status)
    assert words in text and "Error response from daemon" in text
    assert engine.out("ps", "-aq") == ""


def test_run_status_of_what_the_engine_refuses(engine):
    text = engine.fails("run", "--rm", "--network", "none", "--memory", "1k", IMAGE, "true", status=125)
    assert "Minimum memory limit allowed is 6MB" in text


def test_run_unknown_image(engine):
    text = engine.fails("run", "--rm", "--pull", "never", "--network", "none", "no-such-image", "true", status=125)
    assert "No such image: no-such-image:latest" in text


def test_signal_is_the_status(engine):
    name = engine.start_container()
    engine.cli("kill", name)
    assert engine.out("wait", name) == "137"


def test_run_detached_then_logs_and_wait(engine):
    identity = engine.out("run", "-d", "--network", "none", IMAGE, "sh", "-c", "echo hello; exit 3")
    assert re.fullmatch("[0-9a-f]{64}", identity)
    assert engine.out("wait", identity) == "3"
    assert engine.out("logs", identity) == "hello"


def test_rm_is_the_engines_work(engine):
    """No client is there when the container ends."""
    identity = create(engine, "true", host={"AutoRemove": True})
    with engine.events() as events:
        assert engine.post(f"/containers/{identity}/start").status == 204
        assert events.until("destroy")["Actor"]["ID"] == identity
    assert engine.get(f"/containers/{identity}/json").status == 404


def test_cidfile_and_name(engine, tmp_path):
    engine.cli("run", "-d", "--name", "named", "--cidfile", tmp_path / "cid", "--network", "none", IMAGE, "sleep", "1000")
    assert engine.inspect("named")["Id"] == (tmp_path / "cid").read_text()


def test_made_up_names(engine):
    identity = create(engine)
    assert re.fullmatch("/[a-z]+_[a-z]+[0-9]?", engine.inspect(identity)["Name"])


# --- states --------------------------------------------------------------------------------------------------------


def test_create_start_stop_start(engine):
    identity = create(engine, "sh", "-c", "trap 'exit 5' TERM; echo trapping; while :; do sleep 0.05; done")
    state = engine.inspect(identity)["State"]
    assert (state["Status"], state["Running"], state["Pid"], state["StartedAt"]) == ("created", False, 0, "0001-01-01T00:00:00Z")
    assert engine.post(f"/containers/{identity}/start").status == 204
    state = engine.inspect(identity)["State"]
    assert state["Status"] == "running" and state["Running"] and state["Pid"] > 0
    os.kill(state["Pid"], 0)
    assert engine.post(f"/containers/{identity}/start").status == 304
    engine.wait_for_output(identity, "trapping")
    assert engine.post(f"/containers/{identity}/stop").status == 204
    state = engine.inspect(identity)["State"]
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 5, 0)
    assert engine.post(f"/containers/{identity}/stop").status == 304
    assert engine.post(f"/containers/{identity}/start").status == 204
    assert engine.inspect(identity)["State"]["Running"]


def test_stop_with_signal_and_timeout(engine):
    name = engine.start_trapping("trap 'exit 9' USR1; trap : TERM")
    engine.cli("stop", "--signal", "USR1", name)
    assert engine.inspect(name)["State"]["ExitCode"] == 9
    engine.cli("start", name)
    engine.cli("stop", "-t", "0", name)
    assert engine.inspect(name)["State"]["ExitCode"] == 137


def test_stop_signal_and_timeout_of_the_container(engine):
    name = engine.start_trapping("trap 'exit 4' INT", flags=["--stop-signal", "SIGINT", "--stop-timeout", "30"])
    found = engine.inspect(name)["Config"]
    assert (found["StopSignal"], found["StopTimeout"]) == ("SIGINT", 30)
    engine.cli("stop", name)
    assert engine.inspect(name)["State"]["ExitCode"] == 4


def test_restart(engine):
    name = engine.start_container()
    first = engine.inspect(name)["State"]
    engine.cli("restart", "-t", "0", name)
    second = engine.inspect(name)["State"]
    assert second["Running"] and second["Pid"] != first["Pid"] and second["StartedAt"] > first["StartedAt"]


def test_kill(engine):
    name = engine.start_trapping("trap 'exit 6' HUP")
    engine.cli("kill", "-s", "HUP", name)
    assert engine.out("wait", name) == "6"
    assert "is not running" in engine.fails("kill", name)
    assert engine.post(f"/containers/{name}/kill").status == 409


def test_kill_with_a_wrong_signal(engine):
    name = engine.start_container()
    assert "nvalid signal: NONSENSE" in engine.fails("kill", "-s", "NONSENSE", name)
    assert engine.inspect(name)["State"]["Running"]


def test_pause(engine):
    name = engine.start_container("sh", "-c", "while :; do date; sleep 0.01; done")
    engine.cli("pause", name)
    state = engine.inspect(name)["State"]
    assert (state["Status"], state["Paused"], state["Running"]) == ("paused", True, True)
    assert "is already paused" in engine.fails("pause", name)
    assert "paused" in engine.fails("exec", name, "true", status=1)
    assert "(Paused)" in engine.out("ps", "--format", "{{.Status}}")
    engine.cli("unpause", name)
    assert engine.inspect(name)["State"]["Status"] == "running"
    assert "is not paused" in engine.fails("unpause", name)


def test_stop_of_a_paused_one(engine):
    name = engine.start_container()
    engine.cli("pause", name)
    engine.cli("stop", "-t", "1", name)
    assert engine.inspect(name)["State"]["Status"] == "exited"


def test_oom_kill_is_told(engine):
    name = engine.start_container("sh", "-c", "tail -c 100m /dev/zero >/dev/null", flags=["--memory", "10m", "--memory-swap", "10m"])
    assert engine.out("wait", name) == "137"
    assert engine.inspect(name)["State"]["OOMKilled"]


# --- wait ----------------------------------------------------------------------------------------------------------


def test_wait_conditions(engine):
    identity = create(engine, "sh", "-c", "exit 3")
    # Not running: at once.
    assert engine.post(f"/containers/{identity}/wait").json == {"StatusCode": 0}
    results = {}

    def wait(condition):
        results[condition] = engine.post(f"/containers/{identity}/wait?condition={condition}").json

    threads = []
    for condition in ("next-exit", "removed"):
        # The headers come once the wait is in place.
        sock = engine.connect()
        sock.sendall(f"POST /containers/{identity}/wait?condition={condition} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        threads.append((condition, sock))
    engine.post(f"/containers/{identity}/start")
    assert b'"StatusCode":3' in threads[0][1].recv(4096)
    engine.delete(f"/containers/{identity}")
    assert b'"StatusCode":3' in threads[1][1].recv(4096)
    for _, sock in threads:
        sock.close()
    assert engine.post(f"/containers/{identity}/wait?condition=never").status in (400, 404)


def test_wait_of_many(engine):
    name = engine.start_container("sh", "-c", "while [ ! -e /go ]; do sleep 0.02; done; exit 8")
    waiting = [threading.Thread(target=lambda: found.append(engine.out("wait", name))) for _ in range(5)]
    found: list[str] = []
    for thread in waiting:
        thread.start()
    engine.cli("exec", name, "touch", "/go")
    for thread in waiting:
        thread.join()
    assert found == ["8"] * 5


# --- names, removal, lists -----------------------------------------------------------------------------------------


def test_name_conflict(engine):
    identity = create(engine, name="taken")
    answer = engine.post("/containers/create?name=taken", {"Image": IMAGE})
    assert answer.status == 409
    assert answer.message == (f'Conflict. The container name "/taken" is already in use by container "{identity}". You have to '
                              "remove (or rename) that container to be able to reuse that name.")


@pytest.mark.parametrize("name", ["a", "-x", "a b", "x/y", "ä"])
def test_wrong_names(engine, name):
    answer = engine.post("/containers/create?name=" + name.replace(" ", "%20").replace("ä", "%C3%A4"), {"Image": IMAGE})
    assert answer.status == 400
    assert "Invalid container name" in answer.message and "[a-zA-Z0-9][a-zA-Z0-9_.-]" in answer.message


def test_rename(engine):
    identity = create(engine, name="before")
    create(engine, name="other")
    engine.cli("rename", "before", "after")
    assert engine.inspect("after")["Id"] == identity
    assert engine.get("/containers/before/json").status == 404
    assert engine.post("/containers/after/rename?name=other").status == 409
    assert engine.post("/containers/after/rename?name=").status in (400, 500)
    assert engine.inspect("after")["Name"] == "/after"


def test_prefixes(engine):
    identity = create(engine)
    assert engine.inspect(identity[:12])["Id"] == identity
    assert engine.inspect(identity[:5])["Id"] == identity
    answer = engine.get("/containers/nonsense/json")
    assert (answer.status, answer.message) == (404, "No such container: nonsense")


def test_ambiguous_prefix(engine):
    seen: dict[str, str] = {}
    while True:
        identity = create(engine)
        if identity[0] in seen:
            break
        seen[identity[0]] = identity
    answer = engine.get(f"/containers/{identity[0]}/json")
    assert answer.status == 400 and f"ultiple IDs found with provided prefix: {identity[0]}" in answer.message


def test_remove(engine):
    name = engine.start_container()
    answer = engine.delete(f"/containers/{name}")
    assert answer.status == 409
    assert "container is running: stop the container before removing or force remove" in answer.message
    pid = engine.inspect(name)["State"]["Pid"]
    assert engine.delete(f"/containers/{name}?force=1").status == 204
    assert not os.path.exists(f"/proc/{pid}")
    assert engine.delete(f"/containers/{name}").status == 404
    assert f"No such container: {name}" in engine.fails("rm", name)


def test_remove_leaves_no_traces(make_daemon):
    made = make_daemon()
    name = made.start_container("sh", "-c", "echo x > /file; sleep 1000")
    identity = made.inspect(name)["Id"]
    made.cli("rm", "-f", name)
    made.stop()  # files go in the background, at the latest now
    found = [os.path.join(folder, entry) for top in (made.data_root, made.exec_root)
             for folder, folders, files in os.walk(top) for entry in folders + files if identity in entry]
    assert not found
    made.start()


def test_ps(engine):
    first = create(engine, name="first", Labels={"a": "1", "b": ""})
    second = engine.start_container(flags=["--label", "a=2"])
    assert engine.out("ps", "-q", "--no-trunc") == engine.inspect(second)["Id"]
    assert len(engine.out("ps", "-aq").split()) == 2
    rows = {row["Id"]: row for row in engine.get("/containers/json?all=1").json}
    row = rows[first]
    assert row["Names"] == ["/first"] and row["Image"] == IMAGE and row["State"] == "created" and row["Status"] == "Created"
    assert row["Command"] == "sleep 1000" and row["Labels"] == {"a": "1", "b": ""}
    assert row["HostConfig"]["NetworkMode"] == "none" and row["Ports"] == [] and row["Mounts"] == []
    assert "SizeRootFs" not in row
    sized = engine.get("/containers/json?all=1&size=1").json
    assert all(row["SizeRootFs"] > 0 for row in sized)
    # The newest first, and "last" counts those that don't run.
    assert [row["Id"] for row in engine.get("/containers/json?limit=2").json] == [engine.inspect(second)["Id"], first]


@pytest.fixture
def zoo(engine):
    """Containers of all kinds, by name."""
    create(engine, name="made", Labels={"kind": "x", "other": "y"})
    engine.cli("run", "-d", "--name", "runs", "--network", "none", "--label", "kind=y", "-v", "somevolume:/v", IMAGE, "sleep", "1000")
    engine.cli("run", "-d", "--name", "held", "--network", "none", "-v", "/tmp:/host", IMAGE, "sleep", "1000")
    engine.cli("pause", "held")
    engine.cli("run", "--name", "ended", "--network", "none", IMAGE, "sh", "-c", "exit 3", check=False)
    return engine


@pytest.mark.parametrize("filters, names", [
    (["status=created"], "made"),
    (["status=running"], "runs"),
    (["status=paused"], "held"),
    (["status=exited"], "ended"),
    (["status=exited", "status=paused"], "ended held"),
    (["exited=3"], "ended"),
    (["exited=0"], ""),
    (["name=e"], "ended held made"),
    (["name=^/runs$"], "runs"),
    (["name=runs", "status=created"], ""),
    (["label=kind"], "made runs"),
    (["label=kind=y"], "runs"),
    (["label=kind", "label=other"], "made"),
    (["volume=somevolume"], "runs"),
    (["volume=/host"], "held"),
    (["ancestor=busybox"], "ended held made runs"),
    (["ancestor=busybox:other"], ""),
    (["before=held"], "made runs"),
    (["since=runs"], "ended held"),
    (["health=none"], "ended held made runs"),
    (["is-task=true"], ""),
    (["network=none"], "ended held made runs"),
])
def test_filters(zoo, filters, names):
    words = [word for each in filters for word in ("--filter", each)]
    assert " ".join(sorted(zoo.out("ps", "-a", "--format", "{{.Names}}", *words).split())) == names


def test_filter_by_id(zoo):
    identity = zoo.inspect("runs")["Id"]
    assert zoo.out("ps", "-a", "--filter", f"id={identity[:12]}", "--format", "{{.Names}}") == "runs"


@pytest.mark.parametrize("filters, message", [
    ('{"nonsense":["x"]}', "invalid filter 'nonsense'"),
    ('{"status":["asleep"]}', "asleep"),
    ('{"exited":["x"]}', "x"),
    ('{"before":["no-such"]}', "No such container: no-such"),
    ("{", "invalid"),
])
def test_wrong_filters(engine, filters, message):
    from urllib.parse import quote

    answer = engine.get(f"/containers/json?filters={quote(filters)}")
    assert answer.status in (400, 404) and message in answer.message


def test_prune(engine):
    create(engine, name="old", Labels={"keep": "no"})
    create(engine, name="kept", Labels={"keep": "yes"})
    running = engine.start_container()
    report = engine.post("/containers/prune?filters=" + '{"label!":["keep=yes"]}'.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")).json
    assert len(report["ContainersDeleted"]) == 1 and report["SpaceReclaimed"] >= 0
    assert engine.get("/containers/old/json").status == 404
    assert sorted(engine.out("ps", "-a", "--format", "{{.Names}}").split()) == sorted(["kept", running])


# --- inspect, top, diff, update, commit, export --------------------------------------------------------------------


def test_inspect_fields(engine):
    name = engine.start_container(flags=["-e", "A=b", "--label", "x=y", "-w", "/tmp", "--hostname", "box", "--memory", "64m"])
    found = engine.inspect(name)
    assert found["Path"] == "sleep" and found["Args"] == ["1000"] and found["RestartCount"] == 0
    assert found["Config"]["Hostname"] == "box" and "A=b" in found["Config"]["Env"] and found["Config"]["WorkingDir"] == "/tmp"
    assert found["Config"]["Labels"] == {"x": "y"} and found["Config"]["Image"] == IMAGE
    assert found["Image"].startswith("sha256:") and found["HostConfig"]["Memory"] == 64 << 20
    assert found["Driver"] == "overlay2" and found["GraphDriver"]["Name"] == "overlay2"
    assert found["LogPath"].endswith("-json.log") and found["HostConfig"]["LogConfig"]["Type"] == "json-file"
    for path in ("HostnamePath", "HostsPath", "ResolvConfPath"):
        assert os.path.exists(found[path]), path
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert found["NetworkSettings"]["Networks"].keys() == {"none"}
    assert "SizeRw" not in found
    sized = engine.get(f"/containers/{name}/json?size=1").json
    assert sized["SizeRootFs"] > 0 and sized["SizeRw"] >= 0


def test_inspect_formats_of_the_cli(engine):
    name = engine.start_container()
    assert engine.out("inspect", "-f", "{{.State.Status}} {{.Config.Image}}", name) == f"running {IMAGE}"
    assert json.loads(engine.out("inspect", name))[0]["Name"] == f"/{name}"
    assert engine.out("inspect", "--type", "container", "-f", "{{json .Mounts}}", name) == "[]"
    assert f"No such object: {name}x" in engine.fails("inspect", name + "x")


def test_top(engine):
    name = engine.start_container("sh", "-c", "sleep 1001 & sleep 1002; true")
    engine.cli("exec", name, "sh", "-c", "while [ $(ps | grep -c '[s]leep 100[12]$') -lt 2 ]; do sleep 0.02; done")
    answer = engine.get(f"/containers/{name}/top").json
    assert answer["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert {row[7] for row in answer["Processes"]} >= {"sleep 1001", "sleep 1002"}
    assert str(engine.inspect(name)["State"]["Pid"]) in {row[1] for row in answer["Processes"]}
    assert "sleep 1001" in engine.out("top", name, "-o", "pid,args")
    stopped = create(engine)
    assert engine.get(f"/containers/{stopped}/top").status == 409


def test_diff(engine):
    name = engine.start_container("sh", "-c", "echo x > /new; echo y >> /etc/passwd; rm /var/data/file; mkdir -p /a/b; touch /ready; sleep 1000")
    engine.cli("exec", name, "sh", "-c", "while [ ! -e /ready ]; do sleep 0.02; done")
    assert sorted(engine.out("diff", name).splitlines()) == sorted(
        ["A /new", "C /etc", "C /etc/passwd", "C /var", "C /var/data", "D /var/data/file", "A /a", "A /a/b", "A /ready"])


def test_update(engine):
    name = engine.start_container(flags=["--memory", "64m", "--memory-swap", "64m"])
    engine.cli("update", "--memory", "32m", "--pids-limit", "55", "--restart", "on-failure:3", "--cpu-shares", "300", name)
    host = engine.inspect(name)["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["CpuShares"]) == (32 << 20, 55, 300)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    limit = engine.out("exec", name, "sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max")
    assert limit == str(32 << 20)
    answer = engine.post(f"/containers/{name}/update", {"Memory": 1000})
    assert answer.status == 400 and "Minimum memory limit" in answer.message


def test_commit_keeps_changes(engine):
    name = engine.start_container("sh", "-c", "echo committed > /file; touch /ready; sleep 1000")
    engine.cli("exec", name, "sh", "-c", "while [ ! -e /ready ]; do sleep 0.02; done")
    engine.cli("commit", "-m", "words", "-a", "me", "-c", "ENV X=y", "-c", 'CMD ["cat", "/file"]', name, "committed:1")
    try:
        assert engine.out("run", "--rm", "--network", "none", "committed:1") == "committed"
        found = engine.get("/images/committed:1/json").json
        assert "X=y" in found["Config"]["Env"] and found["Comment"] == "words" and found["Author"] == "me"
    finally:
        engine.cli("rmi", "-f", "committed:1")


def test_export(engine, tmp_path):
    import tarfile

    name = engine.start_container("sh", "-c", "echo exported > /file; touch /ready; sleep 1000")
    engine.cli("exec", name, "sh", "-c", "while [ ! -e /ready ]; do sleep 0.02; done")
    engine.cli("export", "-o", tmp_path / "x.tar", name)
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert tar.extractfile("file").read() == b"exported\n"
        assert "bin/busybox" in tar.getnames()


# --- restart policies ----------------------------------------------------------------------------------------------


def test_on_failure_gives_up(engine):
    name = engine.start_container("sh", "-c", "exit 3", flags=["--restart", "on-failure:2"])
    found = engine.wait_until(name, lambda found: found["State"]["Status"] == "exited" and found["RestartCount"] == 2)
    assert found["State"]["ExitCode"] == 3


def test_on_failure_leaves_success(engine):
    name = engine.start_container("true", flags=["--restart", "on-failure"])
    assert engine.wait_until(name, lambda found: found["State"]["Status"] == "exited")["RestartCount"] == 0


def test_always_restarts_and_stop_ends_it(engine):
    name = engine.start_container("true", flags=["--restart", "always"])
    engine.wait_until(name, lambda found: found["RestartCount"] >= 2)
    engine.cli("stop", name)
    assert engine.inspect(name)["State"]["Status"] == "exited"


def test_policies_at_a_new_start_of_the_daemon(make_daemon):
    made = make_daemon()
    names = {}
    for policy in ("no", "always", "unless-stopped", "on-failure"):
        names[policy] = made.start_container(flags=["--restart", policy])
        names[policy + " stopped"] = made.start_container(flags=["--restart", policy])
        made.cli("stop", "-t", "0", names[policy + " stopped"])
    pids = {key: made.inspect(name)["State"]["Pid"] for key, name in names.items()}
    made.kill()
    # As after a boot: the containers' processes are gone.
    for pid in pids.values():
        if pid:
            os.kill(pid, signal.SIGKILL)
    made.start()
    wanted = {"always", "always stopped", "unless-stopped", "on-failure"}
    for key in wanted:
        made.wait_until(names[key], lambda found: found["State"]["Running"])
    running = {key for key, name in names.items() if made.inspect(name)["State"]["Running"]}
    assert running == wanted


def test_auto_remove_does_not_go_with_restart(engine):
    answer = engine.post("/containers/create", {"Image": IMAGE, "HostConfig": {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}})
    assert answer.status == 400 and "AutoRemove" in answer.message


def test_health(engine):
    name = engine.start_container("sh", "-c", "touch /well; sleep 1000", flags=[
        "--health-cmd", "test -e /well", "--health-interval", "50ms", "--health-retries", "2", "--health-timeout", "5s"])
    found = engine.wait_until(name, lambda found: found["State"]["Health"]["Status"] == "healthy")
    assert found["State"]["Health"]["Log"][-1]["ExitCode"] == 0
    assert "(healthy)" in engine.out("ps", "--format", "{{.Status}}", "--filter", "health=healthy")
    engine.cli("exec", name, "rm", "/well")
    found = engine.wait_until(name, lambda found: found["State"]["Health"]["Status"] == "unhealthy")
    assert found["State"]["Health"]["FailingStreak"] >= 2 and found["State"]["Running"]


def test_health_check_of_an_image_can_be_turned_off(engine):
    name = engine.start_container(flags=["--no-healthcheck"])
    assert "Health" not in engine.inspect(name)["State"]


# --- many at once --------------------------------------------------------------------------------------------------


def test_clients_at_once(engine):
    def work(number):
        name = f"many-{number}"
        assert engine.out("run", "--name", name, "--network", "none", IMAGE, "echo", number) == str(number)
        assert engine.out("logs", name) == str(number)
        engine.cli("rm", name)

    in_threads([lambda number=number: work(number) for number in range(8)])
    assert engine.out("ps", "-aq") == ""


def test_same_name_at_once(engine):
    """One of many creations gets the name."""
    answers = in_threads([lambda: engine.post("/containers/create?name=one", {"Image": IMAGE}).status] * 10)
    assert sorted(answers) == [201] + [409] * 9


def test_contradicting_requests_at_once(engine):
    name = engine.start_trapping("trap 'exit 0' TERM")
    calls = [f"/containers/{name}/{verb}" for verb in ("stop", "start", "restart?t=1", "pause", "unpause", "kill?signal=CONT")] * 3
    statuses = in_threads([lambda call=call: engine.post(call).status for call in calls])
    assert set(statuses) <= {204, 304, 409}
    state = engine.inspect(name)["State"]
    assert state["Status"] in ("running", "paused", "exited")
    engine.cli("rm", "-f", name)


def test_python_client(engine):
    client = engine.client
    container = client.containers.run(IMAGE, "sh -c 'echo $A; exit 2'", environment={"A": "x"}, network_mode="none", detach=True)
    assert container.wait()["StatusCode"] == 2
    assert container.logs() == b"x\n"
    container.remove()
    assert client.containers.run(IMAGE, ["echo", "hi"], network_mode="none", remove=True) == b"hi\n"
    assert client.ping() and client.version()["ApiVersion"] == "1.51"
    import docker.errors

    with pytest.raises(docker.errors.NotFound):
        client.containers.get("nonsense")
    with pytest.raises(docker.errors.ContainerError) as failed:
        client.containers.run(IMAGE, ["false"], network_mode="none", remove=True)
    assert failed.value.exit_status == 1
