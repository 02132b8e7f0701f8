# SPDX-License-Identifier: Apache-2.0
"""Root file systems and config.json: a `Bundle` is a directory with a busybox root and a configuration that
starts from a complete default."""

import json
import os
import shlex
import shutil
from pathlib import Path

DEFAULT_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MASKED_PATHS = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

APPLETS = """
awk base64 basename cat chgrp chmod chown chroot cmp cp cut date dd df dirname du echo env expr false
find free grep groups head hostname id ifconfig ip kill killall less ln ls md5sum mkdir mkfifo mknod
mktemp more mount mv nc nproc od pidof ping printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum
sleep sort stat stty su sync tail tar tee test time timeout top touch tr true tty umount uname uniq
unshare uptime usleep vi wc which whoami xargs yes
""".split()


class Root:
    """Makes root file systems: busybox and the probe are hard links, so that a bundle costs milliseconds."""

    def __init__(self, cache: Path, probe: Path):
        self.cache = cache
        self.cache.mkdir(parents=True, exist_ok=True)
        self.programs = {"busybox": self._keep(shutil.which("busybox"), "busybox"),
                         "probe": self._keep(probe, "probe")}

    def _keep(self, source, name: str) -> Path:
        if source is None:
            raise RuntimeError("busybox is not installed (package busybox-static)")
        kept = self.cache / name
        shutil.copy2(source, kept)
        kept.chmod(0o755)
        return kept

    def make(self, path: Path) -> Path:
        for name in ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var"):
            (path / name).mkdir(parents=True, exist_ok=True)
        (path / "tmp").chmod(0o1777)
        for name, source in self.programs.items():
            os.link(source, path / "bin" / name)
        for name in APPLETS:
            os.symlink("busybox", path / "bin" / name)
        (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n"
                                         "alice:x:1000:1000:alice:/home/alice:/bin/sh\n")
        (path / "etc/group").write_text("root:x:0:\nalice:x:1000:\naudio:x:29:alice\n")
        return path


def default_config() -> dict:
    """What `runc spec` writes, without terminal and read-only root."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": [DEFAULT_PATH, "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                kind: list(DEFAULT_CAPABILITIES) for kind in ("bounding", "effective", "permitted", "ambient")
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "berth-test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }


class Bundle:
    """A directory with rootfs/ and config.json. Change `config` freely: it is written before each use."""

    def __init__(self, path: Path, root: Root, cgroups_path: str | None = None):
        self.path = path
        path.mkdir(parents=True)
        self.rootfs = root.make(path / "rootfs")
        self.config = default_config()
        if cgroups_path:
            self.config["linux"]["cgroupsPath"] = cgroups_path

    @property
    def process(self) -> dict:
        return self.config["process"]

    @property
    def linux(self) -> dict:
        return self.config["linux"]

    @property
    def resources(self) -> dict:
        return self.linux["resources"]

    @property
    def mounts(self) -> list:
        return self.config["mounts"]

    def args(self, *argv: str) -> "Bundle":
        self.process["args"] = list(argv)
        return self

    def shell(self, script: str) -> "Bundle":
        return self.args("/bin/sh", "-c", script)

    def probe(self, *verbs: str) -> "Bundle":
        """Runs verbs of probe.c: bundle.probe("ids", "rlimit nofile")."""
        return self.args(*probe_argv(*verbs))

    def pause(self) -> "Bundle":
        """A first process that says "ready", and ends with code 0 at SIGTERM."""
        return self.probe("catch 15 0", "say ready", "pause")

    def mount(self, destination: str, kind="bind", source=None, options=("rbind",), **more) -> "Bundle":
        entry = {"destination": destination, "type": kind, "source": str(source or kind),
                 "options": list(options)}
        self.mounts.append(entry | more)
        return self

    def mount_entry(self, destination: str) -> dict:
        return next(m for m in self.mounts if m["destination"] == destination)

    def drop_mount(self, destination: str) -> "Bundle":
        self.config["mounts"] = [m for m in self.mounts if m["destination"] != destination]
        return self

    def namespace(self, kind: str, path=None) -> "Bundle":
        """Adds a namespace, or replaces the one of that type; with a path it is joined."""
        self.drop_namespace(kind)
        self.linux["namespaces"].append({"type": kind} | ({"path": str(path)} if path else {}))
        return self

    def drop_namespace(self, kind: str) -> "Bundle":
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != kind]
        return self

    def user_namespace(self, first=100000, size=65536) -> "Bundle":
        """A new user namespace, with the root file system given to its root."""
        self.namespace("user")
        mapping = [{"containerID": 0, "hostID": first, "size": size}]
        self.linux["uidMappings"] = mapping
        self.linux["gidMappings"] = [dict(mapping[0])]
        for directory, _, files in os.walk(self.rootfs):
            os.chown(directory, first, first)
            for name in files:
                path = os.path.join(directory, name)
                if os.stat(path, follow_symlinks=False).st_nlink == 1:
                    os.chown(path, first, first, follow_symlinks=False)
        return self

    def capabilities(self, *names: str, kinds=("bounding", "effective", "permitted")) -> "Bundle":
        """Replaces the capability sets; sets that are not listed become empty."""
        self.process["capabilities"] = {kind: list(names) for kind in kinds}
        return self

    def env(self, *assignments: str) -> "Bundle":
        self.process["env"] = self.process.get("env", []) + list(assignments)
        return self

    def hook(self, kind: str, path: str, args=None, env=None, timeout=None) -> "Bundle":
        entry = {"path": str(path)}
        if args is not None:
            entry["args"] = [str(a) for a in args]
        if env is not None:
            entry["env"] = env
        if timeout is not None:
            entry["timeout"] = timeout
        self.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
        return self

    def write(self) -> Path:
        target = self.path / "config.json"
        target.write_text(json.dumps(self.config, indent=1))
        return target


def probe_argv(*verbs: str) -> list[str]:
    argv = ["/bin/probe"]
    for i, verb in enumerate(verbs):
        argv += (["+"] if i else []) + shlex.split(verb)
    return argv


def facts(text: str) -> dict[str, str]:
    """The key=value lines of probe.c."""
    return dict(line.rstrip("\r").partition("=")[::2] for line in text.splitlines() if "=" in line)
