"""Child processes of a driver: each inherits its sockets by fork(), and is driven like its parent.

A child answers on a socket of its own, so that nothing of it depends on who else holds what. Descriptors change hands
as they do anywhere: by fork(), over a Unix-domain socket (SCM_RIGHTS), or by pidfd_getfd() without being asked.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MESSAGE = 1 << 20  # bytes of the longest line
_PIDFD_GETFD = 438  # asm-generic/unistd.h


class Child:
    """A forked process, asked one line at a time."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self._channel = channel

    def ask(self, line: str) -> str:
        """Its answer to a line; ProcessLookupError when it is no longer there."""
        try:
            self._channel.send(line.encode())
            answer = self._channel.recv(MESSAGE)
        except OSError:
            answer = b""
        if not answer:
            raise ProcessLookupError(3, "the process is gone")
        return answer.decode()

    def signal(self, number: int) -> None:
        """Send it a signal; wait until it stands still (SIGSTOP), or is gone and what it held released (SIGKILL)."""
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            os.waitpid(self.pid, os.WUNTRACED)
        if number == signal.SIGKILL:
            os.waitpid(self.pid, 0)

    def forget(self) -> None:
        """Close a copy of its channel: a process that was forked later has no use for it."""
        self._channel.close()


def fork(answer: Callable[[], Callable[[str], str]]) -> Child:
    """Fork a child that answers lines with what `answer()`, called in the child, makes; it ends with its parent."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            reply = answer()
            while line := theirs.recv(MESSAGE):
                theirs.send(reply(line.decode()).encode())
        finally:
            os._exit(0)
    theirs.close()
    return Child(pid, ours)


def identity(sock: socket.socket) -> dict[str, int | str]:
    """Who holds this descriptor, and what it refers to: process, user, network namespace, descriptor, inode."""
    return {
        "pid": os.getpid(),
        "uid": os.geteuid(),
        "namespace": str(Path("/proc/self/ns/net").readlink()),
        "descriptor": sock.fileno(),
        "inode": os.fstat(sock.fileno()).st_ino,
    }


def take_from(pid: int, descriptor: int) -> socket.socket:
    """Copy a descriptor out of another process, which is not asked; OSError (EPERM) without the right to trace it."""
    library = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        copy = library.syscall(_PIDFD_GETFD, process, descriptor, 0)
    finally:
        os.close(process)
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=copy)


def holders(inode: int) -> list[int]:
    """The pids of all processes that hold a descriptor of this socket, as far as this process may look."""
    found = []
    for home in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(entry.readlink()) == f"socket:[{inode}]" for entry in (home / "fd").iterdir()):
                found.append(int(home.name))
    return sorted(found)


def become(uid: int) -> None:
    """Be another user from now on; OSError (EPERM) without CAP_SETUID."""
    os.setresuid(uid, uid, uid)


def reopen(pid: int, descriptor: int) -> str:
    """What opening /proc/PID/fd/N says: `ok`, or an errno's name. A socket is no file that could be opened."""
    try:
        os.close(os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDWR))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"
