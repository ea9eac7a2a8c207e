"""Learner mode: what people say is put to the vote before the evidence is judged."""

from __future__ import annotations

from dataclasses import dataclass

from ..kit.lab import Lab
from . import deciding
from .court import Judgement, Ruling, Saying

VOTES = {"t": Ruling.TRUE, "f": Ruling.FALSE, "c": Ruling.CONDITIONAL}
ASKED = "[t]rue, [f]alse, true only on a [c]ondition, or [q]uit"


@dataclass(frozen=True, slots=True)
class Ballot:
    """A learner's vote on a saying, and what the evidence ruled."""

    vote: Ruling
    judgement: Judgement

    @property
    def right(self) -> bool:
        return self.vote is self.judgement.ruling


def questions(lab: Lab, sayings: tuple[Saying, ...]) -> tuple[Saying, ...]:
    """What is put to the vote: the sayings this lab decides; where it decides none alone, those its claims answer."""
    own = tuple(it for it in sayings if it.lab == lab.name)
    return own or tuple(it for it in sayings if deciding.answers(lab.name, it))


def vote(text: str) -> Ruling | None:
    """What a learner typed, by its first letter; None when it is no vote."""
    return VOTES.get(text.strip().lower()[:1])


def score(ballots: tuple[Ballot, ...]) -> str:
    """`you were right about 12 of 19`."""
    return f"you were right about {sum(it.right for it in ballots)} of {len(ballots)}"
