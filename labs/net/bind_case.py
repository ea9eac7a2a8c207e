"""One question about bind(): two sockets, in words a person types and a program answers.

    tcp 0.0.0.0:8080 listening reuseaddr        the first socket: where, what became of it, what it set
    tcp [::]:8080 v6only reuseport uid=1000     the second

Words may be separated by spaces, commas or colons. The whole table of questions is here too, so that a lab, a command
and a test ask the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import product

from .bind_rule import ADDRESS_IN_USE, Claimant, Prediction, Rule, State, predict
from .endpoint import Protocol

_SHAPE = re.compile(r"(tcp|udp)[:, ]+(\[[^\]]+\]|[\d.]+):(\d+)(?:[:, ]+(.*))?")
_STATES = {state.value.replace(" ", "-"): state for state in State} | {"listen": State.LISTENING}
_WORDS = ("reuseaddr", "reuseport", "v6only", "uid=N", "dev=NAME")

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
STATES = {
    Protocol.TCP: tuple(State),
    Protocol.UDP: (State.CLOSED, State.BOUND, State.CONNECTED),
}
OWNERS = (0, 1000)


@dataclass(frozen=True, slots=True)
class Case:
    """Two sockets on one port: what the first is and became, and what the second wants."""

    first: Claimant
    state: State
    second: Claimant

    @property
    def connected_to(self) -> str:
        """The local address of the first one's connection: its own, or the loopback address of a wildcard's family."""
        address = ip_address(self.first.address)
        if not address.is_unspecified and self.first.address != "::ffff:0.0.0.0":
            return self.first.address
        return "::1" if self.first.address == "::" else "127.0.0.1"

    def predict(self) -> Prediction:
        """What the rule says."""
        return predict(self.first, self.state, self.second, self.connected_to if self.state.narrowed else "")

    def spelled(self, port: int = 8080) -> tuple[str, str]:
        """The two sockets as a person types them."""
        return _spell(self.first, port, self.state), _spell(self.second, port, None)

    def command(self) -> str:
        """The line that asks this again."""
        first, second = self.spelled()
        return f"invoke bind --first '{first}' --second '{second}'"

    def explain(self) -> str:
        """One sentence: what will happen, and which rule decided."""
        said = self.predict()
        end = {ADDRESS_IN_USE: "bind() fails with EADDRINUSE"}.get(said.bind, "bind() succeeds")
        if said.listen == "ok":
            end += " and so does listen()"
        if said.first_listen == ADDRESS_IN_USE:
            end += ", after which the first one's listen() fails with EADDRINUSE"
        because = "because" if said.rule is not Rule.CONFLICT else "since"
        return f"{end}, {because} {said.rule.value}."


def parse(first: str, second: str) -> Case:
    """Read two sockets; ValueError says which word is wrong and what is possible."""
    (one, state, port), (other, no_state, other_port) = _read(first), _read(second)
    if no_state is not None:
        raise ValueError(f"the second socket has no state yet: {no_state.value!r} belongs to the first")
    if port != other_port:
        raise ValueError(f"the ports differ ({port} and {other_port}): two ports never conflict")
    if one.protocol is Protocol.UDP and state not in (None, *STATES[Protocol.UDP]):
        raise ValueError(f"a UDP socket is never {state.value if state else ''}: it is bound, connected or closed")
    return Case(one, state or State.BOUND, other)


def _read(text: str) -> tuple[Claimant, State | None, int]:
    shape = _SHAPE.fullmatch(text.strip())
    if shape is None:
        raise ValueError(f"a socket is `tcp|udp ADDRESS:PORT [STATE] [OPTION...]`, with IPv6 in brackets, not {text!r}")
    protocol, address, port, rest = shape.groups()
    address = address.strip("[]")
    ip_address(address)
    state: State | None = None
    options: dict[str, bool | int | str] = {}
    for word in re.split(r"[:, ]+", rest or ""):
        if word in _STATES:
            state = _STATES[word]
        elif word in ("reuseaddr", "reuseport"):
            options[word] = True
        elif word == "v6only":
            options["only_v6"] = True
        elif word.startswith("uid=") and word[4:].isdecimal():
            options["owner"] = int(word[4:])
        elif word.startswith("dev=") and word[4:]:
            options["device"] = word[4:]
        elif word:
            raise ValueError(f"{word!r} is no state ({', '.join(_STATES)}) and no option ({', '.join(_WORDS)})")
    return Claimant(Protocol(protocol), address, **options), state, int(port)  # type: ignore[arg-type]


def _spell(who: Claimant, port: int, state: State | None) -> str:
    where = f"[{who.address}]:{port}" if ":" in who.address else f"{who.address}:{port}"
    words = [who.protocol.value, where, *([state.value.replace(" ", "-")] if state else [])]
    words += [word for word, on in (("reuseaddr", who.reuseaddr), ("reuseport", who.reuseport)) if on]
    words += [*(["v6only"] if who.only_v6 else []), *([f"uid={who.owner}"] if who.owner else [])]
    return " ".join([*words, *([f"dev={who.device}"] if who.device else [])])


def table() -> Iterator[Case]:
    """Every case: protocol, address pairs in both orders, options on each, state of the first, owner of the second."""
    switches = tuple(product((False, True), repeat=2))
    for protocol in (Protocol.TCP, Protocol.UDP):
        for here, there, one, other, state, owner in product(
            ADDRESSES, ADDRESSES, switches, switches, STATES[protocol], OWNERS
        ):
            first = Claimant(protocol, here[0], here[1], one[0], one[1])
            yield Case(first, state, Claimant(protocol, there[0], there[1], other[0], other[1], owner))


def sample(size: int) -> list[Case]:
    """Cases spread evenly over the table, the same every time: a stride that shares no factor with its dimensions."""
    everything = list(table())
    stride = len(everything) // size
    while any(stride % prime == 0 for prime in (2, 3, 5, 7)):
        stride -= 1
    return everything[: size * stride : stride]
