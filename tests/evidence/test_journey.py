"""A packet is followed from tap to tap by its mark, and what changed on the way is named."""

from dataclasses import replace

from fourtuple.evidence.journey import journeys
from fourtuple.evidence.packet import Packet, marked
from fourtuple.net import meeting
from fourtuple.net.endpoint import Endpoint, Field, FourTuple, Protocol
from labs.meeting import punch

CLIENT, ROUTER, SERVER = Endpoint("10.0.0.1", 1), Endpoint("192.0.2.1", 9), Endpoint("192.0.2.2", 80)
LAN = Packet("lan", 1, 10, Protocol.UDP, FourTuple(CLIENT, SERVER), 64, marked("hello"))
MARK = Packet.mark.fget
WAN = replace(LAN, tap="wan", time_ns=20, flow=FourTuple(ROUTER, SERVER), ttl=63)


def test_a_journey_is_one_packet_at_one_tap_after_the_other():
    (journey,) = journeys([LAN, WAN], MARK)
    assert journey.mark == "hello"
    assert [hop.packet for hop in journey.hops] == [LAN, WAN]
    assert journey.hops[0].rewritten == frozenset()
    assert journey.hops[1].rewritten == {Field.SOURCE_ADDRESS, Field.SOURCE_PORT}


def test_a_segment_that_was_sent_again_travels_once():
    (journey,) = journeys([LAN, WAN, replace(LAN, number=5, time_ns=30)], MARK)
    assert len(journey.hops) == 2


def test_a_packet_without_a_mark_is_nobodys_journey():
    assert journeys([replace(LAN, payload=b"hello")], MARK) == ()


def test_a_tap_it_never_passed_has_no_hop():
    (journey,) = journeys([WAN], MARK)
    assert journey.at("lan") is None


def test_a_lab_may_call_packets_by_what_no_router_changes():
    syn = replace(LAN, protocol=Protocol.TCP, payload=b"", flags="S", sequence=1_234_567)
    (journey,) = journeys([syn, replace(syn, tap="wan", flow=WAN.flow), replace(syn, flags="A")], punch.called)
    assert journey.mark == "SYN ..34567"
    assert [hop.packet.tap for hop in journey.hops] == ["lan", "wan"]
    to_the_server = FourTuple(CLIENT, Endpoint("192.0.2.2", meeting.PORT))
    assert punch.called(replace(syn, flow=to_the_server)) is None
