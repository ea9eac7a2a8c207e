"""The rendezvous without a network: whom it introduces, what it refuses, and that it amplifies nothing."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtuple.net import meeting
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.meeting import Candidate, Kind, Message, Reason, Where, decode, encode
from fourtuple.net.registry import COOKIE_LIFE, Address, Limits, Rendezvous

UDP, TCP = Protocol.UDP, Protocol.TCP
ALICE, BOB = (Address(UDP, Endpoint(f"198.18.0.{n}", 40000)) for n in (2, 3))
INSIDE = Endpoint("10.0.1.10", 40000)


def sign(key, covered):
    """Not Ed25519: what stands for it here is 64 bytes that only the key and the text make."""
    return hashlib.sha512(key + covered).digest()


def verify(key, covered, signature):
    return sign(key, covered) == signature


def key_of(name):
    return hashlib.sha256(name.encode()).digest()


class World:
    """A server, and peers that speak to it as they should."""

    def __init__(self, **limits):
        self.server = Rendezvous(verify, Limits(**limits))
        self.now, self.issued = 1000.0, 0

    def send(self, message, source):
        data = encode(message)
        return [(to, decode(it)) for to, it in self.server.receive(data, source, self.now)]

    def signed(self, message, name):
        return replace(message, signature=sign(key_of(name), meeting.to_sign(message)))

    def cookie(self, source):
        ((to, told),) = self.send(Message(Kind.HELLO, b"hello..."), source)
        assert to == source
        assert told.candidates == (Candidate(Where.REFLEXIVE, source.endpoint),)
        return told.cookie

    def register(self, name, source, key="", lifetime=60, issued=None, **changed):
        self.issued += 1
        message = Message(Kind.REGISTER, b"register", self.cookie(source), (name,), key_of(key or name),
                          self.issued if issued is None else issued, lifetime,
                          (Candidate(Where.HOST, INSIDE),))  # fmt: skip
        ((to, told),) = self.send(replace(self.signed(message, key or name), **changed), source)
        assert to == source
        return told

    def ask(self, own, wanted, source, key="", issued=None):
        self.issued += 1
        message = Message(Kind.ASK, b"ask.....", self.cookie(source), (own, wanted),
                          issued=self.issued if issued is None else issued)  # fmt: skip
        return self.send(self.signed(message, key or own), source)


@pytest.fixture
def world():
    world = World()
    assert world.register("alice", ALICE).kind is Kind.REGISTERED
    assert world.register("bob", BOB).kind is Kind.REGISTERED
    return world


def test_both_are_introduced_at_once_with_what_the_server_saw(world):
    (first, to_alice), (second, to_bob) = world.ask("alice", "bob", ALICE)
    assert (first, second) == (ALICE, BOB)
    assert to_alice.token == to_bob.token
    assert (to_alice.names, to_alice.key) == (("bob",), key_of("bob"))
    assert (to_bob.names, to_bob.key) == (("alice",), key_of("alice"))
    assert to_bob.candidates == (Candidate(Where.REFLEXIVE, ALICE.endpoint), Candidate(Where.HOST, INSIDE))


def test_an_endpoint_that_is_the_hosts_own_is_marked_so():
    world = World()
    public = Address(UDP, INSIDE)
    world.register("alice", public)
    world.register("bob", BOB)
    _, (_, told) = world.ask("alice", "bob", public)
    assert told.candidates == (Candidate(Where.BOTH, INSIDE),)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        pytest.param(lambda w: w.register("alice", BOB, key="mallory"), Reason.TAKEN, id="another's name"),
        pytest.param(lambda w: w.register("carol", BOB, signature=bytes(64)), Reason.SIGNATURE, id="forged"),
        pytest.param(lambda w: w.register("alice", ALICE, lifetime=1, issued=0), Reason.STALE, id="replayed"),
        pytest.param(lambda w: w.register("carol", BOB, cookie=bytes(16)), Reason.COOKIE, id="unproven"),
        pytest.param(lambda w: w.ask("alice", "carol", ALICE)[0][1], Reason.UNKNOWN, id="nobody"),
        pytest.param(lambda w: w.ask("carol", "bob", ALICE)[0][1], Reason.UNKNOWN, id="never registered"),
        pytest.param(lambda w: w.ask("alice", "alice", ALICE)[0][1], Reason.UNKNOWN, id="oneself"),
        pytest.param(lambda w: w.ask("alice", "bob", BOB, key="bob")[0][1], Reason.SIGNATURE, id="for another"),
        pytest.param(lambda w: w.ask("alice", "bob", ALICE, issued=0)[0][1], Reason.STALE, id="asked again"),
    ],
)
def test_who_may_not_is_refused(world, attempt, reason):
    told = attempt(world)
    assert (told.kind, told.reason) == (Kind.REFUSED, reason)


def test_an_answer_that_was_lost_is_given_again_and_to_nobody_else(world):
    """The same bytes from the same place: the same answer, for both, with the same token. From elsewhere: no."""
    ask = world.signed(Message(Kind.ASK, b"ask.....", world.cookie(ALICE), ("alice", "bob"), issued=50), "alice")
    first = world.send(ask, ALICE)
    assert world.send(ask, ALICE) == first
    assert {to for to, _ in first} == {ALICE, BOB}
    elsewhere = replace(ask, cookie=world.cookie(BOB))
    assert world.send(elsewhere, BOB)[0][1].reason is Reason.STALE


def test_a_registration_that_is_sent_again_is_answered_again():
    world = World()
    record = Message(Kind.REGISTER, b"register", world.cookie(ALICE), ("alice",), key_of("alice"), 7, 60)
    ((_, first),) = world.send(world.signed(record, "alice"), ALICE)
    world.now += 1
    assert world.send(world.signed(record, "alice"), ALICE) == [(ALICE, first)]
    assert first.kind is Kind.REGISTERED


def test_a_registration_expires_and_the_name_is_free_then(world):
    world.now += 59
    assert world.register("alice", ALICE, key="mallory").reason is Reason.TAKEN
    world.now += 2
    assert world.ask("bob", "alice", BOB)[0][1].reason is Reason.UNKNOWN
    assert world.register("alice", ALICE, key="mallory").kind is Kind.REGISTERED


def test_a_cookie_is_good_for_its_source_and_its_time_only(world):
    cookie = world.cookie(ALICE)
    assert world.register("alice", ALICE, cookie=cookie).reason is not Reason.COOKIE
    assert world.register("bob", BOB, cookie=cookie).reason is Reason.COOKIE
    world.now += 2 * COOKIE_LIFE
    assert world.register("alice", ALICE, cookie=cookie).reason is Reason.COOKIE


def test_over_tcp_the_handshake_is_the_proof():
    world = World()
    assert (
        world.register("alice", Address(TCP, ALICE.endpoint), cookie=bytes(16)).reason is Reason.SIGNATURE
    )  # signed over
    message = Message(Kind.REGISTER, b"register", bytes(16), ("alice",), key_of("alice"), 99, 60)
    ((_, told),) = world.send(world.signed(message, "alice"), Address(TCP, ALICE.endpoint))
    assert told.kind is Kind.REGISTERED


def test_an_address_has_so_many_names_and_no_more():
    world = World(names_of_address=3)
    told = [world.register(f"peer-{n}", Address(UDP, Endpoint("198.18.0.2", 1000 + n))) for n in range(5)]
    assert [it.reason for it in told] == [None, None, None, Reason.LIMIT, Reason.LIMIT]
    assert world.register("peer-0", ALICE).kind is Kind.REGISTERED  # renewing is always possible
    world.now += 61
    assert world.register("peer-4", Address(UDP, Endpoint("198.18.0.2", 1004))).kind is Kind.REGISTERED


def test_what_is_relayed_reaches_the_other_of_the_pair_and_nobody_else(world):
    token = world.ask("alice", "bob", ALICE)[0][1].token
    say = Message(Kind.RELAY, b"relay...", world.cookie(ALICE), token=token, data=b"by you")
    ((to, told),) = world.send(say, ALICE)
    assert (to, told.kind, told.token, told.data) == (BOB, Kind.RELAYED, token, b"by you")
    stranger = Address(UDP, Endpoint("198.18.0.9", 1))
    ((to, told),) = world.send(replace(say, cookie=world.cookie(stranger)), stranger)
    assert (to, told.reason) == (stranger, Reason.UNKNOWN)


def test_so_much_is_relayed_and_no_more():
    world = World(relayed=10)
    for name, where in (("alice", ALICE), ("bob", BOB)):
        world.register(name, where)
    token = world.ask("alice", "bob", ALICE)[0][1].token
    say = Message(Kind.RELAY, b"relay...", world.cookie(ALICE), token=token, data=b"12345678")
    assert [world.send(say, ALICE)[0][1].kind for _ in range(2)] == [Kind.RELAYED, Kind.REFUSED]


@given(st.binary(max_size=600), st.booleans())
def test_who_has_not_proven_its_address_gets_no_more_than_it_sent(noise, framed):
    server = Rendezvous(verify)
    data = b"4tup\1" + noise if framed else noise
    for to, told in server.receive(data, ALICE, 0.0):
        assert to == ALICE
        assert len(told) <= len(data)


def test_a_hello_is_answered_with_no_more_than_it_was():
    hello = encode(Message(Kind.HELLO, bytes(8)))
    ((_, told),) = Rendezvous(verify).receive(hello, ALICE, 0.0)
    assert len(told) <= len(hello)


def test_expired_registrations_are_forgotten_a_few_at_each_call():
    world = World()
    for n in range(10):
        world.register(f"peer-{n}", Address(UDP, Endpoint(f"198.18.1.{n}", 1)))
    world.now += 61
    for _ in range(5):
        world.cookie(ALICE)
    assert len(world.server) == 0


def test_a_peer_is_introduced_for_the_transport_it_is_asked_for_over(world):
    there = Address(TCP, ALICE.endpoint)
    assert world.register("alice", there).kind is Kind.REGISTERED
    assert world.ask("alice", "bob", there)[0][1].reason is Reason.UNKNOWN
    assert world.register("bob", Address(TCP, BOB.endpoint), key="mallory").reason is Reason.TAKEN
    assert world.register("bob", Address(TCP, BOB.endpoint)).kind is Kind.REGISTERED
    assert {to.transport for to, _ in world.ask("alice", "bob", there)} == {TCP}
    assert {to.transport for to, _ in world.ask("alice", "bob", ALICE)} == {UDP}
