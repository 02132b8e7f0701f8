# SPDX-License-Identifier: Apache-2.0
"""Other people's clients with `berth registry serve`: skopeo, podman and docker, in both directions."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tarfile

import pytest

from support.engines import reap_strays
from support.registry import Registry, digest, work  # noqa: F401

pytestmark = pytest.mark.novm  # its clients are not in it, and no kernel matters to a registry

TIMEOUT = 90


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing) or os.geteuid() != 0, reason=f"needs root and {', '.join(programs)}")


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIMEOUT, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def server(work):
    server = Registry(work / "registry")
    yield server
    assert server.stop() == 0


@pytest.fixture
def archive(work):
    """A docker-archive (`docker save`) of an image with two layers, and its config's digest."""
    folder = work / "image"
    folder.mkdir()
    layers = []
    for number in range(2):
        content = folder / f"file{number}"
        content.write_bytes(os.urandom(300_000))
        layer = folder / f"layer{number}.tar"
        with tarfile.open(layer, "w") as tar:
            tar.add(content, arcname=f"file{number}")
        layers.append(layer)
    diff_ids = ["sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest() for layer in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/file0"]},
                         "rootfs": {"type": "layers", "diff_ids": diff_ids},
                         "history": [{"created": "2024-01-01T00:00:00Z"}] * 2}).encode()
    name = digest(config)
    (folder / "config.json").write_bytes(config)
    (folder / "manifest.json").write_text(json.dumps([{
        "Config": "config.json", "RepoTags": ["berth-test:latest"], "Layers": [layer.name for layer in layers]}]))
    target = work / "image.tar"
    with tarfile.open(target, "w") as tar:
        for entry in ("config.json", "manifest.json", *(layer.name for layer in layers)):
            tar.add(folder / entry, arcname=entry)
    return target, name


@needs("skopeo")
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_skopeo(server, archive, work, form):
    source, config = archive
    remote = f"docker://{server.host}/some/image"
    run("skopeo", "copy", "--format", form, "--dest-tls-verify=false", f"docker-archive:{source}", f"{remote}:t")
    run("skopeo", "copy", "--src-tls-verify=false", f"{remote}:t", f"oci:{work}/layout:t")
    run("skopeo", "copy", "--src-tls-verify=false", f"{remote}:t", f"docker-archive:{work}/back.tar:x:y")
    run("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"{remote}:t",
        f"docker://{server.host}/other/image:t")
    told = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"{remote}:t"))
    assert told["RepoTags"] == ["t"] and len(told["Layers"]) == 2
    assert json.loads(run("skopeo", "list-tags", "--tls-verify=false", remote))["Tags"] == ["t"]
    with tarfile.open(work / "back.tar") as tar:
        entry = json.load(tar.extractfile("manifest.json"))[0]
        assert digest(tar.extractfile(entry["Config"]).read()) == config or form == "oci"
    run("skopeo", "delete", "--tls-verify=false", f"{remote}:t")
    assert server.client().get("/v2/some/image/manifests/t").status == 404
    assert server.client().get("/v2/other/image/tags/list").json()["tags"] == ["t"]


@needs("podman")
@pytest.mark.parametrize("flags", [[], ["--format", "v2s2"]])
def test_podman(server, archive, work, flags):
    source, _ = archive
    podman = ["podman", "--root", work / "podman", "--runroot", work / "podman-run", "--tmpdir", work / "podman-tmp",
              "--storage-driver", "vfs"]
    (work / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    name = f"{server.host}/podman/image:t"
    try:
        run(*podman, "load", "-i", source)
        run(*podman, "push", "--tls-verify=false", *flags, "berth-test:latest", name)
        before = run(*podman, "images", "-q", "--no-trunc").split()
        run(*podman, "rmi", "-a", "-f")
        run(*podman, "pull", "--tls-verify=false", name)
        assert run(*podman, "images", "-q", "--no-trunc").split() == before
    finally:
        subprocess.run([str(word) for word in podman] + ["rmi", "-a", "-f"], capture_output=True)
        reap_strays(work)


class Docker:
    """A dockerd that shares the network, so that it reaches the server."""

    def __init__(self, work):
        self.work = work / "docker"
        self.work.mkdir()
        address = f"unix://{self.work}/docker.sock"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(self.work / "notify"))
        notify.settimeout(60)
        (self.work / "daemon.json").write_text("{}")
        self.log = open(self.work / "log", "w+")
        command = ["unshare", "--mount", "dockerd", "--config-file", self.work / "daemon.json", "--data-root",
                   self.work / "data", "--exec-root", self.work / "exec", "--pidfile", self.work / "pid", "-H", address,
                   "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"]
        self.daemon = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=self.log,
                                       env=dict(os.environ, NOTIFY_SOCKET=str(self.work / "notify")))
        self.env = dict(os.environ, DOCKER_HOST=address, DOCKER_CONFIG=str(self.work / "client"))
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
        except BaseException:
            self.close()
            raise
        finally:
            notify.close()

    def __call__(self, *arguments):
        return run("docker", *arguments, env=self.env)

    def close(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.log.close()
        reap_strays(self.work)


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    made = Docker(tmp_path_factory.mktemp("berth-docker"))
    yield made
    made.close()


@needs("docker", "dockerd")
def test_docker(server, archive, docker):
    source, config = archive
    name = f"{server.host}/docker/image:t"
    docker("load", "-i", source)
    docker("tag", "berth-test:latest", name)
    docker("push", name)
    again = docker("push", f"{server.host}/docker/image:t")
    assert again.count("Layer already exists") == 2
    docker("tag", name, f"{server.host}/docker/mounted:t")
    assert docker("push", f"{server.host}/docker/mounted:t").count("Mounted from docker/image") == 2
    docker("rmi", "-f", config.partition(":")[2])
    docker("pull", name)
    assert docker("images", "-q", "--no-trunc", name).strip() == config


@needs("docker", "dockerd", "htpasswd")
@pytest.mark.parametrize("anonymous", [False, True])
def test_docker_logs_in(archive, docker, work, anonymous):
    source, config = archive
    (work / "users").write_text(run("htpasswd", "-nbBC", "5", "alice", "wonderland"))
    server = Registry(work / "locked", "--htpasswd", work / "users", *(["--anonymous-pull"] if anonymous else []))
    name = f"{server.host}/docker/image:t"
    try:
        docker("load", "-i", source)
        docker("tag", "berth-test:latest", name)
        for command in (["push", name], ["login", "-u", "alice", "-p", "wrong", server.host]):
            refused = subprocess.run(["docker", *command], env=docker.env, capture_output=True, timeout=TIMEOUT)
            assert refused.returncode != 0
        assert "Login Succeeded" in docker("login", "-u", "alice", "-p", "wonderland", server.host)
        docker("push", name)
        docker("logout", server.host)
        docker("rmi", "-f", config.partition(":")[2])
        pulled = subprocess.run(["docker", "pull", name], env=docker.env, capture_output=True, text=True,
                                timeout=TIMEOUT)
        assert (pulled.returncode == 0) == anonymous, pulled.stderr
    finally:
        server.stop()
