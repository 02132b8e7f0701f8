# SPDX-License-Identifier: Apache-2.0
"""A container's terminal: the console socket, /dev/console, sizes, keys."""

import os
import subprocess

import pytest

from support.oci import Stream, facts

needs = pytest.mark.needs


@pytest.fixture
def terminal(runtime, bundle):
    """Creates the bundle's container with a terminal; returns it and the terminal's master."""
    masters = []

    def make(*flags):
        bundle.process["terminal"] = True
        socket = runtime.console_socket()
        container = runtime.create(bundle, "--console-socket", socket.path, *flags)
        master, make.name = socket.receive()
        masters.append(master)
        return container.start(), master

    yield make
    for master in masters:
        master.close()


def test_a_terminal_for_all_three(runtime, bundle, terminal):
    bundle.probe("tty", "process")
    container, master = terminal()
    seen = facts(master.all())
    assert container.wait() == 0
    assert seen["tty.0"] == seen["tty.1"] == seen["tty.2"] == "/dev/pts/0"
    assert seen["ctty"] == "ok"
    assert (seen["sid"], seen["tpgid"]) == ("1", "1")


def test_dev_console_is_the_terminal(runtime, bundle, terminal):
    bundle.shell("echo to the console > /dev/console; probe stat /dev/console; mount | grep console")
    _, master = terminal()
    text = master.all()
    assert "to the console" in text
    assert "stat./dev/console=char" in text
    assert "devpts on /dev/console" in text


def test_a_terminal_is_written_and_read(runtime, bundle, terminal):
    bundle.shell("stty -echo; echo ready; read line; echo got $line")
    container, master = terminal()
    master.until("ready")
    master.write("hello\n")
    assert "got hello" in master.all()
    assert container.wait() == 0


def test_the_interrupt_key(runtime, bundle, terminal):
    bundle.probe("catch 2 33", "say ready", "pause")
    container, master = terminal()
    master.until("ready")
    master.write("\x03")
    assert container.wait() == 33


def test_a_hang_up_of_the_terminal(runtime, bundle, terminal):
    bundle.probe("catch 1 34", "say ready", "pause")
    container, master = terminal()
    master.until("ready")
    master.close()
    assert container.wait() == 34


def test_console_size(runtime, bundle, terminal):
    bundle.process["consoleSize"] = {"height": 31, "width": 97}
    bundle.probe("tty")
    _, master = terminal()
    assert facts(master.all())["winsize"] == "31 97"


def test_the_terminal_belongs_to_the_user(runtime, bundle, terminal):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.probe("stat /dev/pts/0", "open /dev/pts/0 rw")
    _, master = terminal()
    seen = facts(master.all())
    assert seen["stat./dev/pts/0"].split()[2].split(":")[0] == "1000"
    assert seen["open./dev/pts/0"] == "ok"


@needs("a terminal that has its size before the process starts")
def test_run_with_a_terminal_uses_the_callers(runtime, bundle):
    """`run` in a terminal: it is put into raw mode, its size is copied, and it is restored at the end."""
    import fcntl
    import pty
    import struct
    import termios

    bundle.process["terminal"] = True
    bundle.probe("tty", "exit 5").write()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 22, 77, 0, 0))
    before = termios.tcgetattr(slave)
    child = runtime.popen("run", "--bundle", bundle.path, runtime.new_id(), stdin=slave, stdout=slave,
                          stderr=slave)
    stream = Stream(master)
    text = stream.until("ctty=ok")
    assert child.wait(20) == 5
    assert termios.tcgetattr(slave) == before
    assert "winsize=22 77" in text and "tty.0=/dev/pts/0" in text
    os.close(slave)
    stream.close()
    runtime.assert_clean()


@pytest.mark.parametrize("verb", ["create", "run"])
def test_the_callers_output_is_let_go(runtime, bundle, verb):
    """containerd reads what `create` says to its end: the waiting first process must not hold it open."""
    bundle.process["terminal"] = True
    bundle.pause().write()
    socket = runtime.console_socket()
    reader, writer = os.pipe()
    ident = runtime.new_id()
    flags = ["--bundle", bundle.path, "--console-socket", socket.path]
    child = runtime.popen(verb, *flags, *(["--detach"] if verb == "run" else []), ident,
                          stdin=subprocess.DEVNULL,
                          stdout=writer, stderr=writer)
    os.close(writer)
    output = Stream(reader)
    assert output.all() == ""
    assert child.wait(20) == 0
    output.close()
    master, _ = socket.receive()
    runtime.cmd("delete", "--force", ident)
    master.close()
