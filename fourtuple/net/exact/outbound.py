"""Chains that the first packet of a flow to the outside meets: its external address, and its external port."""

from __future__ import annotations

from collections.abc import Iterator

from ..behaviour import Hairpinning
from .keys import OWN, PROTOCOLS, Keys, Place
from .tables import ONCE, pool

_RETRIES = 8  # draws from the pool; then no port is left


def srcnat(keys: Keys) -> Iterator[str]:
    """Translation to the outside."""
    hairpin = "    ct status dnat goto outbound    # hairpinned: it comes from the external endpoint\n"
    yield f"""\
  # the first packet of a flow to the outside gets the port its mapping has, or a new one
  chain srcnat {{
    type nat hook postrouting priority srcnat; policy accept;
    iifname {keys.wan} accept
    oifname {keys.wan} goto outbound
{hairpin if keys.behaviour.hairpinning is Hairpinning.EXTERNAL_SOURCE else ""}  }}"""
    if keys.several:
        yield from _choose(keys)
    for place in keys.places:
        yield f"""\
  chain outbound{place.end} {{
    meta l4proto udp goto bind_udp{place.end}
    meta l4proto tcp goto bind_tcp{place.end}
    snat ip to {place.address}
  }}"""


def _choose(keys: Keys) -> Iterator[str]:
    """Which external address: that of the inside address, or of the mapping; the next one in turn for a new one."""
    draw = f"ct mark set numgen inc mod {len(keys.places)}"
    yield "  chain outbound {"
    if keys.paired:
        yield f"    ip saddr != @address {draw} add @address {{ ip saddr : ct mark }}"
        yield "    ct mark set ip saddr map @address"
    else:
        key = keys.mapping("ip saddr . th sport")
        for protocol in PROTOCOLS:
            this = f"meta l4proto {protocol} {key}"
            yield from (f"    {this} @bind_{protocol}{it.end} goto translate_{protocol}{it.end}"
                        for it in keys.places)  # fmt: skip
        yield f"    {draw}"
        for protocol in PROTOCOLS:
            yield f"    meta l4proto {protocol} add @address_{protocol} {{ {key} : ct mark }}"
            yield f"    meta l4proto {protocol} ct mark set {key} map @address_{protocol}"
    chosen = ", ".join(f"{number} : goto outbound{it.end}" for number, it in enumerate(keys.places))
    yield f"    ct mark vmap {{ {chosen} }}"
    yield "  }"


def bind(keys: Keys, protocol: str, place: Place) -> Iterator[str]:
    """The external port: that of the mapping; or the own one, where it is kept and free; or one of the pool."""
    this, at = f"meta l4proto {protocol}", place.end
    key = keys.mapping("ip saddr . th sport")
    ports = keys.behaviour.ports
    drawn = len(pool(ports))
    goto = f"goto translate_{protocol}{at}"
    yield f"  chain bind_{protocol}{at} {{"
    yield f"    {this} {key} @bind_{protocol}{at} {goto}"
    if keys.behaviour.preserves_port():
        claim = f"add @used_own{at} {{ meta l4proto . th sport {ONCE} }}"
        free = f"th sport != {ports.low}-{ports.high}"
        yield f"    {this} {free} {claim} add @bind_{protocol}{at} {{ {key} : {OWN} }} {goto}"
    claim = f"add @used_pool{at} {{ meta l4proto . ct mark {ONCE} }}"
    for _ in range(_RETRIES):
        draw = f"ct mark set numgen inc mod {drawn}"
        yield f"    {this} {draw} {claim} add @bind_{protocol}{at} {{ {key} : ct mark }} {goto}"
    yield '    counter drop comment "no port is left"'
    yield "  }"
    yield f"  chain translate_{protocol}{at} {{"
    yield f"    {this} ct mark set {key} map @bind_{protocol}{at}"
    yield f"    {this} ct mark {OWN} snat ip to {place.address} : th sport"
    yield f"    {this} snat ip to {place.address} : ct mark map @pool"
    yield "  }"
