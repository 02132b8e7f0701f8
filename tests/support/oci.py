# SPDX-License-Identifier: Apache-2.0
"""A runtime's command line, as the integration tests use it.

A `Runtime` runs the program under test with its own --root; it waits for events (pidfds, pipes), never for
time, and removes whatever its containers left. The process that uses it must be a child subreaper
(`become_subreaper`), so that the inits of detached containers become its children. This module gives the
names of bundle, mounts, processes and streams too: `from support import oci` is enough for a test.
"""

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

from support import host
from support.bundle import DEFAULT_CAPABILITIES, DEFAULT_PATH, Bundle, Root, default_config, facts, probe_argv
from support.mounts import (MS_BIND, MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, Mount, mount, mount_at,
                            mounts_of,
                            parse_mounts, umount)
from support.processes import become_subreaper, children_of_this_process, wait_child
from support.streams import TIMEOUT, ConsoleSocket, Fifo, Stream

__all__ = ["DEFAULT_CAPABILITIES", "DEFAULT_PATH", "MS_BIND", "MS_PRIVATE", "MS_REC", "MS_SHARED", "MS_SLAVE",
           "TIMEOUT",
           "Bundle", "Cgroup", "CommandFailed", "ConsoleSocket", "Container", "Fifo", "Mount", "Result",
           "Root",
           "Runtime",
           "Stream", "become_subreaper", "children_of_this_process", "default_config", "facts", "is_foreign",
           "mount",
           "mount_at", "mounts_of", "parse_mounts", "probe_argv", "umount", "wait_child"]


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
        self.sockets: list[ConsoleSocket | Fifo] = []
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

    def fifo(self, name: str) -> Fifo:
        made = Fifo(self.work / name)
        self.sockets.append(made)
        return made

    # -- running commands

    def command_line(self, verb: str, *args, globals=()) -> list[str]:
        head = [str(self.binary), "--root", str(self.root), "--log", str(self.log), "--log-format", "json"]
        return head + [str(a) for a in globals] + [verb] + [str(a) for a in args]

    def cmd(self, verb: str, *args, **more) -> Result:
        return self.call(self.command_line(verb, *args, globals=more.pop("globals", ())), **more)

    def call(self, argv: list[str], check=True, stdin=subprocess.DEVNULL, stdout=None,
             input: str | None = None,
             pass_fds=(), env=None, cwd=None, timeout=TIMEOUT, preexec_fn=None) -> Result:
        """Output goes to files, not to pipes: a detached container may hold them open."""
        log_start = self.log.stat().st_size if self.log.exists() else 0
        temporary = tempfile.TemporaryFile
        with temporary() as out, temporary() as err, temporary() as source:
            if input is not None:
                source.write(input.encode())
                source.seek(0)
                stdin = source
            child = subprocess.Popen(argv, stdin=stdin, stdout=out if stdout is None else stdout, stderr=err,
                                     pass_fds=pass_fds, env=env, cwd=cwd or self.work, preexec_fn=preexec_fn)
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
        return subprocess.Popen(self.command_line(verb, *args), **{"cwd": self.work} | more)

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
        return self.cmd("run", "--bundle", bundle.path, *flags, self.new_id() if ident is None else ident,
                        check=check,
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
        return self.cmd("create", "--bundle", bundle.path, *flags, self.new_id() if ident is None else ident,
                        check=False,
                        **more)

    def _detached(self, verb: str, bundle: Bundle, flags, ident: str | None, more: dict) -> Container:
        bundle.write()
        ident = ident or self.new_id()
        pid_file = self.work / f"{ident}.pid"
        reader = writer = None
        if not bundle.process.get("terminal"):
            reader, writer = os.pipe()
        try:
            self.cmd(verb, "--bundle", bundle.path, "--pid-file", pid_file, *flags, ident, stdout=writer,
                     **more)
        except BaseException:
            if reader is not None:
                os.close(reader)
            raise
        finally:
            if writer is not None:
                os.close(writer)
        made = Container(self, ident, bundle, int(pid_file.read_text()),
                         Stream(reader) if reader is not None else None)
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
            found += [f"state {entry.name}" for entry in self.root.iterdir()
                      if entry.name.startswith(self.tag)]
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
                found += [Path(directory) / name for name in names
                          if self.tag in os.path.join(directory, name)]
        return sorted(found, key=lambda path: -len(path.parts))

    def _strays(self) -> dict[int, str]:
        """Children that appeared during the test and still live. Zombies are reaped; one that is about to end
        (a helper of the runtime) gets the time to do so. The first process of a pid namespace ends only when we have
        reaped those of its processes that became ours: hence the second look."""
        return self._reap() and self._reap()

    def _reap(self) -> dict[int, str]:
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
                readable = path.suffix == ".json" and path.is_file()
                text = path.read_text(errors="replace")[:4000] if readable else ""
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
