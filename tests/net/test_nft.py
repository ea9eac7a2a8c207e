"""Rules say what the behaviour says, and nothing of its name."""

from dataclasses import replace

import pytest

from labs.net.behaviour import PRESETS, Mapping
from labs.net.nft import render


def test_masquerade_translates_what_leaves_by_the_outside_interface_only():
    assert 'oifname "wan0" counter masquerade\n' in render(PRESETS["masquerade"], "wan0")


def test_random_ports_are_asked_for_only_where_the_behaviour_has_them():
    assert "masquerade random" in render(PRESETS["masquerade-random"], "wan0")
    assert "random" not in render(PRESETS["masquerade"], "wan0")


def test_plain_routing_has_no_nat_chain_but_watches():
    rules = render(PRESETS["none"], "wan0")
    assert "type nat" not in rules
    assert "ct state" in rules


@pytest.mark.parametrize("name", ["masquerade", "masquerade-random"])
def test_the_uninvited_is_dropped_before_it_can_occupy_a_port(name):
    rules = render(PRESETS[name], "wan0")
    assert "policy drop" in rules
    assert 'iifname "wan0" meta l4proto { tcp, udp } counter drop' in rules


def test_rules_follow_the_behaviour_and_not_its_name():
    renamed = replace(PRESETS["masquerade"], name="something else", met="nowhere")
    assert render(renamed, "eth0") == render(PRESETS["masquerade"], "eth0")


def test_what_masquerade_cannot_do_is_refused():
    with pytest.raises(ValueError, match="masquerade cannot do address-dependent mapping"):
        render(replace(PRESETS["masquerade"], mapping=Mapping.ADDRESS_DEPENDENT), "eth0")
