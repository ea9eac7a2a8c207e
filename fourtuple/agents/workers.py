"""Worker processes that each listen on a socket of their own, and say who they are to every client they serve."""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import socket
import struct
from contextlib import suppress
from ctypes import addressof, c_char, sizeof
from typing import Any

SO_INCOMING_CPU, SO_COOKIE, SO_ATTACH_REUSEPORT_CBPF = 49, 57, 51  # asm-generic/socket.h
_children: dict[str, int] = {}
_reports: dict[str, int] = {}
_kept: list[socket.socket] = []


def start(name: str, port: int, options: dict[str, Any]) -> dict[str, Any]:
    """Fork a worker that binds and listens; returns its pid, what the kernel said, and the socket's inode and cookie.

    `options`: address, backlog, reuseport, reuseaddr, cpu (SO_INCOMING_CPU), select (a BPF program that always
    returns this index is attached to the group).
    """
    report, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(report)
        _work(name, port, options, write)
    os.close(write)
    _children[name] = child
    with os.fdopen(report) as pipe:
        said: dict[str, Any] = json.loads(pipe.readline())
    return said


def _work(name: str, port: int, options: dict[str, Any], report: int) -> None:
    """A worker: listen, report, then greet every client by name until ended."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    said = "ok"
    try:
        _prepare(listener, options)
        listener.bind((options.get("address", "0.0.0.0"), port))
        listener.listen(options.get("backlog", 64))
        if "select" in options:
            _attach(listener, options["select"])
    except OSError as error:
        said = str(errno.errorcode.get(error.errno or 0))
    (cookie,) = struct.unpack("=Q", listener.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
    inode = os.fstat(listener.fileno()).st_ino
    line = json.dumps({"pid": os.getpid(), "said": said, "inode": inode, "cookie": cookie})
    os.write(report, line.encode() + b"\n")
    os.close(report)
    if said == "ok":
        _serve(listener, name)
    os._exit(0)


def _prepare(listener: socket.socket, options: dict[str, Any]) -> None:
    for word, option in (("reuseaddr", socket.SO_REUSEADDR), ("reuseport", socket.SO_REUSEPORT)):
        listener.setsockopt(socket.SOL_SOCKET, option, int(bool(options.get(word))))
    if "cpu" in options:
        listener.setsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU, options["cpu"])


def _attach(listener: socket.socket, index: int) -> None:
    """Attach the classic BPF program `return index` to the group (linux/filter.h: one instruction, BPF_RET | BPF_K)."""
    code = struct.pack("HBBI", 0x06, 0, 0, index)
    buffer = (c_char * len(code)).from_buffer_copy(code)
    program = struct.pack("HL", 1, addressof(buffer))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)
    assert sizeof(buffer) == len(code)


def share(names: list[str], port: int, keep: bool = False) -> dict[str, Any]:
    """One listener without any option, and a forked worker for each name that accepts from it.

    Returns its inode and cookie, SO_REUSEPORT, and the pid of each. `keep`: this process keeps a descriptor of it.
    """
    listener = socket.create_server(("0.0.0.0", port), backlog=256, reuse_port=False)
    for name in names:
        ready, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, b"!")
            _serve(listener, name)
        os.close(write)
        os.read(ready, 1)
        os.close(ready)
        _children[name] = child
    (cookie,) = struct.unpack("=Q", listener.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
    said = {
        "inode": os.fstat(listener.fileno()).st_ino,
        "cookie": int(cookie),
        "reuseport": listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT),
        "pids": [os.getpid()] * keep + [_children[name] for name in names],
    }
    if keep:
        _kept.append(listener)
    else:
        listener.close()
    return said


def generations(name: str, port: int) -> dict[str, int]:
    """A process that listens, and a child of it that only sleeps; returns their pids and the listener's inode."""
    report, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        listener = socket.create_server(("0.0.0.0", port))
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        said = {"parent": os.getpid(), "child": child, "inode": os.fstat(listener.fileno()).st_ino}
        os.write(write, json.dumps(said).encode() + b"\n")
        signal.pause()
        os._exit(0)
    os.close(write)
    _children[name] = parent
    with os.fdopen(report) as pipe:
        answer: dict[str, int] = json.loads(pipe.readline())
    return answer


def watch(names: list[str], port: int, exclusive: bool) -> None:
    """One listener, and a forked worker for each name that waits for it with epoll, with or without EPOLLEXCLUSIVE."""
    listener = socket.create_server(("0.0.0.0", port), backlog=256)
    listener.setblocking(False)
    for name in names:
        report, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(report)
            _watch(listener, name, exclusive, write)
        os.close(write)
        os.read(report, 1)  # it waits now
        _children[name] = child
        _reports[name] = report
    listener.close()


def _watch(listener: socket.socket, name: str, exclusive: bool, report: int) -> None:
    """A worker: count what it accepts, and how often it slept and was woken for that. SIGTERM ends it."""
    accepted = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw

    def end(*_: object) -> None:
        slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
        os.write(report, json.dumps([accepted, slept]).encode())
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN | (select.EPOLLEXCLUSIVE if exclusive else 0))
    os.write(report, b"!")
    while True:
        poll.poll()
        with suppress(BlockingIOError):
            client, _ = listener.accept()
            with client:
                accepted += 1
                client.sendall(name.encode())


def counts(names: list[str]) -> list[list[int]]:
    """End these watchers; for each, how many connections it accepted, and how often it was woken."""
    said = []
    for name in names:
        os.kill(_children[name], signal.SIGTERM)
        with os.fdopen(_reports.pop(name)) as pipe:
            said.append(json.loads(pipe.read()))
        os.waitpid(_children.pop(name), 0)
    return said


def _serve(listener: socket.socket, name: str) -> None:
    """Greet every client by name until ended."""
    while True:
        client, _ = listener.accept()
        with client, suppress(OSError):
            client.sendall(name.encode())


def tell(name: str, number: int) -> None:
    """Send a signal to a worker, and wait until it stands still (SIGSTOP) or is gone (SIGKILL)."""
    os.kill(_children[name], number)
    if number == signal.SIGSTOP:
        os.waitpid(_children[name], os.WUNTRACED)
    if number == signal.SIGKILL:
        os.waitpid(_children.pop(name), 0)


def burst(address: str, port: int, sources: list[int], patience: float, cpu: int = -1) -> list[str]:
    """Connect from each source port at once; for each, in order: the worker's name, `connected` where nobody spoke
    within `patience` seconds, or the errno's name (ETIMEDOUT where nothing came back). On one CPU, where one is
    given."""
    before = os.sched_getaffinity(0)
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})
    try:
        return _burst(address, port, sources, patience)
    finally:
        os.sched_setaffinity(0, before)


def series(address: str, port: int, sources: list[int], patience: float) -> list[str]:
    """As burst, but each connects only when the one before was served: so that whoever waits longest is next."""
    return [said for source in sources for said in _burst(address, port, [source], patience)]


def _burst(address: str, port: int, sources: list[int], patience: float) -> list[str]:
    clients: dict[int, socket.socket] = {}
    poll, said = select.poll(), {}
    for source in sources:
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # end with a RST: no TIME_WAIT
        client.setblocking(False)
        client.bind(("0.0.0.0", source))
        client.connect_ex((address, port))
        clients[client.fileno()] = client
        poll.register(client, select.POLLIN)
        said[client.fileno()] = "ETIMEDOUT"
    waiting = set(clients)
    while waiting and (ready := poll.poll(patience * 1000)):
        for number, _ in ready:
            poll.unregister(number)
            waiting.discard(number)
            try:
                said[number] = clients[number].recv(64).decode() or "closed"
            except OSError as error:
                said[number] = str(errno.errorcode.get(error.errno or 0))
    for number in waiting:
        with suppress(OSError):
            clients[number].getpeername()
            said[number] = "connected"
    for client in clients.values():
        client.close()
    return [said[number] for number in clients]
