"""A run is a directory: what lies in it, and how it is read back into facts.

compose.json    the resolved compose file            events.jsonl   every call, a line each
TAP.pcap        one per tap, plain Ethernet          meta.json      kernel, engine, rules, tables; the seal
run.pcapng      all taps in one, for Wireshark       logs/          what the programs said
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UsageError
from ..net import document, presets
from ..net.document import Value
from ..net.event import Event
from . import capture, conntrack, files
from .facts import Facts
from .old_names import renewed
from .topology import Topology

FORMAT = 1
MOST = 100_000  # events of a run; the most that a run kept here has is 2,161
COMPOSE, EVENTS, META, MERGED, LOGS = "compose.json", "events.jsonl", "meta.json", "run.pcapng", "logs"


@dataclass(frozen=True, slots=True)
class Run:
    """A sealed run directory: which lab it is of, and its facts."""

    path: Path
    lab: str
    facts: Facts


def load(path: Path) -> Run:
    """Read a run directory; UsageError, one sentence, when it is not one, is unfinished or was damaged.

    It may be somebody else's: what is read is bounded, every value has the type it should have, and nothing outside of
    the directory is looked at.
    """
    if not path.is_dir():
        raise UsageError(
            f"{path} is not a directory; a run directory was wanted", "`invoke lab` prints the path of each."
        )
    meta = _meta(path)
    try:
        _check_files(path, dict(meta["files"].items()))
        _check_kinds(meta)
        topology = _topology(path / COMPOSE)
        captures = capture.read({tap.name: path / f"{tap.name}.pcap" for tap in topology.taps})
        tracked = meta["conntrack"]["after"]
        table = None if tracked.raw is None else conntrack.parse(tracked.text())
        facts = Facts(topology, presets.parse(meta["nat"].name()), captures, _events(path), table, meta.raw)
        return Run(path, meta["lab"].name(), facts)
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}") from None


def _meta(path: Path) -> Value:
    if not (path / META).exists():
        raise UsageError(
            f"{path} is not a finished run: it has no {META}, which is written last",
            "Give the directory that `invoke lab` printed.",
        )
    try:
        meta = document.read(files.text(path / META, follow=False), META)
        found = meta.get("fourtuple")
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}") from None
    if found.raw != FORMAT:
        raise UsageError(f"{path}/{META} is not of a fourtuple run of format {FORMAT}: it says {found.shown}")
    return meta


def _check_kinds(meta: Value) -> None:
    """ValueError unless what else is read from the seal has the type it should have, or is absent."""
    for name in ("ended", "kernel", "time", "version"):
        if meta.get(name).raw is not None:
            meta[name].text()
    for _, value in (
        *meta.get("options").items(),
        *meta.get("engine").items(),
        *meta.get("images").items(),
        *meta.get("image_ids").items(),
    ):
        value.name()
    for _, value in meta.get("prepared").items():
        value.text()
    for _, value in meta.get("seconds").items():
        value.real()


def _check_files(path: Path, sealed: Mapping[str, Value]) -> None:
    """ValueError unless every file has the size it was sealed with, and all together are not too large."""
    total = 0
    for name, size in sealed.items():
        wanted, found = size.number(), _size(path, name)
        if found != wanted:
            now = found if isinstance(found, str) else f"has {found}"
            raise ValueError(f"{name} had {wanted} bytes when the run was sealed, and {now} now")
        total += wanted
    if total > files.LARGEST:
        raise ValueError(f"its files have {total} bytes; at most {files.LARGEST} are read")


def _size(path: Path, name: str) -> int | str:
    """How large a file of the directory is, or what is there in its place; no symbolic link is followed."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError(f"{name!r} is no file of this directory")
    place = path
    for part in parts:
        place /= part
        try:
            found = place.lstat()
        except OSError:
            return "is missing"
        if stat.S_ISLNK(found.st_mode):
            break
    return found.st_size if stat.S_ISREG(found.st_mode) else f"is {files.kind(found.st_mode)}"


def _topology(file: Path) -> Topology:
    config = document.read(files.text(file, follow=False), COMPOSE)
    try:
        return Topology.from_compose(config.raw)
    except UsageError as error:
        raise UsageError(f"{file}: {error.message}") from None


def _events(path: Path) -> tuple[Event, ...]:
    text = files.text(path / EVENTS, follow=False)
    number = text.count("\n")
    if number > MOST:
        raise ValueError(f"{EVENTS} has {number} events; at most {MOST} are read")
    return tuple(renewed(Event.from_json(line)) for line in text.removesuffix("\n").split("\n")) if text else ()
