"""One socket, many processes.

A port belongs to a socket, and a socket to nobody in particular: any number of descriptors, in any processes, may refer
to it. They come by fork(), by dup(), over a Unix-domain socket, or are simply taken. Whoever calls accept() first takes
the next connection; the socket ends when the last descriptor is closed; and it lives in the network namespace it was
born in, wherever its descriptors go.
"""

from fourtuple.kit import fences
from fourtuple.kit.lab import Fence, Lab

from . import apart, copied, dispatched, forked, passed

lab = Lab("inherit", "One socket, many processes", "inherit", fences=(Fence(fences.LAST, ("near",)),))

STEPS = (
    forked.fork_acceptors,
    forked.outlive_the_parent,
    forked.wait_with_epoll,
    apart.open_ones_own,
    dispatched.dispatch,
    passed.pass_a_listener,
    passed.take_a_listener,
    copied.copy_a_descriptor,
)
CLAIMS = (
    forked.children_share_their_parents_listener,
    forked.so_do_fifty,
    forked.whoever_accepts_first_takes_it,
    forked.a_listener_outlives_its_parent,
    forked.waking_everybody_is_a_waste,
    apart.there_are_other_ways,
    dispatched.connections_can_be_handed_out,
    passed.a_listener_can_be_passed,
    passed.a_listener_can_be_taken,
    copied.a_descriptor_is_only_a_reference,
    passed.who_may_see_whose_it_is,
)
for step in STEPS:
    lab.step(step)
for claim in CLAIMS:
    lab.claim(claim)
