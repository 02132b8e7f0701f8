#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the layer table of docs/design.md: what each folder of src/ may include, ours and others'.

usage: check_layers.py [REPOSITORY]

Berth's own headers are included with quotes from the root src/ ("sys/file.h"), a program's own from its folder in apps/
or from beside the file; all others with angle brackets. Prints one line for each include that the table does not allow;
exit status 1 if there is one.
"""

import re
import sys
from pathlib import Path

# folder: (folders of ours that it may include, libraries of others). A folder always sees itself.
ALL_BELOW_ENGINE = "base sys spec db runtime async http store net registry shim"
LAYERS = {
    "base": ("", "openssl json fmt spdlog"),
    "launch": ("", ""),
    "sys": ("base launch", "fmt zlib zstd"),
    "spec": ("base", "fmt"),
    "db": ("base", "fmt sqlite"),
    "runtime": ("base sys spec launch", "fmt libseccomp"),
    "async": ("base sys", "fmt asio"),
    "http": ("base async", "fmt asio beast openssl"),
    "store": ("base sys spec db", "fmt isal zlib zstd"),
    "net": ("base sys async spec db", "fmt nftables"),
    "registry": ("base sys async http spec db store", "fmt crypt"),
    # async for the client alone, see MORE: the shim has a loop of its own.  zlib: it compresses the logs it rotates.
    "shim": ("base sys spec runtime", "fmt zlib"),
    "context": ("base sys", "fmt"),
    "build": ("base sys async http spec db store registry context", "fmt"),
    "engine": (ALL_BELOW_ENGINE + " context build", "fmt"),
    "api": ("base async http spec engine build", "fmt"),
    "client": ("base sys async http spec", "fmt"),
    "compose": ("base sys async spec client context", "fmt yamlcpp"),
    "cli": ("base sys async spec client compose context", "fmt"),
}

# apps/<program>: wiring, so every folder it links.
PROGRAMS = {
    "berth-shim": ("base sys spec runtime shim", "fmt"),
    "berth": (" ".join(f for f in LAYERS if f != "launch"), "fmt"),
}

# Files that may see more than their folder: a pattern of paths, folders, libraries.
MORE = [
    (r"src/shim/client(_\w+)?\.(h|cpp)", "async", ""),
    # The checksum by which a compressed log is known again; GELF's compression.
    (r"src/engine/logs/(log_files|gelf_target|forwarder_test)\.cpp", "", "zlib"),
    # Tests: what they test, and the test library.
    (r".*_(test|fixture)\.(h|cpp)", "", "gtest"),
    (r"bench/.*", "", "benchmark"),
    # `berth-oci --version` tells libseccomp's, as runc's does.
    (r"apps/berth-shim/oci/help\.cpp", "", "libseccomp"),
    # base/ compiles Boost.JSON and fmt once, in these files.
    (r"src/base/\w+_impl\.cpp", "", "json fmt"),
]

# A library is known by its headers. The first pattern that matches counts.
LIBRARIES = [
    # The one Asio header that whoever sees async/ may include: it costs little to compile.
    ("awaitable", r"boost/asio/awaitable\.hpp"),
    ("beast", r"boost/beast(\.hpp|/.*)"),
    # Asio's errors are those of Boost.System.
    ("asio", r"boost/(asio|system)(\.hpp|/.*)"),
    ("json", r"boost/(json|mp11)(\.hpp|/.*)"),
    # Wire structs are described where they are defined, in any folder that sees base/json.h.
    ("describe", r"boost/describe(\.hpp|/.*)"),
    ("boost", r"boost/.*"),
    ("openssl", r"openssl/.*"),
    ("fmt", r"fmt/.*"),
    ("spdlog", r"spdlog/.*"),
    ("libseccomp", r"seccomp\.h"),
    ("libcap", r"sys/(capability|psx_syscall)\.h"),
    ("zlib", r"(zlib|zconf)\.h"),
    ("zstd", r"(zstd|zdict|zstd_errors)\.h"),
    ("libnl", r"netlink/.*"),
    ("nftables", r"(nftables|libnftables|libnftnl)/.*"),
    ("sqlite", r"sqlite3(ext)?\.h"),
    ("isal", r"(isa-l\.h|isa-l/.*)"),
    ("yamlcpp", r"yaml-cpp/.*"),
    ("crypt", r"crypt\.h"),
    ("gtest", r"(gtest|gmock)/.*"),
    ("benchmark", r"benchmark/.*"),
]

# Libraries that come with a folder: who may include the one sees the other.
SEEN_WITH = {"awaitable": "async", "describe": "base"}

# What is neither ours nor a library: libc, the kernel's headers, the standard library.
C_LIBRARY = re.compile(
    r"[a-z0-9_]+\.h|(sys|net|netinet|netpacket|arpa|linux|asm|asm-generic|sanitizer)/[\w/.-]+\.h"
)
STANDARD_LIBRARY = re.compile(r"[a-z_0-9]+")

# launch/ runs between clone and exec, without a runtime library: of the standard library what is compile time.
LAUNCH_STANDARD = set(
    "array atomic bit cerrno climits compare concepts csignal cstddef cstdint cstring initializer_list iterator "
    "limits new span string_view tuple type_traits utility variant".split()
)

# Banned with a reason, by the name of the header; and in which folders.
SHIM_SIDE = {"base", "launch", "sys", "spec", "runtime", "shim"}
BANNED = {
    "iostream": (None, "its static constructors and locale cost every start; print with fmt and write(2)"),
    "regex": (None, "std::regex is slow and big; match by hand"),
    "filesystem": (SHIM_SIDE, "follows links and costs the shim its size; use sys/ with descriptors"),
    "format": (None, "libstdc++ 12 has none; use fmt"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def allowed_for(path):
    """(folder, our folders, libraries) for a file's path in the repository, or None where no rule holds."""
    parts = path.parts
    if parts[0] == "src" and len(parts) > 2:
        folder = parts[1]
        table = LAYERS
    elif parts[0] == "apps" and len(parts) > 2:
        folder = parts[1]
        table = PROGRAMS
    elif parts[0] in ("tests", "bench"):
        # Tests and benchmarks may look everywhere, also into berth-shim's oci/.
        everything = {name for name, _ in LIBRARIES}
        return parts[0], set(LAYERS) | {parts[0], "support", "oci"}, everything
    else:
        return None
    if folder not in table:
        return folder, None, None
    folders, libraries = (set(words.split()) for words in table[folder])
    for pattern, more_folders, more_libraries in MORE:
        if re.fullmatch(pattern, path.as_posix()):
            folders |= set(more_folders.split())
            libraries |= set(more_libraries.split())
    return folder, folders | {folder}, libraries


def library_of(header):
    return next((name for name, pattern in LIBRARIES if re.fullmatch(pattern, header)), None)


def judge(root, path, quote, header):
    """Why `path` may not include `header`, or None."""
    folder, folders, libraries = allowed_for(path)
    if folders is None:
        return f"{path.parts[0]}/{folder}/ is not in the layer table"
    if quote == '"':
        target = header.split("/")[0]
        if path.parts[0] == "apps":
            if (root / "apps" / folder / header).exists() or (root / path.parent / header).exists():
                return None
        if "/" not in header:
            return "name Berth's headers from src/ (\"folder/name.h\")"
        if target not in folders:
            names = ", ".join(sorted(folders - {folder})) or "no other folder"
            return f"{folder}/ may include {names}; not {target}/"
        return None
    if "/" in header and header.split("/")[0] in LAYERS and not C_LIBRARY.fullmatch(header):
        return "include Berth's headers with quotes"
    if header in BANNED:
        where, why = BANNED[header]
        if where is None or folder in where:
            return why
    library = library_of(header)
    if library:
        if library in libraries or SEEN_WITH.get(library) in folders:
            return None
        return f"{folder}/ may not use {library}"
    if folder == "launch" and STANDARD_LIBRARY.fullmatch(header) and header not in LAUNCH_STANDARD:
        return "launch/ runs without a runtime library: libc's headers and compile-time ones only"
    if C_LIBRARY.fullmatch(header) or STANDARD_LIBRARY.fullmatch(header):
        return None
    return "a library that the table does not know: add it to tests/check_layers.py and docs/dependencies.md"


def main(root):
    problems = 0
    files = 0
    for top in ("src", "apps", "tests", "bench"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cpp", ".cc", ".c") or not file.is_file():
                continue
            path = file.relative_to(root)
            if allowed_for(path) is None:
                continue
            files += 1
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                include = INCLUDE.match(line)
                problem = include and judge(root, path, *include.groups())
                if problem:
                    problems += 1
                    print(f"{path}:{number}: {include.group(2)}: {problem}")
    if not files:
        print(f"no sources in {root}")
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent))
