"""Will two hosts behind two routers meet? Derived from what each router does, step by step; nothing is looked up.

Both have sent to a server S, so each knows the other's reflexive endpoint, which S saw. Then each sends to that, in
some order and again until it works, and answers to whatever endpoint it hears from, as ICE does (RFC 8445 section 7.3).

Write e(X) for what S saw of X. X's packets to e(Y) leave from e(X) if X's mapping does not depend on the destination,
otherwise from another port, which nobody knows before. Y's router lets them in if its filter allows that source for
e(Y). Then Y's answer goes to that source, and X's router has just sent from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from .behaviour import FilterScope, NatBehaviour
from .endpoint import Endpoint, Protocol


class Order(Enum):
    """Who sends first."""

    BOTH = "both"
    A = "a"
    B = "b"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Whether they meet, None where it depends on who happens to be first, and the rule that decided."""

    meets: bool | None
    why: str


_SERVER = Endpoint("192.0.2.1", 1)
_SEEN, _OTHER, _THIRD = 1000, 2000, 3000  # ports: what the server saw, and the next ones where the mapping depends


def guess_ports(seen: Sequence[int], window: int) -> list[int]:
    """The ports a router gives out next, from those it gave in turn, where they followed one another at one distance.

    Nothing where they did not, or did not move. At least three are needed to tell a rule from an accident.
    """
    steps = {later - earlier for earlier, later in pairwise(seen)}
    if len(seen) < 3 or len(steps) != 1 or steps == {0}:
        return []
    (step,) = steps
    return [port for port in (seen[-1] + step * number for number in range(1, window + 1)) if 0 < port < 65536]


class _Side:
    """One host with its router, as the other one meets it."""

    def __init__(self, name: str, nat: NatBehaviour, address: str) -> None:
        self.name, self.nat = name, nat
        self.seen = Endpoint(address, _SEEN)
        self.address = address

    def source(self, destination: Endpoint, before: Endpoint | None = None) -> Endpoint:
        """Where its packets to `destination` come from, once it has sent to S and perhaps to `before`."""
        if self.nat.reuses_mapping(_SERVER, destination):
            return self.seen
        if before is None or self.nat.reuses_mapping(before, destination):
            return Endpoint(self.address, _OTHER)
        return Endpoint(self.address, _THIRD)

    def admits(self, remote: Endpoint, contacted: tuple[Endpoint, ...]) -> bool:
        """Does a packet from `remote` to the endpoint S saw come in, after it has sent to `contacted` (and to S)?"""
        through = [it for it in contacted if self.nat.scope is FilterScope.ENDPOINT or self.source(it) == self.seen]
        return self.nat.admits(remote, (_SERVER, *through))

    def hears_answer(self, sent_to: Endpoint, remote: Endpoint) -> bool:
        """Does an answer from `remote` come in, to where it sent to `sent_to` from?"""
        contacted = (sent_to, _SERVER) if self.nat.scope is FilterScope.ENDPOINT else (sent_to,)
        return self.nat.admits(remote, contacted)


def predict(a: NatBehaviour, b: NatBehaviour, protocol: Protocol, order: Order = Order.BOTH) -> Prediction:
    """Will hosts behind `a` and `b` meet over that transport, when they begin in that order?"""
    if order is Order.BOTH:
        first, second = (predict(a, b, protocol, it) for it in (Order.A, Order.B))
        if first.meets is second.meets:
            return first
        return Prediction(None, f"it depends on who is first. A: {first.why}. B: {second.why}")
    one, other = _Side("A", a, "198.51.100.1"), _Side("B", b, "203.0.113.1")
    tries = (_one_way(one, other, protocol, order is Order.A), _one_way(other, one, protocol, order is Order.B))
    return next((it for it in tries if it.meets), Prediction(False, "; ".join(it.why for it in tries)))


def comes_in_at_once(caller: NatBehaviour, callee: NatBehaviour) -> bool:
    """Does the caller's first packet come in where the server saw the callee, who has not sent to the caller yet?"""
    one, other = _Side("A", caller, "198.51.100.1"), _Side("B", callee, "203.0.113.1")
    return other.admits(one.source(other.seen), ())


def _one_way(caller: _Side, callee: _Side, protocol: Protocol, first: bool) -> Prediction:
    """Does the caller's packet reach the callee, and the callee's answer the caller?"""
    source, to, back = caller.source(callee.seen), callee.seen, caller.seen
    knocks = f"{caller.name} comes from {'the endpoint that is known' if source == back else 'another port'}"
    if first and callee.admits(source, ()):
        when = "at once"
    elif callee.admits(source, (back,)):
        when = "after it has sent itself"
    else:
        return Prediction(False, f"{knocks}, and {callee.name} filters that: {_words(callee)}")
    if protocol is Protocol.TCP:
        return _session(caller, callee, source, when, knocks)
    answer = callee.source(source, before=back)
    if not caller.hears_answer(to, answer):
        return Prediction(False, f"{callee.name} hears {caller.name}, answers from another port, and {caller.name} "
                          f"filters that: {_words(caller)}")  # fmt: skip
    return Prediction(True, f"{knocks}, {callee.name} lets it in {when}, and the answer comes back")


def _session(caller: _Side, callee: _Side, source: Endpoint, when: str, knocks: str) -> Prediction:
    """Over TCP the kernel answers from where it was called: a session, unless one of the same ends is in the way."""
    if source == caller.seen and callee.source(caller.seen) != callee.seen and when != "at once":
        why = f"{callee.name} has called {caller.name} from another port before, and that session is in the way"
        return Prediction(False, why)
    return Prediction(True, f"{knocks}, {callee.name} lets it in {when}, and answers from where it was called")


def _words(side: _Side) -> str:
    return f"{side.nat.filtering.value} filtering"
