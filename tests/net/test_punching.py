"""Theory of meeting: the matrices that were measured on routers of this kind, cell by cell."""

import itertools

import pytest

from fourtuple.net.endpoint import Protocol
from fourtuple.net.presets import NINE, PRESETS, parse
from fourtuple.net.punching import Answers, Order, guess_ports, predict, predict_crossing

NAMES = (*NINE, "masquerade", "masquerade-random")
UDP_ENDPOINT = """
y y y y y y y y y y y
y y y y y y y y y y y
y y y - - - - - - y -
y y - y y - y y - - -
y y - y y - y y - - -
y y - - - - - - - - -
y y - y y - y y - - -
y y - y y - y y - - -
y y - - - - - - - - -
y y y - - - - - - y -
y y - - - - - - - - -
"""
UDP_MAPPING = """
y y y y y y y y y y y
y y y y y y y y y y y
y y y - - - - - - y -
y y - y y - y y - - -
y y - y - - y - - - -
y y - - - - - - - - -
y y - y y - y y - - -
y y - y - - y - - - -
y y - - - - - - - - -
y y y - - - - - - y -
y y - - - - - - - - -
"""
TCP_ENDPOINT = """
y y y y y y y y y y y
y y y y y y y y y y y
y y y y - - y - - y -
y y - y y y y y y - y
y y - y y y y y y - y
y y - y y - y y - - -
y y - y y y y y y - y
y y - y y y y y y - y
y y - y y - y y - - -
y y y y - - y - - y -
y y - y y - y y - - -
"""
TCP_MAPPING = """
y y y y y y y y y y y
y y y y y y y y y y y
y y y y - - y - - y -
y y - y y y y y y - y
y y - y - - y - - - -
y y - y - - y - - - -
y y - y y y y y y - y
y y - y - - y - - - -
y y - y - - y - - - -
y y y y - - y - - y -
y y - y - - y - - - -
"""


def scoped(name, scope):
    return parse(f"{name} ports=random scope={scope}" if "/" in name else name)


def table(text):
    return [[cell == "y" for cell in line.split()] for line in text.split("\n") if line]


@pytest.mark.parametrize("scope", ["endpoint", "mapping"])
@pytest.mark.parametrize("order", Order)
def test_over_udp_the_order_does_not_matter(scope, order):
    want = table(UDP_ENDPOINT if scope == "endpoint" else UDP_MAPPING)
    got = [[predict(scoped(a, scope), scoped(b, scope), Protocol.UDP, order).meets for b in NAMES] for a in NAMES]
    assert got == want


@pytest.mark.parametrize("scope", ["endpoint", "mapping"])
def test_over_tcp_a_session_answers_from_where_it_was_called(scope):
    """Where A is a moment earlier, as in the measured table."""
    want = table(TCP_ENDPOINT if scope == "endpoint" else TCP_MAPPING)
    got = [[predict(scoped(a, scope), scoped(b, scope), Protocol.TCP, Order.A).meets for b in NAMES] for a in NAMES]
    assert got == want


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
@pytest.mark.parametrize("order", Order)
def test_who_is_called_a_decides_nothing(protocol, order):
    turned = {Order.A: Order.B, Order.B: Order.A}.get(order, order)
    for a in map(parse, NAMES):
        for b in map(parse, NAMES):
            assert predict(a, b, protocol, order).meets is predict(b, a, protocol, turned).meets


EVERY = (*NAMES, "none")
ICE_REFUSES = {("apdm/eif", "apdm/eif"), ("apdm/eif", "apdm/adf"), ("apdm/adf", "apdm/eif"), ("apdm/adf", "apdm/adf")}


@pytest.mark.parametrize("order", Order)
def test_ice_refuses_what_is_answered_from_elsewhere(order):
    """Over UDP, of all pairs: those that aioice, Chromium and libnice were seen to refuse, and a lenient peer not."""
    found = {(a, b): [predict(parse(a), parse(b), Protocol.UDP, order, it).meets for it in Answers]
             for a in EVERY for b in EVERY}  # fmt: skip
    assert {pair for pair, (lenient, ice) in found.items() if lenient is not ice} == ICE_REFUSES
    assert all(found[pair] == [True, False] for pair in ICE_REFUSES)


@pytest.mark.parametrize(
    ("a", "b", "meets"),
    [
        ("adm/adf", "adm/adf", True),  # each has one mapping for the other's address, and both learn it
        ("apdm/eif", "adm/adf", True),
        ("eim/adf", "apdm/apdf", True),  # the answer to a triggered check comes from where that was sent to
        ("none", "apdm/apdf", True),
        ("eim/apdf", "apdm/eif", False),
        ("apdm/apdf", "apdm/apdf", False),
    ],
)
def test_a_check_has_to_be_answered_from_where_it_was_sent(a, b, meets):
    assert predict(parse(a), parse(b), Protocol.UDP, answers=Answers.SYMMETRIC).meets is meets
    assert predict_crossing(parse(a), parse(b), Protocol.UDP, Answers.SYMMETRIC).meets is meets


@pytest.mark.parametrize("order", Order)
def test_what_ice_can_a_lenient_peer_can(order):
    for a, b in itertools.product(map(parse, (*EVERY, *PRESETS)), repeat=2):
        lenient, ice = (predict(a, b, Protocol.UDP, order, it).meets for it in Answers)
        assert lenient is ice or (lenient, ice) == (True, False)


def test_over_tcp_an_answer_comes_on_the_connection():
    for a, b in itertools.product(map(parse, EVERY), repeat=2):
        assert predict(a, b, Protocol.TCP, answers=Answers.SYMMETRIC) == predict(a, b, Protocol.TCP)


def test_without_any_router_everybody_meets_who_filters_no_port():
    none = parse("none")
    assert predict(none, none, Protocol.TCP).meets
    assert predict(none, parse("home"), Protocol.UDP).meets
    assert predict(none, parse("symmetric"), Protocol.TCP).meets


@pytest.mark.parametrize(
    ("a", "b", "protocol", "order", "says"),
    [
        ("home", "home", Protocol.UDP, Order.BOTH,
         "A comes from the endpoint that is known, B lets it in after it has sent itself, and the answer comes back"),
        ("eim/apdf", "apdm/apdf", Protocol.UDP, Order.BOTH,
         "B hears A, answers from another port, and A filters that: address and port-dependent filtering; "
         "B comes from another port, and A filters that: address and port-dependent filtering"),
        ("adm/eif", "eim/apdf", Protocol.TCP, Order.BOTH, "it depends on who is first"),
    ],
)  # fmt: skip
def test_it_says_which_rule_decided(a, b, protocol, order, says):
    assert predict(parse(a), parse(b), protocol, order).why.startswith(says)


@pytest.mark.parametrize(
    ("a", "b", "protocol", "meets"),
    [
        ("home", "bare", Protocol.UDP, (None, False, True)),
        ("eim/adf", "bare", Protocol.UDP, (True, True, True)),
        ("bare", "bare", Protocol.UDP, (False, False, False)),
        ("home", "bare", Protocol.TCP, (None, None, True)),
        ("home", "rst", Protocol.TCP, (None, None, True)),
        ("none", "rst", Protocol.TCP, (True, True, True)),
        ("bare", "bare", Protocol.TCP, (None, None, None)),
        ("adm/eif", "eim/apdf", Protocol.TCP, (None, False, True)),
        ("adm/eif", "eim/apdf unsolicited=rst", Protocol.TCP, (True, True, True)),
        ("masquerade-random", "eim/apdf unsolicited=rst", Protocol.TCP, (False, False, False)),
        ("home", "icmp", Protocol.TCP, (None, None, True)),
        ("apdm/eif", "icmp", Protocol.TCP, (None, False, True)),
        ("none", "icmp", Protocol.TCP, (True, True, True)),
    ],
)
def test_what_a_router_does_with_who_comes_too_early_decides(a, b, protocol, meets):
    assert tuple(predict(parse(a), parse(b), protocol, order).meets for order in Order) == meets


@pytest.mark.parametrize(
    ("a", "b", "protocol", "meets"),
    [
        ("home", "bare", Protocol.UDP, True),  # neither router has seen anything too early
        ("bare", "bare", Protocol.UDP, True),
        ("adm/eif", "eim/apdf", Protocol.TCP, False),  # each has a session that is in the other's way
        ("home", "home", Protocol.TCP, True),
        ("eim/apdf", "apdm/apdf", Protocol.UDP, False),
    ],
)
def test_calls_that_cross_find_nothing_too_early(a, b, protocol, meets):
    assert predict_crossing(parse(a), parse(b), protocol).meets is meets


@pytest.mark.parametrize(
    ("seen", "guessed"),
    [
        ([1024, 1025, 1026], [1027, 1028, 1029]),
        ([5000, 4998, 4996], [4994, 4992, 4990]),
        ([65533, 65534, 65535], []),
        ([40000, 40000, 40000], []),
        ([1024, 1025, 1027], []),
        ([1024, 1025], []),
    ],
)
def test_a_port_is_guessed_where_they_follow_a_rule(seen, guessed):
    assert guess_ports(seen, 3) == guessed
