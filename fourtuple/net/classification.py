"""What a server's answers say of a NAT (RFC 5780 section 4): its mapping and its filtering, or why they cannot be told.

A mapping that depends on addresses shows only between two addresses of the server, one that depends on ports only
between two ports of one address; likewise a filter. What the server did not offer is not guessed: `Finding.behaviour`
is None then, and `why` is the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import combinations

from .behaviour import Filtering, Mapping
from .endpoint import Endpoint

CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """A behaviour, None where it cannot be told; `why` says what is missing, or on what it stands."""

    behaviour: Mapping | Filtering | None
    why: str = ""

    @property
    def word(self) -> str:
        """The RFCs' word for it, or `cannot tell`."""
        return self.behaviour.value if self.behaviour else CANNOT_TELL


def unusable(asked: Endpoint, mapped: Endpoint, other: Endpoint | None) -> str:
    """Why the OTHER-ADDRESS a server gave when it was `asked`, and saw `mapped`, is of no use; empty where it is.

    One with the address or the port that was asked is of some use: for the part in which it differs.
    """
    if other is None:
        return f"{asked} named no other endpoint of its own (OTHER-ADDRESS), and one alone shows nothing about others"
    if other == asked:
        return f"{asked} named itself as its other endpoint (OTHER-ADDRESS), and one alone shows nothing about others"
    if other == mapped or other.address == mapped.address != asked.address:
        return f"{asked} named as its other endpoint (OTHER-ADDRESS) this host's own, {other}"
    wrong = nonsense(asked, other)
    return f"{asked} named {other} as its other endpoint (OTHER-ADDRESS): {wrong}" if wrong else ""


def nonsense(asked: Endpoint, said: Endpoint) -> str:
    """Why nothing can be at the endpoint that the one we asked told us; empty where something can."""
    there, here = ip_address(said.address), ip_address(asked.address)
    if there.version != here.version:
        return "it is of another address family"
    if said.port == 0 or there.is_unspecified or there.is_multicast or there.is_reserved:
        return "nobody can be there"
    if (there.is_loopback and not here.is_loopback) or (there.is_private and here.is_global):
        return "it cannot be reached from where the server is"
    return ""


def depends(seen: Dictionary[Endpoint, Endpoint]) -> tuple[bool | None, bool | None]:
    """Does the mapping depend on the destination's address, and on its port? None where no two were asked that differ
    in nothing else. `seen` has the external endpoint for each destination."""
    pairs = list(combinations(seen, 2))
    by_address = [seen[one] != seen[two] for one, two in pairs if one.port == two.port]
    by_port = [seen[one] != seen[two] for one, two in pairs if one.address == two.address]
    return (any(by_address) if by_address else None), (any(by_port) if by_port else None)


def mapping(seen: Dictionary[Endpoint, Endpoint], missing: str = "") -> Finding:
    """The mapping, from what each destination saw; `missing` says why some were not asked or did not answer."""
    match depends(seen):
        case _, True:
            return Finding(Mapping.ADDRESS_AND_PORT_DEPENDENT)
        case True, False:
            return Finding(Mapping.ADDRESS_DEPENDENT)
        case False, False:
            return Finding(Mapping.ENDPOINT_INDEPENDENT)
        case by_address, by_port:
            return Finding(None, "; ".join(_partly("the mapping", by_address, by_port, missing)))


def filtering(address: bool | None, port: bool | None, missing: str = "") -> Finding:
    """The filtering, from whether answers came in from another address, and from another port of the asked address;
    None where that could not be told, and `missing` says why."""
    match address, port:
        case True, _:
            return Finding(Filtering.ENDPOINT_INDEPENDENT)
        case False, True:
            return Finding(Filtering.ADDRESS_DEPENDENT, missing)
        case ((False | None), False):
            return Finding(Filtering.ADDRESS_AND_PORT_DEPENDENT, missing)
        case _:
            by_address = None if address is None else not address
            by_port = None if port is None else not port
            return Finding(None, "; ".join(_partly("the filter", by_address, by_port, missing)))


def _partly(what: str, by_address: bool | None, by_port: bool | None, missing: str) -> Iterator[str]:
    """What is known although the behaviour is not, and what is missing."""
    for part, known in (("address", by_address), ("port", by_port)):
        if known is not None:
            yield f"{what} {'depends' if known else 'does not depend'} on the {part}"
        elif by_address is not None or by_port is not None:
            yield f"whether {what} depends on the {part} is not known"
    if missing:
        yield missing
