"""Myth court: what people say about ports and sockets, decided by the evidence of runs.

A comparison of a lab's claim may answer a saying: under the condition it looked at, is it so? All answers yes: the
saying is true. All no: false. Both: it is true only on a condition. No answer: undecided. Nothing is ever filled in.
What a saying is expected to be ruled stands in the same file, but in no `Saying`: judging cannot see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .. import places
from ..errors import UsageError
from ..evidence import files
from ..kit.claim import Check, Outcome
from ..net import document
from .report import Report

COURT = "verdicts"  # what only several labs together decide
SAYINGS = places.of("labs") / "sayings.json"


class Ruling(Enum):
    """What becomes of a saying."""

    TRUE = "true"
    FALSE = "false"
    CONDITIONAL = "conditional"
    UNDECIDED = "undecided"
    UNTESTABLE = "untestable"


@dataclass(frozen=True, slots=True)
class Saying:
    """Something people say, in one sentence; `lab` decides it, or is empty where no run on Linux can.

    `trouble` is why it cannot be put to the evidence at all.
    """

    id: str
    says: str
    lab: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One condition under which a saying was looked at: is it so, in which run, by which comparison?"""

    so: bool
    run: str
    check: Check


@dataclass(frozen=True, slots=True)
class Judgement:
    """A saying, its ruling and the answers behind it."""

    saying: Saying
    ruling: Ruling
    answers: tuple[Answer, ...]

    @property
    def why(self) -> str:
        """Why it is undecided, or nothing."""
        if self.ruling is not Ruling.UNDECIDED:
            return ""
        return self.saying.trouble or "no evidence answers it"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a file of sayings, as it stands there; `ruling` is what is expected, or empty."""

    id: str
    says: str
    lab: str
    ruling: str


def entries(file: Path = SAYINGS) -> tuple[Entry, ...]:
    """Read a file of sayings; UsageError for a file that is none."""
    try:
        return tuple(
            Entry(it["id"].name(), it["says"].text(), _name(it["lab"]), _name(it.get("ruling")))
            for it in document.read(files.text(file), str(file)).list()
        )
    except ValueError as error:
        raise UsageError(
            f"{file} is not a file of sayings: {error}",
            "Wanted: a JSON list of {id, says, lab} objects; each may have a ruling that is expected.",
        ) from None


def sayings(read: Iterable[Entry] | None = None, labs: Iterable[str] = ()) -> tuple[Saying, ...]:
    """The sayings of these entries, or of the project's own, without what is expected of them.

    One whose id was there before, or whose lab is none of `labs` (if those are given), has its `trouble` said.
    """
    known = {*labs, COURT}
    seen: set[str] = set()
    checked = []
    for entry in entries() if read is None else read:
        trouble = f"the id {entry.id} was there before" if entry.id in seen else ""
        if len(known) > 1 and entry.lab and entry.lab not in known:
            trouble = f"there is no lab called {entry.lab}"
        seen.add(entry.id)
        checked.append(Saying(entry.id, entry.says, entry.lab, trouble))
    return tuple(checked)


def _name(value: document.Value) -> str:
    """A name; empty where it is null."""
    return "" if value.raw is None else value.name()


def judge(reports: Iterable[Report], read: tuple[Saying, ...] | None = None) -> tuple[Judgement, ...]:
    """Every saying's judgement from the runs given. The answers of a claim that is undecided do not count."""
    found: dict[str, list[Answer]] = {}
    for report in reports:
        for verdict in report.verdicts:
            for check in verdict.checks if verdict.outcome in (Outcome.HOLDS, Outcome.FAILS) else ():
                for name, so in check.answers.items():
                    found.setdefault(name, []).append(Answer(so, str(report.run.path), check))
    return tuple(
        _rule(saying, () if saying.trouble else tuple(found.get(saying.id, ()))) for saying in (read or sayings())
    )


def _rule(saying: Saying, answers: tuple[Answer, ...]) -> Judgement:
    so = {answer.so for answer in answers}
    if not so:
        return Judgement(saying, Ruling.UNDECIDED if saying.lab else Ruling.UNTESTABLE, ())
    ruling = Ruling.CONDITIONAL if len(so) == 2 else Ruling.TRUE if so == {True} else Ruling.FALSE
    return Judgement(saying, ruling, answers)
