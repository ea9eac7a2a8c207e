"""What RFC 4787 (UDP), 5382 (TCP) and 5508 (ICMP) ask of a NAT, in our words, and which behaviours do as asked.

Pure theory: `labs/audit.py` measures, and finds the same of our own routers or something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .behaviour import Filtering, Hairpinning, Mapping, NatBehaviour, Unsolicited


class Level(Enum):
    """How strongly it is asked (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement; `holds` is the prediction, None where it is not tested, for the reason in `untested`."""

    id: str
    level: Level
    says: str
    holds: Callable[[NatBehaviour], bool] | None = None
    untested: str = ""


def _independent(nat: NatBehaviour) -> bool:
    return nat.mapping is Mapping.ENDPOINT_INDEPENDENT


def _lenient(nat: NatBehaviour) -> bool:
    return nat.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT


def _exclusive(nat: NatBehaviour) -> bool:
    return not nat.overloads


def _always(_: NatBehaviour) -> bool:
    return True


def _silent(nat: NatBehaviour) -> bool:
    """Does an uninvited SYN go without an answer? Where nobody is filtered, the host itself is asked."""
    return nat.unsolicited is Unsolicited.DROP


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement("RFC 4787 REQ-1", Level.MUST, "UDP mapping is endpoint-independent", _independent),
    Requirement("RFC 4787 REQ-2", Level.SHOULD, "an inside address keeps one external address",
                untested="the router has one external address only"),
    Requirement("RFC 4787 REQ-3", Level.MUST, "no two inside endpoints share an external UDP port", _exclusive),
    Requirement("RFC 4787 REQ-4", Level.SHOULD, "an external port is even where the inside one is",
                untested="no behaviour here models parity"),
    Requirement("RFC 4787 REQ-5", Level.MUST, "a UDP mapping lives for two minutes or more",
                untested="it would take two minutes; see the lab lifetime"),
    Requirement("RFC 4787 REQ-6", Level.MUST, "outbound packets keep a mapping alive",
                untested="it would take two minutes; see the lab lifetime"),
    Requirement("RFC 4787 REQ-7", Level.MUST, "inside and outside may use the same addresses",
                untested="the networks of a lab differ"),
    Requirement("RFC 4787 REQ-8", Level.SHOULD, "UDP filtering is endpoint-independent or address-dependent", _lenient),
    Requirement("RFC 4787 REQ-9", Level.MUST, "hairpinned UDP comes from the sender's external endpoint",
                lambda nat: nat.hairpinning is Hairpinning.EXTERNAL_SOURCE and _independent(nat)),
    Requirement("RFC 4787 REQ-10", Level.SHOULD, "payloads are left alone", _always),
    Requirement("RFC 4787 REQ-11", Level.MUST, "a mapping does not change when hosts collide",
                lambda nat: _independent(nat) and _exclusive(nat)),
    Requirement("RFC 4787 REQ-12", Level.MUST, "an ICMP error does not end a UDP mapping", _always),
    Requirement("RFC 4787 REQ-13", Level.MUST, "a packet too long for the next link is reported",
                untested="the links of this topology are equal; see the lab icmp"),
    Requirement("RFC 4787 REQ-14", Level.MUST, "fragments pass in both directions", _always),
    Requirement("RFC 5382 REQ-1", Level.MUST, "TCP mapping is endpoint-independent", _independent),
    Requirement("RFC 5382 REQ-2", Level.MUST, "simultaneous open works",
                untested="it needs crossing SYNs, which belong to hole punching"),
    Requirement("RFC 5382 REQ-3", Level.SHOULD, "TCP filtering is endpoint-independent or address-dependent", _lenient),
    Requirement("RFC 5382 REQ-4", Level.MUST, "an uninvited SYN is not answered at once", _silent),
    Requirement("RFC 5382 REQ-5", Level.MUST, "an idle connection lives for two hours and four minutes",
                untested="it would take as long"),
    Requirement("RFC 5382 REQ-7", Level.MUST, "no two inside endpoints share an external TCP port", _exclusive),
    Requirement("RFC 5382 REQ-8", Level.MUST, "hairpinned TCP comes from the sender's external endpoint",
                untested="it needs crossing SYNs, which belong to hole punching"),
    Requirement("RFC 5508 REQ-1", Level.MUST, "an ICMP query has a mapping that does not depend on its destination",
                untested="end hosts may not send ICMP queries"),
    Requirement("RFC 5508 REQ-4", Level.MUST, "an ICMP error is turned back, and the packet in it", _always),
)  # fmt: skip


def find(name: str) -> Requirement:
    """The requirement of that id."""
    return next(it for it in REQUIREMENTS if it.id == name)
