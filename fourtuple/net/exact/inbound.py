"""Chains that packets from outside meet: expired or foreign ones, translation to the inside, and what may pass."""

from __future__ import annotations

from collections.abc import Iterator

from ..behaviour import Hairpinning, Unsolicited
from .keys import Keys, Place


def foreign(keys: Keys) -> Iterator[str]:
    """UDP from a remote the mapping was not made for: delivered as it is, so that no session is in the way."""
    yield "  # a session has one inside endpoint and one remote: who comes by another mapping gets none"
    yield "  chain foreign {"
    yield "    type filter hook prerouting priority raw; policy accept;"
    yield f"    iifname != {keys.wan} accept"
    if keys.several:
        yield "    meta l4proto != udp accept"
        yield from (f"    ip daddr {it.address} goto foreign{it.end}" for it in keys.places)
        yield "  }"
    for place in keys.places:
        if place.end:
            yield f"  chain foreign{place.end} {{"
        else:
            yield f"    ip daddr != {place.address} accept"
            yield "    meta l4proto != udp accept"
        yield from _delivered(keys, place)
        yield "  }"


def _delivered(keys: Keys, place: Place) -> Iterator[str]:
    """To an inside endpoint of this address, where it is let in."""
    permitted = "meta l4proto udp " + keys.permission("ip daddr", "udp dport", "ip saddr", "udp sport")
    yield f"    udp dport . ip saddr . udp sport @made_for{place.end} accept"
    if keys.filters and keys.by_mapping:
        yield f"    {permitted} != @{keys.permitted(place)} counter accept"
    yield f"    ip daddr set udp dport map @inside_address{place.end}"
    yield f"    ip daddr {place.address} accept"
    yield f"    udp dport set udp dport map @inside_port{place.end}"
    if keys.filters and not keys.by_mapping:
        yield f'    {permitted} != @permit counter drop comment "filtered"'
    yield "    notrack"


def expired(keys: Keys) -> Iterator[str]:
    """Conntrack is kept alive by inbound packets; a mapping that is not must not be entered through it."""
    yield "  # only outbound packets keep a mapping alive, whatever conntrack thinks"
    yield "  chain expired {"
    yield "    type filter hook prerouting priority raw - 1; policy accept;"
    for place in keys.places:
        alive = f"meta l4proto udp meta l4proto . udp dport != @inside{place.end}"
        yield f'    iifname {keys.wan} ip daddr {place.address} {alive} counter drop comment "expired"'
    yield "  }"


def dstnat(keys: Keys) -> Iterator[str]:
    """Translation to the inside, by the table `inside`; hairpinned packets as well, where there is hairpinning."""
    yield "  # what comes for an external port goes to the endpoint it stands for"
    yield "  chain dstnat {"
    yield "    type nat hook prerouting priority dstnat; policy accept;"
    for place in keys.places:
        both = f"ip daddr {place.address} meta l4proto {{ tcp, udp }}"
        permitted = ""
        if keys.filters and keys.by_mapping:
            permitted = keys.permission("", "th dport", "ip saddr", "th sport") + f" @{keys.permitted(place)} "
        to = f"dnat ip to meta l4proto . th dport map @inside{place.end}"
        yield f"    iifname {keys.wan} {both} {permitted}{to}"
        if keys.behaviour.hairpinning is not Hairpinning.OFF:
            yield f"    iifname != {keys.wan} {both} {to}"
    yield "  }"


def admitted(keys: Keys) -> Iterator[str]:
    """What may pass the router or reach it, and what is answered to the rest."""
    answer = {
        Unsolicited.RST: '    meta l4proto tcp counter reject with tcp reset comment "filtered"\n',
        Unsolicited.ICMP: '    counter reject with icmp port-unreachable comment "filtered"\n',
    }.get(keys.behaviour.unsolicited, "")
    yield f"""\
  # what nobody asked for ends here, before conntrack confirms it
  chain input {{
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    ip daddr {keys.ours} jump unsolicited
    iifname {keys.wan} jump unsolicited
  }}
  chain unsolicited {{
    icmp type echo-request accept
{answer}    counter drop comment "filtered"
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid counter drop comment "invalid"
    ct state established,related accept
    iifname != {keys.wan} oifname {keys.wan} accept"""
    if keys.pure:
        yield f"    iifname {keys.wan} ct state untracked accept"
    if keys.filters and not keys.by_mapping:
        key = keys.permission("ip daddr", "th dport", "ip saddr", "th sport")
        yield f"    iifname {keys.wan} ct status dnat meta l4proto {{ tcp, udp }} {key} != @permit goto unsolicited"
    yield "    ct status dnat accept"
    yield "  }"
