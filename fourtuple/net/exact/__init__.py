"""Rules that do exactly what a behaviour says: nftables, section by section in the order a packet meets them.

Kernel NAT keeps tuples unique, not external ports, so the rules keep a few small tables of their own: `bind` says which
external port an inside endpoint has (its key is what the mapping depends on), `used` which ports are taken, `inside`
whose an external port is, `permit` who may come in. An element with a limit of one packet matches once only: that is
how a port is claimed by one of two packets that race for it. A router with several external addresses has these tables
and their chains once for each, and a table that says which address is whose.

What nobody asked for is dropped before conntrack confirms it: a packet that INPUT accepts would occupy the external
port, and the inside host's next packet to that peer would leave from another one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..behaviour import (
    AddressPooling,
    Filtering,
    FilterScope,
    Hairpinning,
    Mapping,
    NatBehaviour,
    PortAssignment,
    Ports,
    Unsolicited,
)
from ..presets import DRAWN

_OWN = "0xffff"  # as a pool index: the port is the inside endpoint's own
_RETRIES = 8
_ONCE = "limit rate 1/week burst 1 packets"
_PROTOCOLS = ("udp", "tcp")


def pool(ports: Ports) -> list[int]:
    """The ports a router draws from, in the order it does: at most DRAWN of the range, shuffled by the seed."""
    every = range(ports.low, ports.high + 1)
    if ports.assignment is PortAssignment.RANDOM:
        return random.Random(ports.seed).sample(every, min(DRAWN, len(every)))  # noqa: S311 -- repeatable, on purpose
    return list(every[:DRAWN])


@dataclass(frozen=True, slots=True)
class _Place:
    """An external address, and what the names of its tables and chains end with: nothing where it is the only one."""

    address: str
    end: str


class Exact:
    """The rules of one behaviour on an interface with these external addresses."""

    def __init__(self, behaviour: NatBehaviour, outside: str, addresses: Sequence[str]) -> None:
        self.behaviour = behaviour
        self.wan = f'"{outside}"'
        several = len(addresses) > 1
        self.places = [_Place(it, f"_{number}" if several else "") for number, it in enumerate(addresses)]
        self.ours = f"{{ {', '.join(addresses)} }}" if several else addresses[0]
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
        for place in self.places:
            for protocol in _PROTOCOLS:
                yield from self._bind(protocol, place)
        yield from self._record()
        for place in self.places:
            yield from self._refresh(place)
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

    def _permit(self, place: _Place) -> str:
        """The table of permissions: of the mappings of this address, or of the inside endpoints whatever theirs is."""
        return f"permit{place.end}" if self.by_mapping else "permit"

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

    def _mapping_type(self) -> str:
        remote = {Mapping.ENDPOINT_INDEPENDENT: "", Mapping.ADDRESS_DEPENDENT: " . ipv4_addr"}
        return "ipv4_addr . inet_service" + remote.get(self.behaviour.mapping, " . ipv4_addr . inet_service")

    def _tables(self) -> Iterator[str]:
        permit = "inet_service" if self.by_mapping else "ipv4_addr . inet_service"
        remote = "ipv4_addr . inet_service" if self.by_port else "ipv4_addr"

        def dynamic(name: str, kind: str, what: str, life: int = max(self.udp, self.tcp)) -> str:
            return f"  {kind} {name} {{ type {what}; flags dynamic,timeout; size 65536; timeout {life}s; }}"

        for place in self.places:
            at = place.end
            if at:
                yield f"  # the mappings at {place.address}"
            yield f"  # what a mapping depends on -> pool index; {_OWN}: its own port"
            for protocol in _PROTOCOLS:
                yield dynamic(f"bind_{protocol}{at}", "map", f"{self._mapping_type()} : mark")
            yield "  # taken, by index and by number: an element can be claimed once only"
            yield dynamic(f"used_pool{at}", "set", "inet_proto . mark")
            yield dynamic(f"used_own{at}", "set", "inet_proto . inet_service")
            yield "  # external port -> inside endpoint"
            yield dynamic(f"inside{at}", "map", "inet_proto . inet_service : ipv4_addr . inet_service")
            if self.filters and (self.by_mapping or place is self.places[0]):
                yield f"  # who may come in: {'mapping' if self.by_mapping else 'inside endpoint'} . remote"
                yield dynamic(self._permit(place), "set", f"inet_proto . {permit} . {remote}")
            if self.pure:
                yield "  # the same for what is delivered without a session; and whom a mapping was made for"
                yield dynamic(f"inside_address{at}", "map", "inet_service : ipv4_addr")
                yield dynamic(f"inside_port{at}", "map", "inet_service : inet_service")
                yield dynamic(f"made_for{at}", "set", "inet_service . ipv4_addr . inet_service")
        if len(self.places) > 1 and self._paired():
            yield "  # inside address -> the number of its external address, for good"
            yield "  map address { type ipv4_addr : mark; flags dynamic; size 65536; }"
        elif len(self.places) > 1:
            yield "  # what a mapping depends on -> the number of its external address, until `bind` says it"
            for protocol in _PROTOCOLS:
                yield dynamic(f"address_{protocol}", "map", f"{self._mapping_type()} : mark", min(self.udp, self.tcp))

    def _paired(self) -> bool:
        return self.behaviour.addresses.pooling is AddressPooling.PAIRED

    def _pool(self) -> Iterator[str]:
        pairs = [f"{index} : {port}" for index, port in enumerate(self.drawn)]
        rows = [", ".join(pairs[at : at + 8]) for at in range(0, len(pairs), 8)]
        elements = ",\n    ".join(rows)
        yield "  # pool index -> external port"
        yield f"  map pool {{ type mark : inet_service; elements = {{\n    {elements} }}\n  }}"

    def _foreign(self) -> Iterator[str]:
        """UDP from a remote the mapping was not made for: delivered as it is, so that no session is in the way."""
        yield "  # a session has one inside endpoint and one remote: who comes by another mapping gets none"
        yield "  chain foreign {"
        yield "    type filter hook prerouting priority raw; policy accept;"
        yield f"    iifname != {self.wan} accept"
        if len(self.places) > 1:
            yield "    meta l4proto != udp accept"
            yield from (f"    ip daddr {it.address} goto foreign{it.end}" for it in self.places)
            yield "  }"
        for place in self.places:
            if place.end:
                yield f"  chain foreign{place.end} {{"
            else:
                yield f"    ip daddr != {place.address} accept"
                yield "    meta l4proto != udp accept"
            yield from self._deliver(place)
            yield "  }"

    def _deliver(self, place: _Place) -> Iterator[str]:
        permitted = "meta l4proto udp " + self._permit_key("ip daddr", "udp dport", "ip saddr", "udp sport")
        yield f"    udp dport . ip saddr . udp sport @made_for{place.end} accept"
        if self.filters and self.by_mapping:
            yield f"    {permitted} != @{self._permit(place)} counter accept"
        yield f"    ip daddr set udp dport map @inside_address{place.end}"
        yield f"    ip daddr {place.address} accept"
        yield f"    udp dport set udp dport map @inside_port{place.end}"
        if self.filters and not self.by_mapping:
            yield f'    {permitted} != @permit counter drop comment "filtered"'
        yield "    notrack"

    def _expired(self) -> Iterator[str]:
        """Conntrack is kept alive by inbound packets; a mapping that is not must not be entered through it."""
        yield "  # only outbound packets keep a mapping alive, whatever conntrack thinks"
        yield "  chain expired {"
        yield "    type filter hook prerouting priority raw - 1; policy accept;"
        for place in self.places:
            alive = f"meta l4proto udp meta l4proto . udp dport != @inside{place.end}"
            yield f'    iifname {self.wan} ip daddr {place.address} {alive} counter drop comment "expired"'
        yield "  }"

    def _in(self) -> Iterator[str]:
        yield "  # what comes for an external port goes to the endpoint it stands for"
        yield "  chain dstnat {"
        yield "    type nat hook prerouting priority dstnat; policy accept;"
        for place in self.places:
            both = f"ip daddr {place.address} meta l4proto {{ tcp, udp }}"
            permitted = ""
            if self.filters and self.by_mapping:
                permitted = self._permit_key("", "th dport", "ip saddr", "th sport") + f" @{self._permit(place)} "
            to = f"dnat ip to meta l4proto . th dport map @inside{place.end}"
            yield f"    iifname {self.wan} {both} {permitted}{to}"
            if self.hairpin is not Hairpinning.OFF:
                yield f"    iifname != {self.wan} {both} {to}"
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
    ip daddr {self.ours} jump unsolicited
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
{hairpin if self.hairpin is Hairpinning.EXTERNAL_SOURCE else ""}  }}"""
        if len(self.places) > 1:
            yield from self._choose()
        for place in self.places:
            yield f"""\
  chain outbound{place.end} {{
    meta l4proto udp goto bind_udp{place.end}
    meta l4proto tcp goto bind_tcp{place.end}
    snat ip to {place.address}
  }}"""

    def _choose(self) -> Iterator[str]:
        """Which external address: that of the inside address, or of the mapping; the next one in turn for a new one."""
        draw = f"ct mark set numgen inc mod {len(self.places)}"
        yield "  chain outbound {"
        if self._paired():
            yield f"    ip saddr != @address {draw} add @address {{ ip saddr : ct mark }}"
            yield "    ct mark set ip saddr map @address"
        else:
            key = self._mapping_key("ip saddr . th sport")
            for protocol in _PROTOCOLS:
                this = f"meta l4proto {protocol} {key}"
                yield from (f"    {this} @bind_{protocol}{it.end} goto translate_{protocol}{it.end}"
                            for it in self.places)  # fmt: skip
            yield f"    {draw}"
            for protocol in _PROTOCOLS:
                yield f"    meta l4proto {protocol} add @address_{protocol} {{ {key} : ct mark }}"
                yield f"    meta l4proto {protocol} ct mark set {key} map @address_{protocol}"
        chosen = ", ".join(f"{number} : goto outbound{it.end}" for number, it in enumerate(self.places))
        yield f"    ct mark vmap {{ {chosen} }}"
        yield "  }"

    def _bind(self, protocol: str, place: _Place) -> Iterator[str]:
        this, at = f"meta l4proto {protocol}", place.end
        key = self._mapping_key("ip saddr . th sport")
        ports = self.behaviour.ports
        goto = f"goto translate_{protocol}{at}"
        yield f"  chain bind_{protocol}{at} {{"
        yield f"    {this} {key} @bind_{protocol}{at} {goto}"
        if self.keeps:
            claim = f"add @used_own{at} {{ meta l4proto . th sport {_ONCE} }}"
            free = f"th sport != {ports.low}-{ports.high}"
            yield f"    {this} {free} {claim} add @bind_{protocol}{at} {{ {key} : {_OWN} }} {goto}"
        claim = f"add @used_pool{at} {{ meta l4proto . ct mark {_ONCE} }}"
        for _ in range(_RETRIES):
            draw = f"ct mark set numgen inc mod {len(self.drawn)}"
            yield f"    {this} {draw} {claim} add @bind_{protocol}{at} {{ {key} : ct mark }} {goto}"
        yield '    counter drop comment "no port is left"'
        yield "  }"
        yield f"  chain translate_{protocol}{at} {{"
        yield f"    {this} ct mark set {key} map @bind_{protocol}{at}"
        yield f"    {this} ct mark {_OWN} snat ip to {place.address} : th sport"
        yield f"    {this} snat ip to {place.address} : ct mark map @pool"
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
        for place in self.places:
            yield f"    ct status snat {self._only('ct reply ip daddr', place)}jump caller{place.end}"
        if self.filters and self.hairpin is Hairpinning.EXTERNAL_SOURCE:
            yield from self._hairpinned()
        for place in self.places:
            yield f"    ct status dnat {self._only('ct original ip daddr', place)}jump callee{place.end}"
        yield "  }"

    def _only(self, what: str, place: _Place) -> str:
        """A condition that holds at this address, where there are several."""
        return f"{what} {place.address} " if place.end else ""

    def _hairpinned(self) -> Iterator[str]:
        endpoint, port = (
            ("", "ct original proto-dst") if self.by_mapping else ("ct reply ip saddr", "ct reply proto-src")
        )
        key = self._permit_key(endpoint, port, "ct reply ip daddr", "ct reply proto-dst")
        new = f"iifname != {self.wan} oifname != {self.wan} ct state new ct status dnat"
        for place in self.places if self.by_mapping else self.places[:1]:
            at = self._only("ct original ip daddr", place) if self.by_mapping else ""
            test = f"{at}meta l4proto {{ tcp, udp }} {key} != @{self._permit(place)}"
            yield f'    {new} {test} counter drop comment "filtered"'

    def _refresh(self, place: _Place) -> Iterator[str]:
        at = place.end
        for who in ("caller", "callee"):
            yield f"  chain {who}{at} {{"
            yield f"    meta l4proto udp goto {who}_udp{at}"
            yield f"    ct expiration > {self.tcp}s goto {who}_established{at}    # nft cannot see TCP's state"
            yield f"    goto {who}_tcp{at}"
            yield "  }"
        for name, protocol, seconds in (
            ("udp", "udp", self.udp),
            ("established", "tcp", self.est),
            ("tcp", "tcp", self.tcp),
        ):
            yield from self._caller(name, protocol, seconds, place)
            yield from self._callee(name, protocol, seconds, place)

    def _caller(self, name: str, protocol: str, seconds: int, place: _Place) -> Iterator[str]:
        """The inside endpoint that opened the flow: its external port is conntrack's `reply proto-dst`."""
        this, life, at = f"    meta l4proto {protocol}", f"timeout {seconds}s", place.end
        inside = "ct original ip saddr . ct original proto-src"
        key = self._mapping_key(inside)
        remote = ("ct original ip daddr", "ct original proto-dst")
        yield f"  chain caller_{name}{at} {{    # who opened the flow: its external port is `ct reply proto-dst`"
        yield f"{this} update @bind_{protocol}{at} {{ {key} {life} : ct mark }}"
        yield f"{this} update @inside{at} {{ meta l4proto . ct reply proto-dst {life} : {inside} }}"
        if self.filters:
            endpoint, port = (
                ("", "ct reply proto-dst") if self.by_mapping else ("ct original ip saddr", "ct original proto-src")
            )
            yield f"{this} update @{self._permit(place)} {{ {self._permit_key(endpoint, port, *remote)} {life} }}"
        if self.pure and protocol == "udp":
            yield f"{this} update @inside_address{at} {{ ct reply proto-dst {life} : ct original ip saddr }}"
            yield f"{this} update @inside_port{at} {{ ct reply proto-dst {life} : ct original proto-src }}"
            yield f"{this} update @made_for{at} {{ ct reply proto-dst . {remote[0]} . {remote[1]} {life} }}"
        yield f"{this} ct mark {_OWN} update @used_own{at} {{ meta l4proto . ct reply proto-dst {life} {_ONCE} }}"
        yield f"{this} ct mark != {_OWN} update @used_pool{at} {{ meta l4proto . ct mark {life} {_ONCE} }}"
        yield "  }"

    def _callee(self, name: str, protocol: str, seconds: int, place: _Place) -> Iterator[str]:
        """The inside endpoint that was called: its external port is conntrack's `original proto-dst`."""
        this, life, at = f"    meta l4proto {protocol}", f"timeout {seconds}s", place.end
        inside = "ct reply ip saddr . ct reply proto-src"
        yield f"  chain callee_{name}{at} {{    # who was called: its external port is `ct original proto-dst`"
        yield f"{this} update @inside{at} {{ meta l4proto . ct original proto-dst {life} : {inside} }}"
        if self.filters:
            endpoint, port = (
                ("", "ct original proto-dst") if self.by_mapping else ("ct reply ip saddr", "ct reply proto-src")
            )
            key = self._permit_key(endpoint, port, "ct reply ip daddr", "ct reply proto-dst")
            yield f"{this} update @{self._permit(place)} {{ {key} {life} }}"
        yield f"{this} update @used_own{at} {{ meta l4proto . ct original proto-dst {life} {_ONCE} }}"
        if self.behaviour.mapping is Mapping.ENDPOINT_INDEPENDENT:
            yield f"{this} {inside} @bind_{protocol}{at} update @bind_{protocol}{at} {{ {inside} {life} : ct mark }}"
        yield "  }"
