# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon at random points under load; then every fact that it had acknowledged is checked.

Workers create, start, exec in, log from, update, rename and remove containers and volumes over plain HTTP. Each keeps what
it was answered: a 2xx is a fact for good, a request that was cut off leaves it open whether it was done. After each kill the
daemon starts anew and everything must be as the facts say; then the load goes on. At the end nothing may be left over.
BERTH_KILLS sets the number of kills.
"""

import http.client
import itertools
import os
import random
import re
import threading
import time
from pathlib import Path

import pytest

from support.daemon import IMAGE

SECONDS_UNDER_LOAD = 0.6
WORKERS = 4

# Ends when it is told to; a line each 10 ms until then, numbered.
PROGRAM = "i=0; while [ ! -e /end ]; do echo line $i; i=$((i + 1)); sleep 0.01; done; exit 42"


class CutOff(Exception):
    """No answer came: whether it was done is open."""


class Fact:
    """One container, as its worker knows it. `open` names what was under way when the daemon was killed."""

    def __init__(self, name):
        self.name, self.identity = name, None
        self.state = "absent"  # absent, created, running, exited, removed
        self.open = None
        self.files: list[str] = []
        self.pid = self.exit_code = self.memory = None
        self.last_line = -1


class Worker(threading.Thread):
    def __init__(self, daemon, number, seed, kept, names):
        super().__init__()
        self.daemon_under_test, self.number = daemon, number
        self.random = random.Random(f"{seed}-{number}")
        self.facts, self.stop, self.error = kept, False, None
        self.names = names

    def call(self, method, target, body=None):
        try:
            return self.daemon_under_test.request(method, target, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CutOff from error

    def run(self):
        try:
            while not self.stop:
                self.step()
        except CutOff:
            pass
        except BaseException as error:  # noqa: BLE001: told by the test
            self.error = error

    def step(self):
        alive = [fact for fact in self.facts if fact.state != "removed" and fact.open is None]
        if len(alive) < 3 or (len(alive) < 6 and self.random.random() < 0.3):
            return self.create()
        fact = self.random.choice(alive)
        verbs = {"created": [self.start_one, self.remove], "running": [self.execute, self.logs, self.update, self.finish, self.remove, self.execute],
                 "exited": [self.start_one, self.remove, self.logs]}
        self.random.choice(verbs[fact.state])(fact)

    def change(self, fact, what, method, target, body=None, ok=(200, 201, 204)):
        """One request whose answer is a fact."""
        fact.open = what
        answer = self.call(method, target, body)
        assert answer.status in ok, f"{what} of {fact.name} ({fact.state}): {answer}"
        fact.open = None
        return answer

    def create(self):
        fact = Fact(f"chaos-{next(self.names)}")
        self.facts.append(fact)
        body = {"Image": IMAGE, "Cmd": ["sh", "-c", PROGRAM], "Labels": {"worker": str(self.number)},
                "HostConfig": {"NetworkMode": "none", "Binds": [f"{fact.name}:/data"]}}
        fact.identity = self.change(fact, "create", "POST", f"/containers/create?name={fact.name}", body).json["Id"]
        fact.state = "created"

    def start_one(self, fact):
        if fact.state == "exited":
            return self.remove(fact)  # /end is there: it would exit at once
        self.change(fact, "start", "POST", f"/containers/{fact.identity}/start")
        fact.state = "running"

    def execute(self, fact):
        path = f"/data/{len(fact.files)}"
        made = self.change(fact, "exec", "POST", f"/containers/{fact.identity}/exec", {"Cmd": ["touch", path], "AttachStdout": True})
        identity = made.json["Id"]
        fact.open = "exec"
        answer = self.call("POST", f"/exec/{identity}/start", {})
        assert answer.status == 200, answer
        found = self.call("GET", f"/exec/{identity}/json").json
        assert found["ExitCode"] == 0, found
        fact.open = None
        fact.files.append(path)

    def logs(self, fact):
        answer = self.call("GET", f"/containers/{fact.identity}/logs?stdout=1&tail=1")
        assert answer.status == 200, answer
        for number in re.findall(rb"line (\d+)\n", answer.body):
            fact.last_line = max(fact.last_line, int(number))

    def update(self, fact):
        memory = self.random.randrange(32, 64) << 20
        self.change(fact, "update", "POST", f"/containers/{fact.identity}/update", {"Memory": memory, "MemorySwap": -1})
        fact.memory = memory

    def finish(self, fact):
        self.execute_end(fact)
        answer = self.change(fact, "wait", "POST", f"/containers/{fact.identity}/wait")
        assert answer.json["StatusCode"] == 42, answer
        fact.state, fact.exit_code = "exited", 42

    def execute_end(self, fact):
        identity = self.change(fact, "end", "POST", f"/containers/{fact.identity}/exec", {"Cmd": ["touch", "/end"]}).json["Id"]
        self.change(fact, "end", "POST", f"/exec/{identity}/start", {"Detach": True})

    def remove(self, fact):
        self.change(fact, "remove", "DELETE", f"/containers/{fact.identity}?force=1")
        fact.state = "removed"
        fact.open = "volume"
        answer = self.call("DELETE", f"/volumes/{fact.name}")
        assert answer.status == 204, answer
        fact.open = None


def check(daemon, fact) -> None:
    """What was acknowledged holds; what was open is one or the other, and is settled here."""
    answer = daemon.get(f"/containers/{fact.name}/json")
    there = answer.status == 200
    assert there or answer.status == 404, answer
    if fact.state == "removed" or (fact.open == "remove" and not there):
        assert not there, f"{fact.name} was removed and is back"
        if fact.open is not None:
            assert daemon.delete(f"/volumes/{fact.name}").status in (204, 404)
        else:
            assert daemon.get(f"/volumes/{fact.name}").status == 404
        fact.state, fact.open = "removed", None
        return
    if fact.state == "absent" and fact.open == "create" and not there:
        assert daemon.delete(f"/volumes/{fact.name}").status in (204, 404)
        fact.state, fact.open = "removed", None
        return
    assert there, f"{fact.name} is gone; {fact.state}, {fact.open}"
    found = answer.json
    assert fact.identity in (None, found["Id"])
    fact.identity = found["Id"]
    status = found["State"]["Status"]
    allowed = {"absent": {"created"}, "created": {"created"}, "running": {"running"}, "exited": {"exited"}}[fact.state]
    if fact.open == "start":
        allowed = {"created", "running"}
    elif fact.open in ("end", "wait"):
        allowed = {"running", "exited"}
    elif fact.open == "remove":
        allowed = {"running", "exited", "created"}
    assert status in allowed, f"{fact.name} is {status}; {fact.state}, {fact.open}: {found['State']}"
    pid = found["State"]["Pid"]
    if status == "running":
        try:
            cgroups = Path(f"/proc/{pid}/cgroup").read_text()
            assert fact.identity in cgroups, f"{fact.name}: process {pid} is another one's"
        except (FileNotFoundError, ProcessLookupError):
            # It ended meanwhile, because it was told to.
            assert fact.open in ("end", "wait", "remove"), f"{fact.name}: process {pid} is gone"
    else:
        assert pid == 0
    if status == "exited":
        # A removal that was cut off may have killed it.
        assert found["State"]["ExitCode"] == 42 or fact.open == "remove", found["State"]
    if fact.memory and fact.open != "update":
        assert found["HostConfig"]["Memory"] == fact.memory
    volume = daemon.data_root / "volumes" / fact.name / "_data"
    for path in fact.files:
        assert (volume / Path(path).name).exists(), f"{fact.name}: {path}"
    check_logs(daemon, fact)
    if fact.open in ("remove", "end", "wait", "create", "start", "exec", "update"):
        # Settled: the load goes on with it as it is, or without.
        if fact.open in ("remove", "end", "wait"):
            assert daemon.delete(f"/containers/{fact.identity}?force=1").status == 204
            assert daemon.delete(f"/volumes/{fact.name}").status == 204
            fact.state = "removed"
        else:
            fact.state = status
        if fact.open == "update":
            fact.memory = None
        fact.open = None


def check_logs(daemon, fact) -> None:
    answer = daemon.get(f"/containers/{fact.identity}/logs?stdout=1")
    assert answer.status == 200, answer
    numbers = [int(number) for number in re.findall(rb"line (\d+)\n", answer.body)]
    assert numbers == list(range(len(numbers))), f"{fact.name}: lines are missing"
    assert len(numbers) > fact.last_line, f"{fact.name}: {len(numbers)} lines, and line {fact.last_line} was there"


def run_chaos(make_daemon, kills: int) -> None:
    seed = os.environ.get("BERTH_SEED") or os.urandom(4).hex()
    source = random.Random(seed)
    made = make_daemon()
    names = itertools.count()
    kept: list[list[Fact]] = [[] for _ in range(WORKERS)]
    for kill in range(kills):
        workers = [Worker(made, number, f"{seed}-{kill}", kept[number], names) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        time.sleep(source.uniform(0.05, SECONDS_UNDER_LOAD))  # the random point
        made.kill()
        for worker in workers:
            worker.stop = True
        for worker in workers:
            worker.join()
        errors = [worker.error for worker in workers if worker.error]
        assert not errors, (seed, kill, errors)
        made.start()
        for facts in kept:
            for fact in facts:
                try:
                    check(made, fact)
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, kill {kill}: {error}") from error
            facts[:] = [fact for fact in facts if fact.state != "removed"]
    known = {fact.name for facts in kept for fact in facts}
    found = {container["Names"][0][1:] for container in made.get("/containers/json?all=1").json}
    assert found == known, seed
    made.remove_all()
    # What is removed in the background is done at a daemon's end; what a killed one left over, by the next one.
    made.restart()
    made.stop()
    # Snapshots, folders and volumes of all that is gone.
    for folder in ("containers", "volumes"):
        left = [name for name in os.listdir(made.data_root / folder) if name not in ("metadata.db", "backingFsBlockDev")]
        assert not left, f"seed {seed}: {folder}: {left}"
    left = [str(path.relative_to(made.exec_root)) for path in (made.exec_root / "c").rglob("*")]
    assert not left, f"seed {seed}: {left}"


@pytest.mark.timeout(600)
def test_killed_under_load(make_daemon):
    run_chaos(make_daemon, int(os.environ.get("BERTH_KILLS", "10")))


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_killed_a_hundred_times(make_daemon):
    run_chaos(make_daemon, int(os.environ.get("BERTH_KILLS", "100")))


def test_killed_while_it_starts(make_daemon):
    """Each kill comes a bit later in the recovery of some containers."""
    made = make_daemon()
    names = [made.start_container() for _ in range(6)]
    pids = {name: made.inspect(name)["State"]["Pid"] for name in names}
    made.kill()
    for step in range(10):
        made.start(wait=False)
        time.sleep(step * 0.01)  # the point to be killed at
        made.kill()
    made.start()
    assert {name: made.inspect(name)["State"]["Pid"] for name in names} == pids


def test_exits_while_there_is_no_daemon(make_daemon):
    made = make_daemon()
    quick = made.start_container("sh", "-c", "while [ ! -e /data/go ]; do sleep 0.02; done; exit 17", flags=["-v", "signal:/data"])
    slain = made.start_container()
    removed = made.start_container("sh", "-c", "while [ ! -e /data/go ]; do sleep 0.02; done", flags=["--rm", "-v", "signal:/data"])
    states = {name: made.inspect(name)["State"] for name in (quick, slain, removed)}
    ends = [os.pidfd_open(states[name]["Pid"]) for name in states]
    made.kill()
    (made.data_root / "volumes/signal/_data/go").touch()
    os.kill(states[slain]["Pid"], 9)
    for pidfd in ends:
        import select

        assert select.select([pidfd], [], [], 30)[0]
        os.close(pidfd)
    made.start()
    assert made.wait_until(quick, lambda found: found["State"]["Status"] == "exited")["State"]["ExitCode"] == 17
    assert made.wait_until(slain, lambda found: found["State"]["Status"] == "exited")["State"]["ExitCode"] == 137
    with made.events("?since=0"):
        deadline = time.monotonic() + 30
        while made.get(f"/containers/{removed}/json").status != 404:
            assert time.monotonic() < deadline
