# SPDX-License-Identifier: Apache-2.0
"""Builds recipes into the layout. What is unchanged since the last build is taken from the cache:

    OUT/cache/apt/        packages and lists, shared by all images
    OUT/cache/NAME/tree   what the image adds to its base: a lower directory of what stands on it
    OUT/cache/NAME/state  key, layers, manifest (JSON)

An image is built anew when its recipe, its base, this tool, the host's apt sources or Debian's point release
changed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path

from . import apt, layer, layout, wheels
from .recipe import Recipe

HERE = Path(__file__).parent
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class BuildError(Exception):
    pass


class Builder:
    def __init__(self, out: Path, refresh: bool = False):
        self.layout = layout.Layout(out)
        self.cache = out / "cache"
        self.apt_cache = self.cache / "apt"
        self.refresh = refresh  # build even what is in the cache
        self.states: dict[str, dict] = {}
        self.epoch, self.release = archive_release()
        self.surroundings = self.hash_surroundings()

    def hash_surroundings(self) -> str:
        digest = hashlib.sha256(f"{apt.sources()}{apt.options()}{self.release}".encode())
        for name in ("builder.py", "layer.py", "layout.py", "apt.py", "enter"):
            digest.update((HERE / name).read_bytes())
        return digest.hexdigest()

    def build(self, recipe: Recipe) -> bool:
        """Makes the image and enters its tags in the index; false when it was there. Bases come first."""
        if not recipe.can_be_built():
            raise BuildError(f"{recipe.name}: the variable {recipe.binary['variable']} has to name a file")
        base = self.states[recipe.base] if recipe.base else None
        text = f"{recipe.content_hash()} {base['key'] if base else ''} {self.surroundings}"
        if recipe.wheels:
            text += (HERE / "wheels.py").read_text()
        key = hashlib.sha256(text.encode()).hexdigest()
        place = self.cache / recipe.name
        state = self.cached_state(place, key)
        fresh = state is None
        if fresh:
            state = self.build_anew(recipe, base, key, place)
        self.states[recipe.name] = state
        images = {reference: descriptor for reference, descriptor in self.layout.images().items()
                  if reference not in state["references"]}
        images |= {reference: state["manifest"] for reference in recipe.references()}
        self.layout.set_images(images)
        return fresh

    def cached_state(self, place: Path, key: str) -> dict | None:
        try:
            state = json.loads((place / "state").read_bytes())
        except (OSError, ValueError):
            return None
        blobs = [state["manifest"]["digest"], state["config"], *(entry["digest"] for entry in state["layers"])]
        if self.refresh or state["key"] != key or not all(map(self.layout.has, blobs)):
            return None
        return state

    def build_anew(self, recipe: Recipe, base: dict | None, key: str, place: Path) -> dict:
        shutil.rmtree(place, ignore_errors=True)
        tree = place / "tree"
        tree.mkdir(parents=True)
        trees = (base["trees"] if base else []) + [str(tree)]
        started = time.time() - 1  # times of files come from a coarser clock
        if recipe.base is None:
            self.run_on_host(recipe, tree)
        else:
            self.install(recipe, trees, place / "work")
        packed = layer.pack(tree, place / "layer", started, self.epoch)
        layers = list(base["layers"] if base else [])
        if any(tree.iterdir()):
            self.layout.add_file(place / "layer", packed.digest)
            layers.append(asdict(packed) | {"made_by": recipe.name})
        config = self.image_config(recipe, base, layers, trees)
        config_descriptor = self.layout.add_json(config, layout.CONFIG)
        manifest = self.layout.add_json({
            "schemaVersion": 2, "mediaType": layout.MANIFEST, "config": config_descriptor,
            "layers": [{"mediaType": layout.LAYER, "digest": entry["digest"], "size": entry["size"]}
                       for entry in layers]}, layout.MANIFEST)
        state = {"key": key, "trees": trees, "layers": layers, "config": config_descriptor["digest"],
                 "manifest": manifest, "references": recipe.references()}
        layout.replace(place / "state", json.dumps(state, indent=1).encode())
        return state

    def run_on_host(self, recipe: Recipe, tree: Path) -> None:
        script = recipe.script("rootfs")
        if script is None:
            raise BuildError(f"{recipe.name}: neither `base` nor a script `rootfs`")
        self.apt_cache.mkdir(parents=True, exist_ok=True)
        sources = self.apt_cache / "sources.list"
        sources.write_text(apt.sources())
        environment = os.environ | {"HUB_SOURCES": str(sources), "HUB_CACHE": str(self.apt_cache)}
        self.run(recipe, [str(script), str(tree)], environment)
        if (tree / "etc/apt").exists():
            apt.install_configuration(tree)
        copy_files(recipe, tree)

    def install(self, recipe: Recipe, trees: list[str], work: Path) -> None:
        """Everything that a recipe adds to its base."""
        def inside(*command: str) -> None:
            work.mkdir(exist_ok=True)
            self.run(recipe, ["unshare", "--mount", "--pid", "--fork", "--kill-child", str(HERE / "enter"),
                              ":".join(reversed(trees[:-1])), trees[-1], str(work), str(self.apt_cache), *command],
                     os.environ | {"HUB_RECIPE": str(recipe.directory)})

        if recipe.packages or recipe.wheels:
            self.update_lists(inside)
        if recipe.packages:
            inside("apt-get", "install", "--yes", *recipe.packages)
        if recipe.wheels:
            inside("apt-get", "install", "--yes", "--download-only", *recipe.wheels)
            wheels.make_index(self.apt_cache / "archives", recipe.wheels, Path(trees[-1]))
        copy_files(recipe, Path(trees[-1]))
        if recipe.binary:
            inside("install", "-D", "-m", "755", "/dev/null", recipe.binary["path"])
            shutil.copyfile(recipe.binary_source(), trees[-1] + recipe.binary["path"])
        if recipe.script("setup"):
            inside("/tmp/hub/recipe/setup")
        shutil.rmtree(work, ignore_errors=True)

    def update_lists(self, inside) -> None:
        stamp = self.apt_cache / "updated"
        if not stamp.exists() or stamp.read_text() != self.surroundings:
            inside("apt-get", "update")
            stamp.write_text(self.surroundings)

    def run(self, recipe: Recipe, command: list[str], environment: dict[str, str]) -> None:
        """Runs a step; its output goes to OUT/cache/NAME/log and is shown when it fails."""
        log = self.cache / recipe.name / "log"
        with open(log, "ab") as out:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        if status.returncode != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise BuildError(f"{recipe.name}: status {status.returncode}; {log} ends with\n{tail}")

    def image_config(self, recipe: Recipe, base: dict | None, layers: list[dict], trees: list[str]) -> dict:
        below = self.layout.read_json(base["config"]) if base else {}
        inherited = below.get("config", {})
        own = recipe.config
        variables = dict(entry.split("=", 1) for entry in inherited.get("Env", [DEFAULT_PATH]))
        variables |= {name: upstream_version(trees, package) for name, package in recipe.versions.items()}
        variables |= dict(entry.split("=", 1) for entry in own.get("env", []))
        config = {
            "User": own.get("user", inherited.get("User")),
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "WorkingDir": own.get("workdir", inherited.get("WorkingDir")),
            "Labels": {"org.opencontainers.image.title": recipe.repository,
                       "org.opencontainers.image.description": recipe.summary,
                       "org.opencontainers.image.vendor": "Berth (examples/hub)"},
        }
        # What Docker does with ENTRYPOINT in a child image: the base's CMD does not belong to it.
        config["Entrypoint"] = own.get("entrypoint", inherited.get("Entrypoint"))
        config["Cmd"] = own.get("cmd", None if "entrypoint" in own else inherited.get("Cmd"))
        config["ExposedPorts"] = inherited.get("ExposedPorts", {}) | {port: {} for port in own.get("ports", [])}
        config["Volumes"] = inherited.get("Volumes", {}) | {path: {} for path in own.get("volumes", [])}
        config["StopSignal"] = own.get("stop_signal", inherited.get("StopSignal"))
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.epoch))
        steps = [{"created_by": f"examples/hub: {entry['made_by']}"} for entry in layers]
        steps += [{"created_by": f"{word} {json.dumps(config[field])}", "empty_layer": True}
                  for word, field in (("ENTRYPOINT", "Entrypoint"), ("CMD", "Cmd")) if config[field]]
        return {
            "created": created, "architecture": ARCHITECTURES[os.uname().machine], "os": "linux",
            "config": {name: value for name, value in config.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [entry["diff_id"] for entry in layers]},
            "history": [{"created": created} | step for step in steps],
        }


def archive_release() -> tuple[int, str]:
    """Date (the time of everything made here) and version of Debian's point release in the host's lists."""
    for file in sorted(Path("/var/lib/apt/lists").glob(f"*_dists_{apt.SUITE}_*Release")):
        fields = dict(line.split(": ", 1) for line in file.read_text().splitlines()[:20] if ": " in line)
        if fields.get("Origin") == "Debian":
            return int(parsedate_to_datetime(fields["Date"]).timestamp()), fields["Version"]
    return 1_700_000_000, "unknown"


def copy_files(recipe: Recipe, tree: Path) -> None:
    """files/ over the tree, owned by root, whatever the checkout's owner and umask were."""
    source = recipe.directory / "files"
    for path in sorted(source.rglob("*")):
        target = tree / path.relative_to(source)
        if path.is_symlink():
            target.symlink_to(os.readlink(path))
        elif path.is_dir():
            target.mkdir(exist_ok=True)
            target.chmod(0o755)
        else:
            shutil.copyfile(path, target)
            target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def upstream_version(trees: list[str], package: str) -> str:
    """1.22.1 of Debian's 1.22.1-9+deb12u1: epoch and revision are Debian's own."""
    status = next(Path(tree, "var/lib/dpkg/status") for tree in reversed(trees)
                  if Path(tree, "var/lib/dpkg/status").exists())
    for paragraph in status.read_text().split("\n\n"):
        lines = [line for line in paragraph.splitlines() if ": " in line and line[0] != " "]
        fields = dict(line.split(": ", 1) for line in lines)
        if fields.get("Package") == package:
            return fields["Version"].split(":", 1)[-1].rsplit("-", 1)[0].split("+")[0].split("~")[0]
    raise BuildError(f"the package {package}, whose version is wanted, is not installed")
