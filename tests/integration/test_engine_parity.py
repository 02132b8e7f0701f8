# SPDX-License-Identifier: Apache-2.0
"""The same requests to Debian's dockerd and to Berth: answers must have the same keys with values of the same type, where
both speak the version of the API that dockerd knows."""

import re
import shutil
from pathlib import Path

import pytest

from support import engines, parity

pytestmark = [pytest.mark.novm, pytest.mark.noasan]  # slow there, and no other on cgroup v2; has an init

VERSION = "/v1.41"

CONTAINERS = {
    "plain": {"Cmd": ["sleep", "1000"]},
    "nothing": {"Cmd": None},
    "rich": {
        "Hostname": "rich", "Domainname": "example.org", "User": "1:2", "Env": ["A=1", "B="], "Tty": True, "OpenStdin": True,
        "Cmd": ["sleep", "1000"], "Entrypoint": [], "WorkingDir": "/tmp", "Labels": {"a": "b"},
        "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/anonymous": {}}, "StopSignal": "SIGINT", "StopTimeout": 3,
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 2},
        "HostConfig": {
            "Memory": 64 << 20, "MemoryReservation": 32 << 20, "NanoCpus": 10**9, "PidsLimit": 100, "CpuShares": 512,
            "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "OomScoreAdj": 100, "ShmSize": 1 << 20,
            "Binds": ["/tmp:/from-host:ro", "named:/named"],
            "Mounts": [{"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": {"SizeBytes": 1 << 20}}],
            "Tmpfs": {"/run": "size=64k"}, "CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"], "Dns": ["10.0.0.1"],
            "DnsOptions": ["ndots:1"], "DnsSearch": ["example.org"], "ExtraHosts": ["a:10.0.0.2"], "GroupAdd": ["5"],
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}, "ReadonlyRootfs": True, "Init": True,
            "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "rw"}],
            "SecurityOpt": ["no-new-privileges"], "Sysctls": {"net.ipv4.ip_forward": "1"}, "IpcMode": "shareable",
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "NetworkMode": "none",
        },
    },
}

# Where the difference is wanted, or where the older engine has a word that nobody reads any more.
CONTAINER_IGNORED = {
    "HostConfig.Runtime", "HostConfig.KernelMemory", "HostConfig.KernelMemoryTCP", "HostConfig.LogConfig.Config",
    "GraphDriver.Data", "NetworkSettings.Networks",
}


class Both:
    """Both engines behind their sockets."""

    def __init__(self, theirs: str, ours: str):
        self.sockets = {"theirs": theirs, "ours": ours}

    def ask(self, method, target, body=None):
        answers = {name: parity.ask(path, method, VERSION + target, body) for name, path in self.sockets.items()}
        return answers["theirs"], answers["ours"]

    def must(self, method, target, body=None):
        theirs, ours = self.ask(method, target, body)
        assert theirs[0] == ours[0], f"{method} {target}: {theirs} there, {ours} here"
        assert ours[0] < 400, ours
        return theirs[1], ours[1]

    def same(self, target, ignored=frozenset()):
        theirs, ours = self.must("GET", target)
        for answer in (theirs, ours):
            for container in answer if target.startswith("/containers/json") else [answer]:
                if isinstance(container, dict) and isinstance(container.get("Mounts"), list):
                    container["Mounts"].sort(key=lambda mount: mount["Destination"])
        found = parity.differences(theirs, ours, ignored)
        assert not found, f"{target}:\n" + "\n".join(found)


@pytest.fixture(scope="module")
def both(tmp_path_factory, engine_daemon, root_maker):
    if not engines.available("dockerd", "docker", "runc"):
        pytest.skip("needs Debian's docker.io and runc")
    work = Path(tmp_path_factory.mktemp("parity"))
    dockerd = engines.Docker(Path(shutil.which("runc")), work, root_maker)
    try:
        if engine_daemon.process is None:
            engine_daemon.start()
        engine_daemon.cli("import", str(work / "image.tar"), engines.IMAGE)
        made = Both(f"{work}/docker.sock", engine_daemon.socket)
        for name, config in CONTAINERS.items():
            body = {"Image": engines.IMAGE, **config}
            body["HostConfig"] = {"NetworkMode": "none", **config.get("HostConfig", {})}
            if name == "nothing":
                body["Cmd"] = ["true"]
            made.must("POST", f"/containers/create?name={name}", body)
        for name in ("plain", "rich"):
            made.must("POST", f"/containers/{name}/start")
        yield made
    finally:
        for name in CONTAINERS:
            parity.ask(engine_daemon.socket, "DELETE", f"/containers/{name}?force=1&v=1")
        dockerd.close()


@pytest.mark.parametrize("name", CONTAINERS)
def test_inspect_of_containers(both, name):
    both.same(f"/containers/{name}/json", CONTAINER_IGNORED)


def test_inspect_with_size(both):
    both.same("/containers/plain/json?size=1", CONTAINER_IGNORED)


@pytest.mark.parametrize("query", ["", "?all=1", "?all=1&size=1", '?filters={"name":["rich"]}'])
def test_list_of_containers(both, query):
    both.same("/containers/json" + query, {"[].NetworkSettings.Networks"})


@pytest.mark.parametrize("target", ["/containers/plain/top", "/containers/plain/changes",
                                    "/containers/plain/stats?stream=0", "/volumes", "/volumes/named",
                                    "/images/json", "/images/json?all=1", f"/images/{engines.IMAGE}/history",
                                    "/networks/none", "/networks/host", "/plugins"])
def test_views(both, target):
    both.same(target, {"networks", "memory_stats.stats", "blkio_stats", "Options", "Volumes[].Options", "Containers",
                       # Later dockerds write [] for null, and label anonymous volumes.
                       "[].RepoDigests", "Volumes[].Labels"})


def test_inspect_of_an_image(both):
    both.same(f"/images/{engines.IMAGE}/json", {"GraphDriver.Data", "Container", "ContainerConfig"})


def test_version_and_info(both):
    both.same("/version", {"Components[].Details", "BuildTime"})
    # What is told of the host's other software (storage, containerd, swarm's nodes) differs from engine to engine.
    both.same("/info", {"DriverStatus", "Runtimes", "Swarm", "Plugins", "RegistryConfig", "ContainerdCommit", "RuncCommit",
                        "InitCommit", "SecurityOptions", "Warnings", "DefaultAddressPools", "Labels", "GenericResources",
                        "KernelMemory", "KernelMemoryTCP", "ClusterAdvertise", "ClusterStore", "CDISpecDirs"})


def test_disk_usage(both):
    both.same("/system/df", {"BuildCache", "Containers[].NetworkSettings.Networks", "BuilderSize",
                             "Volumes[].Options", "Volumes[].Labels", "Images[].RepoDigests", "Containers"})


def test_exec(both):
    theirs, ours = both.must("POST", "/containers/plain/exec", {"Cmd": ["sh", "-c", "true"], "AttachStdout": True})
    answers = [parity.ask(path, "GET", f"{VERSION}/exec/{answer['Id']}/json")[1]
               for path, answer in zip(both.sockets.values(), (theirs, ours))]
    assert parity.differences(*answers) == []


@pytest.mark.parametrize("method, target, body", [
    ("GET", "/containers/absent/json", None),
    ("POST", "/containers/absent/start", None),
    ("DELETE", "/containers/plain", None),
    ("POST", "/containers/create", {}),
    ("POST", "/containers/create", {"Image": "absent:1"}),
    ("POST", "/containers/create?name=plain", {"Image": engines.IMAGE, "Cmd": ["true"]}),
    ("POST", "/containers/create?name=-bad", {"Image": engines.IMAGE, "Cmd": ["true"]}),
    ("POST", "/containers/create", {"Image": engines.IMAGE}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"Memory": 1}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"Binds": ["/a:b"]}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"Binds": ["/a:/b:xx"]}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"CapAdd": ["NONSENSE"]}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"NetworkMode": "container:absent"}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "HostConfig": {"LogConfig": {"Type": "nonsense"}}}),
    ("POST", "/containers/create", {"Image": engines.IMAGE, "Cmd": ["true"], "StopSignal": "NONSENSE"}),
    ("POST", "/containers/plain/start", None),
    ("POST", "/containers/plain/unpause", None),
    ("POST", "/containers/plain/rename?name=rich", None),
    ("POST", "/containers/plain/rename?name=", None),
    ("POST", "/containers/nothing/kill", None),
    ("POST", "/containers/nothing/stop", None),
    ("POST", "/containers/plain/kill?signal=NONSENSE", None),
    ("POST", "/containers/plain/update", {"Memory": 1}),
    ("POST", "/containers/nothing/exec", {"Cmd": ["true"]}),
    ("POST", "/containers/plain/exec", {}),
    ("GET", "/exec/absent/json", None),
    ("GET", "/containers/nothing/top", None),
    ("GET", "/containers/plain/archive?path=/absent", None),
    ("GET", "/containers/json?filters=nonsense", None),
    ("GET", '/containers/json?filters={"nonsense":["a"]}', None),
    ("GET", "/images/absent/json", None),
    ("DELETE", "/images/absent", None),
    ("DELETE", f"/images/{engines.IMAGE}", None),
    ("POST", f"/images/{engines.IMAGE}/tag?repo=UPPER", None),
    ("GET", "/volumes/absent", None),
    ("DELETE", "/volumes/named", None),
    ("POST", "/volumes/create", {"Name": "!"}),
    ("GET", "/networks/absent", None),
    ("GET", "/nonsense", None),
    ("GET", "/swarm", None),
    ("GET", "/services", None),
])
def test_refusals(both, method, target, body):
    """Statuses are the same, and so are the sentences, but for ids in them."""
    theirs, ours = both.ask(method, target, body)
    status = NEWER_STATUS.get((method, target), theirs[0])
    # Bad input was 500 in places; later dockerds say 400.
    assert ours[0] == status or (theirs[0], ours[0]) == (500, 400), f"{theirs} there, {ours} here"
    assert set(theirs[1]) == set(ours[1]) if isinstance(theirs[1], dict) else theirs[1] == ours[1]
    if theirs[0] < 400:
        return
    texts = {}
    for name, answer in (("theirs", theirs), ("ours", ours)):
        texts[name] = without_ids(both.sockets[name], answer[1]["message"]).lower()
    for old, new in NEWER_TEXTS.items():
        texts["theirs"] = texts["theirs"].replace(old, new)
    assert texts["theirs"] == texts["ours"]


# Debian's dockerd is 20.10; later ones say it so.
NEWER_STATUS = {
    ("POST", "/containers/plain/unpause"): 409,
    ("GET", "/containers/json?filters=nonsense"): 400,
    ("POST", f"/images/{engines.IMAGE}/tag?repo=UPPER"): 400,
}
NEWER_TEXTS = {
    "you cannot remove a running container id. stop the container before attempting removal or force remove":
        'cannot remove container "/plain": container is running: stop the container before removing or force remove',
    "no such image: absent: no such image": "no such image",
    "invalid character 'o' in literal null (expecting 'u')": "invalid filter",
    "repository name must be lowercase": "repository name (library/upper) must be lowercase",
}


def without_ids(socket: str, text: str) -> str:
    for name in CONTAINERS:
        container = parity.ask(socket, "GET", f"/containers/{name}/json")[1]
        for word in (container["Id"], container["Image"].removeprefix("sha256:")):
            text = text.replace(word, "ID").replace(word[:12], "ID")
    # Where several containers could be named, it may be one of another test.
    return re.sub(r"\b[0-9a-f]{12}\b", "ID", text)
