"""A run is a directory: what lies in it, and how it is read back into facts.

compose.json    the resolved compose file            events.jsonl   every call, a line each
TAP.pcap        one per tap, plain Ethernet          meta.json      kernel, engine, rules, tables; the seal
run.pcapng      all taps in one, for Wireshark       logs/          what the programs said
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..net import presets
from ..net.event import Event
from . import capture, conntrack
from .errors import UsageError
from .facts import Facts
from .topology import Topology

FORMAT = 1
COMPOSE, EVENTS, META, MERGED, LOGS = "compose.json", "events.jsonl", "meta.json", "run.pcapng", "logs"


@dataclass(frozen=True, slots=True)
class Run:
    """A sealed run directory: which lab it is of, and its facts."""

    path: Path
    lab: str
    facts: Facts


def load(path: Path) -> Run:
    """Read a run directory; UsageError, one sentence, when it is not one, is unfinished or was damaged."""
    if not path.is_dir():
        raise UsageError(
            f"{path} is not a directory; a run directory was wanted", "`invoke lab` prints the path of each."
        )
    meta = _meta(path)
    try:
        for name, size in meta["files"].items():
            _check_size(path / name, size)
        topology = Topology.from_compose(_object(path / COMPOSE))
        nat = presets.parse(meta["nat"])
        captures = {tap.name: capture.read(path / f"{tap.name}.pcap", tap.name) for tap in topology.taps}
        events = tuple(map(Event.from_json, (path / EVENTS).read_text().splitlines()))
        tracked = meta["conntrack"]["after"]
        table = None if tracked is None else conntrack.parse(tracked)
        return Run(path, meta["lab"], Facts(topology, nat, captures, events, table, meta))
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise UsageError(f"{path} is damaged: {error}") from None


def _meta(path: Path) -> dict[str, Any]:
    if not (path / META).is_file():
        raise UsageError(
            f"{path} is not a finished run: it has no {META}, which is written last",
            "Give the directory that `invoke lab` printed.",
        )
    meta = _object(path / META)
    if meta.get("fourtuple") != FORMAT:
        raise UsageError(
            f"{path}/{META} is not of a fourtuple run of format {FORMAT}: it says {meta.get('fourtuple')!r}"
        )
    return meta


def _check_size(path: Path, size: int) -> None:
    found = path.stat().st_size if path.is_file() else None
    if found != size:
        now = "is missing now" if found is None else f"has {found} now"
        raise ValueError(f"{path.name} had {size} bytes when the run was sealed, and {now}")


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is damaged: it is not JSON ({error})") from None
    if not isinstance(value, Mapping):
        raise UsageError(f"{path} holds no JSON object")
    return dict(value)
