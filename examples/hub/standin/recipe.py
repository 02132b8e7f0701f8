# SPDX-License-Identifier: Apache-2.0
"""Recipes: what an image is made of. One directory images/NAME for each:

    recipe.toml   base, tags, packages, configuration (see load)
    rootfs        for images without base: a script, run on the host, that fills the directory $1
    files/        copied over the root file system, owned by root
    setup         a script, run inside the root file system (chroot) after packages and files
"""

import hashlib
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

REGISTRY = "docker.io/library"
LISTS = ("env", "entrypoint", "cmd", "ports", "volumes")
TEXTS = ("workdir", "user", "stop_signal")


class RecipeError(Exception):
    pass


@dataclass
class Recipe:
    name: str                # of the directory; another recipe's `base` refers to it
    directory: Path
    repository: str          # "nginx": what clients call it
    tags: list[str]
    summary: str             # one sentence, becomes a label
    base: str | None         # the recipe whose layers come below; None: the `rootfs` script makes all
    packages: list[str]      # Debian packages to install, without recommended ones
    wheels: list[str]        # Debian packages that become Python wheels in the local index of the image
    versions: dict[str, str]  # environment variable -> installed package whose upstream version it gets
    binary: dict[str, str]   # variable: names a file of the host; path: where it goes. Without it: no image
    config: dict = field(default_factory=dict)

    def references(self) -> list[str]:
        return [f"{REGISTRY}/{self.repository}:{tag}" for tag in self.tags]

    def script(self, name: str) -> Path | None:
        path = self.directory / name
        return path if path.exists() else None

    def content_hash(self) -> str:
        """Changes with every byte and mode of the recipe's directory, and with the host's file that goes in."""
        digest = hashlib.sha256()
        for path in sorted(self.directory.rglob("*")):
            executable = "x" if path.is_file() and os.access(path, os.X_OK) else "-"
            digest.update(f"{path.relative_to(self.directory)} {executable}\n".encode())
            if path.is_symlink():
                digest.update(os.readlink(path).encode())
            elif path.is_file():
                digest.update(path.read_bytes())
        if self.binary_source():
            digest.update(self.binary_source().read_bytes())
        return digest.hexdigest()

    def binary_source(self) -> Path | None:
        return Path(os.environ[self.binary["variable"]]) if self.can_be_built() and self.binary else None

    def can_be_built(self) -> bool:
        return not self.binary or bool(os.environ.get(self.binary["variable"]))


def load(directory: Path) -> Recipe:
    try:
        table = tomllib.loads((directory / "recipe.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{directory.name}: {error}") from error
    config = table.pop("config", {})
    wrong = [key for key in config if key not in LISTS + TEXTS]
    recipe = Recipe(
        name=directory.name, directory=directory, repository=table.pop("repository", directory.name),
        tags=table.pop("tags", []), summary=table.pop("summary", ""), base=table.pop("base", None),
        packages=table.pop("packages", []), wheels=table.pop("wheels", []), versions=table.pop("versions", {}),
        binary=table.pop("binary", {}), config=config)
    wrong += table.keys()
    if wrong:
        raise RecipeError(f"{directory.name}/recipe.toml: unknown: {', '.join(wrong)}")
    return recipe


def load_all(images: Path) -> dict[str, Recipe]:
    return {path.parent.name: load(path.parent) for path in sorted(images.glob("*/recipe.toml"))}


def in_build_order(recipes: dict[str, Recipe], names: list[str]) -> list[Recipe]:
    """The named recipes and their bases, every base before what stands on it."""
    order: list[Recipe] = []

    def add(name: str, above: tuple[str, ...]) -> None:
        if name not in recipes:
            raise RecipeError(f"no recipe is called {name}; there are: {', '.join(recipes)}")
        if name in above:
            raise RecipeError(f"recipes stand on each other in a circle: {' -> '.join(above + (name,))}")
        recipe = recipes[name]
        if recipe.base:
            add(recipe.base, above + (name,))
        if recipe not in order:
            order.append(recipe)

    for name in names:
        add(name, ())
    return order
