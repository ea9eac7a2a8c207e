"""The whole table of questions about bind(), so that a lab, a command and a test ask the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from .bind_case import STATES, Case
from .bind_rule import Claimant, State
from .endpoint import Protocol

ADDRESSES = (
    ("0.0.0.0", False),  # noqa: S104 -- asked about, not bound to here
    ("127.0.0.1", False),
    ("127.0.0.2", False),
    ("::", False),
    ("::", True),
    ("::1", False),
    ("::ffff:127.0.0.1", False),
    ("::ffff:0.0.0.0", False),
)
OWNERS = (0, 1000)
_OPTIONS = tuple(product((False, True), repeat=2))


def table() -> Iterator[Case]:
    """Every case: protocol, address pairs in both orders, options on each, state of the first (where it is a
    dual-stack wildcard's connection, with a peer of either family), owner of the second."""
    for protocol in (Protocol.TCP, Protocol.UDP):
        for here, there, one, other, state, owner in product(
            ADDRESSES, ADDRESSES, _OPTIONS, _OPTIONS, STATES[protocol], OWNERS
        ):
            first = Claimant(protocol, here[0], here[1], one[0], one[1])
            second = Claimant(protocol, there[0], there[1], other[0], other[1], owner)
            for local in _locals(first, state):
                yield Case(first, state, second, local)


def _locals(first: Claimant, state: State) -> tuple[str, ...]:
    return ("::1", "127.0.0.1") if first.dual_stack and state.narrowed else ("",)


def sample(size: int) -> list[Case]:
    """Cases spread evenly over the table, the same every time: a stride that shares no factor with its dimensions."""
    everything = list(table())
    stride = len(everything) // size
    while any(stride % prime == 0 for prime in (2, 3, 5, 7)):
        stride -= 1
    return everything[: size * stride : stride]
