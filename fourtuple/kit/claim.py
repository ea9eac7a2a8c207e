"""Claims and verdicts: one sentence about the network, and what the evidence says of it.

A claim is a function of the facts that yields checks: what was looked at, what the rule or the behaviour predicts, what
the evidence shows. Any check that differs makes the claim FAIL, whatever else is missing; no check at all, or evidence
that cannot answer, leaves it UNDECIDED; NOT_MEASURED where something came too late to tell; NOT_ASKED where the run was
not made to decide it. The prediction never comes from the thing that is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..errors import EvidenceError, NotAsked, TooLate
from ..evidence.conntrack import Entry
from ..evidence.facts import Facts
from ..evidence.packet import Packet
from ..net.event import Event

Evidence = Packet | Event | Entry
_LONG = 300  # characters of what went wrong in a claim


class Outcome(Enum):
    """What became of a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: `want` is predicted, `got` is observed, `seen` is where.

    `answers` says of things people claim (by id, see `court.py`) whether they are so under the condition this
    comparison looked at; it is computed from what was observed.
    """

    about: str
    want: object
    got: object
    seen: tuple[Evidence, ...] = ()
    answers: Mapping[str, bool] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.want == self.got


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim's outcome with the checks behind it; `why` says what was missing where it neither HOLDS nor FAILS."""

    name: str
    says: str
    outcome: Outcome
    checks: tuple[Check, ...]
    why: str = ""

    @property
    def differing(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.holds)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence about the network (the function's docstring) and the function that checks it."""

    name: str
    says: str
    examine: Callable[[Facts], Iterator[Check]]

    def judge(self, facts: Facts) -> Verdict:
        """Compare what is predicted with what the facts show."""
        checks: list[Check] = []
        missed = Outcome.UNDECIDED
        try:
            checks.extend(self.examine(facts))
        except EvidenceError as missing:
            why = missing.message
            kinds = {NotAsked: Outcome.NOT_ASKED, TooLate: Outcome.NOT_MEASURED}
            missed = kinds.get(type(missing), Outcome.UNDECIDED)
        except Exception as damaged:  # noqa: BLE001 -- evidence may be anybody's: a claim that trips decides nothing
            why = f"the evidence makes no sense: {_cut(repr(damaged))}"
        else:
            why = "" if checks else "nothing was there to compare"
        if not all(check.holds for check in checks):
            return Verdict(self.name, self.says, Outcome.FAILS, tuple(checks), why)
        return Verdict(self.name, self.says, missed if why else Outcome.HOLDS, tuple(checks), why)


def _cut(text: str) -> str:
    """So much of a text as a person still reads, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[:_LONG]}..."
