# SPDX-License-Identifier: Apache-2.0
"""What the images take over from the host's apt at build time, so that `apt-get` works inside as it does
outside: the Debian 12 archives with their addresses, proxies and time checks, additional certificates.
Credentials are not taken."""

import subprocess
from pathlib import Path

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ORIGINAL_SOURCES = [("http://deb.debian.org/debian", SUITE, "main"),
                    ("http://deb.debian.org/debian", SUITE + "-updates", "main"),
                    ("http://deb.debian.org/debian-security", SUITE + "-security", "main")]


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sources() -> str:
    """One-line-style sources of Debian 12, as the host has them; Debian's own when the host has none."""
    wanted = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CODENAME)"
    lines = output_of("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines()
    found = [tuple(fields[:3]) for fields in (line.split(" ") for line in lines)
             if fields[3] == "Debian" and fields[4].startswith(SUITE) and fields[0].startswith("http")]
    found = list(dict.fromkeys(found)) or ORIGINAL_SOURCES
    return "".join(f"deb [signed-by={KEYRING}] {' '.join(entry)}\n" for entry in found)


def options() -> str:
    """Those of the host's apt options without which its archives cannot be reached or are refused."""
    kept = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv4")
    lines = [line for line in output_of("apt-config", "dump").splitlines() if line.startswith(kept)]
    return "".join(line + "\n" for line in lines if "::User-Agent" not in line)


def install_configuration(root: Path) -> None:
    """Writes sources, options and the host's additional certificates into a root file system."""
    for path in (root / "etc/apt/sources.list", *(root / "etc/apt/sources.list.d").glob("*")):
        path.unlink(missing_ok=True)
    (root / "etc/apt/sources.list").write_text(sources())
    if options():
        (root / "etc/apt/apt.conf.d/90host").write_text(options())
    added = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    for certificate in added:
        target = root / "usr/local/share/ca-certificates" / certificate.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(certificate.read_bytes())
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    if "https://" in sources() and not bundle.exists():
        # The package ca-certificates writes this file anew when somebody installs it.
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())


def release_of(root: Path) -> str:
    return (root / "etc/debian_version").read_text().strip()
