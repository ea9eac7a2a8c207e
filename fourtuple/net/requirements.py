"""What RFC 4787 (UDP), 5382 (TCP), 5508 (ICMP) and 6888 (carriers' NATs) ask, in our words, and which behaviours do so.

Pure theory: the lab `audit` measures, and finds the same of our own routers or something is wrong. Where one number
asks for several things the sentence says which of them is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .behaviour import Filtering, FilterScope, Hairpinning, Mapping, NatBehaviour, Translation, Unsolicited

TWO_MINUTES = 120  # seconds: RFC 4787 REQ-5
SHORT, LONG = 4, TWO_MINUTES - 1  # seconds an audit leaves a mapping idle: usually, and when it may take its time
MORE_SHORT, MORE_LONG = 1, 6  # and after that, for one that was to be dead by then


class Level(Enum):
    """How strongly it is asked (RFC 2119; what is recommended should be done)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


Prediction = Callable[[NatBehaviour, bool], bool | None]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement; `holds` predicts, from the behaviour and from whether the audit may take minutes, whether it
    will be found to be met; it says None where that audit cannot tell. No prediction at all: it is not tested, for the
    reason in `untested`."""

    id: str
    level: Level
    says: str
    holds: Prediction | None = None
    untested: str = ""


def _independent(nat: NatBehaviour, _: bool) -> bool:
    return nat.mapping is Mapping.ENDPOINT_INDEPENDENT


def _lenient(nat: NatBehaviour, _: bool) -> bool:
    return nat.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT


def _open(nat: NatBehaviour, _: bool) -> bool:
    return nat.filtering is Filtering.ENDPOINT_INDEPENDENT


def _exclusive(nat: NatBehaviour, _: bool) -> bool:
    return not nat.overloads


def _always(_nat: NatBehaviour, _: bool) -> bool:
    return True


def _pairs(nat: NatBehaviour, _: bool) -> bool | None:
    """With one external address there is nothing to keep together; without translation each host has its own."""
    return nat.keeps_address() if nat.addresses.count > 1 or not nat.translates else None


def _silent(nat: NatBehaviour, _: bool) -> bool:
    """Does an uninvited SYN go without an answer? Where nobody is filtered, the host itself is asked."""
    return nat.translates and nat.unsolicited is Unsolicited.DROP


def _parity(nat: NatBehaviour, _: bool) -> bool:
    return nat.preserves_port()


def _lives(nat: NatBehaviour, patient: bool) -> bool | None:
    """Two minutes: shown to be too short at any time, to be long enough only by waiting."""
    idle = LONG if patient else SHORT
    alive = not nat.translates or nat.alive(idle, idle)
    return (True if patient else None) if alive else False


def _refreshes(nat: NatBehaviour, patient: bool) -> bool | None:
    """Shown only where a mapping that was not refreshed had died by then."""
    idle = LONG + MORE_LONG if patient else SHORT + MORE_SHORT
    return None if not nat.translates or nat.alive(idle, idle) else nat.alive(1, idle)


def _hairpins(nat: NatBehaviour, patient: bool) -> bool | None:
    """Without translation inside hosts reach each other without the router."""
    external = nat.hairpinning is Hairpinning.EXTERNAL_SOURCE
    return external and _independent(nat, patient) if nat.translates else None


def _reports_hairpinned(nat: NatBehaviour, patient: bool) -> bool | None:
    """Only what came in can be reported; from an inside source the report takes another way."""
    if nat.hairpinning is Hairpinning.OFF or not nat.translates:
        return None
    if nat.hairpinning is Hairpinning.INTERNAL_SOURCE:
        return False
    by_endpoint = _lenient(nat, patient) and nat.scope is FilterScope.ENDPOINT
    return True if _independent(nat, patient) or _open(nat, patient) or by_endpoint else None


def _crosses(nat: NatBehaviour, _: bool) -> bool | None:
    """Only where a host that was written to knows the endpoint its other ports will be called from."""
    return None if nat.mapping is Mapping.ADDRESS_AND_PORT_DEPENDENT else True


def _one_identifier(nat: NatBehaviour, _: bool) -> bool:
    """The kernel keeps a query's identifier where it can, unless it is told to randomise."""
    return nat.translation not in (Translation.MASQUERADE_RANDOM, Translation.MASQUERADE_FULLY_RANDOM)


_ADMINISTRATION = "it asks for something an operator can set, which no packet shows"
_FORGED = "it takes a forged ICMP message, which no host of the lab may send"
_EXHAUSTED = "it takes a router that has no port left; see the lab collisions"
MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY
REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement("RFC 4787 REQ-1", MUST, "UDP mapping is endpoint-independent", _independent),
    Requirement("RFC 4787 REQ-2", SHOULD, "an inside address keeps one external address", _pairs),
    Requirement("RFC 4787 REQ-3", MUST, "no two inside endpoints share an external UDP port", _exclusive),
    Requirement("RFC 4787 REQ-4", SHOULD, "an external port is even where the inside one is", _parity),
    Requirement("RFC 4787 REQ-5", MUST, "a UDP mapping lives for two minutes or more", _lives),
    Requirement("RFC 4787 REQ-6", MUST, "outbound packets keep a mapping alive", _refreshes),
    Requirement("RFC 4787 REQ-7", MUST, "inside and outside may use the same addresses",
                untested="the networks of a lab differ"),
    Requirement("RFC 4787 REQ-8", SHOULD, "UDP filtering is endpoint-independent or address-dependent", _lenient),
    Requirement("RFC 4787 REQ-9", MUST, "hairpinned UDP comes from the sender's external endpoint", _hairpins),
    Requirement("RFC 4787 REQ-10", SHOULD, "payloads are left alone", _always),
    Requirement("RFC 4787 REQ-11", MUST, "a mapping does not change when hosts collide",
                lambda nat, patient: _independent(nat, patient) and _exclusive(nat, patient)),
    Requirement("RFC 4787 REQ-12", MUST, "an ICMP error does not end a UDP mapping", _always),
    Requirement("RFC 4787 REQ-13", MUST, "a packet too long for the next link is reported", _always),
    Requirement("RFC 4787 REQ-14", MUST, "fragments pass in both directions", _always),
    Requirement("RFC 5382 REQ-1", MUST, "TCP mapping is endpoint-independent", _independent),
    Requirement("RFC 5382 REQ-2", MUST, "simultaneous open works", _crosses),
    Requirement("RFC 5382 REQ-3", SHOULD, "TCP filtering is endpoint-independent or address-dependent", _lenient),
    Requirement("RFC 5382 REQ-4", MUST, "an uninvited SYN is not answered at once", _silent),
    Requirement("RFC 5382 REQ-5", MUST, "an idle connection lives for two hours and four minutes",
                untested="it would take as long"),
    Requirement("RFC 5382 REQ-6", SHOULD, "payloads of TCP are left alone, those of FTP excepted",
                untested="a few words do not show which protocols a router meddles with"),
    Requirement("RFC 5382 REQ-7", MUST, "no two inside endpoints share an external TCP port", _exclusive),
    Requirement("RFC 5382 REQ-8", MUST, "hairpinned TCP comes from the sender's external endpoint", _hairpins),
    Requirement("RFC 5382 REQ-9", SHOULD, "ICMP errors about TCP are turned back", untested=_FORGED),
    Requirement("RFC 5382 REQ-10", MUST, "an ICMP error does not end a connection", untested=_FORGED),
    Requirement("RFC 5508 REQ-1", MUST, "an ICMP query is answered", _always),
    Requirement("RFC 5508 REQ-1a", SHOULD, "its identifier outside is the same for all servers", _one_identifier),
    Requirement("RFC 5508 REQ-2", MUST, "a query's mapping lives for a minute or more",
                untested="servers answer at once: no answer is ever late"),
    Requirement("RFC 5508 REQ-3", SHOULD, "a damaged ICMP error is dropped", untested=_FORGED),
    Requirement("RFC 5508 REQ-4", MUST, "an ICMP error from outside is turned back, and the packet in it", _always),
    Requirement("RFC 5508 REQ-5", MUST, "an ICMP error from inside is turned, and the packet in it", _always),
    Requirement("RFC 5508 REQ-6", MUST, "an ICMP error does not end the session it is about", _always),
    Requirement("RFC 5508 REQ-7", MUST, "an ICMP error about what was hairpinned is hairpinned", _reports_hairpinned),
    Requirement("RFC 5508 REQ-8", SHOULD, "what no mapping can be made for is dropped and reported",
                untested=_EXHAUSTED),
    Requirement("RFC 5508 REQ-9", MAY, "a policy may forbid the router's own ICMP messages", untested=_ADMINISTRATION),
    Requirement("RFC 5508 REQ-10", MUST, "a packet whose time is over is reported", _always),
    Requirement("RFC 5508 REQ-11", MAY, "other ICMP messages may be dropped",
                untested="whatever a router does, it may"),
    Requirement("RFC 6888 REQ-1", MUST, "the requirements of each protocol are met",
                untested="it is the sum of those above"),
    Requirement("RFC 6888 REQ-2", MUST, "a subscriber keeps one external address, whatever the protocol", _pairs),
    Requirement("RFC 6888 REQ-3", SHOULD, "any set of addresses can be a pool", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-4", MUST, "the ports of a subscriber can be limited", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-5", SHOULD, "the memory for a subscriber can be limited", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-6", MUST, "destinations can be left untranslated", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-7", SHOULD, "filtering is endpoint-independent", _open),
    Requirement("RFC 6888 REQ-8", SHOULD, "a port rests for two minutes before it is given out again",
                untested="the audit would have to use up every other port first"),
    Requirement("RFC 6888 REQ-9", MUST, "subscribers can ask for mappings, as by PCP",
                untested="the lab speaks no PCP"),
    Requirement("RFC 6888 REQ-10", SHOULD, "it can be managed", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-11", MUST, "what no mapping can be made for is dropped; nobody else's mapping ends",
                untested=_EXHAUSTED),
    Requirement("RFC 6888 REQ-12", SHOULD, "destinations are not logged", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-13", SHOULD, "ports are used well", untested=_EXHAUSTED),
    Requirement("RFC 6888 REQ-14", SHOULD, "logs stay short", untested=_ADMINISTRATION),
    Requirement("RFC 6888 REQ-15", SHOULD, "external ports are hard to guess",
                untested="a few ports do not show how they are drawn"),
)  # fmt: skip


def find(name: str) -> Requirement:
    """The requirement of that id."""
    return next(it for it in REQUIREMENTS if it.id == name)
