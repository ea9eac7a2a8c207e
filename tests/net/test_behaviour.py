"""What each behaviour predicts, against the words of RFC 4787 and nothing else."""

from dataclasses import replace

import pytest

from labs.net.behaviour import PRESETS, Filtering, Mapping, parse
from labs.net.endpoint import Endpoint

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


def test_every_preset_is_found_by_its_name_and_says_where_it_is_met():
    for name, preset in PRESETS.items():
        assert parse(name) is preset
        assert preset.name == name
        assert preset.met


def test_an_unknown_nat_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="no NAT called 'cone'; there are: masquerade, masquerade-random, none"):
        parse("cone")
