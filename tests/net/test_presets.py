"""How a behaviour is written: whatever can be written is read back, and whatever cannot says which word is wrong."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtuple.net.behaviour import (
    Addresses,
    AddressPooling,
    Filtering,
    FilterScope,
    Hairpinning,
    Lifetimes,
    Mapping,
    NatBehaviour,
    PortAssignment,
    Ports,
    Unsolicited,
)
from fourtuple.net.presets import MOST, NINE, PRESETS, parse, sentence, slug, text

SECONDS = st.integers(1, 100_000)
POOLS = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted)
PORTS = st.one_of(
    st.builds(
        lambda a, p: Ports(a, *p), st.sampled_from([PortAssignment.PRESERVATION, PortAssignment.SEQUENTIAL]), POOLS
    ),
    st.builds(lambda p, seed: Ports(PortAssignment.RANDOM, *p, seed), POOLS, st.integers(0, 1000)),
)
LIFETIMES = st.builds(
    lambda udp, transitory, more, refresh: Lifetimes(udp, transitory + more, transitory, refresh),
    SECONDS, SECONDS, SECONDS, st.booleans(),
)  # fmt: skip
BEHAVIOURS = st.builds(
    NatBehaviour,
    st.sampled_from(Mapping),
    st.sampled_from(Filtering),
    scope=st.sampled_from(FilterScope),
    ports=PORTS,
    hairpinning=st.sampled_from(Hairpinning),
    unsolicited=st.sampled_from([Unsolicited.DROP, Unsolicited.RST, Unsolicited.ICMP]),
    lifetimes=LIFETIMES,
    addresses=st.builds(Addresses, st.integers(1, MOST), st.sampled_from(AddressPooling)).filter(
        lambda it: it.count > 1 or it.pooling is AddressPooling.PAIRED
    ),
)


@given(BEHAVIOURS)
def test_what_is_written_is_read_back(behaviour):
    assert parse(text(behaviour)) == behaviour
    assert parse(text(behaviour).replace(" ", ",")) == behaviour


def test_every_preset_is_found_by_its_name_and_says_where_it_is_met():
    for name, preset in PRESETS.items():
        assert parse(name) is preset
        assert text(preset) == name
        assert preset.met
        assert sentence(preset).startswith(f"{name}: ")


def test_the_nine_are_the_nine():
    assert {(parse(it).mapping, parse(it).filtering) for it in NINE} == {(m, f) for m in Mapping for f in Filtering}


def test_words_may_stand_without_a_base_and_change_a_preset():
    assert parse("mapping=adm filtering=adf ports=random:7 udp=120s") == parse("adm/adf ports=random:7 udp=120")
    assert parse("home udp=60s") == parse("eim/apdf udp=60s")
    assert text(parse("home udp=60s")) == "eim/apdf udp=60s"
    assert slug(parse("eim/apdf ports=random:7")) == "eim-apdf-ports-random-7"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("cone", "there is no NAT called 'cone'; there are: masquerade, "),
        ("eim/adpf", "filtering=adpf is not possible; filtering is one of: eif, adf, apdf"),
        ("iem/adf", "mapping=iem is not possible; mapping is one of: eim, adm, apdm"),
        ("home color=red", "'color=red' means nothing here; wanted was one of: mapping="),
        ("home udp=soon", "udp=soon is not possible; wanted was a number of seconds from 1 to 604800, as 120s"),
        ("home udp=0", "udp=0 is not possible"),
        ("home ports=7", "ports=7 is not possible; ports is one of: preserve, sequential, random"),
        ("home ports=random:0-70000", "a pool is LOW-HIGH, both from 1 to 65535, LOW first"),
        ("home ports=sequential:9-8", "a pool is LOW-HIGH"),
        ("home ports=sequential:7", "ports=sequential:7 is not possible; wanted was e.g."),
        ("home hairpin=maybe", "hairpin=maybe is not possible; hairpin is one of: external, internal, off"),
        ("home unsolicited=host", "unsolicited=host is not possible"),
        ("home tcp=200s", "tcp=200s must be longer than transitory=240s"),
        ("masquerade udp=60s", "masquerade is taken as it is met"),
        ("", "there is no NAT called ''"),
    ],
)
def test_what_cannot_be_says_which_word_and_what_is_possible(wrong, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse(wrong)
