"""A judged run as data: verdicts with what was wanted, what was got, and where; JSON and JUnit spell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..evidence.rundir import Run
from ..kit import catalog
from ..kit.claim import Check, Outcome, Verdict
from ..kit.lab import Lab
from ..net import presets
from . import provenance


@dataclass(frozen=True, slots=True)
class Report:
    """What a run directory says, judged."""

    run: Run
    lab: Lab
    verdicts: tuple[Verdict, ...]

    @property
    def exit_code(self) -> int:
        """As diff(1): 0 every claim that was asked holds, 1 one does not, 2 it cannot be told."""
        outcomes = {verdict.outcome for verdict in self.verdicts} - {Outcome.NOT_ASKED}
        if Outcome.FAILS in outcomes:
            return 1
        return 0 if outcomes == {Outcome.HOLDS} else 2

    @property
    def ended(self) -> str:
        """Why the steps ended early, or nothing."""
        return str(self.run.facts.meta.get("ended") or "")

    @property
    def summary(self) -> str:
        """`10 claims: 9 hold, 1 fails`."""
        counts = Counter(verdict.outcome for verdict in self.verdicts)
        words = [
            f"{counts[outcome]} {word if counts[outcome] == 1 else plural}"
            for outcome, word, plural in (
                (Outcome.HOLDS, "holds", "hold"),
                (Outcome.FAILS, "fails", "fail"),
                (Outcome.UNDECIDED, "is undecided", "are undecided"),
                (Outcome.NOT_MEASURED, "was not measured", "were not measured"),
                (Outcome.NOT_ASKED, "was not asked", "were not asked"),
            )
            if counts[outcome]
        ]
        return f"{len(self.verdicts)} claims: {', '.join(words)}"


def judge(run: Run) -> Report:
    """Judge a run by the claims of its lab, from nothing but what the directory holds."""
    lab = catalog.find(run.lab)
    return Report(run, lab, lab.judge(run.facts))


def as_dict(report: Report, seconds: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The report for programs: every claim with its checks and the evidence of each.

    `seconds` are those of the whole command, where it still runs; else what the run itself kept.
    """
    facts = report.run.facts
    return {
        "lab": report.run.lab,
        "run": str(report.run.path),
        "nat": presets.text(facts.nat),
        "exit_code": report.exit_code,
        "summary": report.summary,
        "ended": report.ended,
        "claims": [
            {
                "name": verdict.name,
                "says": verdict.says,
                "outcome": verdict.outcome.value,
                "why": verdict.why,
                "checks": [_check(check) for check in verdict.checks],
            }
            for verdict in report.verdicts
        ],
        "kernel": facts.meta.get("kernel"),
        "engine": facts.meta.get("engine"),
        "seconds": seconds or facts.meta.get("seconds"),
        "provenance": provenance.of(report.run).as_dict(),
    }


def write_junit(report: Report, file: Path) -> None:
    """The report for CI: a claim is a test case. OSError where the file cannot be written."""
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    suite = TestSuite(f"{report.run.lab} {presets.text(report.run.facts.nat)}")
    provenance.of(report.run).describe(suite)
    for verdict in report.verdicts:
        case = TestCase(verdict.name, classname=f"labs.{report.run.lab}")
        if verdict.outcome is Outcome.FAILS:
            failure = Failure(verdict.says)
            failure.text = "\n".join(difference(check) for check in verdict.differing)
            case.result = [failure]
        if verdict.outcome in (Outcome.UNDECIDED, Outcome.NOT_MEASURED):
            case.result = [Error(f"{verdict.outcome.value}: {verdict.why}")]
        if verdict.outcome is Outcome.NOT_ASKED:
            case.result = [Skipped(verdict.why)]
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    xml.write(str(file))


def difference(check: Check) -> str:
    """One differing check as a line."""
    return f"{check.about}: want {words(check.want)}, got {words(check.got)}"


def words(value: object) -> str:
    """A wanted or observed value as a person reads it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value)
        case frozenset() | set():
            return ", ".join(sorted(words(part) for part in value)) or "none"
        case list() | tuple():
            return f"[{', '.join(map(words, value))}]"
        case bytes():
            return value.decode("latin-1")
        case _:
            return str(value)


def _check(check: Check) -> dict[str, Any]:
    return {
        "about": check.about,
        "want": words(check.want),
        "got": words(check.got),
        "holds": check.holds,
        "evidence": [str(seen) for seen in check.seen],
    }
