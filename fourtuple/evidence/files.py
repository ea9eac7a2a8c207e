"""Files that somebody else wrote, read within bounds: only a regular file, and only so much of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import UsageError

LARGEST = 32 * 2**20  # bytes of a file, and of a whole run; the largest run that is kept here has 3.3 million
_KINDS = ((stat.S_ISDIR, "a directory"), (stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a FIFO"),
          (stat.S_ISSOCK, "a socket"))  # fmt: skip


def read(path: Path, follow: bool = True) -> bytes:
    """What a file holds. UsageError, one sentence, unless it is a regular file that is not too large.

    `follow`: may the path be a symbolic link? A person's may; a run holds none.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO would be waited for
    try:
        found = path.stat() if follow else path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is {kind(found.st_mode)}; a regular file was wanted")
        if found.st_size > LARGEST:
            raise UsageError(f"{path} has {found.st_size} bytes; at most {LARGEST} are read")
        with open(os.open(path, flags if follow else flags | os.O_NOFOLLOW), "rb") as file:
            return file.read(found.st_size)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in its name
        raise UsageError(f"{path} cannot be read: {error}") from None


def text(path: Path, follow: bool = True) -> str:
    """What a file of text holds; UsageError as above, and where it is not UTF-8."""
    data = read(path, follow)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}") from None


def kind(mode: int) -> str:
    """What something in a directory is, in words."""
    return next((words for is_one, words in _KINDS if is_one(mode)), "a device")
