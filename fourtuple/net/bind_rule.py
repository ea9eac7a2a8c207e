"""What bind() and listen() say when another socket was there first: Linux's rule, as seven sentences.

1. Addresses are sets: a wildcard is every address of its family, `::` without IPV6_V6ONLY those of both, `::ffff:a`
   is IPv4 `a`. connect() and accept() narrow a wildcard to one address, and so do the states that come after; only
   the IPv4 half of a `::` that was narrowed to an IPv6 address stays in the way of `0.0.0.0`.
2. Without overlap (another address, protocol or bound device) there is no conflict.
3. Both set SO_REUSEPORT, and have one owner or the first is in TIME_WAIT: allowed.
4. Both set SO_REUSEADDR, and the first is not listening: allowed, whoever owns them.
5. Otherwise: EADDRINUSE.
6. listen() asks 2 to 5 again, of the sockets that are there then.
7. bind() to port 0 draws a port: over UDP any on which 2 to 5 let it bind, over TCP any on which 2 does, whatever
   permission was given.

The kernel's own words are `inet_bind_conflict()`, `inet_csk_find_open_port()` and `inet_rcv_saddr_equal()`
(net/ipv4/inet_connection_sock.c), and for UDP `inet_rcv_saddr_equal()` from `udp_lib_lport_inuse()` (net/ipv4/udp.c).
Two sockets only: three can be more permissive than any pair of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

from .endpoint import Protocol

ADDRESS_IN_USE = "EADDRINUSE"
OK = "ok"


class State(Enum):
    """What became of the first socket before the second one binds."""

    CLOSED = "closed"
    BOUND = "bound"
    LISTENING = "listening"
    LISTENING_WITH_CHILD = "listening with a child"
    CONNECTED = "connected"
    ESTABLISHED = "established"  # an accepted child whose listener is gone
    FIN_WAIT2 = "fin-wait-2"
    CLOSE_WAIT = "close-wait"
    TIME_WAIT = "time-wait"

    @property
    def listens(self) -> bool:
        return self in (State.LISTENING, State.LISTENING_WITH_CHILD)

    @property
    def narrowed(self) -> bool:
        """Does the socket stand for the one address of its connection, whatever it was bound to?"""
        return self in (State.CONNECTED, State.ESTABLISHED, State.FIN_WAIT2, State.CLOSE_WAIT, State.TIME_WAIT)


class Rule(Enum):
    """Which sentence decided."""

    NOBODY = "the first socket is closed and left nothing behind"
    NO_OVERLAP = "they do not overlap"
    REUSEPORT = "both set SO_REUSEPORT, and have one owner or the first is in TIME_WAIT"
    REUSEADDR = "both set SO_REUSEADDR, and the first is not listening"
    CONFLICT = "they overlap, and did not both give a permission that the first one's state and owner allow"
    NOT_DRAWN = "they overlap, and over TCP no permission lets the kernel draw a port that is taken"


@dataclass(frozen=True, slots=True)
class Claimant:
    """A socket that wants a port: where it binds (`0.0.0.0`, `::1`, ...) and what it set before it did.

    `only_v6` is IPV6_V6ONLY; `device` is SO_BINDTODEVICE, empty for none; `owner` is the user id at socket().
    """

    protocol: Protocol
    address: str
    only_v6: bool = False
    reuseaddr: bool = False
    reuseport: bool = False
    owner: int = 0
    device: str = ""

    @property
    def wildcard(self) -> bool:
        """Is it bound to every address of a family, so that a connection has an address of its own?"""
        return self.address in ("0.0.0.0", "::", "::ffff:0.0.0.0")  # noqa: S104 -- compared, not bound

    @property
    def dual_stack(self) -> bool:
        """Does it speak both IPv4 and IPv6?"""
        return self.families == {4, 6}

    @property
    def families(self) -> frozenset[int]:
        """The versions of IP its connections can have."""
        return frozenset(family for family, _ in _addresses(self.address, self.only_v6))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the second socket's bind() and listen() return (`ok` or an errno's name), what the first one's later
    listen() returns where it was only bound, and the sentence that decided about bind(). `-`: a call not made.
    `same_port`: may both have one port?"""

    bind: str
    listen: str
    first_listen: str
    rule: Rule
    same_port: bool


def predict(first: Claimant, state: State, second: Claimant, connected_to: str = "") -> Prediction:
    """What the kernel will say. `connected_to` is the local address of the first one's connection, if it has one."""
    decided = _decide(first, state, second, connected_to)
    if decided is Rule.CONFLICT:
        return Prediction(ADDRESS_IN_USE, "-", "-", decided, same_port=False)
    # rule 6: the second listens first, then the first one tries to, against a listener
    later = _decide(second, State.LISTENING, first, "")
    return _listening(first, state, second, decided, ADDRESS_IN_USE if later is Rule.CONFLICT else OK)


def draw(first: Claimant, state: State, second: Claimant, connected_to: str = "") -> Prediction:
    """The same where both bind to port 0: always `ok`, on ports of which rule 7 says whether they may be one."""
    decided = _decide(first, state, second, connected_to)
    if second.protocol is Protocol.TCP and decided in (Rule.REUSEPORT, Rule.REUSEADDR):
        decided = Rule.NOT_DRAWN
    told = _listening(first, state, second, decided, OK)
    return replace(told, same_port=decided not in (Rule.CONFLICT, Rule.NOT_DRAWN))


def _listening(first: Claimant, state: State, second: Claimant, decided: Rule, later: str) -> Prediction:
    """A bind() that succeeds, and the calls of listen() that follow: only TCP makes them, the first one where it was
    only bound."""
    listen = OK if second.protocol is Protocol.TCP else "-"
    called = listen == OK and state is State.BOUND and first.protocol is Protocol.TCP
    return Prediction(OK, listen, later if called else "-", decided, same_port=True)


def _decide(first: Claimant, state: State, second: Claimant, connected_to: str) -> Rule:
    if state is State.CLOSED:
        return Rule.NOBODY
    if not overlap(first, state, second, connected_to):
        return Rule.NO_OVERLAP
    one_owner = first.owner == second.owner or state is State.TIME_WAIT
    if first.reuseport and second.reuseport and one_owner:
        return Rule.REUSEPORT
    if first.reuseaddr and second.reuseaddr and not state.listens:
        return Rule.REUSEADDR
    return Rule.CONFLICT


def overlap(first: Claimant, state: State, second: Claimant, connected_to: str = "") -> bool:
    """Could one packet be meant for both? Rules 1 and 2."""
    if first.protocol is not second.protocol:
        return False
    if first.device and second.device and first.device != second.device:
        return False
    half = first.dual_stack and state.narrowed and ":" in connected_to
    if half and second.address == "0.0.0.0":  # noqa: S104 -- compared, not bound
        return True
    held = (
        _addresses(connected_to, True) if state.narrowed and connected_to else _addresses(first.address, first.only_v6)
    )
    wanted = _addresses(second.address, second.only_v6)
    return any(one == other or "any" in (one[1], other[1]) for one in held for other in wanted if one[0] == other[0])


def _addresses(address: str, only_v6: bool) -> frozenset[tuple[int, str]]:
    """The set an address stands for, as (family, address or `any`)."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return frozenset({(4, "any" if parsed.is_unspecified else str(parsed))})
    return _six(parsed, only_v6)


def _six(address: IPv6Address, only_v6: bool) -> frozenset[tuple[int, str]]:
    if (mapped := address.ipv4_mapped) is not None:
        return frozenset({(4, "any" if mapped.is_unspecified else str(mapped))})
    if not address.is_unspecified:
        return frozenset({(6, str(address))})
    return frozenset({(6, "any")} if only_v6 else {(4, "any"), (6, "any")})
