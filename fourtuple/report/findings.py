"""What an audit found: each requirement of the RFCs, measured, and compared with what theory says of the behaviour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..kit.claim import Outcome, Verdict
from ..net.behaviour import NatBehaviour
from ..net.requirements import REQUIREMENTS, Level, Requirement
from .provenance import Provenance
from .report import Report, difference

CONFORMS, DOES_NOT, NOT_TESTED, UNDECIDED = "conforms", "does not", "not tested", "undecided"
NOT_MEASURED = "not measured"
_WORDS = {True: CONFORMS, False: DOES_NOT, None: NOT_TESTED}
_OUTCOMES = {Outcome.HOLDS: CONFORMS, Outcome.FAILS: DOES_NOT, Outcome.UNDECIDED: UNDECIDED,
             Outcome.NOT_MEASURED: NOT_MEASURED, Outcome.NOT_ASKED: NOT_TESTED}  # fmt: skip
_UNTOLD = (UNDECIDED, NOT_MEASURED)


@dataclass(frozen=True, slots=True)
class Finding:
    """A requirement, what became of it, why (what differed, what was missing), and whether theory had said so.

    `as_predicted` is None where no behaviour was named to compare with, or nothing was found out.
    """

    requirement: Requirement
    outcome: str
    why: str
    as_predicted: bool | None
    evidence: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """Does theory say otherwise or, where it was not asked, is a MUST not met? A SHOULD is advice (RFC 2119)."""
        broken = self.outcome == DOES_NOT and self.requirement.level is Level.MUST
        return broken if self.as_predicted is None else not self.as_predicted

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        asked = self.requirement
        measured = {"outcome": self.outcome, "why": self.why, "as_predicted": self.as_predicted}
        return {
            "id": asked.id,
            "level": asked.level.value,
            "says": asked.says,
            **measured,
            "evidence": [*self.evidence],
        }


def of(report: Report, nat: NatBehaviour | None) -> tuple[Finding, ...]:
    """Every requirement's finding, in the order of the RFCs, compared with what theory says of `nat`."""
    verdicts = {verdict.says.partition(" (")[0]: verdict for verdict in report.verdicts}
    patient = bool(report.run.facts.meta.get("full"))
    return tuple(_finding(asked, verdicts.get(asked.id), nat, patient) for asked in REQUIREMENTS)


def _finding(asked: Requirement, verdict: Verdict | None, nat: NatBehaviour | None, patient: bool) -> Finding:
    predicted = None
    if nat:
        predicted = _WORDS[asked.holds(nat, patient) if asked.holds else None]
    if asked.holds is None or verdict is None:
        return Finding(asked, NOT_TESTED, asked.untested, None if nat is None else predicted == NOT_TESTED)
    outcome = _OUTCOMES[verdict.outcome]
    why = verdict.why or "; ".join(difference(check) for check in verdict.differing)
    seen = tuple(str(it) for check in verdict.checks for it in check.seen)
    return Finding(asked, outcome, why, None if nat is None or outcome in _UNTOLD else outcome == predicted, seen)


def summary(found: Iterable[Finding]) -> str:
    """`50 requirements: 26 conforms, 1 does not, 23 not tested`, and whether theory agrees where it was asked."""
    found = tuple(found)
    counts = Counter(it.outcome for it in found)
    words = ", ".join(f"{counts[it]} {it}" for it in (CONFORMS, DOES_NOT, NOT_TESTED, *_UNTOLD) if counts[it])
    strange = sum(it.as_predicted is False for it in found)
    theory = f"{strange} not as predicted" if strange else "all as predicted"
    compared = any(it.as_predicted is not None for it in found)
    return f"{len(found)} requirements: {words}" + (f"; {theory}" if compared else "")


def exit_code(found: Iterable[Finding]) -> int:
    """2: something could not be told. 1: theory says otherwise or, where there is none, a MUST is not met."""
    found = tuple(found)
    if any(it.outcome in _UNTOLD for it in found):
        return 2
    return int(any(it.fails for it in found))


def as_dict(found: Iterable[Finding], source: Provenance) -> dict[str, object]:
    """For programs: the findings, what becomes of them, and where they come from."""
    found = tuple(found)
    return {
        "summary": summary(found),
        "exit_code": exit_code(found),
        "provenance": source.as_dict(),
        "requirements": [it.as_dict() for it in found],
    }


def write_junit(found: Iterable[Finding], source: Provenance, path: Path) -> None:
    """JUnit XML, a case for each requirement; its failures are those that `exit_code` counts. What was not tested is
    skipped with the reason; a SHOULD that is not met, where theory was not asked, is noted in its output. OSError where
    the file cannot be written."""
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    suite = TestSuite("audit")
    source.describe(suite)
    for it in found:
        case = TestCase(f"{it.requirement.id} ({it.requirement.level.value})", classname="audit")
        if it.outcome == NOT_TESTED:
            case.result = [Skipped(it.why)]
        elif it.outcome in _UNTOLD:
            case.result = [Error(f"{it.outcome}: {it.why}")]
        elif it.fails:
            case.result = [Failure(it.why or "theory says otherwise")]
        note = [f"not met: {it.why}"] if it.outcome == DOES_NOT and not it.fails else []
        case.system_out = "\n".join((*note, *it.evidence))
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    xml.write(str(path))
