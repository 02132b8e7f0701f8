# SPDX-License-Identifier: Apache-2.0
"""The stand-in images of examples/hub, run as containers: their entrypoints, environment variables and init
folders do what people expect of the originals. Skipped where `examples/hub/build` has not been run (BERTH_HUB:
another layout)."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

import pytest

from support import layout
from support.mounts import umount
from support.streams import Stream

REPOSITORY = Path(__file__).resolve().parents[2]
LAYOUT = Path(os.environ.get("BERTH_HUB", REPOSITORY / "build/hub"))
NOT_BUILT = not (LAYOUT / "index.json").exists()
pytestmark = [pytest.mark.skipif(NOT_BUILT, reason="examples/hub/build has not been run"), pytest.mark.deep,
              pytest.mark.timeout(300)]
PATIENCE = 120  # seconds; databases and Java on a busy machine
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
                "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SYS_CHROOT"]


@pytest.fixture(scope="session")
def images() -> layout.Layout:
    made = layout.Layout(LAYOUT, REPOSITORY / "build/tests/hub-layers")
    made.forget_old_layers()
    return made


class Hub:
    """Runs containers of the images, configured as an engine would."""

    def __init__(self, runtime, images: layout.Layout):
        self.runtime, self.images = runtime, images
        self.mounted: list[Path] = []

    def bundle(self, name: str, *command: str, env=(), files=None, entrypoint=None):
        image = self.images.image(name)
        bundle = self.runtime.bundle()
        scratch = Path(tempfile.mkdtemp(prefix="overlay-", dir=self.runtime.work))
        image.mount(bundle.rootfs, scratch)
        self.mounted.append(bundle.rootfs)
        for path, text in (files or {}).items():
            target = bundle.rootfs / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        config = image.config
        process = bundle.process
        first = config.get("Entrypoint") if entrypoint is None else list(entrypoint)
        process["args"] = (first or []) + (list(command) or config.get("Cmd") or [])
        process["env"] = config["Env"] + ["HOME=/root", *env]
        process["cwd"] = config.get("WorkingDir", "/")
        process["noNewPrivileges"] = False
        bundle.capabilities(*CAPABILITIES)
        return bundle

    def run(self, name: str, *command: str, check=True, host_network=False, **more):
        """To its end; see oci.Result."""
        bundle = self.bundle(name, *command, **more)
        if host_network:
            bundle.drop_namespace("network")
            for path in ("/etc/resolv.conf", "/etc/hosts"):
                bundle.mount(path, source=path, options=("bind", "ro"))
        return self.runtime.run(bundle, check=check, timeout=PATIENCE)

    def serve(self, name: str, *command: str, until: str, times: int = 1, **more):
        """In the background, once it has said `until` as often as that."""
        bundle = self.bundle(name, *command, **more)
        wrapper = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh"]  # both streams into the pipe that is read
        bundle.process["args"] = wrapper + bundle.process["args"]
        container = self.runtime.run_detached(bundle)
        container.said = "".join(container.out.until(until, PATIENCE) for _ in range(times))
        return container

    def close(self) -> None:
        for container in self.runtime.containers:
            container.delete("--force", check=False)
            container.wait()
        for path in self.mounted:
            umount(path)


@pytest.fixture
def hub(runtime, images):
    made = Hub(runtime, images)
    yield made
    made.close()


def http(container, port: int, path: str = "/") -> str:
    """The answer with its head; bash's own connections spare a client in each image."""
    request = f"GET {path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n"
    script = f'exec 3<>/dev/tcp/127.0.0.1/{port}; printf "{request}" >&3; cat <&3'
    return container.exec("bash", "-c", script, timeout=PATIENCE).out


def retry(container, *command: str) -> str:
    """The output of a command that succeeds as soon as the service listens."""
    script = 'for _ in $(seq 300); do "$@" && exit; sleep 0.1; done 2>/dev/null; exec "$@"'
    return container.exec("sh", "-c", script, "sh", *command, timeout=PATIENCE).out


def output_of(*command) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


# --- the layout --------------------------------------------------------------------------------------------


def test_every_image_is_complete_and_says_what_it_is(images):
    listed = output_of(REPOSITORY / "examples/hub/build", "--list")
    expected = {reference for line in listed.splitlines() for reference in line.split()[1:]}
    present = images.references()
    missing = {reference for reference in expected - present.keys() if "/registry:" not in reference}
    assert not missing
    for digest in set(present.values()):
        manifest = json.loads(images.blob(digest).read_bytes())
        config = json.loads(images.blob(manifest["config"]["digest"]).read_bytes())
        assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"])
        assert all(images.blob(layer["digest"]).stat().st_size == layer["size"] for layer in manifest["layers"])
        assert config["config"]["Labels"]["org.opencontainers.image.description"]


def test_images_share_the_layers_of_their_base(images):
    def layers(name: str) -> list[Path]:
        return images.image(name).layers

    base = layers("debian:12-slim")
    assert len(base) == 1
    for name in ("debian", "ubuntu", "python", "nginx", "redis"):
        assert layers(f"{name}:latest")[0] == base[0]


@pytest.fixture
def debian_registry(tmp_path):
    """Debian's docker-registry at an address of its own choice."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    configuration = tmp_path / "registry.yml"
    configuration.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
                             "http: {addr: '127.0.0.1:0'}\nlog: {level: info}\n")
    process = subprocess.Popen(["docker-registry", "serve", configuration], stderr=subprocess.PIPE)
    stream = Stream(process.stderr.fileno())
    said = stream.until("listening on ") + stream.line()
    yield re.search(r"listening on (127\.0\.0\.1:\d+)", said)[1]
    process.terminate()
    process.wait()
    process.stderr.close()


@pytest.mark.novm
def test_push(debian_registry, images):
    push = [REPOSITORY / "examples/hub/push", "--out", LAYOUT, debian_registry]
    names = ["hello-world", "alpine:latest", "busybox"]
    assert " 0 were there" in output_of(*push, *names)
    assert ": 0 tags pushed" in output_of(*push, *names)
    inspected = output_of("skopeo", "inspect", "--tls-verify=false", f"docker://{debian_registry}/library/alpine")
    assert json.loads(inspected)["Digest"] == images.references()["docker.io/library/alpine:latest"]


# --- small images ------------------------------------------------------------------------------------------


def test_hello_world(hub):
    assert "Hello from Docker!\n" in hub.run("hello-world:latest").out


def test_busybox(hub):
    assert hub.run("busybox:latest", "sh", "-c", "echo one | tr o 0; id -un").out == "0ne\nroot\n"


def test_alpine_says_that_it_has_no_packages(hub):
    assert "ID=alpine" in hub.run("alpine:latest", "cat", "/etc/os-release").out
    refused = hub.run("alpine:latest", "apk", "add", "curl", check=False)
    assert refused.rc == 1 and "stand-in" in refused.err


@pytest.mark.parametrize("name, words", [("debian:latest", "Debian GNU/Linux"), ("centos:latest", "CentOS"),
                                         ("ubuntu:latest", 'NAME="Ubuntu"'),
                                         ("ubuntu:16.04", 'VERSION_ID="16.04"')])
def test_distributions(hub, name, words):
    result = hub.run(name, "bash", "-c", "cat /etc/os-release; apt-get --version")
    assert words in result.out and "apt 2." in result.out


def archive_answers() -> bool:
    listed = output_of("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages")
    site = urllib.parse.urlsplit(listed.split("\n")[0])
    port = site.port or (443 if site.scheme == "https" else 80)
    try:
        socket.create_connection((site.hostname, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.novm
def test_packages_can_be_installed_then_pip(hub):
    if not archive_answers():
        pytest.skip("Debian's archive cannot be reached")
    script = ("(apt-get update && apt-get install -y --no-install-recommends python3 python3-pip && "
              "pip3 install flask flask-cors) >&2 && "
              "python3 -c 'import flask, flask_cors; print(flask.__file__)'")
    result = hub.run("ubuntu:latest", "bash", "-c", script, host_network=True)
    assert result.out.startswith("/usr/local/lib/python3.11/dist-packages/flask/")


# --- web servers -------------------------------------------------------------------------------------------


def test_nginx(hub):
    container = hub.serve("nginx:latest", until="start worker process ")
    assert "Launching /docker-entrypoint.d/10-listen-on-ipv6-by-default.sh" in container.said
    assert "Configuration complete; ready for start up" in container.said
    assert "Welcome to nginx!" in http(container, 80)
    assert '"GET / HTTP/1.0" 200' in container.out.until("200", PATIENCE)
    container.kill("QUIT")
    assert container.wait(PATIENCE) == 0


def test_nginx_fills_templates_and_serves_other_configurations(hub):
    server = "server { listen ${PORT}; location / { return 200 \"$uri of ${NAME}\"; } }\n"
    container = hub.serve("nginx:alpine", until="start worker process ", env=["PORT=9000", "NAME=front"],
                          files={"/etc/nginx/templates/app.conf.template": server,
                                 "/docker-entrypoint.d/05-own.sh": "not executable"})
    assert "Ignoring /docker-entrypoint.d/05-own.sh, not executable" in container.said
    assert http(container, 9000, "/x").endswith("/x of front")


def test_httpd(hub):
    container = hub.serve("httpd:2.4", until="resuming normal operations")
    assert "It works!" in http(container, 80)
    container.kill("WINCH")
    assert container.wait(PATIENCE) == 0


def test_tomcat(hub):
    page = {"/usr/local/tomcat/webapps/ROOT/index.jsp": "<%= 6 * 7 %>"}
    container = hub.serve("tomcat:latest", until="Server startup in", files=page)
    assert http(container, 8080).endswith("42")
    assert "java" in container.exec("ps", "-o", "args=", "1").out


def test_registry(hub):
    if "docker.io/library/registry:2" not in hub.images.references():
        pytest.skip("built without HUB_BERTH")
    container = hub.serve("registry:2", until="listening on ", env=["REGISTRY_HTTP_ADDR=:5001"])
    assert "200 OK" in http(container, 5001, "/v2/")


# --- languages ---------------------------------------------------------------------------------------------


PROJECTS = """flask flask-cors flask-sqlalchemy flask-migrate flask-login flask-wtf gunicorn pipenv requests psycopg2
psycopg2-binary redis pymysql mysqlclient python-dotenv pytest watchdog fastapi uvicorn virtualenv waitress""".split()


def test_pip_installs_without_network(hub):
    modules = "flask, flask_cors, flask_migrate, psycopg2, MySQLdb, redis, fastapi"
    script = (f"pip3 install {' '.join(PROJECTS)} >&2 && python -c 'import {modules}; print(flask.__version__)' && "
              "gunicorn --version && pipenv --version")
    result = hub.run("python:3", "bash", "-c", script)
    assert re.fullmatch(r"\d\S+\ngunicorn \S+ .*\npipenv, version .*\n", result.out)


def test_pipenv_locks_and_installs_without_network(hub):
    pipfile = ('[[source]]\nurl = "https://pypi.org/simple"\nverify_ssl = true\nname = "pypi"\n\n'
               '[packages]\nflask = "*"\npsycopg2-binary = "*"\n\n[dev-packages]\npytest = "*"\n\n'
               '[requires]\npython_version = "3.11"\n')
    script = ("pip install pipenv && pipenv lock && PIP_USER=1 PIP_IGNORE_INSTALLED=1 "
              "pipenv install -d --system --ignore-pipfile) >&2 && command -v flask && flask --version")
    result = hub.run("python:3", "bash", "-c", "(cd /tmp && " + script, files={"/tmp/Pipfile": pipfile},
                     env=["PYBASE=/pybase", "PYTHONUSERBASE=/pybase", "LC_ALL=C.UTF-8",
                          "PATH=/pybase/bin:/usr/local/bin:/usr/bin:/bin"])
    assert result.out.startswith("/pybase/bin/flask\nPython 3.11")


def test_python_environments(hub):
    script = ("(python3 -m venv /v && /v/bin/pip install flask) >&2 && "
              "/v/bin/python -c 'import flask; print(flask.__file__)'")
    assert hub.run("python:3.11-slim", "bash", "-c", script).out.startswith("/v/lib")


def test_node(hub):
    assert hub.run("node:latest", "-e", "console.log(6 * 7, process.version)").out.startswith("42 v18.")
    assert hub.run("node:18-slim", "npm", "prefix", "--global").out == "/usr/local\n"


# --- databases ---------------------------------------------------------------------------------------------


def test_redis(hub):
    container = hub.serve("redis:latest", until="Ready to accept connections")
    assert container.exec("redis-cli", "ping").out == "PONG\n"
    assert container.exec("redis-cli", "config", "get", "protected-mode").out.split()[1] == "no"
    assert container.exec("stat", "-c", "%U", "/proc/1").out == "redis\n"
    container.kill("TERM")
    assert container.wait(PATIENCE) == 0


def test_redis_keeps_what_the_configuration_says(hub):
    container = hub.serve("redis:4.0", "/r.conf", until="Ready to accept connections",
                          files={"/r.conf": "protected-mode yes\nmaxmemory 5mb\n"})
    assert container.exec("redis-cli", "config", "get", "protected-mode").out.split()[1] == "yes"


POSTGRES_READY = "database system is ready to accept connections"


def test_postgres(hub):
    init = "/docker-entrypoint-initdb.d"
    scripts = {f"{init}/1.sql": "create table note (text varchar); insert into note values ('kept');",
               f"{init}/2.sh": 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "select 1"\n'}
    environment = ["POSTGRES_PASSWORD=sec'ret", "POSTGRES_USER=notes", "POSTGRES_DB=notes_db"]
    container = hub.serve("postgres:12.1-alpine", until=POSTGRES_READY, times=2, env=environment, files=scripts)
    assert "PostgreSQL init process complete; ready for start up." in container.said
    query = ["psql", "-h", "127.0.0.1", "-U", "notes", "-At", "notes_db", "-c", "select text from note"]
    assert container.exec("env", "PGPASSWORD=sec'ret", *query).out == "kept\n"
    # From another address the password is asked for; on loopback everything is trusted, as in the original.
    rules = container.exec("tail", "-n1", "/var/lib/postgresql/data/pg_hba.conf").out
    assert rules.split() == ["host", "all", "all", "all", "scram-sha-256"]
    container.kill("INT")
    assert container.wait(PATIENCE) == 0


def test_postgres_trusts_when_told_to(hub):
    container = hub.serve("postgres:9.4", until=POSTGRES_READY, times=2, env=["POSTGRES_HOST_AUTH_METHOD=trust"])
    assert container.exec("psql", "-U", "postgres", "-Atc", "select 6 * 7").out == "42\n"


def test_postgres_wants_a_password(hub):
    refused = hub.run("postgres:15-alpine", check=False)
    assert refused.rc == 1 and "superuser password is not specified" in refused.err


def test_mysql(hub):
    scripts = {"/docker-entrypoint-initdb.d/a.sql": "create table t (n int); insert into t values (42);"}
    container = hub.serve("mysql:latest", until="ready for connections", times=2, files=scripts,
                          env=["MYSQL_ROOT_PASSWORD=it's", "MYSQL_DATABASE=employ_ees", "MYSQL_USER=app",
                               "MYSQL_PASSWORD=pass"])
    query = ["mysql", "-h127.0.0.1", "-Nse"]
    assert retry(container, *query, "select n from t", "-uapp", "-ppass", "employ_ees") == "42\n"
    assert retry(container, *query, "select user()", "-uroot", "-pit's").startswith("root@")
    refused = container.exec(*query, "select 1", "-uroot", check=False)
    assert refused.rc != 0 and "Access denied" in refused.err
    container.kill("TERM")
    assert container.wait(PATIENCE) == 0


def test_mariadb_may_have_an_empty_password(hub):
    container = hub.serve("mariadb:latest", until="ready for connections", times=2,
                          env=["MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1"])
    assert retry(container, "mariadb", "-Nse", "select 6 * 7") == "42\n"


def test_mysql_wants_a_password(hub):
    refused = hub.run("mysql:latest", check=False)
    assert refused.rc == 1 and "password option is not specified" in refused.err
