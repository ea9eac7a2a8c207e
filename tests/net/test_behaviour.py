"""What each behaviour predicts, against the words of RFC 4787 and nothing else."""

from dataclasses import replace

import pytest

from fourtuple.net.behaviour import Filtering, Mapping
from fourtuple.net.endpoint import Endpoint
from fourtuple.net.presets import PRESETS, parse

ALICE, ALICE_OTHER_PORT, BOB = Endpoint("192.0.2.1", 80), Endpoint("192.0.2.1", 81), Endpoint("192.0.2.2", 80)
ANY = PRESETS["masquerade"]


@pytest.mark.parametrize(
    ("mapping", "same_endpoint", "other_port", "other_address"),
    [
        (Mapping.ENDPOINT_INDEPENDENT, True, True, True),
        (Mapping.ADDRESS_DEPENDENT, True, True, False),
        (Mapping.ADDRESS_AND_PORT_DEPENDENT, True, False, False),
    ],
)
def test_a_mapping_is_reused_as_section_4_1_says(mapping, same_endpoint, other_port, other_address):
    nat = replace(ANY, mapping=mapping)
    assert nat.reuses_mapping(ALICE, ALICE) is same_endpoint
    assert nat.reuses_mapping(ALICE, ALICE_OTHER_PORT) is other_port
    assert nat.reuses_mapping(ALICE, BOB) is other_address


@pytest.mark.parametrize(
    ("filtering", "same_endpoint", "other_port", "other_address"),
    [
        (Filtering.ENDPOINT_INDEPENDENT, True, True, True),
        (Filtering.ADDRESS_DEPENDENT, True, True, False),
        (Filtering.ADDRESS_AND_PORT_DEPENDENT, True, False, False),
    ],
)
def test_a_packet_is_admitted_as_section_5_says(filtering, same_endpoint, other_port, other_address):
    nat = replace(ANY, filtering=filtering)
    assert nat.admits(ALICE, [ALICE]) is same_endpoint
    assert nat.admits(ALICE_OTHER_PORT, [ALICE]) is other_port
    assert nat.admits(BOB, [ALICE]) is other_address


def test_nobody_is_admitted_through_a_filter_before_anybody_was_written_to():
    assert not replace(ANY, filtering=Filtering.ADDRESS_DEPENDENT).admits(ALICE, [])
    assert not replace(ANY, filtering=Filtering.ADDRESS_AND_PORT_DEPENDENT).admits(ALICE, [])


def test_a_mapping_dies_when_nothing_was_sent_for_its_lifetime():
    both, outbound = parse("eim/apdf udp=10s"), parse("eim/apdf udp=10s refresh=outbound")
    assert both.alive(since_outbound=9, since_inbound=99)
    assert both.alive(since_outbound=99, since_inbound=9)
    assert not both.alive(since_outbound=10, since_inbound=10)
    assert outbound.alive(since_outbound=9, since_inbound=99)
    assert not outbound.alive(since_outbound=99, since_inbound=1)


def test_only_masquerade_overloads_ports():
    assert {name for name, it in PRESETS.items() if it.overloads} == {"masquerade", "bare"}
