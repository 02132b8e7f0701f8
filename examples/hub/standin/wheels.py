# SPDX-License-Identifier: Apache-2.0
"""Python wheels from Debian's python3-* packages, and an index of them for pip.

A package's files in dist-packages become the wheel's; its *.dist-info or *.egg-info becomes the wheel's metadata.
What Debian has taken out of a project into packages of its own is required additionally, by Debian's
dependencies. In the image:

    /usr/share/python-index/wheels/*.whl    the wheels (pip.conf: find-links)
    /usr/share/python-index/simple/NAME/    an index as in PEP 503, for tools that want one
    /usr/share/python-wheels/*.whl          pip, setuptools, wheel, where Debian's venv and virtualenv look for them
"""

import base64
import configparser
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

INDEX = "usr/share/python-index"
DIST_PACKAGES = "usr/lib/python3/dist-packages"
# The same project under the name that has the libraries inside.
OTHER_NAMES = {"psycopg2": "psycopg2-binary"}
# Packages without metadata, and the project that they are a part of.
PART_OF = {"python3-pkg-resources": "setuptools"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def normalised(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Package:
    """A Debian package, unpacked."""

    def __init__(self, deb: Path, directory: Path):
        self.depends = depended(subprocess.run(["dpkg-deb", "-f", str(deb), "Depends"], check=True,
                                               capture_output=True, text=True).stdout)
        subprocess.run(["dpkg-deb", "-x", str(deb), str(directory)], check=True)
        self.root = directory
        self.modules = directory / DIST_PACKAGES
        found = [*self.modules.glob("*.dist-info"), *self.modules.glob("*.egg-info")]
        self.metadata = found[0] if found else None
        self.message = self.read_metadata() if self.metadata else None

    def read_metadata(self) -> Message:
        path = self.metadata
        if path.is_dir():
            path = path / ("METADATA" if path.suffix == ".dist-info" else "PKG-INFO")
        return Parser().parsestr(path.read_text(errors="replace"))

    @property
    def version(self) -> str:
        """The project's, without what Debian's builds append: 1.2.4.dev0, 20.17.1+ds."""
        return re.sub(r"(\.dev0|\+.*)$", "", self.message["Version"])

    @property
    def project(self) -> str | None:
        return self.message["Name"] if self.message else None


def depended(field: str) -> list[str]:
    """Package names of a Depends field. Alternatives are left out: one of them is Python itself."""
    clauses = [clause.strip() for clause in field.split(",") if "|" not in clause]
    return [re.split(r"[\s:(]", clause)[0] for clause in clauses]


def make_index(archives: Path, names: list[str], root: Path) -> None:
    """Makes wheels of the named packages, and of the Python packages that they depend on, in the image `root`."""
    wheels = root / INDEX / "wheels"
    wheels.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        packages = unpack_all(archives, names, Path(scratch))
        known = {normalised(package.project) for package in packages.values() if package.project}
        known.add("setuptools")
        for package in packages.values():
            if package.project is None:
                continue
            required = [packages[name].project if name in packages else PART_OF.get(name)
                        for name in package.depends]
            required = [project for project in required if project]
            write_wheel(package, package.project, required, known, wheels)
            if package.project in OTHER_NAMES:
                write_wheel(package, OTHER_NAMES[package.project], required, known, wheels)
        for ready in Path(scratch).glob("*/usr/share/python-wheels/*.whl"):
            target = root / "usr/share/python-wheels" / ready.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ready, target)
            shutil.copyfile(ready, wheels / ready.name)
    write_pages(root / INDEX)


def unpack_all(archives: Path, names: list[str], scratch: Path) -> dict[str, Package]:
    packages: dict[str, Package] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        debs = sorted(archives.glob(f"{name}_*.deb"), key=os.path.getmtime)
        if name in packages or not debs:
            continue
        package = Package(debs[-1], scratch / name)
        if package.metadata or name in names:
            packages[name] = package
            wanted += [other for other in package.depends if other.startswith("python3-")]
    return packages


def write_wheel(package: Package, project: str, required: list[str], known: set[str],
                directory: Path) -> None:
    files = [path for path in sorted(package.modules.rglob("*"))
             if path.is_file() and "__pycache__" not in path.parts
             and package.metadata not in (path, *path.parents)]
    compiled = any(path.suffix == ".so" for path in files)
    tag = f"cp311-cp311-linux_{os.uname().machine}" if compiled else "py3-none-any"
    stem = f"{normalised(project).replace('-', '_')}-{package.version}"
    information = f"{stem}.dist-info"
    records = []
    with zipfile.ZipFile(directory / f"{stem}-{tag}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        def add(name: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            wheel.writestr(entry, data)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{name},sha256={hashed},{len(data)}\n")

        for path in files:
            add(str(path.relative_to(package.modules)), path.read_bytes())
        add(f"{information}/METADATA", metadata(package, project, required, known).encode())
        pure = "false" if compiled else "true"
        kind = f"Wheel-Version: 1.0\nGenerator: berth\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
        add(f"{information}/WHEEL", kind.encode())
        points = package.metadata / "entry_points.txt"
        if points.exists():
            add(f"{information}/entry_points.txt", points.read_bytes())
        record = f"{information}/RECORD"
        wheel.writestr(zipfile.ZipInfo(record, LONG_AGO), "".join(records) + f"{record},,\n")


def metadata(package: Package, project: str, required: list[str], known: set[str]) -> str:
    """`known`: the projects that the index has. No version of theirs is asked for: Debian has seen to it that
    its packages fit together, sometimes with a patch instead of the version that the metadata still name."""
    lines = ["Metadata-Version: 2.1", f"Name: {project}", f"Version: {package.version}"]
    lines += [f"{name}: {value}" for name, value in package.message.items()
              if name in ("Summary", "License", "Requires-Python", "Provides-Extra")]
    requirements = list(package.message.get_all("Requires-Dist", []))
    listed = package.metadata / "requires.txt"
    if not requirements and listed.exists():
        requirements = egg_requirements(listed.read_text())
    requirements = [any_version(requirement) if project_of(requirement) in known else requirement
                    for requirement in requirements]
    told = {project_of(requirement) for requirement in requirements if "extra ==" not in requirement}
    requirements += sorted(other for other in set(required) if normalised(other) not in told)
    return "\n".join(lines + [f"Requires-Dist: {requirement}" for requirement in requirements]) + "\n"


def project_of(requirement: str) -> str:
    return normalised(re.match(r"[\w.-]+", requirement)[0])


def any_version(requirement: str) -> str:
    """`Werkzeug[x] (>=2.2) ; python_version > "3"` without the versions."""
    name, extras = re.match(r"([\w.-]+)\s*(\[[^]]*\])?", requirement).groups(default="")
    marker = requirement.partition(";")[2].strip()
    return name + extras + (f" ; {marker}" if marker else "")


def egg_requirements(text: str) -> list[str]:
    """requires.txt in the words of PEP 508: sections [extra], [:condition], [extra:condition]."""
    parser = configparser.ConfigParser(allow_no_value=True, delimiters=("\0",), strict=False)
    parser.optionxform = str
    parser.read_string("[:]\n" + text)
    requirements = []
    for section in parser.sections():
        extra, _, condition = section.partition(":")
        conditions = ([f"({condition})"] if condition else []) + ([f'extra == "{extra}"'] if extra else [])
        suffix = " ; " + " and ".join(conditions) if conditions else ""
        requirements += [requirement + suffix for requirement in parser[section]]
    return requirements


def write_pages(index: Path) -> None:
    projects: dict[str, list[str]] = {}
    for wheel in sorted((index / "wheels").glob("*.whl")):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        link = f'<a href="../../wheels/{wheel.name}#sha256={digest}">{wheel.name}</a>'
        projects.setdefault(normalised(wheel.name.split("-")[0]), []).append(link)
    for project, links in projects.items():
        write_page(index / "simple" / project, links)
    write_page(index / "simple", [f'<a href="{project}/">{project}</a>' for project in projects])


def write_page(directory: Path, links: list[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    page = "<!DOCTYPE html>\n<html><body>\n" + "<br>\n".join(links) + "\n</body></html>\n"
    (directory / "index.html").write_text(page)
