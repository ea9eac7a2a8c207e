"""A lab: a lesson to read, steps to run, claims to judge. One module each; nothing is registered anywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..evidence.facts import Facts
from ..evidence.packet import Packet
from .claim import Check, Claim, Verdict
from .scene import Scene


@dataclass(frozen=True, slots=True)
class Step:
    """Something the hosts do; its docstring is what the learner reads."""

    name: str
    says: str
    play: Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Fence:
    """A marked datagram that follows the steps on one path, and the taps it passes: what they had not seen by then
    did not come."""

    mark: str
    taps: tuple[str, ...]


@dataclass(slots=True)
class Lab:
    """A lesson under its name; `compose` is the topology it runs on (a file of `compose/` without `.yml`).

    `nats` are the behaviours its router is given, the everyday one first; `any_nat`: it can be given any other as well.
    Without a router nothing is translated. `options` are what else a person may choose, with what is chosen otherwise;
    `accepts` raises ValueError for a choice that is none. `guard` is asked before each claim: its EvidenceError leaves
    it undecided. `called`: by what name a packet is followed from tap to tap for people to see, its mark otherwise.
    """

    name: str
    title: str
    compose: str
    fences: tuple[Fence, ...] = ()
    nats: tuple[str, ...] = ("none",)
    any_nat: bool = False
    guard: Callable[[Facts], None] = lambda _: None
    options: dict[str, str] = field(default_factory=dict)
    accepts: Callable[[dict[str, str]], None] = lambda _: None
    called: Callable[[Packet], str | None] = lambda packet: packet.mark
    steps: list[Step] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def step(self, function: Callable[[Scene], None]) -> Callable[[Scene], None]:
        """Decorator: the next thing that happens."""
        self.steps.append(Step(function.__name__, _sentence(function), function))
        return function

    def claim(self, function: Callable[[Facts], Iterator[Check]]) -> Callable[[Facts], Iterator[Check]]:
        """Decorator: the next thing that is judged."""
        self.add(function.__name__, _sentence(function), function)
        return function

    def add(self, name: str, says: str, examine: Callable[[Facts], Iterator[Check]]) -> None:
        """The next thing that is judged, where several claims are made of one pattern."""

        def guarded(facts: Facts) -> Iterator[Check]:
            self.guard(facts)
            yield from examine(facts)

        self.claims.append(Claim(name, says, guarded))

    def judge(self, facts: Facts) -> tuple[Verdict, ...]:
        """Every claim's verdict, in teaching order."""
        return tuple(claim.judge(facts) for claim in self.claims)


def _sentence(function: Callable[..., object]) -> str:
    """A docstring as one running text; a step or claim without one is a mistake of its author."""
    text = inspect.getdoc(function)
    if not text:
        raise ValueError(f"{function.__name__} needs a docstring: it is the sentence people read")
    return " ".join(text.split())
