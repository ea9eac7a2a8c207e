"""What an audit found: each requirement of the RFCs, measured, and compared with what theory says of the behaviour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..net.behaviour import NatBehaviour
from ..net.requirements import REQUIREMENTS, Requirement
from .claim import Outcome, Verdict
from .report import Report, difference

CONFORMS, DOES_NOT, NOT_TESTED, UNDECIDED = "conforms", "does not", "not tested", "undecided"
_OUTCOMES = {Outcome.HOLDS: CONFORMS, Outcome.FAILS: DOES_NOT, Outcome.UNDECIDED: UNDECIDED}


@dataclass(frozen=True, slots=True)
class Finding:
    """A requirement, what became of it, why (what differed, what was missing), and whether theory had said so."""

    requirement: Requirement
    outcome: str
    why: str
    as_predicted: bool
    evidence: tuple[str, ...] = ()

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


def of(report: Report, nat: NatBehaviour) -> tuple[Finding, ...]:
    """Every requirement's finding, in the order of the RFCs."""
    verdicts = {verdict.says.partition(" (")[0]: verdict for verdict in report.verdicts}
    return tuple(_finding(asked, verdicts.get(asked.id), nat) for asked in REQUIREMENTS)


def _finding(asked: Requirement, verdict: Verdict | None, nat: NatBehaviour) -> Finding:
    if asked.holds is None or verdict is None:
        return Finding(asked, NOT_TESTED, asked.untested, True)
    outcome = _OUTCOMES[verdict.outcome]
    why = verdict.why or "; ".join(difference(check) for check in verdict.differing)
    seen = tuple(str(it) for check in verdict.checks for it in check.seen)
    return Finding(asked, outcome, why, outcome == (CONFORMS if asked.holds(nat) else DOES_NOT), seen)


def summary(found: Iterable[Finding]) -> str:
    """`23 requirements: 14 conforms, 1 does not, 8 not tested`, and whether theory agrees."""
    found = tuple(found)
    counts = Counter(it.outcome for it in found)
    words = ", ".join(f"{counts[it]} {it}" for it in (CONFORMS, DOES_NOT, NOT_TESTED, UNDECIDED) if counts[it])
    strange = sum(not it.as_predicted for it in found)
    return f"{len(found)} requirements: {words}; " + (f"{strange} not as predicted" if strange else "all as predicted")
