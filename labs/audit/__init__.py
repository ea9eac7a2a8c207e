"""An audit: does this router do what the RFCs ask of it?

RFC 4787, 5382, 5508 and 6888 number what they ask of NATs, for UDP, TCP, ICMP and carriers. The router is treated as a
box nobody can look into: everything is decided by what two hosts inside and two outside send and receive, and by the
packets on either side. `invoke audit --nat BEHAVIOUR` compares what was found with what theory says of that behaviour,
`invoke audit --image IMAGE` audits somebody else's router.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from . import carrier, icmp, tcp, timers, udp  # noqa: F401 -- they add steps and claims, in this order
from .plan import lab

__all__ = ["lab"]
