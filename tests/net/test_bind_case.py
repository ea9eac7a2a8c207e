"""A case is read from words and written back to them; the table is the whole of it, the sample is spread over it."""

import pytest

from labs.net.bind_case import ADDRESSES, OWNERS, STATES, parse, sample, table
from labs.net.bind_rule import Rule, State
from labs.net.endpoint import Protocol


def test_every_case_of_the_table_is_read_back_from_its_words():
    for case in table():
        assert parse(*case.spelled()) == case


def test_the_table_is_the_product_of_everything_it_asks_about():
    pairs = len(ADDRESSES) ** 2 * 16 * len(OWNERS)
    expected = pairs * (len(STATES[Protocol.TCP]) + len(STATES[Protocol.UDP]))
    everything = list(table())
    assert len(everything) == len(set(everything)) == expected > 16_000


def test_the_sample_meets_every_state_address_option_and_rule():
    cases = sample(400)
    assert len(cases) == len(set(cases)) == 400
    assert {case.state for case in cases} == set(State)
    assert {(case.first.address, case.first.only_v6) for case in cases} == set(ADDRESSES)
    assert {(case.second.address, case.second.only_v6) for case in cases} == set(ADDRESSES)
    options = {(c.first.reuseaddr, c.first.reuseport, c.second.reuseaddr, c.second.reuseport) for c in cases}
    assert len(options) == 16
    assert {case.predict().rule for case in cases} == set(Rule)


@pytest.mark.parametrize(
    "words",
    ["tcp 0.0.0.0:80 listening reuseaddr", "tcp:0.0.0.0:80:listen:reuseaddr", "tcp,0.0.0.0:80,reuseaddr,listening"],
)
def test_words_may_be_separated_in_any_usual_way(words):
    case = parse(words, "tcp [::1]:80 uid=1000 dev=lo v6only")
    assert (case.first.address, case.state, case.first.reuseaddr) == ("0.0.0.0", State.LISTENING, True)
    assert (case.second.address, case.second.owner, case.second.device, case.second.only_v6) == (
        "::1",
        1000,
        "lo",
        True,
    )


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("sctp 0.0.0.0:80", "tcp 0.0.0.0:80", "a socket is `tcp|udp ADDRESS:PORT"),
        ("tcp 0.0.0.0:80 reuse", "tcp 0.0.0.0:80", "'reuse' is no state"),
        ("tcp 0.0.0.0:80", "tcp 0.0.0.0:80 listening", "the second socket has no state yet"),
        ("tcp 0.0.0.0:80", "tcp 0.0.0.0:81", "the ports differ"),
        ("udp 0.0.0.0:80 listening", "udp 0.0.0.0:80", "a UDP socket is never listening"),
        ("tcp 0.0.0:80", "tcp 0.0.0.0:80", "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(first, second, says):
    with pytest.raises(ValueError, match=says.replace("|", r"\|")):
        parse(first, second)


def test_the_explanation_says_what_happens_and_which_rule_decided():
    case = parse("tcp 0.0.0.0:80 reuseaddr", "tcp 0.0.0.0:80 reuseaddr")
    assert case.explain() == (
        "bind() succeeds and so does listen(), after which the first one's listen() fails with EADDRINUSE, "
        "because both set SO_REUSEADDR, and the first is not listening."
    )
