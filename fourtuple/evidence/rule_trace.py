"""What a router's rules did to a packet, as nftables says (`fourtuple/agents/tracer.py`): the second witness of every
packet that goes in and does not come out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import EvidenceError
from ..net.endpoint import Endpoint, FourTuple, Protocol
from .packet import Packet

_PACKET = re.compile(r"ip saddr (\S+) ip daddr (\S+) .*\bip id (\d+) .*(udp|tcp) sport (\d+) (?:udp|tcp) dport (\d+)")
_RULE = re.compile(r"rule (.*) \(verdict (\w+).*\)")
_LONG = 1000  # characters of a line; the patterns take the square of the time of what is not one
_COMMENT = re.compile(r'comment "([^"]*)"')


@dataclass(frozen=True, slots=True)
class Fate:
    """One packet as it came to the router, and the last its rules did to it: in which chain, by which rule (its
    comment, or the rule itself; `policy` where none matched), with which verdict (`drop`, `accept`)."""

    protocol: Protocol
    flow: FourTuple
    identification: int
    chain: str
    rule: str
    verdict: str


def of(packet: Packet, fates: Sequence[Fate]) -> Fate:
    """What became of a packet, seen where it came in; EvidenceError where the trace says nothing of it."""
    this = (packet.protocol, packet.flow, packet.identification)
    for fate in fates:
        if (fate.protocol, fate.flow, fate.identification) == this:
            return fate
    raise EvidenceError(f"the router's trace says nothing of {packet}")


def parse(traced: Sequence[Sequence[str]]) -> tuple[Fate, ...]:
    """Read what the router's tracer told: packet, table, chain and last words of each."""
    fates = []
    for said, _, chain, last in traced:
        if (packet := _PACKET.search(said[:_LONG])) is None:
            continue
        source, destination, number, protocol, sport, dport = packet.groups()
        flow = FourTuple(Endpoint(source, int(sport)), Endpoint(destination, int(dport)))
        if ruled := _RULE.fullmatch(last[:_LONG]):
            comment = _COMMENT.search(ruled[1])
            rule, verdict = comment[1] if comment else ruled[1], ruled[2]
        else:
            rule, verdict = "policy", last.removeprefix("policy ")
        fates.append(Fate(Protocol(protocol), flow, int(number), chain, rule, verdict))
    return tuple(fates)
