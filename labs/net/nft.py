"""A NAT behaviour as an nftables rule set that a reader can follow.

Kernel NAT keeps tuples unique, not external ports, so the exact rules keep a few small tables of their own: `bind` says
which external port an inside endpoint has (its key is what the mapping depends on), `used` which ports are taken,
`inside` whose an external port is, `permit` who may come in. An element with a limit of one packet matches once only:
that is how a port is claimed by one of two packets that race for it.

What nobody asked for is dropped before conntrack confirms it: a packet that INPUT accepts would occupy the external
port, and the inside host's next packet to that peer would leave from another one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from .behaviour import (
    Filtering,
    FilterScope,
    Hairpinning,
    Mapping,
    NatBehaviour,
    PortAssignment,
    Ports,
    Translation,
    Unsolicited,
)
from .presets import DRAWN, text

TABLE = "fourtuple"
_OWN = "0xffff"  # as a pool index: the port is the inside endpoint's own
_RETRIES = 8
_ONCE = "limit rate 1/week burst 1 packets"

_ROUTING = """\
  # plain routing: nothing is translated; conntrack watches, so that it can be a second witness
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related counter
  }"""

_MASQUERADE = """\
  chain srcnat {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{outside}" counter {how}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid counter drop
    ct state established,related counter accept
    iifname != "{outside}" oifname "{outside}" counter accept
    counter
  }}"""
_FIREWALL = """
  chain input {{
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    iifname "{outside}" meta l4proto {{ tcp, udp }} counter drop
  }}"""


def render(behaviour: NatBehaviour, outside: str, address: str) -> str:
    """The rule set for `behaviour` on a router whose interface `outside` has `address`; replaces the one before."""
    match behaviour.translation:
        case Translation.NONE:
            rules = _ROUTING
        case Translation.EXACT:
            rules = "\n".join(_Exact(behaviour, outside, address).lines())
        case kernels:
            rules = _MASQUERADE.format(outside=outside, how=kernels.value)
            if behaviour.unsolicited is not Unsolicited.HOST:
                rules += _FIREWALL.format(outside=outside)
    return f"# {text(behaviour)}\ntable ip {TABLE} {{ }}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{rules}\n}}\n"


def pool(ports: Ports) -> list[int]:
    """The ports a router draws from, in the order it does: at most DRAWN of the range, shuffled by the seed."""
    every = range(ports.low, ports.high + 1)
    if ports.assignment is PortAssignment.RANDOM:
        return random.Random(ports.seed).sample(every, min(DRAWN, len(every)))  # noqa: S311 -- repeatable, on purpose
    return list(every[:DRAWN])


class _Exact:
    """The exact rules, section by section in the order a packet meets them."""

    def __init__(self, behaviour: NatBehaviour, outside: str, address: str) -> None:
        self.behaviour = behaviour
        self.wan = f'"{outside}"'
        self.ext = address
        lives = behaviour.lifetimes
        self.udp, self.est, self.tcp = lives.udp, lives.established, lives.transitory
        self.drawn = pool(behaviour.ports)
        self.keeps = behaviour.preserves_port()
        self.filters = behaviour.filtering is not Filtering.ENDPOINT_INDEPENDENT
        self.by_port = behaviour.filtering is Filtering.ADDRESS_AND_PORT_DEPENDENT
        self.by_mapping = behaviour.scope is FilterScope.MAPPING
        self.pure = behaviour.mapping is not Mapping.ENDPOINT_INDEPENDENT and not self.by_port
        self.hairpin = behaviour.hairpinning

    def lines(self) -> Iterator[str]:
        """The whole table."""
        yield from self._timeouts()
        yield from self._tables()
        if self.pure:
            yield from self._foreign()
        if not self.behaviour.lifetimes.inbound_refresh:
            yield from self._expired()
        yield from self._in()
        yield from self._filter()
        yield from self._out()
        for protocol in ("udp", "tcp"):
            yield from self._bind(protocol)
        yield from self._record()
        yield from self._pool()

    # keys: how a mapping and a permission are named, from a packet on its way out and from conntrack's own words

    def _mapping_key(self, source: str) -> str:
        """`source` is what stands for the inside endpoint; the original destination follows as the mapping depends."""
        match self.behaviour.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return source
            case Mapping.ADDRESS_DEPENDENT:
                return f"{source} . ct original ip daddr"
            case Mapping.ADDRESS_AND_PORT_DEPENDENT:
                return f"{source} . ct original ip daddr . ct original proto-dst"

    def _permit_key(self, endpoint: str, port: str, remote: str, remote_port: str) -> str:
        inside = port if self.by_mapping or not endpoint else f"{endpoint} . {port}"
        return f"meta l4proto . {inside} . {remote}" + (f" . {remote_port}" if self.by_port else "")

    def _timeouts(self) -> Iterator[str]:
        """Conntrack's own timers, equal to those of the tables."""
        states = ("syn_sent", "syn_recv", "fin_wait", "close_wait", "last_ack", "time_wait", "close")
        short = ", ".join(f"{state} : {self.tcp}" for state in states)
        yield f"""\
  ct timeout udp_life {{ protocol udp; l3proto ip; policy = {{ unreplied : {self.udp}, replied : {self.udp} }}; }}
  ct timeout tcp_life {{ protocol tcp; l3proto ip; policy = {{ established : {self.est}, {short} }}; }}
  chain lifetimes {{
    type filter hook prerouting priority mangle; policy accept;
    meta l4proto udp ct timeout set "udp_life"
    meta l4proto tcp ct timeout set "tcp_life"
  }}"""

    def _tables(self) -> Iterator[str]:
        key = {Mapping.ENDPOINT_INDEPENDENT: "", Mapping.ADDRESS_DEPENDENT: " . ipv4_addr"}.get(
            self.behaviour.mapping, " . ipv4_addr . inet_service"
        )
        permit = "inet_service" if self.by_mapping else "ipv4_addr . inet_service"
        remote = "ipv4_addr . inet_service" if self.by_port else "ipv4_addr"

        def dynamic(name: str, kind: str, what: str) -> str:
            life = f"flags dynamic,timeout; size 65536; timeout {max(self.udp, self.tcp)}s;"
            return f"  {kind} {name} {{ type {what}; {life} }}"

        yield f"  # what a mapping depends on -> pool index; {_OWN}: its own port"
        for protocol in ("udp", "tcp"):
            yield dynamic(f"bind_{protocol}", "map", f"ipv4_addr . inet_service{key} : mark")
        yield "  # taken, by index and by number: an element can be claimed once only"
        yield dynamic("used_pool", "set", "inet_proto . mark")
        yield dynamic("used_own", "set", "inet_proto . inet_service")
        yield "  # external port -> inside endpoint"
        yield dynamic("inside", "map", "inet_proto . inet_service : ipv4_addr . inet_service")
        if self.filters:
            yield f"  # who may come in: {'mapping' if self.by_mapping else 'inside endpoint'} . remote"
            yield dynamic("permit", "set", f"inet_proto . {permit} . {remote}")
        if self.pure:
            yield "  # the same for what is delivered without a session; and whom a mapping was made for"
            yield dynamic("inside_address", "map", "inet_service : ipv4_addr")
            yield dynamic("inside_port", "map", "inet_service : inet_service")
            yield dynamic("made_for", "set", "inet_service . ipv4_addr . inet_service")

    def _pool(self) -> Iterator[str]:
        pairs = [f"{index} : {port}" for index, port in enumerate(self.drawn)]
        rows = [", ".join(pairs[at : at + 8]) for at in range(0, len(pairs), 8)]
        elements = ",\n    ".join(rows)
        yield "  # pool index -> external port"
        yield f"  map pool {{ type mark : inet_service; elements = {{\n    {elements} }}\n  }}"

    def _foreign(self) -> Iterator[str]:
        """UDP from a remote the mapping was not made for: delivered as it is, so that no session is in the way."""
        permitted = "meta l4proto udp " + self._permit_key("ip daddr", "udp dport", "ip saddr", "udp sport")
        yield "  # a session has one inside endpoint and one remote: who comes by another mapping gets none"
        yield "  chain foreign {"
        yield "    type filter hook prerouting priority raw; policy accept;"
        yield f"    iifname != {self.wan} accept"
        yield f"    ip daddr != {self.ext} accept"
        yield "    meta l4proto != udp accept"
        yield "    udp dport . ip saddr . udp sport @made_for accept"
        if self.filters and self.by_mapping:
            yield f"    {permitted} != @permit counter accept"
        yield "    ip daddr set udp dport map @inside_address"
        yield f"    ip daddr {self.ext} accept"
        yield "    udp dport set udp dport map @inside_port"
        if self.filters and not self.by_mapping:
            yield f'    {permitted} != @permit counter drop comment "filtered"'
        yield "    notrack"
        yield "  }"

    def _expired(self) -> Iterator[str]:
        """Conntrack is kept alive by inbound packets; a mapping that is not must not be entered through it."""
        yield "  # only outbound packets keep a mapping alive, whatever conntrack thinks"
        yield "  chain expired {"
        yield "    type filter hook prerouting priority raw - 1; policy accept;"
        alive = "meta l4proto udp meta l4proto . udp dport"
        yield f'    iifname {self.wan} ip daddr {self.ext} {alive} != @inside counter drop comment "expired"'
        yield "  }"

    def _in(self) -> Iterator[str]:
        both = f"ip daddr {self.ext} meta l4proto {{ tcp, udp }}"
        permitted = ""
        if self.filters and self.by_mapping:
            permitted = self._permit_key("", "th dport", "ip saddr", "th sport") + " @permit "
        yield "  # what comes for an external port goes to the endpoint it stands for"
        yield "  chain dstnat {"
        yield "    type nat hook prerouting priority dstnat; policy accept;"
        yield f"    iifname {self.wan} {both} {permitted}dnat ip to meta l4proto . th dport map @inside"
        if self.hairpin is not Hairpinning.OFF:
            yield f"    iifname != {self.wan} {both} dnat ip to meta l4proto . th dport map @inside"
        yield "  }"

    def _filter(self) -> Iterator[str]:
        answer = {
            Unsolicited.RST: '    meta l4proto tcp counter reject with tcp reset comment "filtered"\n',
            Unsolicited.ICMP: '    counter reject with icmp port-unreachable comment "filtered"\n',
        }.get(self.behaviour.unsolicited, "")
        yield f"""\
  # what nobody asked for ends here, before conntrack confirms it
  chain input {{
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    ip daddr {self.ext} jump unsolicited
    iifname {self.wan} jump unsolicited
  }}
  chain unsolicited {{
    icmp type echo-request accept
{answer}    counter drop comment "filtered"
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid counter drop comment "invalid"
    ct state established,related accept
    iifname != {self.wan} oifname {self.wan} accept"""
        if self.pure:
            yield f"    iifname {self.wan} ct state untracked accept"
        if self.filters and not self.by_mapping:
            key = self._permit_key("ip daddr", "th dport", "ip saddr", "th sport")
            yield f"    iifname {self.wan} ct status dnat meta l4proto {{ tcp, udp }} {key} != @permit goto unsolicited"
        yield "    ct status dnat accept"
        yield "  }"

    def _out(self) -> Iterator[str]:
        hairpin = "    ct status dnat goto outbound    # hairpinned: it comes from the external endpoint\n"
        yield f"""\
  # the first packet of a flow to the outside gets the port its mapping has, or a new one
  chain srcnat {{
    type nat hook postrouting priority srcnat; policy accept;
    iifname {self.wan} accept
    oifname {self.wan} goto outbound
{hairpin if self.hairpin is Hairpinning.EXTERNAL_SOURCE else ""}  }}
  chain outbound {{
    meta l4proto udp goto bind_udp
    meta l4proto tcp goto bind_tcp
    snat ip to {self.ext}
  }}"""

    def _bind(self, protocol: str) -> Iterator[str]:
        this = f"meta l4proto {protocol}"
        key = self._mapping_key("ip saddr . th sport")
        ports = self.behaviour.ports
        goto = f"goto translate_{protocol}"
        yield f"  chain bind_{protocol} {{"
        yield f"    {this} {key} @bind_{protocol} {goto}"
        if self.keeps:
            claim = f"add @used_own {{ meta l4proto . th sport {_ONCE} }}"
            free = f"th sport != {ports.low}-{ports.high}"
            yield f"    {this} {free} {claim} add @bind_{protocol} {{ {key} : {_OWN} }} {goto}"
        claim = f"add @used_pool {{ meta l4proto . ct mark {_ONCE} }}"
        for _ in range(_RETRIES):
            draw = f"ct mark set numgen inc mod {len(self.drawn)}"
            yield f"    {this} {draw} {claim} add @bind_{protocol} {{ {key} : ct mark }} {goto}"
        yield '    counter drop comment "no port is left"'
        yield "  }"
        yield f"  chain translate_{protocol} {{"
        yield f"    {this} ct mark set {key} map @bind_{protocol}"
        yield f"    {this} ct mark {_OWN} snat ip to {self.ext} : th sport"
        yield f"    {this} snat ip to {self.ext} : ct mark map @pool"
        yield "  }"

    def _record(self) -> Iterator[str]:
        yield "  # every packet that is let through keeps its mapping and its permission alive"
        yield "  chain after {"
        yield "    type filter hook postrouting priority srcnat + 1; policy accept;"
        yield "    meta l4proto != { tcp, udp } accept"
        if self.pure:
            yield "    ct state untracked accept"
        yield f'    iifname {self.wan} ct direction original ct status snat counter drop comment "clash"'
        if not self.behaviour.lifetimes.inbound_refresh:
            yield f"    iifname {self.wan} accept"
        yield "    ct status snat jump caller"
        if self.filters and self.hairpin is Hairpinning.EXTERNAL_SOURCE:
            endpoint, port = (
                ("", "ct original proto-dst") if self.by_mapping else ("ct reply ip saddr", "ct reply proto-src")
            )
            key = self._permit_key(endpoint, port, "ct reply ip daddr", "ct reply proto-dst")
            new = f"iifname != {self.wan} oifname != {self.wan} ct state new ct status dnat meta l4proto {{ tcp, udp }}"
            yield f'    {new} {key} != @permit counter drop comment "filtered"'
        yield "    ct status dnat jump callee"
        yield "  }"
        for who in ("caller", "callee"):
            yield f"  chain {who} {{"
            yield f"    meta l4proto udp goto {who}_udp"
            yield f"    ct expiration > {self.tcp}s goto {who}_established    # nft cannot see TCP's state"
            yield f"    goto {who}_tcp"
            yield "  }"
        for name, protocol, seconds in (
            ("udp", "udp", self.udp),
            ("established", "tcp", self.est),
            ("tcp", "tcp", self.tcp),
        ):
            yield from self._caller(name, protocol, seconds)
            yield from self._callee(name, protocol, seconds)

    def _caller(self, name: str, protocol: str, seconds: int) -> Iterator[str]:
        """The inside endpoint that opened the flow: its external port is conntrack's `reply proto-dst`."""
        this, life = f"    meta l4proto {protocol}", f"timeout {seconds}s"
        inside = "ct original ip saddr . ct original proto-src"
        key = self._mapping_key(inside)
        remote = ("ct original ip daddr", "ct original proto-dst")
        yield f"  chain caller_{name} {{    # who opened the flow: its external port is `ct reply proto-dst`"
        yield f"{this} update @bind_{protocol} {{ {key} {life} : ct mark }}"
        yield f"{this} update @inside {{ meta l4proto . ct reply proto-dst {life} : {inside} }}"
        if self.filters:
            endpoint, port = (
                ("", "ct reply proto-dst") if self.by_mapping else ("ct original ip saddr", "ct original proto-src")
            )
            yield f"{this} update @permit {{ {self._permit_key(endpoint, port, *remote)} {life} }}"
        if self.pure and protocol == "udp":
            yield f"{this} update @inside_address {{ ct reply proto-dst {life} : ct original ip saddr }}"
            yield f"{this} update @inside_port {{ ct reply proto-dst {life} : ct original proto-src }}"
            yield f"{this} update @made_for {{ ct reply proto-dst . {remote[0]} . {remote[1]} {life} }}"
        yield f"{this} ct mark {_OWN} update @used_own {{ meta l4proto . ct reply proto-dst {life} {_ONCE} }}"
        yield f"{this} ct mark != {_OWN} update @used_pool {{ meta l4proto . ct mark {life} {_ONCE} }}"
        yield "  }"

    def _callee(self, name: str, protocol: str, seconds: int) -> Iterator[str]:
        """The inside endpoint that was called: its external port is conntrack's `original proto-dst`."""
        this, life = f"    meta l4proto {protocol}", f"timeout {seconds}s"
        inside = "ct reply ip saddr . ct reply proto-src"
        yield f"  chain callee_{name} {{    # who was called: its external port is `ct original proto-dst`"
        yield f"{this} update @inside {{ meta l4proto . ct original proto-dst {life} : {inside} }}"
        if self.filters:
            endpoint, port = (
                ("", "ct original proto-dst") if self.by_mapping else ("ct reply ip saddr", "ct reply proto-src")
            )
            key = self._permit_key(endpoint, port, "ct reply ip daddr", "ct reply proto-dst")
            yield f"{this} update @permit {{ {key} {life} }}"
        yield f"{this} update @used_own {{ meta l4proto . ct original proto-dst {life} {_ONCE} }}"
        if self.behaviour.mapping is Mapping.ENDPOINT_INDEPENDENT:
            yield f"{this} {inside} @bind_{protocol} update @bind_{protocol} {{ {inside} {life} : ct mark }}"
        yield "  }"
