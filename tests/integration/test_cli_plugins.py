# SPDX-License-Identifier: Apache-2.0
"""Programs of others that add commands to docker's are called as docker calls them."""

import json
import subprocess

import pytest

from support.clis import DOCKER, OURS, environment

pytestmark = [pytest.mark.novm, pytest.mark.noasan]

METADATA = {"SchemaVersion": "0.1.0", "Vendor": "Somebody", "Version": "v1"}
PLUGIN = """#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
    echo 'some noise' >&2
    echo '{metadata}'
    exit {asked}
fi
echo "{name} of $DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"
for word; do echo "<$word>"; done
cat
exit 7
"""


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "docker").symlink_to(OURS)
        self.environment = environment(f"unix://{folder}/none.sock", folder)

    def add(self, path, metadata=METADATA, asked=0, mode=0o755):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PLUGIN.format(name=path.name, metadata=json.dumps(metadata), asked=asked))
        path.chmod(mode)

    def ours(self, *words, called="docker"):
        done = subprocess.run([called, *words], executable=self.bin / "docker", env=self.environment, input="typed\n", text=True,
                              capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def same(self, *words):
        ours = self.ours(*words)
        if DOCKER:
            done = subprocess.run(["docker", *words], executable=DOCKER, env=self.environment, input="typed\n", text=True,
                                  capture_output=True)
            assert ours == (done.returncode, done.stdout, done.stderr)
        return ours


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_an_unknown_command_is_a_plugins(place):
    place.add(".docker/cli-plugins/docker-scout")
    expected = "docker-scout of docker\n<scout>\n<cves>\n<--flag>\n<a b>\n<>\ntyped\n"
    assert place.same("scout", "cves", "--flag", "a b", "") == (7, expected, "")
    assert place.same("scout", "--help")[0] == 7


def test_global_flags_are_the_plugins_too(place):
    place.add("elsewhere/cli-plugins/docker-scout")
    status, out, _ = place.same("--config", str(place.folder / "elsewhere"), "-D", "scout", "x")
    assert status == 7 and out.endswith("<-D>\n<scout>\n<x>\ntyped\n")


def test_it_is_told_what_we_were_called_as(place):
    place.add(".docker/cli-plugins/docker-scout")
    called = str(place.bin / "docker")
    assert place.ours("scout", called=called)[1].startswith(f"docker-scout of {called}\n")


def test_folders_of_the_configuration_come_first(place):
    place.add(".docker/cli-plugins/docker-scout", asked=1)
    place.add("more/docker-scout")
    (place.folder / ".docker/config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(place.folder / "more")]}))
    assert place.same("scout")[0] == 7


@pytest.mark.parametrize("about", [{"metadata": {}}, {"metadata": {"SchemaVersion": "0.1.0"}}, {"asked": 1}, {"mode": 0o644},
                                   {"metadata": []}])
def test_one_that_does_not_answer_is_none(place, about):
    place.add(".docker/cli-plugins/docker-scout", **about)
    assert place.same("scout") == (1, "", "docker: unknown command: docker scout\n\nRun 'docker --help' for more information\n")


def test_names_that_are_none(place):
    for name in ("docker-a-b", "docker-A", "docker-1a", "docker-"):
        place.add(f".docker/cli-plugins/{name}")
        assert place.same(name.removeprefix("docker-") or "../x")[0] == 1


def test_commands_of_our_own_stay_ours(place):
    for name in ("ps", "compose", "buildx"):
        place.add(f".docker/cli-plugins/docker-{name}")
        assert "of docker" not in place.ours(name)[1]
