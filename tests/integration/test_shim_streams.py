# SPDX-License-Identifier: Apache-2.0
"""berth-shim run: what goes in and out of a container: attached clients, its log, execs (docs/shim.md)."""

import gzip
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from support import oci
from support.shim import Passed, ShimError, frames, log_frames, pipe
from support.shim_fixtures import program, process, shell, shims  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers with cgroups and devices need root")


# --- streams


def test_attached_clients_get_all_output_and_its_end(shims):
    made = shims.create(shims.runtime.bundle().shell("echo out; echo err >&2"))
    out, write_out = pipe()
    err, write_err = pipe()
    both, write_both = pipe()
    made.control.attach(stdout=write_out, stderr=write_err)
    made.control.attach(stdout=write_both, framed=True)
    made.control.call("start")
    assert out.all() == b"out\n" and err.all() == b"err\n"
    assert sorted(frames(both.all())) == [(1, b"out\n"), (2, b"err\n")]


def test_a_client_that_comes_late_gets_only_new_output(shims):
    made = shims.create(shims.runtime.bundle().shell("echo old; read line; echo new"), open_stdin=True)
    first, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    first.until(b"old\n")
    late, write = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write)
    os.write(source, b"go\n")
    assert late.all() == b"new\n" and first.all() == b"new\n"
    os.close(source)


def test_without_open_stdin_there_is_nothing_to_read(shims):
    made = shims.run_shell("cat; echo end")
    assert made.control.event("exited")["code"] == 0
    made.wait_gone()
    assert made.log_text() == "end\n"


def test_stdin_once_ends_with_its_source(shims):
    made = shims.create(shims.runtime.bundle().shell("wc -c"), open_stdin=True, stdin_once=True)
    read, write = os.pipe()
    made.control.attach(stdin=read)
    made.control.call("start")
    data = b"x" * 300_000
    writer = os.fdopen(write, "wb")
    writer.write(data)
    writer.close()
    made.control.event("exited")
    made.wait_gone()
    assert made.log_text() == "300000\n"


def test_stdin_stays_open_between_sources_and_close_stdin_ends_it(shims):
    made = shims.create(shims.runtime.bundle().shell("while read line; do echo got $line; done; echo end"),
                        open_stdin=True)
    out, write_out = pipe()
    made.control.attach(stdout=write_out)
    made.control.call("start")
    for word in (b"one", b"two"):
        read, write = os.pipe()
        made.control.attach(stdin=read)
        os.write(write, word + b"\n")
        os.close(write)
        out.until(b"got " + word + b"\n")
    assert made.control.call("state")["stdin_open"] is True
    made.control.call("close_stdin")
    assert out.all() == b"end\n"


def test_a_source_does_not_flood_a_container_that_does_not_read(shims):
    made = shims.create(shims.runtime.bundle().args("/bin/sleep", "1000"), open_stdin=True)
    made.control.call("start")
    read, write = os.pipe()
    made.control.attach(stdin=read)
    os.set_blocking(write, False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 10_000_000:
            sent += os.write(write, b"x" * 4096)
            made.control.call("state")
    assert sent < 1_000_000
    os.close(write)


def test_a_slow_client_is_dropped_and_the_container_goes_on(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 20000000 /dev/zero; echo; echo end"),
                        log={"driver": "none"})
    slow, write_slow = pipe()
    attachment = made.control.attach(stdout=write_slow)
    good, write_good = pipe()
    made.control.attach(stdout=write_good, lossless=True)
    made.control.call("start")
    assert len(good.all()) == 20_000_005
    dropped = made.control.event("client_dropped")
    assert dropped["attachment"] == attachment and dropped["reason"] == "slow" and dropped["bytes"] <= 1 << 20
    assert made.control.event("exited")["code"] == 0


def test_a_lossless_client_gets_everything_however_slow(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 3000000 /dev/zero; sleep 0.01; echo end"),
                        log={"driver": "none"})
    reader, write = pipe()
    made.control.attach(stdout=write, lossless=True)
    made.control.call("start")
    # The container can't have finished: it waits for this client.
    assert made.control.call("state")["status"] == "running"
    assert len(reader.all()) == 3_000_004
    assert made.control.event("exited")["code"] == 0


def test_a_lossless_client_that_dies_blocks_nothing(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 3000000 /dev/zero; exit 6"),
                        log={"driver": "none"})
    reader, write = pipe()
    made.control.attach(stdout=write, lossless=True)
    made.control.call("start")
    reader.close()
    assert made.control.event("exited")["code"] == 6


def test_what_an_attached_client_has_yet_to_read_is_delivered_after_the_end(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 500000 /dev/zero"), log={"driver": "none"})
    reader, write = pipe()
    made.control.attach(stdout=write, lossless=True)
    made.control.call("start")
    data = reader.all()
    assert len(data) == 500_000
    made.control.until_gone()
    made.wait_gone()


def test_the_shim_does_not_wait_long_for_a_client_that_reads_nothing(shims):
    made = shims.create(shims.runtime.bundle().shell("head -c 500000 /dev/zero"))
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    made.control.event("exited")
    made.control.event("client_dropped")
    made.wait_gone()
    shims.runtime.assert_clean()
    reader.close()


def test_detach_leaves_the_container_alone(shims):
    made = shims.idle()
    reader, write = pipe()
    attachment = made.control.attach(stdout=write)
    made.control.call("detach", attachment=attachment)
    assert reader.all() in (b"", b"ready\n")
    with pytest.raises(ShimError) as caught:
        made.control.call("detach", attachment=attachment)
    assert caught.value.kind == "not_found"
    assert made.control.call("state")["attachments"] == 0


def test_a_client_may_pass_files_and_sockets(shims, work):
    made = shims.create(shims.runtime.bundle().shell("cat; echo end"), open_stdin=True, stdin_once=True)
    (work / "input").write_text("from a file\n")
    source = os.open(work / "input", os.O_RDONLY)
    target = os.open(work / "output", os.O_CREAT | os.O_WRONLY, 0o600)
    ours, theirs = socket.socketpair()
    made.control.attach(stdout=theirs.detach(), framed=True)
    made.control.attach(stdin=source, stdout=target)
    made.control.call("start")
    made.control.event("exited")
    made.wait_gone()
    assert (work / "output").read_text() == "from a file\nend\n"
    received = b""
    while data := ours.recv(4096):
        received += data
    assert b"".join(text for _, text in frames(received)) == b"from a file\nend\n"
    ours.close()


def test_an_unprivileged_user_may_open_its_streams(shims):
    bundle = shims.runtime.bundle().shell("echo out > /dev/stdout; echo err > /dev/stderr; id -u")
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    made = shims.run(bundle)
    assert made.control.event("exited")["code"] == 0
    made.wait_gone()
    assert made.log_text() == "out\n1000\n" and made.log_text("stderr") == "err\n"


def test_a_grandchild_that_keeps_the_streams_does_not_hold_up_the_exit(shims):
    """With the host's pid namespace and a cgroup of its own a process can live on and hold stdout."""
    bundle = shims.runtime.bundle().drop_namespace("pid")
    made = shims.create(bundle.shell("echo last; exit 2"))
    # This test's own copy of the container's stdout plays that process.
    reader, write = pipe()
    made.control.attach(stdout=write)
    held = os.open(f"/proc/{made.pid}/fd/1", os.O_WRONLY)
    made.control.call("start")
    assert made.control.event("exited")["code"] == 2
    assert reader.all() == b"last\n"
    made.wait_gone()
    os.close(held)


def test_terminal(shims):
    bundle = shims.runtime.bundle().shell("tty; stty size; read line; echo got $line; stty size; exit 9")
    bundle.process["terminal"] = True
    bundle.process["consoleSize"] = {"height": 33, "width": 99}
    made = shims.create(bundle)
    out, write = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write)
    assert made.control.call("state")["tty"] is True
    made.control.call("start")
    assert b"/dev/" in out.until(b"\n")
    assert out.until(b"\n") == b"33 99\r\n"
    made.control.call("resize", width=120, height=40)
    os.write(source, b"word\n")
    out.until(b"got word\r\n")
    assert out.until(b"\n") == b"40 120\r\n"
    os.close(source)
    assert made.control.event("exited")["code"] == 9
    assert out.all() == b""


def test_the_end_of_a_source_is_no_end_of_a_terminal(shims):
    bundle = shims.runtime.bundle().shell("read a; echo one $a; read b; echo two $b")
    bundle.process["terminal"] = True
    made = shims.create(bundle, stdin_once=True)
    out, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    for word, answer in ((b"x", b"one x"), (b"y", b"two y")):
        read, source = os.pipe()
        made.control.attach(stdin=read)
        os.write(source, word + b"\n")
        os.close(source)
        out.until(answer)
    assert made.control.event("exited")["code"] == 0


def test_resize_without_a_terminal(shims):
    with pytest.raises(ShimError) as caught:
        shims.idle().control.call("resize", width=1, height=1)
    assert caught.value.kind == "conflict"


# --- log


def test_a_copy_of_the_log_goes_to_subscribers(shims):
    made = shims.create(shims.runtime.bundle().shell("echo before; read l; echo out; echo err >&2"),
                        open_stdin=True)
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    reader.until(b"before\n")
    copy, write_copy = pipe()
    answer = made.control.call("logs_subscribe", fds=Passed([write_copy]))
    info = os.stat(made.directory / "log.json")
    assert (answer["inode"], answer["size"]) == (info.st_ino, info.st_size)
    read, source = os.pipe()
    made.control.attach(stdin=read)
    os.write(source, b"\n")
    os.close(source)
    entries = log_frames(copy.all())
    assert sorted((stream, text) for stream, _, text in entries) == [(1, b"out\n"), (2, b"err\n")]
    made.wait_gone()
    assert all(abs(time_ns - made.exit["time_ns"]) < 60e9 for _, time_ns, _ in entries)


def test_a_copy_of_the_log_begins_with_the_unfinished_line(shims):
    """The file up to `size` and then the copy are the whole output, without a gap and without anything twice."""
    made = shims.create(shims.runtime.bundle().shell("echo whole; printf half; read l; echo -rest"), open_stdin=True)
    reader, write = pipe()
    made.control.attach(stdout=write)
    made.control.call("start")
    reader.until(b"half")
    copy, write_copy = pipe()
    answer = made.control.call("logs_subscribe", fds=Passed([write_copy]))
    assert answer["size"] == len((made.directory / "log.json").read_bytes())
    assert made.log_text() == "whole\n"
    made.control.call("close_stdin")
    assert b"".join(text for _, _, text in log_frames(copy.all())) == b"half-rest\n"
    made.wait_gone()
    assert made.log_text() == "whole\nhalf-rest\n"


def test_the_log_rotates_while_no_client_is_there(shims):
    made = shims.run_shell("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done",
                           log={"path": "c.log", "max_size": 40000, "max_file": 3, "compress": True,
                                "attrs": {"tag": "t"}})
    made.control.close()
    made.wait_gone()
    names = sorted(name for name in os.listdir(made.directory) if name.startswith(("c.log", ".c.log")))
    assert names == ["c.log", "c.log.1.gz", "c.log.2.gz"]
    texts = [gzip.open(made.directory / name, "rt").read() for name in names[:0:-1]]
    lines = [json.loads(line)
             for line in ("".join(texts) + (made.directory / "c.log").read_text()).splitlines()]
    numbers = [int(line["log"].split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 3000)) and lines[0]["attrs"] == {"tag": "t"}


def test_a_full_disk_drops_log_lines_but_blocks_nobody(shims, work):
    small = work / "small"
    small.mkdir()
    oci.mount("tmpfs", small, "tmpfs", data="size=64k")
    try:
        bundle = shims.runtime.bundle()
        script = "i=0; while [ $i -lt 5000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo end"
        made = shims.create(bundle.shell(script), log={"path": str(small / "log")})
        reader, write = pipe()
        made.control.attach(stdout=write, lossless=True)
        made.control.call("start")
        assert reader.all().endswith(b"end\n")
        dropped = made.control.event("log_dropped")
        assert dropped["records"] > 0 and "no space" in dropped["error"]
        made.control.event("exited")
        made.wait_gone()
        assert made.exit["log_dropped"] > 0
        assert "no space" in (made.directory / "shim.log").read_text()
        for line in (small / "log").read_text().splitlines():
            json.loads(line)
    finally:
        oci.umount(small)


def test_log_reopen(shims):
    made = shims.create(shims.runtime.bundle().shell("while read l; do echo $l; done"), open_stdin=True)
    out, write_out = pipe()
    read, source = os.pipe()
    made.control.attach(stdin=read, stdout=write_out)
    made.control.call("start")
    os.write(source, b"one\n")
    out.until(b"one\n")
    os.rename(made.directory / "log.json", made.directory / "log.old")
    made.control.call("log_reopen")
    os.write(source, b"two\n")
    out.until(b"two\n")
    assert made.log_text() == "two\n" and "one" in (made.directory / "log.old").read_text()
    os.close(source)


# --- execs


def test_exec_gives_its_output_and_exit(shims):
    made = shims.idle()
    out, write_out = pipe()
    err, write_err = pipe()
    started = made.control.exec("e1", shell("echo out; echo err >&2; exit 4"), stdout=write_out,
                                stderr=write_err)
    assert started["pid"] > 0
    exited = made.control.event("exec_exited", exec="e1")
    assert (exited["code"], exited["pid"]) == (4, started["pid"])
    assert out.all() == b"out\n" and err.all() == b"err\n"
    assert made.control.call("exec_wait", exec="e1")["code"] == 4
    assert made.control.call("state")["execs"] == []
    assert made.log_text() == "ready\n", "an exec's output isn't logged"


def test_exec_framed_with_stdin_that_ends(shims):
    made = shims.idle()
    out, write = pipe()
    read, source = os.pipe()
    made.control.exec("e", shell("cat; echo over >&2"), stdin=read, stdout=write, framed=True)
    os.write(source, b"input")
    os.close(source)
    assert sorted(frames(out.all())) == [(1, b"input"), (2, b"over\n")]


def test_exec_direct_gets_the_clients_descriptors(shims):
    made = shims.idle()
    out, write = pipe()
    inode = os.fstat(write).st_ino
    started = made.control.exec("e", shell("readlink /proc/self/fd/1; cat"), stdout=write, direct=True)
    assert "attachment" not in started
    assert out.all() == f"pipe:[{inode}]\n".encode()
    assert made.control.event("exec_exited")["code"] == 0


def test_exec_with_a_terminal(shims):
    made = shims.idle()
    out, write = pipe()
    read, source = os.pipe()
    box = {"height": 20, "width": 70}
    made.control.exec("t", shell("stty size; read l; stty size", terminal=True, consoleSize=box), stdin=read,
                      stdout=write)
    assert out.until(b"\n") == b"20 70\r\n"
    made.control.call("resize", exec="t", width=71, height=21)
    os.write(source, b"\n")
    out.until(b"21 71\r\n")
    assert made.control.event("exec_exited")["code"] == 0
    os.close(source)


def test_exec_takes_its_process_from_a_descriptor(shims):
    made = shims.idle()
    big = shell("echo $BIG | wc -c")
    big["env"].append("BIG=" + "x" * 100_000)
    memory = os.memfd_create("process")
    os.write(memory, json.dumps(big).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    out, write = pipe()
    made.control.call("exec", fds=Passed([memory, write]), exec="big", process_fd=True, stdout=True)
    assert out.all() == b"100001\n"


def test_exec_signals_and_ids(shims):
    made = shims.idle()
    made.control.exec("s", process("/bin/sleep", "1000"))
    with pytest.raises(ShimError) as caught:
        made.control.exec("s", shell("true"))
    assert caught.value.kind == "conflict"
    waiting = made.control.send("exec_wait", exec="s")
    made.control.call("kill", exec="s", signal=int(signal.SIGTERM))
    assert made.control.answer(waiting)["signal"] == 15
    made.control.exec("s", shell("exit 1"))
    assert made.control.call("exec_wait", exec="s")["code"] == 1
    for op in ("kill", "exec_wait", "attach", "close_stdin"):
        members = {"stdout": True} if op == "attach" else {}
        with pytest.raises(ShimError) as caught:
            made.control.call(op, fds=[0], exec="nobody", **members)
        assert caught.value.kind == "not_found"


@pytest.mark.parametrize("argv, code", [(["nosuch"], 127), (["/etc/passwd"], 126)])
def test_exec_of_what_can_not_be_executed(shims, argv, code):
    made = shims.idle()
    with pytest.raises(ShimError) as caught:
        made.control.exec("x", process(*argv))
    assert caught.value.exit_code == code
    assert made.control.call("state")["execs"] == []


def test_a_hundred_execs_in_a_row_leave_nothing(shims):
    made = shims.idle()
    made.control.exec("first", shell("true"))
    made.control.event("exec_exited", exec="first")
    before = sorted(os.readlink(f"/proc/{made.shim_pid}/fd/{fd}").split(":")[0]
                    for fd in os.listdir(f"/proc/{made.shim_pid}/fd"))
    for number in range(100):
        out, write = pipe()
        made.control.exec(f"e{number}", shell(f"echo {number}"), stdout=write)
        assert made.control.event("exec_exited")["exec"] == f"e{number}"
        assert out.all() == f"{number}\n".encode()
        out.close()
    after = sorted(os.readlink(f"/proc/{made.shim_pid}/fd/{fd}").split(":")[0]
                   for fd in os.listdir(f"/proc/{made.shim_pid}/fd"))
    assert after == before
    assert Path(f"/proc/{made.shim_pid}/task/{made.shim_pid}/children").read_text().split() == [str(made.pid)]
    assert made.control.call("exec_wait", exec="e99")["code"] == 0
    with pytest.raises(ShimError):
        made.control.call("exec_wait", exec="e0")  # only the last 64 are remembered


def test_the_end_of_the_container_ends_its_execs(shims):
    made = shims.idle()
    out, write = pipe()
    made.control.exec("e", shell("echo started; sleep 1000"), stdout=write)
    out.until(b"started\n")
    made.control.call("kill", signal=9)
    assert made.control.event("exec_exited")["signal"] == 9
    assert made.control.event("exited")["signal"] == 9
    made.wait_gone()
    shims.runtime.assert_clean()


def test_exec_needs_a_running_container(shims):
    made = shims.create()
    with pytest.raises(ShimError) as caught:
        made.control.exec("e", shell("true"))
    assert caught.value.kind == "conflict"
