"""Where a result comes from: which run, when, of which images, on what. A result that is kept can be traced by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from ..evidence.rundir import Run

if TYPE_CHECKING:
    from junitparser import TestSuite

UNKNOWN = "unknown"  # what older runs do not say


@dataclass(frozen=True, slots=True)
class Provenance:
    """`run` is a directory, or empty where none was kept; `time` when it began (ISO 8601); `version` fourtuple's;
    `images` the id of each image by its name."""

    run: str
    time: str
    version: str
    engine: str
    kernel: str
    images: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        words = {name: getattr(self, name) for name in ("run", "time", "version", "engine", "kernel")}
        return words | {"images": dict(self.images)}

    def describe(self, suite: TestSuite) -> None:
        """For JUnit: the properties of a test suite, and its time."""
        for name in ("run", "version", "engine", "kernel"):
            suite.add_property(name, getattr(self, name) or UNKNOWN)
        for name, identity in self.images.items():
            suite.add_property(f"image {name}", identity)
        suite.timestamp = self.time


def of(run: Run) -> Provenance:
    """Of a run directory; its time is that of its first event where it says none."""
    meta = run.facts.meta
    first = run.facts.events[0].wall_ns / 1e9 if run.facts.events else 0.0
    began = datetime.fromtimestamp(first, UTC).isoformat(timespec="seconds")
    engine = cast("Mapping[str, str]", meta.get("engine") or {})
    images = dict.fromkeys(cast("Mapping[str, str]", meta.get("images") or {}).values(), UNKNOWN)
    return Provenance(
        str(run.path),
        str(meta.get("time") or began),
        str(meta.get("version") or UNKNOWN),
        str(engine.get("version") or UNKNOWN),
        str(meta.get("kernel") or UNKNOWN),
        images | dict(cast("Mapping[str, str]", meta.get("image_ids") or {})),
    )
