"""One port, fifty conversations.

A connection is a pair of endpoints. A server's port is one half of one of them, so it carries as many conversations as
there are distinct peers: one listening socket that never says a word, and a socket for each client that the kernel
makes before anybody accepts it. Nobody is given a port of his own.
"""

from fourtuple.kit.lab import Fence, Lab

from . import datagrams, fifty, listening, requests, serving, ways
from .plan import LAST

lab = Lab("conversations", "One port, fifty conversations", "hosts", fences=(Fence(LAST, ("near",)),))

STEPS = (
    fifty.connect_fifty_clients,
    fifty.accept_and_answer,
    listening.talk_to_the_listener,
    requests.keep_a_connection_alive,
    requests.load_a_page,
    serving.hand_it_on,
    serving.stop_the_server,
    ways.go_three_ways,
    datagrams.leave_tcp,
)
CLAIMS = (
    fifty.every_conversation_is_on_port_80,
    fifty.there_is_a_socket_for_each,
    fifty.the_kernel_makes_it_before_accept,
    serving.the_kernel_does_the_work,
    ways.one_client_port_goes_three_ways,
    fifty.both_sides_mirror_each_other,
    fifty.no_payload_is_swapped,
    listening.the_listener_only_listens,
    requests.requests_are_not_connections,
    requests.a_part_of_a_page_need_not_wait,
    serving.who_serves_is_another_question,
    datagrams.udp_and_fragments_are_different,
)
for step in STEPS:
    lab.step(step)
for claim in CLAIMS:
    lab.claim(claim)
