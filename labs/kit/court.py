"""Myth court: what people say about ports and sockets, decided by the evidence of runs.

A comparison of a lab's claim may answer a saying: under the condition it looked at, is it so? All answers yes: the
saying is true. All no: false. Both: it is true only on a condition. No answer: undecided. Nothing is ever filled in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from .claim import Check, Outcome
from .errors import UsageError
from .report import Report

COURT = "verdicts"  # what only several labs together decide
SAYINGS = Path(__file__).resolve().parents[1] / "sayings.json"


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


def sayings(file: Path = SAYINGS, labs: Iterable[str] = ()) -> tuple[Saying, ...]:
    """Read the sayings; UsageError for a file that is none.

    One whose id was there before, or whose lab is none of `labs` (if those are given), has its `trouble` said.
    """
    try:
        entries = json.loads(file.read_text())
        read = tuple(Saying(str(it["id"]), str(it["says"]), str(it["lab"] or "")) for it in entries)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"{file} is not a file of sayings: {error!r}", "Wanted: a JSON list of {id, says, lab} objects."
        ) from None
    known = {*labs, COURT}
    seen: set[str] = set()
    checked = []
    for saying in read:
        trouble = f"the id {saying.id} was there before" if saying.id in seen else ""
        if len(known) > 1 and saying.lab and saying.lab not in known:
            trouble = f"there is no lab called {saying.lab}"
        seen.add(saying.id)
        checked.append(replace(saying, trouble=trouble))
    return tuple(checked)


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


def as_dict(judgement: Judgement) -> dict[str, object]:
    """For programs: the saying, its ruling, and under which condition it was found so or not, in which run."""
    return {
        "id": judgement.saying.id,
        "says": judgement.saying.says,
        "lab": judgement.saying.lab,
        "verdict": judgement.ruling.value,
        "why": judgement.why,
        "answers": [
            {"condition": it.check.about, "so": it.so, "run": it.run, "evidence": [str(seen) for seen in it.check.seen]}
            for it in judgement.answers
        ],
    }


def summary(judgements: Iterable[Judgement]) -> str:
    """`170 sayings: 71 true, 50 conditional, 38 false, 4 undecided, 7 untestable`."""
    counts = Counter(it.ruling for it in judgements)
    return f"{sum(counts.values())} sayings: " + ", ".join(f"{counts[it]} {it.value}" for it in Ruling if counts[it])


def save(judgements: Iterable[Judgement], file: Path) -> None:
    """Write every judgement with its evidence as JSON. OSError where the file cannot be written."""
    file.write_text(json.dumps([as_dict(it) for it in judgements], indent=1) + "\n")
