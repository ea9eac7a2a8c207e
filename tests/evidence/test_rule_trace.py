"""What a router's tracer says, read."""

import pytest

from fourtuple.errors import EvidenceError
from fourtuple.evidence import rule_trace
from fourtuple.evidence.packet import Packet
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

FROM, TO = Endpoint("198.18.1.66", 40000), Endpoint("198.18.1.130", 40001)
UDP = ('packet: iif "eth1" ether saddr 02:42:c6:12:a6:83 ether daddr 02:42:c6:12:a6:82 ip saddr 198.18.1.66 ip daddr '
       "198.18.1.130 ip dscp cs0 ip ecn not-ect ip ttl 62 ip id 16287 ip length 30 udp sport 40000 udp dport 40001 "
       "udp length 10 @th,64,16 0x6869")  # fmt: skip
TCP = ('packet: iif "eth1" ip saddr 198.18.1.66 ip daddr 198.18.1.130 ip ttl 62 ip id 5 ip length 60 tcp sport 40000 '
       "tcp dport 40001 tcp flags == syn tcp window 64240")  # fmt: skip
DROPPED = 'rule counter packets 6 bytes 519 drop comment "filtered" (verdict drop)'


@pytest.mark.parametrize(
    ("said", "rule", "verdict"),
    [
        (DROPPED, "filtered", "drop"),
        ("rule ct state established,related accept (verdict accept)", "ct state established,related accept", "accept"),
        ("rule goto elsewhere (verdict goto elsewhere)", "goto elsewhere", "goto"),
        ("policy accept", "policy", "accept"),
        ("policy drop", "policy", "drop"),
    ],
)
def test_the_last_word_is_read(said, rule, verdict):
    (fate,) = rule_trace.parse([[UDP, "fourtuple", "unsolicited", said]])
    assert (fate.flow, fate.identification, fate.protocol) == (FourTuple(FROM, TO), 16287, Protocol.UDP)
    assert (fate.chain, fate.rule, fate.verdict) == ("unsolicited", rule, verdict)


def test_a_packet_is_found_by_what_no_other_has():
    fates = rule_trace.parse(
        [[UDP, "t", "one", "policy accept"], [TCP, "t", "two", DROPPED], ["packet: of nobody"] * 4]
    )
    assert len(fates) == 2
    syn = Packet("out-b", 1, 0, Protocol.TCP, FourTuple(FROM, TO), 62, b"", "S", identification=5)
    assert rule_trace.of(syn, fates).chain == "two"
    with pytest.raises(EvidenceError, match="says nothing of frame 1 \\(out-b\\) udp"):
        rule_trace.of(Packet("out-b", 1, 0, Protocol.UDP, FourTuple(FROM, TO), 62, b"", identification=5), fates)
