"""RFC 6888: what is asked of a carrier's NAT beyond the rest, as far as packets show it."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence import icmp_errors
from fourtuple.evidence.facts import Facts
from fourtuple.kit.claim import Check

from .plan import LAST, SERVERS, requirement
from .rfc4787 import TWENTY, one_address
from .rfc5508 import echoes


@requirement("RFC 6888 REQ-2")
def a_subscriber_has_one_address(facts: Facts) -> Iterator[Check]:
    spoken = [f"even {number}" for number in range(TWENTY)]
    connected = [f"tcp {server}:{port} called" for server, port in SERVERS]
    yield from one_address(facts, [*spoken, *connected])
    first = facts.at("wan").only(spoken[0])
    for server in ("alice", "bob"):
        asked = [packet for packet, _ in echoes(facts, "wan", icmp_errors.REQUEST, server)]
        sources = {it.flow.source.address for it in asked}
        yield Check(f"where {server} is pinged from", {first.flow.source.address}, sources, (first, *asked))


@requirement("RFC 6888 REQ-7")
def nobody_is_filtered(facts: Facts) -> Iterator[Check]:
    came, seen = facts.arrived("bob knocks", "lan", sent_at="wan", fence=LAST)
    yield Check("who was never written to comes in", True, came, seen)
