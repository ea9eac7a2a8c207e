"""One question about bind(): two sockets, in words a person types and a program answers.

    tcp 0.0.0.0:8080 listening reuseaddr          the first socket: where, what became of it, what it set
    tcp [::]:8080 connected local=127.0.0.1       the same, with the local address of its connection
    tcp [::]:8080 v6only reuseport uid=1000       the second

Words may be separated by spaces, commas or colons. Port 0 on both asks what the kernel draws.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address

from .bind_rule import ADDRESS_IN_USE, Claimant, Prediction, Rule, State, draw, predict
from .endpoint import Endpoint, Protocol

_SHAPE = re.compile(r"(tcp|udp)[:, ]+(\[[^\]]+\]|[\d.]+):(\d+)(?:[:, ]+(.*))?")
_WORD = re.compile(r"(?:\[[^\]]*\]|[^:, ])+")
_STATES = {state.value.replace(" ", "-"): state for state in State} | {"listen": State.LISTENING}
_WORDS = ("reuseaddr", "reuseport", "v6only", "uid=N", "dev=NAME", "local=ADDRESS")
_LINGERS = (
    "the first one's TCP_LINGER2 is more than 60 s, which keeps it in fin-wait-2; where it is less, the kernel treats "
    "it as time-wait, mostly at once"
)
_ONE_USER = "one user opened both sockets; uid=N on one of them chooses another"
_BOTH_FAMILIES = "the {} socket speaks IPv4 too, as net.ipv6.bindv6only=0 has it; v6only chooses IPv6 alone"
_LAST_UID = 2**32 - 2  # the last number of 32 bits means "nobody's" to the kernel

STATES = {
    Protocol.TCP: tuple(State),
    Protocol.UDP: (State.CLOSED, State.BOUND, State.CONNECTED),
}


@dataclass(frozen=True, slots=True)
class Case:
    """Two sockets on one port: what the first is and became, and what the second wants.

    `local` is the local address of the first one's connection, where it was bound to a wildcard; empty for the
    loopback address of the wildcard's own family. `port` is where they meet, and no part of the question; 0 is one:
    then the kernel draws a port for each.
    """

    first: Claimant
    state: State
    second: Claimant
    local: str = ""
    port: int = field(default=8080, compare=False)

    @property
    def connected_to(self) -> str:
        """The local address of the first one's connection."""
        if not self.first.wildcard:
            return self.first.address
        return self.local or ("::1" if self.first.address == "::" else "127.0.0.1")

    def predict(self) -> Prediction:
        """What the rule says."""
        decide = predict if self.port else draw
        return decide(self.first, self.state, self.second, self.connected_to if self.state.narrowed else "")

    def spelled(self) -> tuple[str, str]:
        """The two sockets as a person types them."""
        local = [f"local=[{self.local}]" if ":" in self.local else f"local={self.local}"] if self.local else []
        first = [*_words(self.first, self.port, self.state), *local]
        return " ".join(first), " ".join(_words(self.second, self.port))

    def command(self) -> str:
        """The line that asks this again."""
        first, second = self.spelled()
        return f"invoke bind --first '{first}' --second '{second}'"

    def explain(self) -> str:
        """One sentence: what will happen, and which rule decided."""
        said = self.predict()
        because = "because" if said.rule is not Rule.CONFLICT else "since"
        if not self.port:
            drawn = "possibly the same one" if said.same_port else "never the same one"
            return f"the kernel draws a port for each bind(), {drawn}, {because} {said.rule.value}."
        end = {ADDRESS_IN_USE: "bind() fails with EADDRINUSE"}.get(said.bind, "bind() succeeds")
        if said.listen == "ok":
            end += " and so does listen()"
        if said.first_listen == ADDRESS_IN_USE:
            end += ", after which the first one's listen() fails with EADDRINUSE"
        return f"{end}, {because} {said.rule.value}."

    def assumed(self) -> tuple[str, ...]:
        """What the two sockets did not say, and the answer stands on; each as a sentence."""
        said, told = self.predict(), []
        if self.state.narrowed and self.first.wildcard and not self.local:
            peer = "IPv6" if ":" in self.connected_to else "IPv4"
            other = "127.0.0.1, of an IPv4 peer," if self.first.dual_stack else "ADDRESS"
            told.append(
                f"the first one's connection has the local address {self.connected_to} and an {peer} peer; "
                f"local={other} chooses another"
            )
        others = {_LINGERS: replace(self, state=State.TIME_WAIT)} if self.state is State.FIN_WAIT2 else {}
        if self.first.owner == self.second.owner:
            others[_ONE_USER] = replace(self, second=replace(self.second, owner=self.second.owner + 1))
        if self.first.dual_stack and not self.local:
            others[_BOTH_FAMILIES.format("first")] = replace(self, first=replace(self.first, only_v6=True))
        if self.second.dual_stack:
            others[_BOTH_FAMILIES.format("second")] = replace(self, second=replace(self.second, only_v6=True))
        told += [sentence for sentence, other in others.items() if other.predict() != said]
        return tuple(told)


def parse(first: str, second: str) -> Case:
    """Read two sockets; ValueError says which word is wrong and what is possible."""
    (one, state, local, port), (other, no_state, no_local, other_port) = _read(first), _read(second)
    if no_state is not None or no_local:
        word = no_state.value if no_state else f"local={no_local}"
        raise ValueError(f"the second socket has no state yet: {word!r} belongs to the first")
    if 0 in (port, other_port) and port != other_port:
        fixed = port or other_port
        raise ValueError(f"one port is 0, which the kernel draws, and the other is {fixed}: give both the same")
    if port != other_port:
        raise ValueError(f"the ports differ ({port} and {other_port}): two ports never conflict")
    if one.protocol is Protocol.UDP and state not in (None, *STATES[Protocol.UDP]):
        raise ValueError(f"a UDP socket is never {state.value if state else ''}: it is bound, connected or closed")
    return Case(one, state or State.BOUND, other, _local(one, state or State.BOUND, local), port)


def _local(first: Claimant, state: State, address: str) -> str:
    """The local address of the first one's connection, where it had a choice; ValueError where it cannot be that."""
    if not address:
        return ""
    if not state.narrowed:
        raise ValueError(f"local={address} is the local address of a connection, and a {state.value} socket has none")
    if not first.wildcard and address != first.address.removeprefix("::ffff:"):
        raise ValueError(f"a socket bound to {first.address} has no connection with the local address {address}")
    family = 6 if ":" in address else 4
    if ip_address(address).is_unspecified or family not in first.families:
        raise ValueError(f"{address} is no local address of a connection of a socket bound to {first.address}")
    return address if first.wildcard else ""


def _read(text: str) -> tuple[Claimant, State | None, str, int]:
    shape = _SHAPE.fullmatch(text.strip())
    if shape is None:
        raise ValueError(f"a socket is `tcp|udp ADDRESS:PORT [STATE] [OPTION...]`, with IPv6 in brackets, not {text!r}")
    protocol, where, port, rest = shape.groups()
    bound = Endpoint(_address(where), int(port))
    options: dict[str, bool | int | str | State] = {}
    for word in _WORD.findall(rest or ""):
        name, value = _option(word)
        if options.setdefault(name, value) != value:
            raise ValueError(f"{word!r} contradicts an earlier word: one state, uid, dev and local was wanted")
    state, local = options.pop("state", None), options.pop("local", "")
    assert state is None or isinstance(state, State)
    who = Claimant(Protocol(protocol), bound.address, **options)  # type: ignore[arg-type]
    if who.only_v6 and 6 not in who.families:
        raise ValueError(f"v6only keeps a socket out of IPv4, and {bound.address} is an IPv4 address")
    return who, state, str(local), bound.port


def _option(word: str) -> tuple[str, bool | int | str | State]:
    """A word after the endpoint: what it sets, and to what."""
    name, _, value = word.partition("=")
    if word in _STATES:
        return "state", _STATES[word]
    if word in ("reuseaddr", "reuseport"):
        return word, True
    if word == "v6only":
        return "only_v6", True
    if name == "uid" and value.isdecimal() and int(value) <= _LAST_UID:
        return "owner", int(value)
    if name == "dev" and value:
        return "device", value
    if name == "local" and value:
        return "local", _address(value).removeprefix("::ffff:")
    raise ValueError(f"{word!r} is no state ({', '.join(_STATES)}) and no option ({', '.join(_WORDS)})")


def _address(text: str) -> str:
    """An address in its one usual spelling; ValueError for one the rule does not speak of."""
    address = ip_address(text.strip("[]"))
    if address.is_multicast or (isinstance(address, IPv6Address) and address.is_link_local):
        kind = "multicast" if address.is_multicast else "link-local"
        raise ValueError(f"{address} is {kind}: the rule is about wildcards and unicast addresses without a zone")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def _words(who: Claimant, port: int, state: State | None = None) -> list[str]:
    words = [who.protocol.value, str(Endpoint(who.address, port))]
    words += [state.value.replace(" ", "-")] if state else []
    words += [word for word, on in (("reuseaddr", who.reuseaddr), ("reuseport", who.reuseport)) if on]
    words += [*(["v6only"] if who.only_v6 else []), *([f"uid={who.owner}"] if who.owner else [])]
    return [*words, *([f"dev={who.device}"] if who.device else [])]
