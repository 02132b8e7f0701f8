# SPDX-License-Identifier: Apache-2.0
"""Real engines on top of the runtime under test: podman, and a private dockerd."""

import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
from pathlib import Path

from support import host, oci

IMAGE = "berth-test:latest"
TIMEOUT = 30


def image_archive(root_maker: oci.Root, directory: Path) -> Path:
    """The test root file system as a tar archive, for `import`."""
    root_maker.make(directory / "image")
    archive = directory / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(directory / "image", arcname=".", filter=_without_hard_links(directory / "image"))
    return archive


def _without_hard_links(base: Path):
    def change(info):
        if info.islnk():
            info.type = tarfile.REGTYPE
        return info

    return change


class Engine:
    """A command line client with the words that docker and podman share."""

    def __init__(self, work: Path, command: list[str], env: dict[str, str], run_flags: list[str]):
        self.work = work  # also the working directory: conmon leaves a file named "oom" there
        self.command, self.env, self.run_flags = command, env, run_flags
        self._count = 0

    def cmd(self, *args, check=True, input=None, timeout=TIMEOUT) -> subprocess.CompletedProcess:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            argv = [*self.command, *map(str, args)]
            done = subprocess.run(argv, env=self.env, stdout=out, stderr=err, timeout=timeout, cwd=self.work,
                                  **({"input": input.encode()} if input is not None
                                     else {"stdin": subprocess.DEVNULL}))
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        done.stdout, done.stderr = texts
        assert not check or done.returncode == 0, f"{argv}: exit {done.returncode}\n{texts[0]}\n{texts[1]}"
        return done

    def new_name(self) -> str:
        self._count += 1
        return f"t{os.getpid()}-{self._count}"

    def run(self, *args, flags=(), check=False, **more):
        return self.cmd("run", "--rm", *self.run_flags, *flags, IMAGE, *args, check=check, **more)

    def probe(self, *verbs, flags=()) -> dict[str, str]:
        return oci.facts(self.run(*oci.probe_argv(*verbs), flags=flags, check=True).stdout)

    def start(self, *args, flags=()) -> str:
        """A detached container; its name."""
        name = self.new_name()
        self.cmd("run", "--detach", "--name", name, *self.run_flags, *flags, IMAGE, *args)
        return name

    def inspect(self, name: str, template: str) -> str:
        return self.cmd("inspect", "--format", template, name).stdout.strip()

    def remove_all(self) -> None:
        names = self.cmd("ps", "-aq").stdout.split()
        if names:
            self.cmd("rm", "-f", *names)


class Podman(Engine):
    """podman with everything of its own: storage, state, locks, cgroup parent."""

    def __init__(self, binary: Path, work: Path, root_maker: oci.Root):
        self.parent = f"berth-podman-{os.getpid()}"
        config = work / "containers.conf"
        text = '[engine]\nlock_type="file"\nevents_logger="file"\n[containers]\nlog_driver="k8s-file"\n'
        if oci.is_foreign(binary):  # podman may ask for more open files than allowed; Berth caps and warns
            text += 'default_ulimits=["nofile=1024:1024", "nproc=1024:1024"]\n'
        config.write_text(text)
        command = ["podman", "--root", work / "root", "--runroot", work / "run", "--tmpdir", work / "tmp",
                   "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", binary]
        super().__init__(work, [str(word) for word in command], dict(os.environ, CONTAINERS_CONF=str(config)),
                         ["--network", "none", "--cgroup-parent", f"/{self.parent}"])
        self.cmd("import", image_archive(root_maker, work), IMAGE)

    def close(self) -> None:
        try:
            self.remove_all()
        finally:
            reap_strays(self.work)
            remove_cgroups(self.parent)


class Docker(Engine):
    """A dockerd with its own roots, mount and network namespace, and without any network of its own."""

    def __init__(self, binary: Path, work: Path, root_maker: oci.Root):
        self.parent = f"berth-dockerd-{os.getpid()}"
        address = f"unix://{work}/docker.sock"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(work / "notify"))
        notify.settimeout(TIMEOUT)
        (work / "daemon.json").write_text("{}")
        self.log = open(work / "dockerd.log", "w+")
        command = ["unshare", "--mount", "--net", "dockerd", "--config-file", work / "daemon.json",
                   "--data-root",
                   work / "data", "--exec-root", work / "exec", "--pidfile", work / "pid", "-H", address,
                   "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none",
                   "--cgroup-parent", f"/{self.parent}", "--exec-opt", "native.cgroupdriver=cgroupfs",
                   "--add-runtime", f"tested={binary}", "--default-runtime", "tested"]
        self.daemon = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                       stdout=self.log,
                                       stderr=self.log,
                                       env=dict(os.environ, NOTIFY_SOCKET=str(work / "notify")))
        super().__init__(work, ["docker"],
                         dict(os.environ, DOCKER_HOST=address, DOCKER_CONFIG=str(work / "client")),
                         ["--network", "none"])
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
            self.cmd("import", image_archive(root_maker, work), IMAGE)
        except BaseException as error:
            self.stop_daemon()
            self.log.seek(0)
            raise RuntimeError(f"dockerd did not start: {error}\n{self.log.read()[-4000:]}") from error
        finally:
            notify.close()

    def stop_daemon(self) -> None:
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()

    def close(self) -> None:
        try:
            self.remove_all()
        finally:
            self.stop_daemon()
            self.log.close()
            reap_strays(self.work)
            remove_cgroups(self.parent)


def remove_cgroups(name: str) -> None:
    """An engine keeps the parent that it was told, and podman its "conmon"; anything else in it is a leak, and
    what runs there is ended."""
    left = []
    for hierarchy in set(host.hierarchies().values()):
        for directory, names, _ in os.walk(hierarchy / name, topdown=False):
            if Path(directory).name not in (name, "conmon"):
                left.append(directory)
            for member in Path(directory, "cgroup.procs").read_text().split():
                end_process(int(member))
            os.rmdir(directory)
    assert not left, f"left behind: {left}"


def end_process(pid: int) -> None:
    """Kills, and waits until it is gone from its cgroup."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        oci.wait_child(pid, pidfd, 5)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def reap_strays(work: Path) -> None:
    """Ends what an engine left running as a child of this subreaper: its paths are on the command line."""
    for pid, state in oci.children_of_this_process().items():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            pidfd = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if state.startswith("Z"):
                oci.wait_child(pid, pidfd, 1)
            elif os.fsencode(work) in command:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                oci.wait_child(pid, pidfd, 5)
        finally:
            os.close(pidfd)


def available(*programs: str) -> bool:
    return all(shutil.which(program) for program in programs)


