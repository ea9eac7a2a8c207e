"""The tables of the exact rules: mappings, ports that are taken, permissions, the pool; and conntrack's timers."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ..behaviour import PortAssignment, Ports
from ..presets import DRAWN
from .keys import OWN, PROTOCOLS, Keys

ONCE = "limit rate 1/week burst 1 packets"  # an element with this matches once: a port is claimed by one of two


def pool(ports: Ports) -> list[int]:
    """The ports a router draws from, in the order it does: at most DRAWN of the range, shuffled by the seed."""
    every = range(ports.low, ports.high + 1)
    if ports.assignment is PortAssignment.RANDOM:
        return random.Random(ports.seed).sample(every, min(DRAWN, len(every)))  # noqa: S311 -- repeatable, on purpose
    return list(every[:DRAWN])


def timers(keys: Keys) -> Iterator[str]:
    """Conntrack's own timers, equal to those of the tables."""
    lives = keys.behaviour.lifetimes
    states = ("syn_sent", "syn_recv", "fin_wait", "close_wait", "last_ack", "time_wait", "close")
    short = ", ".join(f"{state} : {lives.transitory}" for state in states)
    yield f"""\
  ct timeout udp_life {{ protocol udp; l3proto ip; policy = {{ unreplied : {lives.udp}, replied : {lives.udp} }}; }}
  ct timeout tcp_life {{ protocol tcp; l3proto ip; policy = {{ established : {lives.established}, {short} }}; }}
  chain lifetimes {{
    type filter hook prerouting priority mangle; policy accept;
    meta l4proto udp ct timeout set "udp_life"
    meta l4proto tcp ct timeout set "tcp_life"
  }}"""


def dynamic(name: str, kind: str, what: str, life: int) -> str:
    """A set or map that packets fill; an element dies after `life` seconds."""
    return f"  {kind} {name} {{ type {what}; flags dynamic,timeout; size 65536; timeout {life}s; }}"


def tables(keys: Keys) -> Iterator[str]:
    """What the router remembers: once for each external address, and which of these is whose."""
    lives = keys.behaviour.lifetimes
    life = max(lives.udp, lives.transitory)
    for place in keys.places:
        at = place.end
        if at:
            yield f"  # the mappings at {place.address}"
        yield f"  # what a mapping depends on -> pool index; {OWN}: its own port"
        for protocol in PROTOCOLS:
            yield dynamic(f"bind_{protocol}{at}", "map", f"{keys.mapping_type()} : mark", life)
        yield "  # taken, by index and by number: an element can be claimed once only"
        yield dynamic(f"used_pool{at}", "set", "inet_proto . mark", life)
        yield dynamic(f"used_own{at}", "set", "inet_proto . inet_service", life)
        yield "  # external port -> inside endpoint"
        yield dynamic(f"inside{at}", "map", "inet_proto . inet_service : ipv4_addr . inet_service", life)
        if keys.filters and (keys.by_mapping or place == keys.places[0]):
            yield f"  # who may come in: {'mapping' if keys.by_mapping else 'inside endpoint'} . remote"
            yield dynamic(keys.permitted(place), "set", keys.permission_type(), life)
        if keys.pure:
            yield "  # the same for what is delivered without a session; and whom a mapping was made for"
            yield dynamic(f"inside_address{at}", "map", "inet_service : ipv4_addr", life)
            yield dynamic(f"inside_port{at}", "map", "inet_service : inet_service", life)
            yield dynamic(f"made_for{at}", "set", "inet_service . ipv4_addr . inet_service", life)
    if keys.several and keys.paired:
        yield "  # inside address -> the number of its external address, for good"
        yield "  map address { type ipv4_addr : mark; flags dynamic; size 65536; }"
    elif keys.several:
        yield "  # what a mapping depends on -> the number of its external address, until `bind` says it"
        for protocol in PROTOCOLS:
            short = min(lives.udp, lives.transitory)
            yield dynamic(f"address_{protocol}", "map", f"{keys.mapping_type()} : mark", short)


def numbered(keys: Keys) -> Iterator[str]:
    """The pool, which the chains draw from by index."""
    pairs = [f"{index} : {port}" for index, port in enumerate(pool(keys.behaviour.ports))]
    rows = [", ".join(pairs[at : at + 8]) for at in range(0, len(pairs), 8)]
    elements = ",\n    ".join(rows)
    yield "  # pool index -> external port"
    yield f"  map pool {{ type mark : inet_service; elements = {{\n    {elements} }}\n  }}"
