"""The table is the product of everything it asks about, and the sample is spread over it."""

from fourtuple.net.bind_case import STATES, parse
from fourtuple.net.bind_rule import Rule, State
from fourtuple.net.bind_table import ADDRESSES, OWNERS, sample, table
from fourtuple.net.endpoint import Protocol


def test_every_case_of_the_table_is_read_back_from_its_words():
    for case in table():
        assert parse(*case.spelled()) == case


def test_the_table_is_the_product_of_everything_it_asks_about():
    pairs = len(ADDRESSES) ** 2 * 16 * len(OWNERS)
    states = [state for protocol in (Protocol.TCP, Protocol.UDP) for state in STATES[protocol]]
    twice = len(ADDRESSES) * 16 * len(OWNERS) * sum(state.narrowed for state in states)
    everything = list(table())
    assert len(everything) == len(set(everything)) == pairs * len(states) + twice > 16_000


def test_a_connection_of_a_dual_stack_wildcard_is_asked_about_with_a_peer_of_either_family():
    """Its local address decides, and in hundreds of cases it decides otherwise."""
    both = [case for case in table() if case.first.dual_stack and case.state.narrowed]
    four, six = ([case for case in both if case.local == local] for local in ("127.0.0.1", "::1"))
    assert len(four) == len(six) == len(both) / 2
    differ = [one for one, other in zip(four, six, strict=True) if one.predict() != other.predict()]
    assert len(differ) > 500


def test_the_sample_meets_every_state_address_option_peer_and_rule():
    cases = sample(400)
    assert len(cases) == len(set(cases)) == 400
    assert {case.state for case in cases} == set(State)
    assert {(case.first.address, case.first.only_v6) for case in cases} == set(ADDRESSES)
    assert {(case.second.address, case.second.only_v6) for case in cases} == set(ADDRESSES)
    assert {case.local for case in cases} == {"", "::1", "127.0.0.1"}
    options = {(c.first.reuseaddr, c.first.reuseport, c.second.reuseaddr, c.second.reuseport) for c in cases}
    assert len(options) == 16
    assert {case.predict().rule for case in cases} == set(Rule) - {Rule.NOT_DRAWN}
