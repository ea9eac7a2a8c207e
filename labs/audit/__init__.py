"""An audit: does this router do what the RFCs ask of it?

RFC 4787, 5382, 5508 and 6888 number what they ask of NATs, for UDP, TCP, ICMP and carriers. The router is treated as a
box nobody can look into: everything is decided by what two hosts inside and two outside send and receive, and by the
packets on either side. `invoke audit --nat BEHAVIOUR` compares what was found with what theory says of that behaviour,
`invoke audit --image IMAGE` audits somebody else's router.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from fourtuple.net.requirements import REQUIREMENTS

from . import carrier, plan, rfc4787, rfc5382, rfc5508, timers  # noqa: F401 -- carrier has examinations and no step of its own
from .plan import EXAMINED, lab

STEPS = (
    plan.open_the_servers,
    plan.collide,
    rfc4787.map_and_knock,
    rfc4787.use_even_ports,
    rfc4787.call_back_in,
    rfc4787.report_cut_and_tell,
    rfc5508.ask_and_go,
    rfc5382.map_and_be_called,
    rfc5382.cross,
    rfc5382.call_each_other,
    timers.wait,  # it ends with the datagram after which nothing comes
)
for step in STEPS:
    lab.step(step)
for asked in REQUIREMENTS:
    if asked.id in EXAMINED:
        examine = EXAMINED[asked.id]
        lab.add(examine.__name__, f"{asked.id} ({asked.level.value}): {asked.says}.", examine)

__all__ = ["lab"]
