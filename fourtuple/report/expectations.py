"""What each saying is expected to be ruled, and what the court made of it.

Looked at when everything is decided: nothing that claims or judges reads an expectation.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..kit.claim import Outcome, Verdict
from ..net import presets
from . import deciding, provenance
from .court import Entry, Judgement, Ruling
from .report import Report, difference

RULINGS = {it.value: it for it in Ruling if it is not Ruling.UNDECIDED}


def expected(entries: Iterable[Entry]) -> dict[str, Ruling]:
    """What is expected, by the saying's id, where its entry says so; UsageError for a ruling that is none."""
    found: dict[str, Ruling] = {}
    for entry in entries:
        if entry.ruling and entry.ruling not in RULINGS:
            raise UsageError(
                f"the saying {entry.id} is expected to be {entry.ruling!r}, which is no ruling",
                f"Wanted: {', '.join(RULINGS)}, or nothing.",
            )
        if entry.ruling:
            found.setdefault(entry.id, RULINGS[entry.ruling])
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """The court's judgements of some runs, beside what was expected.

    In question are the sayings for which every run was given that decides them, those that no run decides, and those
    that cannot be put to the evidence at all. `testable` are those among them that a run can decide.
    """

    reports: tuple[Report, ...]
    judgements: tuple[Judgement, ...]
    expected: Mapping[str, Ruling]

    @property
    def in_question(self) -> tuple[Judgement, ...]:
        given = {(it.lab.name, presets.text(it.run.facts.nat)) for it in self.reports}
        return tuple(it for it in self.judgements if it.saying.trouble or deciding.runs(it.saying) <= given)

    @property
    def testable(self) -> tuple[Judgement, ...]:
        return tuple(it for it in self.in_question if it.ruling is not Ruling.UNTESTABLE)

    @property
    def undecided(self) -> tuple[Judgement, ...]:
        return tuple(it for it in self.testable if it.ruling is Ruling.UNDECIDED)

    @property
    def differing(self) -> tuple[Judgement, ...]:
        """Those that are decided, or that no run can decide, and not as expected."""
        decided = (it for it in self.in_question if it.ruling is not Ruling.UNDECIDED)
        return tuple(it for it in decided if self.expected.get(it.saying.id, it.ruling) is not it.ruling)

    @property
    def failing(self) -> tuple[tuple[Report, Verdict], ...]:
        """Every claim that fails, with its run."""
        return tuple((report, it) for report in self.reports for it in report.verdicts if it.outcome is Outcome.FAILS)

    @property
    def exit_code(self) -> int:
        """0: every testable saying is decided, as expected; 1: a ruling differs or a claim fails; 2: one is undecided,
        or there is none."""
        if self.differing or self.failing:
            return 1
        return 2 if self.undecided or not self.testable else 0

    @property
    def counts(self) -> dict[str, int]:
        """How many sayings got each ruling, whether they are in question or not."""
        counted = Counter(it.ruling for it in self.judgements)
        return {it.value: counted[it] for it in Ruling}

    @property
    def summary(self) -> str:
        """`170 sayings: 73 true, 38 false, 52 conditional, 7 untestable`, and how many of the testable are decided."""
        counts = ", ".join(f"{number} {word}" for word, number in self.counts.items() if number)
        decided = len(self.testable) - len(self.undecided)
        compared = [it for it in self.testable if it.saying.id in self.expected]
        agreed = sum(self.expected[it.saying.id] is it.ruling for it in compared)
        return (
            f"{len(self.judgements)} sayings: {counts}\n"
            f"{decided} of {len(self.testable)} testable sayings are decided"
            + (f", {agreed} of {len(compared)} as expected" if compared else "")
        )

    @property
    def complaints(self) -> tuple[str, ...]:
        """A line for each claim that fails, each ruling that differs and each saying that is undecided."""
        return (
            *(
                f"{run.lab.name}: {it.name} fails: {'; '.join(map(difference, it.differing[:3]))} ({run.run.path})"
                for run, it in self.failing
            ),
            *(
                f"{it.saying.id} is ruled {it.ruling.value}; expected was {self.expected[it.saying.id].value}"
                for it in self.differing
            ),
            *(f"{it.saying.id} is undecided: {it.why}" for it in self.undecided),
            *(() if self.testable else ("no testable saying is in question: none has all the runs that decide it",)),
        )


def as_dict(compared: Comparison) -> dict[str, Any]:
    """For programs: the counts, what fails, and of each saying its ruling, what was expected, and the answers."""
    in_question = {id(it) for it in compared.in_question}
    return {
        "exit_code": compared.exit_code,
        "summary": compared.summary,
        "counts": compared.counts,
        "testable": len(compared.testable),
        "decided": len(compared.testable) - len(compared.undecided),
        "differing": [it.saying.id for it in compared.differing],
        "undecided": [it.saying.id for it in compared.undecided],
        "failing": [
            {"lab": it.lab.name, "claim": claim.name, "run": str(it.run.path)} for it, claim in compared.failing
        ],
        "runs": [provenance.of(it.run).as_dict() for it in compared.reports],
        "sayings": [_saying(it, compared.expected, id(it) in in_question) for it in compared.judgements],
    }


def save(compared: Comparison, file: Path) -> None:
    """Write the comparison with all its evidence as JSON. OSError where the file cannot be written."""
    file.write_text(json.dumps(as_dict(compared), indent=1) + "\n")


def _saying(judgement: Judgement, expected: Mapping[str, Ruling], in_question: bool) -> dict[str, Any]:
    saying, wanted = judgement.saying, expected.get(judgement.saying.id)
    return {
        "id": saying.id,
        "says": saying.says,
        "lab": saying.lab,
        "ruling": judgement.ruling.value,
        "expected": wanted.value if wanted else None,
        "in_question": in_question,
        "why": judgement.why,
        "answers": [
            {"condition": it.check.about, "so": it.so, "run": it.run, "evidence": [str(seen) for seen in it.check.seen]}
            for it in judgement.answers
        ],
    }
