"""Will two hosts behind two routers meet? Derived from what each router does, step by step; nothing is looked up.

Both have sent to a server S, so each knows the other's reflexive endpoint, which S saw. Then each sends to that, in
some order and again until it works, and answers to whatever endpoint it hears from (RFC 8445 section 7.3).

What it takes for an answer is an assumption (`Answers`), and peers differ in it. A lenient one takes whatever the other
says once it has heard it, from wherever. ICE takes the response to a check only from the endpoint the check was sent to
(RFC 8445 section 7.2.5.2.1): see `_both_ways`.

Write e(X) for what S saw of X. X's packets to e(Y) leave from e(X) if X's mapping does not depend on the destination,
otherwise from another port, which nobody knows before. Y's router lets them in if its filter allows that source for
e(Y). Then Y's answer goes to that source, and X's router has just sent from there.

A router without a firewall takes a packet that comes too early for its own (`Unsolicited.HOST`), and its kernel
remembers a flow of these two ends: over UDP, what its host sends to that remote must leave from another port. Over TCP
such a router, as one that answers with RST, ends the call, and with it the session at every router on the way. One
that answers with ICMP ends the call and not the session: what follows between the same ends has other sequence numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from .behaviour import FilterScope, NatBehaviour, Unsolicited
from .endpoint import Endpoint, Protocol


class Order(Enum):
    """Who sends first."""

    BOTH = "both"
    A = "a"
    B = "b"


class Answers(Enum):
    """Which answers does a peer take: from any endpoint, or only from the one it asked, as ICE does?"""

    ANY = "any"
    SYMMETRIC = "symmetric"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Whether they meet, None where it depends on who happens to be first, or is luck; and the rule that decided."""

    meets: bool | None
    why: str


_SERVER = Endpoint("192.0.2.1", 1)
_TURNS = 6  # rounds of checks to whom one has heard of: what two routers do in the third they do in every later one
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
        self.taken: Endpoint | None = None  # the remote whose early packet its router took for its own
        self.opened = {_SERVER: _SEEN}  # the port its packets to each destination come from

    def hears_early(self, source: Endpoint) -> None:
        """A packet from `source` comes to the endpoint S saw before this side has sent there."""
        if self.nat.unsolicited is Unsolicited.HOST and not self.admits(source, ()):
            self.taken = source

    def source(self, destination: Endpoint, before: Endpoint | None = None) -> Endpoint:
        """Where its packets to `destination` come from, once it has sent to S and perhaps to `before`."""
        if destination == self.taken:
            return Endpoint(self.address, _OTHER)
        if self.nat.reuses_mapping(_SERVER, destination):
            return self.seen
        if before is None or self.nat.reuses_mapping(before, destination):
            return Endpoint(self.address, _OTHER)
        return Endpoint(self.address, _THIRD)

    def opens(self, destination: Endpoint) -> Endpoint:
        """Where its packets to `destination` come from: a mapping it has already, or a new port."""
        if destination != self.taken:
            for known, port in self.opened.items():
                if known != self.taken and self.nat.reuses_mapping(known, destination):
                    return Endpoint(self.address, port)
        return Endpoint(self.address, self.opened.setdefault(destination, _OTHER + len(self.opened)))

    def lets_in(self, remote: Endpoint, at: Endpoint, contacted: Sequence[Endpoint]) -> bool:
        """Does a packet from `remote` to its endpoint `at` come in, after it has sent to `contacted` (and to S)?"""
        to = [_SERVER, *contacted]
        through = [it for it in to if self.nat.scope is FilterScope.ENDPOINT or self.opens(it) == at]
        return (remote, at) != (self.taken, self.seen) and self.nat.admits(remote, through)

    def admits(self, remote: Endpoint, contacted: tuple[Endpoint, ...]) -> bool:
        """Does a packet from `remote` to the endpoint S saw come in, after it has sent to `contacted` (and to S)?"""
        if remote == self.taken:
            return False
        through = [it for it in contacted if self.nat.scope is FilterScope.ENDPOINT or self.source(it) == self.seen]
        return self.nat.admits(remote, (_SERVER, *through))

    def hears_answer(self, sent_to: Endpoint, remote: Endpoint) -> bool:
        """Does an answer from `remote` come in, to where it sent to `sent_to` from?"""
        contacted = (sent_to, _SERVER) if self.nat.scope is FilterScope.ENDPOINT else (sent_to,)
        return self.nat.admits(remote, contacted)


def predict(
    a: NatBehaviour, b: NatBehaviour, protocol: Protocol, order: Order = Order.BOTH, answers: Answers = Answers.ANY
) -> Prediction:
    """Will hosts behind `a` and `b` meet over that transport, when they begin in that order, and take such answers?

    Over TCP an answer comes on the connection, so from the endpoint that was called: `answers` makes no difference.
    """
    if order is Order.BOTH:
        first, second = (predict(a, b, protocol, it, answers) for it in (Order.A, Order.B))
        if first.meets is second.meets:
            return first
        return Prediction(None, f"it depends on who is first. A: {first.why}. B: {second.why}")
    one, other = _Side("A", a, "198.51.100.1"), _Side("B", b, "203.0.113.1")
    early, late = (one, other) if order is Order.A else (other, one)
    if protocol is Protocol.UDP:
        late.hears_early(early.source(late.seen))
    elif luck := _luck(early, late):
        return Prediction(None, luck)
    if protocol is Protocol.UDP and answers is Answers.SYMMETRIC:
        return _both_ways(one, other)
    return _either(_one_way(one, other, protocol, order is Order.A), _one_way(other, one, protocol, order is Order.B))


def predict_crossing(
    a: NatBehaviour, b: NatBehaviour, protocol: Protocol, answers: Answers = Answers.ANY
) -> Prediction:
    """The same when neither is first: at both routers the own host's packet has left before the other's arrives."""
    one, other = _Side("A", a, "198.51.100.1"), _Side("B", b, "203.0.113.1")
    if protocol is Protocol.UDP and answers is Answers.SYMMETRIC:
        return _both_ways(one, other)
    return _either(_one_way(one, other, protocol, first=False), _one_way(other, one, protocol, first=False))


def _either(*tries: Prediction) -> Prediction:
    return next((it for it in tries if it.meets), Prediction(False, "; ".join(it.why for it in tries)))


def _both_ways(one: _Side, other: _Side) -> Prediction:
    """Does a check of each side succeed, as ICE wants it: arrive, and be answered from where it was sent to?

    Each sends checks to where the server saw the other, and to every endpoint a check of the other came from (the
    triggered checks of RFC 8445 section 7.3.1.4). The answer to a check that came from `source` leaves as everything to
    `source` does. It finds its way back to whom it answers, since that one has just sent from there.
    """
    known = {one.name: [other.seen], other.name: [one.seen]}
    sent: dict[str, list[Endpoint]] = {one.name: [], other.name: []}
    done: set[str] = set()
    for _ in range(_TURNS):
        for asker, answerer in ((one, other), (other, one)):
            mine, theirs = sent[asker.name], sent[answerer.name]
            for to in known[asker.name]:
                source = asker.opens(to)
                mine.append(to)
                if not answerer.lets_in(source, to, theirs):
                    continue
                if source not in known[answerer.name]:
                    known[answerer.name].append(source)
                if answerer.opens(source) == to:
                    done.add(asker.name)
    if len(done) == len(known):
        return Prediction(True, "a check of each arrives and is answered from the endpoint it was sent to")
    failed = next(it for it in (one, other) if it.name not in done)
    return Prediction(False, f"no check of {failed.name} is answered from the endpoint it was sent to")


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
    elif callee.taken == source:
        return Prediction(False, f"{knocks}, and the router of {callee.name} takes that for its own")
    else:
        return Prediction(False, f"{knocks}, and {callee.name} filters that: {_words(callee)}")
    if protocol is Protocol.TCP:
        return _session(caller, callee, source, when, knocks, called_first=not first)
    answer = callee.source(source, before=back)
    if not caller.hears_answer(to, answer):
        return Prediction(False, f"{callee.name} hears {caller.name}, answers from another port, and {caller.name} "
                          f"filters that: {_words(caller)}")  # fmt: skip
    return Prediction(True, f"{knocks}, {callee.name} lets it in {when}, and the answer comes back")


def _session(caller: _Side, callee: _Side, source: Endpoint, when: str, knocks: str, called_first: bool) -> Prediction:
    """Over TCP the kernel answers from where it was called: a session, unless one of the same ends is in the way: of a
    call the callee has made from another port, and that the caller's router did not refuse."""
    own = callee.source(caller.seen)
    answers = caller.nat.unsolicited in (Unsolicited.RST, Unsolicited.HOST)
    refused = answers and not caller.admits(own, () if called_first else (callee.seen,))
    if source == caller.seen and own != callee.seen and when != "at once" and not refused:
        why = f"{callee.name} has called {caller.name} from another port before, and that session is in the way"
        return Prediction(False, why)
    return Prediction(True, f"{knocks}, {callee.name} lets it in {when}, and answers from where it was called")


def _luck(early: _Side, late: _Side) -> str:
    """Why it depends on where two calls over TCP happen to cross; empty where it does not.

    Linux routers know the sequence numbers of a session. One that has seen both SYNs, or whose host's call ended
    without its knowing, holds what follows between the same ends for invalid until the session's time is up.
    """
    if all(it.nat.unsolicited is Unsolicited.HOST for it in (early, late)):
        return "each router answers an early call with RST, and forgets its own host's: the calls must cross"
    source, own = early.source(late.seen), late.source(early.seen)
    same = early.nat.translates and (source, own) == (early.seen, late.seen)
    if not same or late.admits(source, ()) or late.nat.unsolicited is Unsolicited.DROP:
        return ""
    if late.nat.unsolicited is Unsolicited.ICMP:
        return (f"the router of {late.name} ends {early.name}'s calls by ICMP, and their session stays at "
                f"{early.name}'s: what answers {late.name} in between has other sequence numbers")  # fmt: skip
    return (f"the router of {late.name} answers {early.name}'s calls with RST, and they call again: that works, unless "
            f"the call of {late.name} overtakes an RST")  # fmt: skip


def _words(side: _Side) -> str:
    return f"{side.nat.filtering.value} filtering"
