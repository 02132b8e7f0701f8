# SPDX-License-Identifier: Apache-2.0
"""berth's command line beside docker's, without a daemon: help, wrong words, exit codes, completion, manual pages, the
plugin protocol."""

import difflib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from support.images import berth_binary
from support.terminal import Terminal

# Docker's groups whose commands Berth has; its other words answer that they are not there yet.
GROUPS = ["builder", "container", "context", "image", "manifest", "network", "system", "volume"]
ABSENT = ["checkpoint", "config", "node", "plugin", "secret", "service", "stack", "swarm", "trust"]
# Without builds, `builder build` and its kin have no flags.
NOT_YET = {"build", "builder build", "image build"}

docker = shutil.which("docker")
beside_docker = pytest.mark.skipif(docker is None, reason="needs the docker CLI")


class Program:
    """A CLI without a daemon and with an empty home, whose name is `docker`."""

    def __init__(self, path, work: Path):
        self.path = path
        self.environment = {"HOME": str(work), "PATH": os.environ["PATH"], "TERM": "dumb",
                            "DOCKER_HOST": f"unix://{work}/none.sock"}

    def __call__(self, *words, **more):
        return subprocess.run([self.path, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=30, **more)


@pytest.fixture
def theirs(tmp_path):
    return Program(docker, tmp_path)


@pytest.fixture
def ours(tmp_path):
    link = tmp_path / "bin" / "docker"
    link.parent.mkdir()
    link.symlink_to(berth_binary())
    return Program(link, tmp_path)


@pytest.fixture
def berth(tmp_path):
    return Program(berth_binary(), tmp_path)


@pytest.fixture
def pinged(theirs, tmp_path):
    """docker's CLI beside a daemon that answers /_ping as Berth's does: it then shows no flags and commands of Windows,
    of Swarm and of what is experimental."""
    path = tmp_path / "ping.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.50\r\nOstype: linux\r\nDocker-Experimental: false\r\n"
                                       b"Swarm: inactive\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    theirs.environment["DOCKER_HOST"] = f"unix://{path}"
    yield theirs
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def commands_in(help_text: str) -> list[str]:
    words, listing = [], False
    for line in help_text.splitlines():
        if line.endswith("ommands:"):
            listing = True
        elif listing and not line.strip():
            listing = False
        elif listing and line.startswith("  "):
            words.append(line.split()[0])
    return words


def all_paths(program) -> list[str]:
    top = [word for word in commands_in(program("--help").stdout) if word not in ABSENT]
    paths = list(top)
    for group in GROUPS:
        paths += [f"{group} {word}" for word in commands_in(program(group, "--help").stdout)]
    return [path for path in paths if path not in NOT_YET]


def without_legacy_builder(text: str) -> str:
    """docker's advice to install buildx."""
    return re.sub(r"^DEPRECATED: The legacy builder.*?\n\n", "", text, flags=re.S)


# --- help ------------------------------------------------------------------------------------------------------------


@beside_docker
def test_help_of_every_command_is_dockers(ours, pinged):
    different = {}
    for path in all_paths(pinged):
        expected, found = pinged(*path.split(), "--help"), ours(*path.split(), "--help")
        if (found.stdout, found.returncode) != (expected.stdout, expected.returncode):
            different[path] = (expected.stdout, found.stdout)
    for path, texts in different.items():
        print(path, *difflib.unified_diff(*(text.splitlines() for text in texts), "docker", "berth", lineterm=""), sep="\n")
    assert sorted(different) == []


@beside_docker
def test_every_command_of_docker_is_listed(ours, pinged):
    expected, found = pinged("--help").stdout, ours("--help").stdout
    assert set(commands_in(expected)) - set(ABSENT) <= set(commands_in(found))
    # The first lines, the common commands and the global options are the same.
    assert found.split("\nManagement Commands:")[0] == expected.split("\nManagement Commands:")[0]
    options = expected[expected.index("\nGlobal Options:"):expected.index("\nRun 'docker COMMAND")]
    assert options in found


def test_help_is_there_in_every_form(berth):
    text = berth("container", "ls", "--help").stdout
    assert text.startswith("Usage:  berth container ls [OPTIONS]\n\nList containers\n\nAliases:\n  berth container ls, ")
    assert berth("help", "container", "ls").stdout == text
    assert berth("--help", "container", "ls").stdout == text
    group = berth("container")
    assert (group.returncode, group.stdout) == (0, "") and group.stderr == berth("container", "--help").stdout
    assert berth("help", "nothing").stderr == "unknown help topic: nothing\n"


def test_help_follows_the_terminals_width(tmp_path):
    output = in_terminal([str(berth_binary()), "run", "--help"], columns=200)
    line = next(line for line in output.splitlines() if "--cpu-period" in line)
    assert "Limit CPU CFS (Completely Fair Scheduler) period" in line


# --- wrong words -----------------------------------------------------------------------------------------------------

WRONG = [
    "foo", "foo --bar", "foo -x", "foo --help", "container foo", "container foo --bar", "container -x", "-x", "--foo", "-H",
    "--context", "-D", "ps x", "ps --foo", "ps -z", "ps -qz", "ps --format", "ps --no-trunc=x", "ps --no-trunc=", "ps -n x",
    "ps -f x", "ps -h", "ps --version", "ps -H x", "run", "run --foo", "run -m x i", "run --memory=x i", "run --rm=x i",
    "run --health-interval x i", "run --health-interval 5 i", "run --stop-timeout x i", "run --blkio-weight x i",
    "run --blkio-weight 70000 i", "run --stop-timeout 99999999999999999999 i", "run --cpus x i", "run --ulimit x i",
    "run --mount x i", "run -v", "run --pull", "run --io-maxiops -1 i", "rm", "rmi", "tag a", "cp a", "exec a", "port", "port a b c",
    "rename a", "wait", "logs", "logs a b", "top", "search", "search a b", "pull", "push", "images a b", "volume create a b",
    "volume rm", "network connect a", "network foo bar", "volume foo", "manifest foo", "network ls a", "image", "system", "help foo", "help volume foo",
    "-l foo ps", "container ls x --help", "--", "ps --", "ps -- x", "image ls -h --foo", "inspect", "stop", "kill", "start",
    "context use", "context create", "context", "login a b", "stats --format", "events x", "info x", "version x", "system df x",
]


@beside_docker
@pytest.mark.parametrize("words", WRONG)
def test_wrong_words_are_told_as_docker_tells_them(ours, theirs, words):
    expected, found = theirs(*words.split()), ours(*words.split())
    if "Common Commands" in expected.stdout + expected.stderr:  # the list of commands is longer
        assert "Common Commands" in (found.stdout if expected.stdout else found.stderr)
        assert found.returncode == expected.returncode
        return
    stderr = without_legacy_builder(expected.stderr)
    assert (found.stdout, found.stderr, found.returncode) == (expected.stdout, stderr, expected.returncode)


def test_words_that_are_not_there_yet_say_so(berth):
    for word in [*ABSENT, "build", "compose"]:
        done = berth(word, "--anything", "x")
        assert done.returncode == 1 and done.stdout == "" and "not yet available" in done.stderr
        assert done.stderr.count("\n") == 1


def test_messages_name_the_program_as_it_was_called(berth, ours):
    assert berth("ps", "x").stderr.startswith("berth: 'berth ps' accepts no arguments\n")
    assert ours("ps", "x").stderr.startswith("docker: 'docker ps' accepts no arguments\n")


def test_version(berth, ours):
    assert re.fullmatch(r"Berth version \S+\n", berth("--version").stdout)
    assert re.match(r"Docker version \d+\.\d+\.\d+, build ", ours("-v").stdout)


# --- terminals -------------------------------------------------------------------------------------------------------


def in_terminal(command, columns=80, keys: bytes = b"", until: str = "", environment=None) -> str:
    """What `command` prints on a terminal; `keys` are typed when `until` has been printed."""
    with Terminal(*command, size=(24, columns), env={**os.environ, **(environment or {})}) as terminal:
        if keys:
            terminal.until(until)
            terminal.type(keys)
        terminal.wait()
        return terminal.text.replace("\r\n", "\n")


def test_people_get_a_hint(tmp_path):
    program = str(berth_binary())
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": str(tmp_path)}
    assert "Did you mean 'berth images'?" in in_terminal([program, "imgaes"], environment=environment)
    assert "Did you mean '--no-trunc'?" in in_terminal([program, "ps", "--notrunc"], environment=environment)
    output = in_terminal([program, "ps"], environment=environment)
    assert output.startswith(f"Cannot connect to the Docker daemon at unix://{tmp_path}/none.sock. Is the docker daemon running?\n")
    assert "berth daemon" in output


def test_a_bad_config_is_told_once(tmp_path):
    (tmp_path / "config.json").write_text("{")
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    output = in_terminal([str(berth_binary()), "ps"], environment=environment)
    assert output.count("WARNING: ") == 1 and "berth daemon" in output


def test_pipes_get_no_hint(berth):
    assert berth("imgaes").stderr == "berth: unknown command: berth imgaes\n\nRun 'berth --help' for more information\n"
    done = berth("ps")
    assert done.returncode == 1 and done.stderr.count("\n") == 1


# --- completion ------------------------------------------------------------------------------------------------------

BASH = """
source <({program} completion bash)
complete_line() {{
    COMP_LINE="$1" COMP_POINT=${{#1}} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
    read -ra COMP_WORDS <<<"${{1//=/ = }}"
    [[ $1 == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    COMPREPLY=()
    compopt() {{ options="$options $*"; }}
    options=
    __berth_complete
    printf '%s\\n' "${{COMPREPLY[@]}}" "options:$options"
}}
complete_line "$1"
"""


@pytest.mark.parametrize("line,expected", [
    ("berth imag", ["image", "images", "options:"]),
    ("berth container st", ["start", "stats", "stop", "options:"]),
    ("berth --log-level=de", ["debug", "options:"]),
    ("berth run --pull ", None),
    ("berth ps --no-t", ["--no-trunc", "options:"]),
    ("berth --config ", ["options: -o dirnames"]),
])
def test_bash_completes(tmp_path, line, expected):
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "berth").symlink_to(berth_binary())
    environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "HOME": str(tmp_path),
                   "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = subprocess.run(["bash", "-c", BASH.format(program="berth"), "bash", line], env=environment, capture_output=True,
                          text=True, timeout=30)
    assert done.stderr == ""
    if expected is not None:
        assert done.stdout.splitlines() == expected


def test_an_interactive_bash_completes_at_tab(tmp_path):
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "berth").symlink_to(berth_binary())
    (tmp_path / "rc").write_text("PS1='ready$ '\nbind 'set enable-bracketed-paste off'\nsource <(berth completion bash)\n")
    environment = {"PATH": f"{directory}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}
    output = in_terminal(["bash", "--rcfile", str(tmp_path / "rc"), "-i"], keys=b"berth containe\t --hel\t\nexit\n", until="ready$ ",
                         environment=environment)
    assert "Usage:  berth container COMMAND" in output


def test_completion_asks_no_daemon_that_is_not_there(berth):
    assert berth("__complete", "rm", "").stdout == ":4\n"
    assert berth("__completeNoDesc", "network", "l").stdout == "ls\n:4\n"
    assert berth("__complete", "network", "l").stdout == "ls\tList networks\n:4\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_scripts_without_descriptions(berth, shell):
    done = berth("completion", shell, "--no-descriptions")
    assert done.returncode == 0 and "__completeNoDesc " in done.stdout and "__complete " not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_valid(berth, tmp_path, shell):
    script = tmp_path / "script"
    done = berth("completion", shell)
    assert done.returncode == 0 and "__berth_complete" in done.stdout
    script.write_text(done.stdout)
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n", script], capture_output=True).returncode == 0


# --- manual pages ----------------------------------------------------------------------------------------------------


def test_manual_pages_are_of_all_commands(berth, tmp_path):
    done = berth("man", str(tmp_path / "man"))
    assert done.returncode == 0, done.stderr
    pages = sorted(path.name for path in (tmp_path / "man").iterdir())
    assert done.stdout == f"{len(pages)} pages\n"
    for path in all_paths(berth):
        assert f"berth-{path.replace(' ', '-')}.1" in pages
    text = (tmp_path / "man/berth-container-ls.1").read_text()
    assert ".SH OPTIONS\n" in text and "\\-\\-no\\-trunc" in text
    if groff := shutil.which("groff"):
        for page in pages:
            done = subprocess.run([groff, "-man", "-Tutf8", "-ww", tmp_path / "man" / page], capture_output=True, text=True)
            assert done.returncode == 0 and done.stderr == "", page


# --- the plugin protocol ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["compose", "buildx"])
def test_docker_finds_the_plugin(tmp_path, word):
    plugins = tmp_path / "cli-plugins"
    plugins.mkdir()
    (plugins / f"docker-{word}").symlink_to(berth_binary())
    metadata = json.loads(subprocess.run([plugins / f"docker-{word}", "docker-cli-plugin-metadata"], capture_output=True,
                                         check=True).stdout)
    assert metadata["SchemaVersion"] == "0.1.0" and metadata["Vendor"] == "Berth" and metadata["ShortDescription"]
    if docker is None:
        return
    listed = subprocess.run([docker, "--config", tmp_path, "--help"], capture_output=True, text=True).stdout
    assert re.search(rf"^  {word}\*? +{metadata['ShortDescription']}", listed, re.M)
    done = subprocess.run([docker, "--config", tmp_path, word, "up", "-d"], capture_output=True, text=True)
    assert done.returncode == 1 and "not yet available" in done.stderr
    done = subprocess.run([plugins / f"docker-{word}", "up", "-d"], capture_output=True, text=True)
    assert done.returncode == 1 and "not yet available" in done.stderr
