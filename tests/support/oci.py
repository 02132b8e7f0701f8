# SPDX-License-Identifier: Apache-2.0
"""Bundles and a runtime's command line, as the integration tests use them.

A `Bundle` is a directory with a busybox root file system and a config.json that starts from a complete
default. A `Runtime` runs the program under test with its own --root; it waits for events (pidfds, pipes),
never for time, and removes whatever its containers left. The process that uses it must be a child
subreaper (`become_subreaper`), so that the inits of detached containers become its children.
"""

import ctypes
import json
import os
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from support import host

TIMEOUT = 30
PR_SET_CHILD_SUBREAPER = 36
DEFAULT_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MASKED_PATHS = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def mount(source, target, kind=None, flags=0, data=None) -> None:
    def encode(text):
        return None if text is None else os.fsencode(text)

    if libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED, MS_SLAVE = 4096, 16384, 1 << 18, 1 << 20, 1 << 19


def umount(target, lazy=True) -> None:
    if libc.umount2(os.fsencode(target), 2 if lazy else 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


def unescape_mount(path: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, char)
    return path


class Mount:
    """One line of a mountinfo file."""

    def __init__(self, line: str):
        left, right = line.split(" - ", 1)
        fields = left.split()
        self.id, self.parent = int(fields[0]), int(fields[1])
        self.root, self.point = unescape_mount(fields[3]), unescape_mount(fields[4])
        self.options = set(fields[5].split(","))
        self.propagation = {field.split(":")[0] for field in fields[6:]}
        self.type, self.source, data = right.split(" ", 2)
        self.data = dict(item.partition("=")[::2] for item in data.split(","))

    def __repr__(self):
        return f"<{self.point} {self.type} {sorted(self.options)} {sorted(self.propagation)} {self.data}>"


def parse_mounts(text: str) -> list[Mount]:
    return [Mount(line) for line in text.splitlines() if " - " in line]


def mounts_of(pid="self") -> list[Mount]:
    return parse_mounts(Path(f"/proc/{pid}/mountinfo").read_text())


def mount_at(mounts: list[Mount], point: str) -> Mount | None:
    """The uppermost mount on a mount point."""
    found = [m for m in mounts if m.point == point]
    return found[-1] if found else None


class Root:
    """Makes root file systems: busybox and the probe are hard links, so that a bundle costs milliseconds."""

    def __init__(self, cache: Path, probe: Path):
        self.cache = cache
        self.cache.mkdir(parents=True, exist_ok=True)
        self.programs = {"busybox": self._keep(shutil.which("busybox"), "busybox"), "probe": self._keep(probe, "probe")}
        listed = subprocess.run([self.programs["busybox"], "--list"], capture_output=True, text=True, check=True)
        self.applets = [name for name in listed.stdout.split() if "/" not in name and name != "busybox"]

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
        for name in self.applets:
            os.symlink("busybox", path / "bin" / name)
        (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:alice:/home/alice:/bin/sh\n")
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
        entry = {"destination": destination, "type": kind, "source": str(source or kind), "options": list(options)}
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


class Result:
    """A finished command: exit code, standard output and error, and what it added to the log."""

    def __init__(self, argv, rc: int, out: str, err: str, log: str):
        self.argv, self.rc, self.out, self.err, self.log = argv, rc, out, err, log

    @property
    def error(self) -> str:
        """All that was said about a failure, on standard error and in the log."""
        return self.err + "\n".join(json.loads(line).get("msg", "") if line.startswith("{") else line
                                    for line in self.log.splitlines())

    @property
    def facts(self) -> dict[str, str]:
        return facts(self.out)

    def __repr__(self):
        return (f"\n$ {shlex.join(map(str, self.argv))}\nexit {self.rc}\n--- stdout\n{self.out}"
                f"\n--- stderr\n{self.err}\n--- log\n{self.log}")


class CommandFailed(AssertionError):
    def __init__(self, result: Result):
        super().__init__(repr(result))
        self.result = result


class Stream:
    """The reading end of a pipe or a terminal, read by event with a time limit."""

    def __init__(self, fd: int):
        self.fd = fd
        self.text = ""

    def fileno(self) -> int:
        return self.fd

    def _more(self, deadline: float) -> bool:
        poller = select.poll()
        poller.register(self.fd, select.POLLIN | select.POLLHUP)
        if not poller.poll(max(0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"nothing more to read after {self.text!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # a terminal whose other side is closed gives EIO
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def until(self, marker: str, timeout: float = TIMEOUT) -> str:
        """Reads until the marker was seen; returns the text up to its end and keeps the rest."""
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            if not self._more(deadline):
                raise EOFError(f"no {marker!r} in {self.text!r}")
        end = self.text.index(marker) + len(marker)
        head, self.text = self.text[:end], self.text[end:]
        return head

    def line(self, timeout: float = TIMEOUT) -> str:
        return self.until("\n", timeout).rstrip("\r\n")

    def all(self, timeout: float = TIMEOUT) -> str:
        """Reads to the end."""
        deadline = time.monotonic() + timeout
        while self._more(deadline):
            pass
        text, self.text = self.text, ""
        return text

    def write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class ConsoleSocket:
    """Listens where --console-socket sends the terminal's descriptor to."""

    def __init__(self, path: Path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(TIMEOUT)

    def receive(self) -> tuple[Stream, str]:
        """The terminal, and the text that came with it."""
        peer, _ = self.listener.accept()
        with peer:
            peer.settimeout(TIMEOUT)
            text, fds, _, _ = socket.recv_fds(peer, 4096, 4)
        assert len(fds) == 1, f"the console socket got {len(fds)} descriptors"
        return Stream(fds[0]), text.decode()

    def close(self) -> None:
        self.listener.close()


class Cgroup:
    """A container's directories in the hierarchies, found from cgroupsPath."""

    def __init__(self, path: str):
        self.path = path.lstrip("/")

    def directory(self, controller: str) -> Path:
        return host.hierarchies()[controller] / self.path

    def file(self, controller: str, v1: str, v2: str) -> Path:
        return self.directory(controller) / (v1 if host.cgroup_mode() == "v1" else v2)

    def read(self, controller: str, v1: str, v2: str) -> str:
        return self.file(controller, v1, v2).read_text().strip()


class Container:
    """A container made by `create` or `run --detach`. Its standard output is the pipe `out`."""

    def __init__(self, runtime: "Runtime", ident: str, bundle: Bundle, pid: int, out: Stream | None):
        self.runtime, self.id, self.bundle, self.pid, self.out = runtime, ident, bundle, pid, out
        self.pidfd = os.pidfd_open(pid)
        self.status: int | None = None
        self.cgroup = Cgroup(bundle.linux.get("cgroupsPath", ident))

    def cmd(self, verb: str, *args, **more) -> Result:
        return self.runtime.cmd(verb, *args, self.id, **more)

    def start(self, **more) -> "Container":
        self.cmd("start", **more)
        return self

    def ready(self) -> "Container":
        """Waits until the first process has said "ready"."""
        self.out.until("ready\n")
        return self

    def state(self) -> dict:
        return json.loads(self.cmd("state").out)

    def kill(self, sig="KILL", *flags, **more) -> Result:
        return self.runtime.cmd("kill", *flags, self.id, str(sig), **more)

    def delete(self, *flags, **more) -> Result:
        return self.cmd("delete", *flags, **more)

    def exec(self, *argv, flags=(), **more) -> Result:
        return self.runtime.cmd("exec", *flags, self.id, *argv, **more)

    def exec_probe(self, *verbs, flags=(), **more) -> dict[str, str]:
        return self.exec(*probe_argv(*verbs), flags=flags, **more).facts

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Waits for the first process and reaps it; its exit code, or 128 + the signal."""
        if self.status is None:
            self.status = wait_child(self.pid, self.pidfd, timeout)
        return self.status

    def stop(self) -> None:
        """Kills and waits: the container is then "stopped"."""
        self.kill("KILL")
        self.wait()

    def mounts(self) -> list[Mount]:
        return mounts_of(self.pid)

    def ns(self, kind: str) -> int:
        return os.stat(f"/proc/{self.pid}/ns/{kind}").st_ino

    def close(self) -> None:
        if self.out:
            self.out.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def wait_child(pid: int, pidfd: int, timeout: float) -> int:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    if not poller.poll(timeout * 1000):
        raise TimeoutError(f"process {pid} did not end within {timeout} s")
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return -1
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def children_of_this_process() -> dict[int, str]:
    """Children by pid, with their state letter (Z for a zombie) and name."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except FileNotFoundError:
            continue
        for pid in pids:
            try:
                text = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:]
            found[int(pid)] = f"{rest[0]} {name}"
    return found


class Runtime:
    """The runtime under test with its own state root, below a directory of one test."""

    _count = 0

    def __init__(self, binary: Path, work: Path, root_maker: Root):
        Runtime._count += 1
        self.binary, self.work, self.root_maker = binary, work, root_maker
        self.tag = f"bt{os.getpid()}x{Runtime._count}"
        self.cgroup_parent = f"/berth-{self.tag}-parent"
        self.root = work / "state"
        self.log = work / "runtime.log"
        self.history: list[Result] = []
        self.bundles: list[Bundle] = []
        self.containers: list[Container] = []
        self.sockets: list[ConsoleSocket] = []
        self._ids = 0
        self._children_before = set(children_of_this_process())

    @property
    def foreign(self) -> bool:
        return is_foreign(self.binary)

    # -- making things

    def new_id(self) -> str:
        self._ids += 1
        return f"{self.tag}c{self._ids}"

    def bundle(self, name: str | None = None) -> Bundle:
        name = name or f"bundle{len(self.bundles)}"
        made = Bundle(self.work / name, self.root_maker, f"{self.cgroup_parent}/{name}")
        self.bundles.append(made)
        return made

    def console_socket(self) -> ConsoleSocket:
        made = ConsoleSocket(self.work / f"console{len(self.sockets)}")
        self.sockets.append(made)
        return made

    # -- running commands

    def command_line(self, verb: str, *args, globals=()) -> list[str]:
        head = [str(self.binary), "--root", str(self.root), "--log", str(self.log), "--log-format", "json"]
        return head + [str(a) for a in globals] + [verb] + [str(a) for a in args]

    def cmd(self, verb: str, *args, **more) -> Result:
        return self.call(self.command_line(verb, *args, globals=more.pop("globals", ())), **more)

    def call(self, argv: list[str], check=True, stdin=subprocess.DEVNULL, stdout=None, input: str | None = None,
             pass_fds=(), env=None, cwd=None, timeout=TIMEOUT, preexec_fn=None) -> Result:
        """Output goes to files, not to pipes: a detached container may hold them open."""
        log_start = self.log.stat().st_size if self.log.exists() else 0
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as source:
            if input is not None:
                source.write(input.encode())
                source.seek(0)
                stdin = source
            child = subprocess.Popen(argv, stdin=stdin, stdout=out if stdout is None else stdout, stderr=err,
                                     pass_fds=pass_fds, env=env, cwd=cwd, preexec_fn=preexec_fn)
            try:
                rc = child.wait(timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                rc = -1
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        result = Result(argv, rc, *texts, self._log_since(log_start))
        self.history.append(result)
        if rc == -1 or (check and rc != 0):
            raise CommandFailed(result)
        return result

    def popen(self, verb: str, *args, **more) -> subprocess.Popen:
        """For what must run beside the test; the caller waits for it."""
        return subprocess.Popen(self.command_line(verb, *args), **more)

    def _log_since(self, start: int) -> str:
        if not self.log.exists():
            return ""
        with open(self.log, errors="replace") as log:
            log.seek(start)
            return log.read()

    # -- containers

    def run(self, bundle: Bundle, *flags, ident: str | None = None, check=False, **more) -> Result:
        """`run` in the foreground; see `Result`."""
        bundle.write()
        return self.cmd("run", "--bundle", bundle.path, *flags, self.new_id() if ident is None else ident, check=check,
                        **more)

    def probe(self, bundle: Bundle, *verbs: str, flags=(), **more) -> dict[str, str]:
        """Runs the probe as the container's process; what it saw."""
        return self.run(bundle.probe(*verbs), *flags, check=True, **more).facts

    def create(self, bundle: Bundle, *flags, ident: str | None = None, **more) -> Container:
        return self._detached("create", bundle, flags, ident, more)

    def run_detached(self, bundle: Bundle, *flags, ident: str | None = None, **more) -> Container:
        return self._detached("run", bundle, ("--detach", *flags), ident, more)

    def launch(self, bundle: Bundle, *flags, **more) -> Container:
        """create + start."""
        return self.create(bundle, *flags, **more).start()

    def paused(self, bundle: Bundle | None = None, *flags, **more) -> Container:
        """A running container whose process waits (`Bundle.pause`) and is ready for signals."""
        return self.run_detached((bundle or self.bundle()).pause(), *flags, **more).ready()

    def try_create(self, bundle: Bundle, *flags, ident: str | None = None, **more) -> Result:
        """`create` that is expected to fail."""
        bundle.write()
        return self.cmd("create", "--bundle", bundle.path, *flags, self.new_id() if ident is None else ident, check=False,
                        **more)

    def _detached(self, verb: str, bundle: Bundle, flags, ident: str | None, more: dict) -> Container:
        bundle.write()
        ident = ident or self.new_id()
        pid_file = self.work / f"{ident}.pid"
        reader = writer = None
        if not bundle.process.get("terminal"):
            reader, writer = os.pipe()
        try:
            self.cmd(verb, "--bundle", bundle.path, "--pid-file", pid_file, *flags, ident, stdout=writer, **more)
        except BaseException:
            if reader is not None:
                os.close(reader)
            raise
        finally:
            if writer is not None:
                os.close(writer)
        made = Container(self, ident, bundle, int(pid_file.read_text()), Stream(reader) if reader is not None else None)
        self.containers.append(made)
        return made

    def ids(self) -> list[str]:
        listed = self.cmd("list", "--format", "json").out.strip()
        return [entry["id"] for entry in json.loads(listed) or []] if listed else []

    # -- leaving nothing behind

    def leftovers(self) -> list[str]:
        """State directories, cgroups, mounts and processes that belong to this test's containers. The parents
        of cgroups stay: no container owns them."""
        found = []
        if self.root.is_dir():
            found += [f"state {entry.name}" for entry in self.root.iterdir() if entry.name.startswith(self.tag)]
        found += [f"cgroup {path}" for path in self.cgroup_directories() if not path.name.endswith("-parent")]
        found += [f"mount {m.point}" for m in mounts_of() if Path(m.point).is_relative_to(self.work)]
        found += [f"process {pid} ({name})" for pid, name in self._strays().items()]
        return found

    def assert_clean(self) -> None:
        """Nothing of a failed or deleted container is left."""
        left = self.leftovers()
        assert not left, f"left behind: {left}"

    def cgroup_directories(self) -> list[Path]:
        """All cgroup directories of this test, the deepest first."""
        found = []
        for hierarchy in set(host.hierarchies().values()):
            for directory, names, _ in os.walk(hierarchy):
                found += [Path(directory) / name for name in names if self.tag in os.path.join(directory, name)]
        return sorted(found, key=lambda path: -len(path.parts))

    def _strays(self) -> dict[int, str]:
        """Children that appeared during the test and still live. Zombies are reaped; one that is about to end
        (a helper of the runtime) gets the time to do so."""
        strays = {}
        for pid, name in children_of_this_process().items():
            if pid in self._children_before or pid in (c.pid for c in self.containers if c.status is None):
                continue
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                wait_child(pid, pidfd, 1)
            except TimeoutError:
                strays[pid] = name
            finally:
                os.close(pidfd)
        return strays

    def cleanup(self) -> list[str]:
        """Deletes the containers through the runtime, reports what that left, then removes it by force."""
        for entry in list(self.root.iterdir()) if self.root.is_dir() else []:
            self.cmd("delete", "--force", entry.name, check=False)
        stuck = []
        for container in self.containers:
            try:
                container.wait(5)
            except TimeoutError:
                stuck.append(f"init {container.pid} of {container.id} still runs")
                signal.pidfd_send_signal(container.pidfd, signal.SIGKILL)
                container.wait()
        left = stuck + self.leftovers()
        for container in self.containers:
            container.close()
        for made in self.sockets:
            made.close()
        self._remove_by_force()
        return left

    def _remove_by_force(self) -> None:
        for pid in self._strays():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for directory in self.cgroup_directories():
            for member in (directory / "cgroup.procs").read_text().split():
                os.kill(int(member), signal.SIGKILL)
            try:
                directory.rmdir()
            except OSError as error:
                print(f"cannot remove {directory}: {error}")
        for entry in reversed(mounts_of()):
            if Path(entry.point).is_relative_to(self.work):
                umount(entry.point)
        if not os.environ.get("BERTH_TEST_KEEP"):
            shutil.rmtree(self.work, onerror=_unlock)

    def dump(self) -> list[tuple[str, str]]:
        """What helps to understand a failure: (title, text)."""
        sections = [("commands", "\n".join(map(repr, self.history)))]
        for bundle in self.bundles:
            config = bundle.path / "config.json"
            if config.exists():
                sections.append((f"{bundle.path.name}/config.json", config.read_text()))
        if self.root.is_dir():
            for path in sorted(self.root.rglob("*")):
                kind = stat.filemode(path.lstat().st_mode)
                text = path.read_text(errors="replace")[:4000] if path.suffix == ".json" and path.is_file() else ""
                sections.append((f"state {path.relative_to(self.root)} {kind}", text))
        return sections


def _unlock(function, path, _):
    """rmtree meets immutable or read-only directories only by a test's doing."""
    os.chmod(os.path.dirname(path), 0o700)
    if os.path.lexists(path):
        function(path)


def is_foreign(binary: Path) -> bool:
    """Foreign runtimes (runc, crun) may lack what Berth must have."""
    return not Path(binary).name.startswith("berth")
