# SPDX-License-Identifier: Apache-2.0
"""What two engines answer to the same request, compared by shape: which keys there are, and of which type."""

import http.client
import json
import socket


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float = 60):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(path: str, method: str, target: str, body=None):
    """(status, decoded body) of one request."""
    connection = Connection(path)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data[:1] in (b"{", b"[", b"n") else data.decode()
    finally:
        connection.close()


def type_name(value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "list", dict: "object"}[type(value)]


def differences(theirs, ours, ignored=frozenset(), path="") -> list[str]:
    """One line for each place whose key is missing, or whose type is another one. `ignored` are paths such as
    "HostConfig.Runtime"; list elements are "[]". Of lists the first elements are compared."""
    if path in ignored:
        return []
    kinds = type_name(theirs), type_name(ours)
    if kinds[0] != kinds[1]:
        return [f"{path or '.'}: {kinds[0]} there, {kinds[1]} here ({json.dumps(theirs)[:60]} | {json.dumps(ours)[:60]})"]
    found = []
    if kinds[0] == "object":
        for key in sorted(theirs.keys() | ours.keys()):
            place = f"{path}.{key}" if path else key
            if place in ignored:
                continue
            if key not in ours:
                found.append(f"{place}: missing here ({json.dumps(theirs[key])[:60]})")
            elif key not in theirs:
                found.append(f"{place}: only here ({json.dumps(ours[key])[:60]})")
            else:
                found += differences(theirs[key], ours[key], ignored, place)
    elif kinds[0] == "list" and theirs and ours:
        found += differences(theirs[0], ours[0], ignored, path + "[]")
    elif kinds[0] == "list" and bool(theirs) != bool(ours):
        found.append(f"{path}: {len(theirs)} elements there, {len(ours)} here")
    return found
