"""Writing a run directory: under another name until it is sealed, so that a finished one is a whole one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import SetupError
from ..evidence import rundir
from ..net.event import Event
from .ownership import is_dead, owner_of_this_process

_OWNER, _PART = "owner", ".part"
IGNORE = ".gitignore"
_LONGEST = 1000  # characters of an owner that are read


class Recording:
    """A run directory that is being written; `path` is where it will be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + _PART)
        try:
            self._made = [it for it in (path.parent, path.parent.parent) if not it.exists()]
            _make_home(path.parent.parent)
            clear_dead(path.parent.parent)
            self.part.mkdir(parents=True)
            (self.part / _OWNER).write_text(owner_of_this_process())
            (self.part / rundir.LOGS).mkdir()
            self._events = (self.part / rundir.EVENTS).open("w")
        except OSError as error:
            raise SetupError(
                f"the run directory {path} cannot be made: {error.strerror}", "Choose another place with --out DIR."
            ) from None

    def capture(self, tap: str) -> Path:
        """Where the capture of a tap goes."""
        return self.part / f"{tap}.pcap"

    def event(self, event: Event) -> None:
        """Keep one event."""
        self._write(lambda: self._events.write(event.to_json() + "\n"))

    def text(self, name: str, text: str) -> None:
        """Keep a file of the directory."""
        self._write(lambda: (self.part / name).write_text(text))

    def file(self, name: str, writer: Callable[[Path], None]) -> None:
        """Let somebody write a file of the directory."""
        self._write(lambda: writer(self.part / name))

    def seal(self, meta: Mapping[str, Any]) -> Path:
        """Write the seal, last of all, and give the directory its name; until then it has its owner."""
        self._write(self._events.close)
        owner = self.part / _OWNER
        there = [path for path in sorted(self.part.rglob("*")) if path.is_file() and path != owner]
        files = {str(path.relative_to(self.part)): path.stat().st_size for path in there}
        self.text(rundir.META, json.dumps({"fourtuple": rundir.FORMAT, **meta, "files": files}, indent=1) + "\n")
        self._write(lambda: self.part.rename(self.path))
        self._write((self.path / _OWNER).unlink)
        return self.path

    def discard(self) -> None:
        """Leave nothing behind of a run that did not end well, and no directory that was made for it alone."""
        with suppress(OSError):  # a full disk refuses what was not flushed yet
            self._events.close()
        shutil.rmtree(self.part, ignore_errors=True)
        with suppress(OSError):
            for home in self._made:
                if {it.name for it in home.iterdir()} <= {IGNORE}:  # others may write there meanwhile
                    shutil.rmtree(home)

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise SetupError(
                f"the run directory {self.path} cannot be written: {error.strerror}",
                "Free some space, or choose another place with --out DIR.",
            ) from None


def _make_home(out: Path) -> None:
    """Make the directory runs go to, where it is missing; git is told to leave it alone, wherever that is."""
    if not out.exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / IGNORE).write_text("*\n")


def clear_dead(out: Path) -> list[Path]:
    """Remove what runs were writing below `out` when they were killed; returns what was removed."""
    gone = [part for part in sorted(out.glob(f"*/*{_PART}")) if is_dead(_owner(part))]
    for part in gone:
        shutil.rmtree(part, ignore_errors=True)
    return gone


def _owner(part: Path) -> str:
    """Who writes such a directory; nothing that is known where it does not say. It may hold anything."""
    owner = part / _OWNER
    if not owner.is_file():
        return ""
    try:
        with owner.open(errors="replace") as file:
            return file.read(_LONGEST)
    except OSError:
        return ""
