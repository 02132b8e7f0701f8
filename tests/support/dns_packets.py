# SPDX-License-Identifier: Apache-2.0
"""DNS as RFC 1035 has it, as far as tests need it: a client that shows what came, and a server that says what it is told to."""

import itertools
import socket
import struct
import threading
from dataclasses import dataclass, field
from ipaddress import ip_address

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "OPT": 41}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5
LOCAL = "127.0.0.11"

_ids = itertools.count(1)


@dataclass
class Record:
    name: str
    type: str
    ttl: int
    value: object  # an address, a name, (priority, weight, port, name), bytes


@dataclass
class Reply:
    id: int
    code: int
    truncated: bool
    authoritative: bool
    question: tuple
    answers: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)

    @property
    def values(self) -> list:
        return [record.value for record in self.answers]


def write_name(name: str) -> bytes:
    data = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label)
    return data + b"\0"


def read_name(packet: bytes, at: int) -> tuple[str, int]:
    labels, end = [], None
    for _ in range(128):
        size = packet[at]
        if size >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
        elif size:
            labels.append(packet[at + 1:at + 1 + size].decode("latin-1"))
            at += size + 1
        else:
            return ".".join(labels), end or at + 1
    raise ValueError("a loop of names")


def make_query(name: str, kind: str = "A", edns: int | None = None, identity: int | None = None) -> bytes:
    identity = next(_ids) % 65536 if identity is None else identity
    head = struct.pack("!6H", identity, 0x0100, 1, 0, 0, 1 if edns else 0)
    body = write_name(name) + struct.pack("!HH", TYPES[kind], 1)
    return head + body + (b"\0" + struct.pack("!HHIH", TYPES["OPT"], edns, 0, 0) if edns else b"")


def _value(packet: bytes, kind: int, at: int, size: int):
    data = packet[at:at + size]
    if kind in (TYPES["A"], TYPES["AAAA"]):
        return str(ip_address(data))
    if kind in (TYPES["CNAME"], TYPES["PTR"], TYPES["NS"]):
        return read_name(packet, at)[0]
    if kind == TYPES["SRV"]:
        return (*struct.unpack_from("!3H", packet, at), read_name(packet, at + 6)[0])
    return data


def parse(packet: bytes) -> Reply:
    identity, flags, questions, *counts = struct.unpack_from("!6H", packet)
    at, question = 12, ()
    for _ in range(questions):
        name, at = read_name(packet, at)
        question = (name, TYPE_NAMES.get(struct.unpack_from("!H", packet, at)[0]))
        at += 4
    reply = Reply(identity, flags & 15, bool(flags & 0x0200), bool(flags & 0x0400), question)
    for count, section in zip(counts, (reply.answers, reply.authority, reply.additional)):
        for _ in range(count):
            name, at = read_name(packet, at)
            kind, _, ttl, size = struct.unpack_from("!HHIH", packet, at)
            at += 10
            section.append(Record(name, TYPE_NAMES.get(kind, kind), ttl, _value(packet, kind, at, size)))
            at += size
    return reply


def ask(name: str, kind: str = "A", server: str = LOCAL, tcp: bool = False, edns: int | None = None, timeout: float = 10,
        port: int = 53) -> Reply:
    """From where this thread is."""
    query = make_query(name, kind, edns)
    if tcp:
        with socket.create_connection((server, port), timeout) as sock:
            sock.sendall(struct.pack("!H", len(query)) + query)
            answer = read_tcp(sock)
    else:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.connect((server, port))
            sock.send(query)
            answer = sock.recv(65535)
    assert answer[:2] == query[:2]
    return parse(answer)


def read_tcp(sock: socket.socket) -> bytes:
    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = sock.recv(size - len(data))
            if not more:
                raise ConnectionError("the server ended the connection")
            data += more
        return data

    return exactly(struct.unpack("!H", exactly(2))[0])


def record(name: str, kind: str, value, ttl: int = 60) -> bytes:
    if kind in ("A", "AAAA"):
        data = ip_address(value).packed
    elif kind in ("CNAME", "PTR", "NS"):
        data = write_name(value)
    else:
        data = value
    return write_name(name) + struct.pack("!HHIH", TYPES[kind], 1, ttl, len(data)) + data


class Server:
    """A name server on a host of a lab. `records`: {(name, type): [values]}; a name with other types only has no such
    answer, an unknown one does not exist. `asked` has (name, type, who, "udp" or "tcp")."""

    def __init__(self, host, address: str, records: dict, code: int | None = None, silent: bool = False):
        self.records, self.code, self.silent, self.asked = records, code, silent, []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with host.inside():
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.tcp = socket.socket(family)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (self.udp, self.tcp):
            sock.bind((address, 53))
        self.tcp.listen()
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def _answer(self, query: bytes, who: str, limit: int, how: str) -> bytes | None:
        name, kind = parse(query).question
        self.asked.append((name, kind, who, how))
        if self.silent:
            return None
        values = self.records.get((name.lower(), kind), [])
        code = self.code
        if code is None:
            code = NOERROR if any(known == name.lower() for known, _ in self.records) else NXDOMAIN
        end = query.index(b"\0", 12) + 5
        body = b"".join(record(name, kind, value) for value in values)
        truncated = end + len(body) > limit
        head = query[:2] + struct.pack("!5H", 0x8180 | code | (0x0200 if truncated else 0), 1,
                                       0 if truncated else len(values), 0, 0)
        return head + query[12:end] + (b"" if truncated else body)

    def _serve_udp(self) -> None:
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            limit = 512
            opt = query.rfind(b"\0" + struct.pack("!H", TYPES["OPT"]))
            if struct.unpack_from("!H", query, 10)[0] and opt >= 12:
                limit = max(512, struct.unpack_from("!H", query, opt + 3)[0])
            answer = self._answer(query, peer[0], limit, "udp")
            if answer:
                self.udp.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        while True:
            try:
                sock, peer = self.tcp.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(5)
                try:
                    while True:
                        answer = self._answer(read_tcp(sock), peer[0], 65535, "tcp")
                        if answer:
                            sock.sendall(struct.pack("!H", len(answer)) + answer)
                except OSError:
                    continue

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)  # wakes the thread
            except OSError:
                pass
            sock.close()
        for thread in self.threads:
            thread.join(5)
