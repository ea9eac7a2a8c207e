"""The rule against the tables of what was observed on a real kernel (Linux 6.18), cell by cell.

Columns: bound, listening, connected, TIME_WAIT by the same user; bound, listening, connected by another. `ok*` is a
second bind() and listen() that work, after which the first one's listen() does not.
"""

import pytest

from fourtuple.net.bind_rule import ADDRESS_IN_USE, Claimant, Rule, State, predict
from fourtuple.net.endpoint import Protocol

TCP, UDP = Protocol.TCP, Protocol.UDP
COLUMNS = [
    (State.BOUND, 0),
    (State.LISTENING, 0),
    (State.CONNECTED, 0),
    (State.TIME_WAIT, 0),
    (State.BOUND, 1),
    (State.LISTENING, 1),
    (State.CONNECTED, 1),
]
OBSERVED_TCP = """
RA    RA    ok* USE ok  ok  ok* USE ok
RA    RP    USE USE USE USE USE USE USE
RA    RA+RP ok* USE ok  ok  ok* USE ok
RP    RA    USE USE USE USE USE USE USE
RP    RP    ok  ok  ok  ok  USE USE USE
RP    RA+RP ok  ok  ok  ok  USE USE USE
RA+RP RA    ok* USE ok  ok  ok* USE ok
RA+RP RP    ok  ok  ok  ok  USE USE USE
RA+RP RA+RP ok  ok  ok  ok  ok* USE ok
-     -     USE USE USE USE USE USE USE
-     RA+RP USE USE USE USE USE USE USE
RA+RP -     USE USE USE USE USE USE USE
"""
OBSERVED_UDP = """
-     -     USE USE
-     RA+RP USE USE
RA+RP -     USE USE
RA    RA    ok  ok
RA    RP    USE USE
RA    RA+RP ok  ok
RP    RA    USE USE
RP    RP    ok  USE
RP    RA+RP ok  USE
RA+RP RA    ok  ok
RA+RP RP    ok  USE
RA+RP RA+RP ok  ok
"""


def claimant(protocol, options, owner=0, address="127.0.0.1", **more):
    return Claimant(protocol, address, reuseaddr="RA" in options, reuseport="RP" in options, owner=owner, **more)


def told(prediction):
    if prediction.bind == ADDRESS_IN_USE:
        return "USE"
    return "ok*" if prediction.first_listen == ADDRESS_IN_USE else "ok"


def rows(table):
    return [line.split() for line in table.strip().splitlines()]


@pytest.mark.parametrize(("first", "second", "cells"), [(r[0], r[1], r[2:]) for r in rows(OBSERVED_TCP)])
def test_tcp_is_predicted_as_observed(first, second, cells):
    for (state, owner), cell in zip(COLUMNS, cells, strict=True):
        told_now = told(predict(claimant(TCP, first), state, claimant(TCP, second, owner), "127.0.0.1"))
        assert told_now == cell, (state, owner)


@pytest.mark.parametrize(("first", "second", "cells"), [(r[0], r[1], r[2:]) for r in rows(OBSERVED_UDP)])
@pytest.mark.parametrize("state", [State.BOUND, State.CONNECTED])
def test_udp_is_predicted_as_observed(first, second, cells, state):
    for owner, cell in enumerate(cells):
        assert told(predict(claimant(UDP, first), state, claimant(UDP, second, owner), "127.0.0.1")) == cell


OVERLAPPING = [
    ("0.0.0.0", "0.0.0.0"),
    ("0.0.0.0", "127.0.0.1"),
    ("127.0.0.1", "127.0.0.1"),
    ("::", "127.0.0.1"),
    ("::", "0.0.0.0"),
    ("::", "::1"),
    ("::ffff:127.0.0.1", "127.0.0.1"),
    ("::ffff:127.0.0.1", "0.0.0.0"),
    ("::ffff:0.0.0.0", "127.0.0.1"),
]
APART = [("127.0.0.1", "127.0.0.2"), ("::1", "127.0.0.1"), ("::1", "0.0.0.0"), ("::ffff:127.0.0.1", "::1")]


@pytest.mark.parametrize(("one", "other", "conflict"), [(*p, True) for p in OVERLAPPING] + [(*p, False) for p in APART])
def test_overlap_is_about_sets_of_addresses_in_either_order(one, other, conflict):
    for first, second in ((one, other), (other, one)):
        told_now = predict(claimant(TCP, "", address=first), State.BOUND, claimant(TCP, "", address=second))
        assert (told_now.bind == ADDRESS_IN_USE) == conflict
        assert told_now.rule is (Rule.CONFLICT if conflict else Rule.NO_OVERLAP)


@pytest.mark.parametrize("other", ["0.0.0.0", "127.0.0.1", "::ffff:127.0.0.1"])
def test_v6only_keeps_out_of_ipv4(other):
    alone = claimant(TCP, "", address="::", only_v6=True)
    assert predict(alone, State.LISTENING, claimant(TCP, "", address=other)).rule is Rule.NO_OVERLAP
    assert predict(claimant(TCP, "", address=other), State.LISTENING, alone).rule is Rule.NO_OVERLAP


@pytest.mark.parametrize("state", [state for state in State if state.narrowed])
def test_a_connection_narrows_a_wildcard_to_its_own_address(state):
    wild = claimant(TCP, "", address="0.0.0.0")
    assert predict(wild, state, claimant(TCP, "", address="127.0.0.2"), "127.0.0.1").rule is Rule.NO_OVERLAP
    assert predict(wild, state, claimant(TCP, "", address="127.0.0.1"), "127.0.0.1").rule is Rule.CONFLICT


def test_the_ipv4_half_of_a_narrowed_dual_stack_socket_stays_in_the_way_of_the_ipv4_wildcard_only():
    dual = claimant(TCP, "", address="::")
    expected = {"0.0.0.0": Rule.CONFLICT, "127.0.0.1": Rule.NO_OVERLAP, "::ffff:0.0.0.0": Rule.NO_OVERLAP}
    for second, rule in expected.items():
        assert predict(dual, State.CONNECTED, claimant(TCP, "", address=second), "::1").rule is rule


def test_devices_keep_apart_only_when_both_are_bound_to_one():
    first = claimant(TCP, "", device="d0")
    assert predict(first, State.LISTENING, claimant(TCP, "", device="d1")).rule is Rule.NO_OVERLAP
    assert predict(first, State.LISTENING, claimant(TCP, "")).rule is Rule.CONFLICT
    assert predict(first, State.LISTENING, claimant(TCP, "", device="d0")).rule is Rule.CONFLICT


def test_another_protocol_and_a_closed_socket_are_in_nobodys_way():
    assert predict(claimant(TCP, ""), State.LISTENING, claimant(UDP, "")).rule is Rule.NO_OVERLAP
    assert predict(claimant(TCP, ""), State.CLOSED, claimant(TCP, "")).rule is Rule.NOBODY
