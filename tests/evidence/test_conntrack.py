"""What conntrack prints is read as two tuples; other lines are left out."""

import pytest

from fourtuple.evidence.conntrack import parse
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

PRINTED = """\
udp      17 29 src=10.1.1.10 dst=198.18.1.10 sport=4000 dport=7000 src=198.18.1.10 dst=198.18.1.2 sport=7000 dport=9 use=1
tcp      6 431999 ESTABLISHED src=10.1.1.11 dst=198.18.1.10 sport=1 dport=2 src=198.18.1.10 dst=198.18.1.2 sport=2 dport=3 [ASSURED] mark=0 use=1
udp      17 29 src=10.1.1.10 dst=198.18.1.10 sport=5 dport=6 [UNREPLIED] src=198.18.1.10 dst=198.18.1.2 sport=6 dport=5 use=1
icmp     1 29 src=10.1.1.10 dst=198.18.1.10 type=8 code=0 id=7 src=198.18.1.10 dst=198.18.1.2 type=0 code=0 id=7 use=1
conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.
"""  # noqa: E501


def test_each_flow_has_its_first_tuple_and_the_one_its_answers_are_expected_with():
    udp, tcp, unreplied = parse(PRINTED)
    assert udp.protocol is Protocol.UDP
    assert udp.original == FourTuple(Endpoint("10.1.1.10", 4000), Endpoint("198.18.1.10", 7000))
    assert udp.reply == FourTuple(Endpoint("198.18.1.10", 7000), Endpoint("198.18.1.2", 9))
    assert (tcp.protocol, tcp.reply.destination.port) == (Protocol.TCP, 3)
    assert unreplied.original.destination.port == 6


def test_an_empty_table_has_no_flow():
    assert parse("conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n") == ()


def test_another_protocol_that_begins_alike_is_left_out():
    assert parse("udplite  136 29 src=10.1.1.10 dst=198.18.1.10 sport=1 dport=2\n") == ()


@pytest.mark.parametrize("line", ["udp 17 29 src=x dst=y sport=1 dport=2", "tcp 6 1 " + "src=" * 500_000])
def test_a_line_without_two_tuples_is_refused_at_once(line):
    with pytest.raises(ValueError, match="not an entry of the connection table"):
        parse(line)
