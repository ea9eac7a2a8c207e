"""Who shakes hands? The kernel, before accept().

From listen() onwards the kernel answers SYNs, acknowledges data and keeps it, whether a program ever looks or not.
What it has finished waits in the listener's queue, and that has a limit: the backlog. accept() hands out a descriptor
of something that already exists; and whatever process holds the last descriptor decides when it ends.
"""

from fourtuple.kit import fences
from fourtuple.kit.lab import Fence, Lab

from . import asleep, crowd, home, queue, second, shared

lab = Lab("backlog", "Who shakes hands?", "backlog", fences=(Fence(fences.LAST, ("near",)),))

STEPS = (
    asleep.let_the_server_sleep,
    queue.fill_queues,
    crowd.run_out_of_descriptors,
    second.serve_one,
    second.serve_in_turn,
    shared.share_with_a_child,
    home.stay_at_home,
)
CLAIMS = (
    asleep.the_kernel_shakes_hands,
    asleep.data_waits_in_the_kernel,
    asleep.accept_hands_out_descriptors,
    queue.the_backlog_is_a_limit,
    queue.the_kernel_caps_it,
    crowd.one_process_serves_fifty,
    second.only_a_closed_listener_refuses,
    second.a_connection_needs_no_listener,
    second.a_sequential_server_makes_wait,
    shared.a_connection_lives_until_its_last_descriptor,
    home.client_and_server_at_home_are_three_sockets,
    home.udp_does_not_listen,
)
for step in STEPS:
    lab.step(step)
for claim in CLAIMS:
    lab.claim(claim)
