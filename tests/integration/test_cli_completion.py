# SPDX-License-Identifier: Apache-2.0
"""The scripts of `berth completion` in the shells that they are for: what Tab makes of a line. bash's are in test_cli_core.py;
no Debian package has PowerShell."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.clis import environment
from support.images import berth_binary
from support.recorder import Recorder
from support.terminal import Terminal

pytestmark = [pytest.mark.novm, pytest.mark.noasan]

ZSHRC = """
PROMPT='ready$ '
unsetopt prompt_cr prompt_sp
fpath=({functions} $fpath)
autoload -Uz compinit
compinit -u -D
show() {{ zle -M "line<$BUFFER>" }}
zle -N show
bindkey '^Xs' show
"""


def needs(shell):
    return pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed")


@dataclass
class Place:
    folder: Path
    environment: dict


@pytest.fixture
def place(tmp_path):
    """A folder with some files, a home, and a daemon with a few names."""
    def names(of):
        return lambda _: (200, {}, json.dumps(of).encode())

    for folder in ("bin", "home/.config/fish/completions", "work/folder", "home/functions"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "work/file.txt").touch()
    (tmp_path / "bin/berth").symlink_to(berth_binary())
    recorder = Recorder(tmp_path / "d.sock", [
        ("GET", "/containers/json", names([{"Names": ["/web"]}, {"Names": ["/worker"]}])),
        ("GET", "/images/json", names([{"RepoTags": ["registry:5000/box:1.0"]}, {"RepoTags": ["registry:5000/box:2.0"]}])),
    ])
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    yield Place(tmp_path, environment(recorder.host, tmp_path / "home", PATH=path, TERM="dumb"))
    recorder.close()


def script(place, shell, *flags) -> str:
    words = [place.folder / "bin/berth", "completion", shell, *flags]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


# --- zsh -------------------------------------------------------------------------------------------------------------


def zsh(place) -> Terminal:
    (place.folder / "home/.zshrc").write_text(ZSHRC.format(functions=place.folder / "home/functions"))
    env = place.environment | {"ZDOTDIR": str(place.folder / "home")}
    return Terminal("zsh", "-i", size=(50, 200), env=env, cwd=place.folder / "work")


def at_tab(terminal, line: str) -> str:
    """What becomes of a line in zsh."""
    terminal.until("ready$ ")
    terminal.type(line + "\t\x18s")
    terminal.until("line<")
    made = terminal.expect(">").removesuffix(">")
    terminal.type(b"\x15\r")  # the line away
    return made


@needs("zsh")
@pytest.mark.parametrize("flags", [[], ["--no-descriptions"]])
def test_zsh_completes(place, flags):
    (place.folder / "home/functions/_berth").write_text(script(place, "zsh", *flags))
    with zsh(place) as terminal:
        # The first loads the script.
        for line, expected in (("berth ru", "berth run "), ("berth network l", "berth network ls "),
                               ("berth --log-level=de", "berth --log-level=debug "), ("berth ps --no-t", "berth ps --no-trunc "),
                               ("berth stop wo", "berth stop worker "), ("berth rm w", "berth rm w"),
                               ("berth rmi reg", "berth rmi registry:5000/box:"),
                               ("berth rmi registry:5000/box:2", "berth rmi registry:5000/box:2.0 "),
                               ("berth run -it --pull al", "berth run -it --pull always "),
                               ("berth --config fo", "berth --config folder/"), ("berth --config=fo", "berth --config=folder/"),
                               ("berth run --env-file fi", "berth run --env-file file.txt "),
                               ("berth -H 'tcp://a:1' --config 'x y' netw", "berth -H 'tcp://a:1' --config 'x y' network "),
                               ("berth network nothin", "berth network nothin")):
            assert at_tab(terminal, line) == expected


@needs("zsh")
def test_zsh_tells_what_words_mean(place):
    (place.folder / "home/functions/_berth").write_text(script(place, "zsh"))
    with zsh(place) as terminal:
        at_tab(terminal, "berth container st")
        assert "Display a live stream of container(s) resource usage statistics" in terminal.text


@needs("zsh")
def test_zsh_can_source_it(place):
    with zsh(place) as terminal:
        terminal.until("ready$ ")
        terminal.type("source <(berth completion zsh)\r")
        assert at_tab(terminal, "berth imag") == "berth image"


# --- fish ------------------------------------------------------------------------------------------------------------


@needs("fish")
@pytest.mark.parametrize("line,expected", [
    ("berth ru", ["run\tCreate and run a new container from an image"]),
    ("berth network l", ["ls\tList networks"]),
    ("berth --log-level=de", ["--log-level=debug"]),
    ("berth --log-level de", ["debug"]),
    ("berth ps --no-t", ["--no-trunc\tDon't truncate output"]),
    ("berth rm w", ["web", "worker"]),
    ("berth rmi reg", ["registry:5000/box:1.0", "registry:5000/box:2.0"]),
    ("berth --config fo", ["folder/"]),
    ("berth --config=fo", ["--config=folder/"]),
    ("berth run --env-file fi", ["file.txt"]),
    ("berth run --env-file=fi", ["--env-file=file.txt"]),
    ("berth network nothin", []),
])
def test_fish_completes(place, line, expected):
    (place.folder / "home/.config/fish/completions/berth.fish").write_text(script(place, "fish"))
    done = subprocess.run(["fish", "-c", "complete -C$argv[1]", line], env=place.environment, cwd=place.folder / "work",
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    # What it says about files is fish's own.
    found = [each.split("\t")[0] if "fi" in line.split()[-1] or "folder" in each else each for each in done.stdout.splitlines()]
    assert sorted(found) == expected


# --- powershell ------------------------------------------------------------------------------------------------------


def test_powershell_has_one(place):
    text = script(place, "powershell")
    assert "Register-ArgumentCompleter -Native -CommandName 'berth'" in text and "@" not in text
    assert "& $program __completeNoDesc $words $last" in script(place, "powershell", "--no-descriptions")
