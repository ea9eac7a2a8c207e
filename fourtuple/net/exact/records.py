"""Chains that keep mappings and permissions alive, once a packet is let through."""

from __future__ import annotations

from collections.abc import Iterator

from ..behaviour import Hairpinning, Mapping
from .keys import OWN, Keys, Place
from .tables import ONCE


def after(keys: Keys) -> Iterator[str]:
    """Whose mapping a packet keeps alive: that of who opened the flow, of who was called, or both."""
    yield "  # every packet that is let through keeps its mapping and its permission alive"
    yield "  chain after {"
    yield "    type filter hook postrouting priority srcnat + 1; policy accept;"
    yield "    meta l4proto != { tcp, udp } accept"
    if keys.pure:
        yield "    ct state untracked accept"
    yield f'    iifname {keys.wan} ct direction original ct status snat counter drop comment "clash"'
    if not keys.behaviour.lifetimes.inbound_refresh:
        yield f"    iifname {keys.wan} accept"
    for place in keys.places:
        yield f"    ct status snat {keys.only('ct reply ip daddr', place)}jump caller{place.end}"
    if keys.filters and keys.behaviour.hairpinning is Hairpinning.EXTERNAL_SOURCE:
        yield from _hairpinned(keys)
    for place in keys.places:
        yield f"    ct status dnat {keys.only('ct original ip daddr', place)}jump callee{place.end}"
    yield "  }"


def _hairpinned(keys: Keys) -> Iterator[str]:
    """A hairpinned packet needs a permission as any other does; the caller's external endpoint is known only here."""
    endpoint, port = ("", "ct original proto-dst") if keys.by_mapping else ("ct reply ip saddr", "ct reply proto-src")
    key = keys.permission(endpoint, port, "ct reply ip daddr", "ct reply proto-dst")
    new = f"iifname != {keys.wan} oifname != {keys.wan} ct state new ct status dnat"
    for place in keys.places if keys.by_mapping else keys.places[:1]:
        at = keys.only("ct original ip daddr", place) if keys.by_mapping else ""
        test = f"{at}meta l4proto {{ tcp, udp }} {key} != @{keys.permitted(place)}"
        yield f'    {new} {test} counter drop comment "filtered"'


def refresh(keys: Keys, place: Place) -> Iterator[str]:
    """Both ends of a flow, by what its protocol's state lets it live."""
    lives, at = keys.behaviour.lifetimes, place.end
    for who in ("caller", "callee"):
        yield f"  chain {who}{at} {{"
        yield f"    meta l4proto udp goto {who}_udp{at}"
        yield f"    ct expiration > {lives.transitory}s goto {who}_established{at}    # nft cannot see TCP's state"
        yield f"    goto {who}_tcp{at}"
        yield "  }"
    for name, protocol, seconds in (
        ("udp", "udp", lives.udp),
        ("established", "tcp", lives.established),
        ("tcp", "tcp", lives.transitory),
    ):
        yield from _caller(keys, name, protocol, seconds, place)
        yield from _callee(keys, name, protocol, seconds, place)


def _caller(keys: Keys, name: str, protocol: str, seconds: int, place: Place) -> Iterator[str]:
    """The inside endpoint that opened the flow: its external port is conntrack's `reply proto-dst`."""
    this, life, at = f"    meta l4proto {protocol}", f"timeout {seconds}s", place.end
    inside = "ct original ip saddr . ct original proto-src"
    key = keys.mapping(inside)
    remote = ("ct original ip daddr", "ct original proto-dst")
    yield f"  chain caller_{name}{at} {{    # who opened the flow: its external port is `ct reply proto-dst`"
    yield f"{this} update @bind_{protocol}{at} {{ {key} {life} : ct mark }}"
    yield f"{this} update @inside{at} {{ meta l4proto . ct reply proto-dst {life} : {inside} }}"
    if keys.filters:
        endpoint, port = (
            ("", "ct reply proto-dst") if keys.by_mapping else ("ct original ip saddr", "ct original proto-src")
        )
        yield f"{this} update @{keys.permitted(place)} {{ {keys.permission(endpoint, port, *remote)} {life} }}"
    if keys.pure and protocol == "udp":
        yield f"{this} update @inside_address{at} {{ ct reply proto-dst {life} : ct original ip saddr }}"
        yield f"{this} update @inside_port{at} {{ ct reply proto-dst {life} : ct original proto-src }}"
        yield f"{this} update @made_for{at} {{ ct reply proto-dst . {remote[0]} . {remote[1]} {life} }}"
    yield f"{this} ct mark {OWN} update @used_own{at} {{ meta l4proto . ct reply proto-dst {life} {ONCE} }}"
    yield f"{this} ct mark != {OWN} update @used_pool{at} {{ meta l4proto . ct mark {life} {ONCE} }}"
    yield "  }"


def _callee(keys: Keys, name: str, protocol: str, seconds: int, place: Place) -> Iterator[str]:
    """The inside endpoint that was called: its external port is conntrack's `original proto-dst`."""
    this, life, at = f"    meta l4proto {protocol}", f"timeout {seconds}s", place.end
    inside = "ct reply ip saddr . ct reply proto-src"
    yield f"  chain callee_{name}{at} {{    # who was called: its external port is `ct original proto-dst`"
    yield f"{this} update @inside{at} {{ meta l4proto . ct original proto-dst {life} : {inside} }}"
    if keys.filters:
        endpoint, port = (
            ("", "ct original proto-dst") if keys.by_mapping else ("ct reply ip saddr", "ct reply proto-src")
        )
        key = keys.permission(endpoint, port, "ct reply ip daddr", "ct reply proto-dst")
        yield f"{this} update @{keys.permitted(place)} {{ {key} {life} }}"
    yield f"{this} update @used_own{at} {{ meta l4proto . ct original proto-dst {life} {ONCE} }}"
    if keys.behaviour.mapping is Mapping.ENDPOINT_INDEPENDENT:
        yield f"{this} {inside} @bind_{protocol}{at} update @bind_{protocol}{at} {{ {inside} {life} : ct mark }}"
    yield "  }"
