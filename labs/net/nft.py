"""A NAT behaviour as an nftables rule set that a reader can follow.

Rendered from what the behaviour does, for one outside interface. Everything from outside that no inside host
asked for is dropped before conntrack confirms it: a packet that INPUT accepts would occupy the external port, and
the inside host's next packet to that peer would leave from another one.
"""

from __future__ import annotations

from .behaviour import Mapping, NatBehaviour, PortAssignment

_ROUTING = """\
# plain routing: nothing is translated; conntrack watches, so that it can be a second witness
table ip fourtuple {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related counter
  }}
}}
"""

_MASQUERADE = """\
table ip fourtuple {{
  chain srcnat {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{outside}" counter masquerade{how}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid counter drop
    ct state established,related counter accept
    iifname != "{outside}" oifname "{outside}" counter accept
    counter
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    iifname "{outside}" meta l4proto {{ tcp, udp }} counter drop
  }}
}}
"""


def render(behaviour: NatBehaviour, outside: str) -> str:
    """The rule set for `behaviour` on a router whose outside interface is called `outside`.

    ValueError for a behaviour that masquerade cannot express.
    """
    if not behaviour.translates:
        return _ROUTING.format()
    match behaviour.mapping, behaviour.ports:
        case Mapping.ENDPOINT_INDEPENDENT, PortAssignment.PRESERVATION:
            how = ""
        case Mapping.ADDRESS_AND_PORT_DEPENDENT, PortAssignment.RANDOM:
            how = " random"
        case mapping, ports:
            raise ValueError(f"masquerade cannot do {mapping.value} mapping with {ports.value}")
    return _MASQUERADE.format(outside=outside, how=how)
