"""An endpoint is an address and a port; a 4-tuple is two of them; a rewrite is a difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtuple.net.endpoint import Endpoint, Field, FourTuple

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
endpoints = st.builds(Endpoint, addresses, st.integers(0, 65535))
flows = st.builds(FourTuple, endpoints, endpoints)


@given(endpoints)
def test_an_endpoint_is_read_back_from_its_text(endpoint):
    assert Endpoint.parse(str(endpoint)) == endpoint


@given(flows)
def test_the_answer_to_an_answer_goes_the_first_way(flow):
    assert flow.reversed().reversed() == flow


@given(flows, flows)
def test_rewriting_is_symmetric_and_empty_only_for_equals(one, other):
    assert one.rewritten(other) == other.rewritten(one)
    assert (one.rewritten(other) == frozenset()) == (one == other)


@given(flows, flows)
def test_each_field_is_rewritten_on_its_own(one, other):
    changed = one.rewritten(other)
    assert (Field.SOURCE_PORT in changed) == (one.source.port != other.source.port)
    assert (Field.DESTINATION_ADDRESS in changed) == (one.destination.address != other.destination.address)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.1", "an endpoint is ADDRESS:PORT"),
        ("10.0.0.1:", "an endpoint is ADDRESS:PORT"),
        ("10.0.0.1:http", "an endpoint is ADDRESS:PORT"),
        ("10.0.0.1:65536", "a port is a number from 0 to 65535, not 65536"),
        ("10.0.0:80", "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_what_is_not_an_endpoint_is_refused_in_words(text, says):
    with pytest.raises(ValueError, match=says):
        Endpoint.parse(text)
