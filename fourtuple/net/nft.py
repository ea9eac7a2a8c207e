"""A NAT behaviour as an nftables rule set that a reader can follow.

Plain routing and the kernel's own masquerades are here; rules that do exactly what a behaviour says are in `exact`.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import exact
from .behaviour import NatBehaviour, Translation, Unsolicited
from .presets import text

TABLE = "fourtuple"

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
    iifname "{outside}" meta l4proto {{ tcp, udp }} counter drop comment "filtered"
  }}"""


def render(behaviour: NatBehaviour, outside: str, addresses: Sequence[str]) -> str:
    """The rule set for `behaviour` on a router whose interface `outside` has these addresses; replaces the one before.

    ValueError when the behaviour has more external addresses than there are.
    """
    wanted = behaviour.addresses.count
    if wanted > len(addresses):
        raise ValueError(f"addresses={wanted} is not possible: this router has {len(addresses)} outside")
    match behaviour.translation:
        case Translation.NONE:
            rules = _ROUTING
        case Translation.EXACT:
            rules = "\n".join(exact.lines(behaviour, outside, addresses[:wanted]))
        case kernels:
            rules = _MASQUERADE.format(outside=outside, how=kernels.value)
            if behaviour.unsolicited is not Unsolicited.HOST:
                rules += _FIREWALL.format(outside=outside)
    return f"# {text(behaviour)}\ntable ip {TABLE} {{ }}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{rules}\n}}\n"
