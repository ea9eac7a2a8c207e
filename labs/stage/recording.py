"""Writing a run directory: under another name until it is sealed, so that a finished one is a whole one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kit import rundir
from ..kit.errors import SetupError
from ..net.event import Event


class Recording:
    """A run directory that is being written; `path` is where it will be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        try:
            (self.part / rundir.LOGS).mkdir(parents=True)
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

    def seal(self, meta: Mapping[str, Any]) -> Path:
        """Write the seal, last of all, and give the directory its name."""
        self._write(self._events.close)
        files = {str(p.relative_to(self.part)): p.stat().st_size for p in sorted(self.part.rglob("*")) if p.is_file()}
        self.text(rundir.META, json.dumps({"fourtuple": rundir.FORMAT, **meta, "files": files}, indent=1) + "\n")
        self._write(lambda: self.part.rename(self.path))
        return self.path

    def discard(self) -> None:
        """Leave nothing behind of a run that did not end well."""
        self._events.close()
        shutil.rmtree(self.part, ignore_errors=True)

    def _write(self, write: Any) -> None:
        try:
            write()
        except OSError as error:
            raise SetupError(
                f"the run directory {self.path} cannot be written: {error.strerror}",
                "Free some space, or choose another place with --out DIR.",
            ) from None
