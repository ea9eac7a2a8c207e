"""Asks a learner what they think before the evidence is judged, and shows it to them after each vote."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..evidence import rundir
from ..kit import catalog
from ..report import court, quiz, report
from ..report.court import Ruling
from .narrator import Narrator


def ask(run: rundir.Run, tell: Narrator, read: Callable[[str], str] = input) -> tuple[quiz.Ballot, ...]:
    """Put the lab's sayings to the vote one by one, each judged when the vote is cast. Ends early at `q` or the end
    of the input."""
    return tuple(_ballots(run, tell, read))


def _ballots(run: rundir.Run, tell: Narrator, read: Callable[[str], str]) -> Iterator[quiz.Ballot]:
    asked = quiz.questions(catalog.find(run.lab), court.sayings(labs=catalog.names()))
    judged = None
    for number, saying in enumerate(asked, 1):
        tell.say(f"\n{number} of {len(asked)}: {saying.says}")
        vote = _vote(read)
        if vote is None:
            return
        judged = judged or report.judge(run)
        (judgement,) = court.judge([judged], (saying,))
        ballot = quiz.Ballot(vote, judgement)
        tell.say(f"{'✓ right' if ballot.right else '✗ no'}: {judgement.ruling.value}")
        tell.court((judgement,))
        yield ballot


def _vote(read: Callable[[str], str]) -> Ruling | None:
    """One vote; None when the learner has had enough."""
    while True:
        try:
            text = read(f"{quiz.ASKED}? ")
        except EOFError:
            return None
        except UnicodeDecodeError:
            continue  # what is no text is no vote
        if text.strip().lower().startswith("q"):
            return None
        if (voted := quiz.vote(text)) is not None:
            return voted
