"""An event is one line, and the line is the event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtuple.net.endpoint import Endpoint, FourTuple
from fourtuple.net.event import Event

plain = st.one_of(st.none(), st.integers(-(2**53), 2**53), st.text(max_size=40), st.booleans())
endpoints = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(0, 65535))
events = st.builds(
    Event,
    host=st.text(max_size=10),
    step=st.text(max_size=10),
    socket=st.text(max_size=10),
    call=st.text(max_size=10),
    args=st.lists(plain, max_size=3).map(tuple),
    result=st.one_of(plain, st.lists(plain, max_size=3)),
    error=st.one_of(st.none(), st.text(min_size=1, max_size=10)),
    local=st.one_of(st.none(), endpoints),
    remote=st.one_of(st.none(), endpoints),
    cookie=st.one_of(st.none(), st.integers(0, 2**64 - 1)),
    monotonic_ns=st.integers(0, 2**63),
    wall_ns=st.integers(0, 2**63),
)


@given(events)
def test_an_event_is_read_back_from_its_line(event):
    line = event.to_json()
    assert "\n" not in line
    assert Event.from_json(line) == event


@given(st.binary(max_size=64))
def test_every_payload_byte_has_one_spelling(payload):
    assert payload.decode("latin-1").encode("latin-1") == payload


def test_the_flow_of_a_connected_socket_is_local_first():
    here, there = Endpoint("10.0.0.1", 1), Endpoint("10.0.0.2", 2)
    event = Event("h", "s", "k", "connect", (), None, None, here, there, 1, 0, 0)
    assert event.flow == FourTuple(here, there)


def test_an_unconnected_socket_has_no_flow():
    event = Event("h", "s", "k", "bind", (), None, None, Endpoint("10.0.0.1", 1), None, 1, 0, 0)
    with pytest.raises(ValueError, match="k of h is not connected"):
        _ = event.flow


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"host": "a"}', "nonsense", '{"local": 7}'])
def test_what_is_not_an_event_is_refused(line):
    with pytest.raises(ValueError, match=r"not an event|Expecting value"):
        Event.from_json(line)
