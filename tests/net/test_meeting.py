"""The wire format of the rendezvous: what is written is read back, and nothing else is read."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtuple.net import meeting
from fourtuple.net.endpoint import Endpoint
from fourtuple.net.meeting import Candidate, Kind, Message, Reason, Where, decode, encode

ENDPOINTS = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(0, 65535))
CANDIDATES = st.builds(Candidate, st.sampled_from(Where), ENDPOINTS)
LISTS = st.lists(CANDIDATES, max_size=meeting.MOST_ENDPOINTS).map(tuple)
NAMES = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


def some(length):
    return st.binary(min_size=length, max_size=length)


COOKIES, TOKENS, KEYS, SIGNATURES = some(16), some(16), some(32), some(64)
ISSUED, LIFETIMES, DATA = st.integers(0, 2**64 - 1), st.integers(0, 65535), st.binary(max_size=1000)
ONE = st.tuples(CANDIDATES)
MESSAGES = st.one_of(
    st.builds(Message, st.just(Kind.HELLO), some(8)),
    st.builds(Message, st.just(Kind.CHALLENGE), some(8), COOKIES, candidates=ONE),
    st.builds(Message, st.just(Kind.REGISTER), some(8), COOKIES, st.tuples(NAMES), KEYS, ISSUED, LIFETIMES, LISTS,
              signature=SIGNATURES),
    st.builds(Message, st.just(Kind.REGISTERED), some(8), lifetime=LIFETIMES, candidates=ONE),
    st.builds(Message, st.just(Kind.ASK), some(8), COOKIES, st.tuples(NAMES, NAMES), issued=ISSUED,
              signature=SIGNATURES),
    st.builds(Message, st.just(Kind.INTRODUCTION), some(8), names=st.tuples(NAMES), key=KEYS, candidates=LISTS,
              token=TOKENS),
    st.builds(Message, st.just(Kind.REFUSED), some(8), reason=st.sampled_from(Reason)),
    st.builds(Message, st.just(Kind.RELAY), some(8), COOKIES, token=TOKENS, data=DATA),
    st.builds(Message, st.just(Kind.CHECK), some(8), token=TOKENS, heard=st.booleans(), issued=ISSUED,
              signature=SIGNATURES),
    st.builds(Message, st.just(Kind.RELAYED), some(8), token=TOKENS, data=DATA),
)  # fmt: skip


@given(MESSAGES)
def test_what_is_written_is_read_back(message):
    read = decode(encode(message))
    assert (read.kind, read.transaction, read.cookie, read.names, read.key, read.issued, read.lifetime,
            read.candidates, read.token, read.data, read.reason, read.heard, read.signature) == (
        message.kind, message.transaction, message.cookie, message.names, message.key, message.issued,
        message.lifetime, message.candidates, message.token, message.data, message.reason,
        message.heard, message.signature)  # fmt: skip
    assert not message.signature or read.signed == meeting.to_sign(message) == encode(message)[:-64]


@given(MESSAGES, st.integers(0, 1200))
def test_a_message_cut_short_is_none_and_a_stream_knows_how_long_it_will_be(message, cut):
    data = encode(message)
    assert meeting.length(data + b"more") == len(data)
    part = data[:cut]
    if len(part) < len(data):
        with pytest.raises(ValueError, match="message"):
            decode(part)
        assert meeting.length(part) in (None, len(data))


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_crashes(noise):
    for data in (noise, b"4tup\1" + noise):
        with suppress(ValueError):
            decode(data)


@given(MESSAGES, st.integers(0, 1199), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_read_as_what_it_says(message, at, flip):
    data = bytearray(encode(message))
    data[at % len(data)] ^= flip
    with suppress(ValueError):
        assert encode(decode(bytes(data))) == bytes(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "magic"),
        (b"4tup\2\1\0\x18" + bytes(32), "version 2"),
        (b"4tup\1\1\0\x18" + bytes(31) + b"x" + bytes(0), "24 zeros"),
        (b"4tup\1\x63\0\0" + bytes(8), "99 is not a valid Kind"),
        (b"4tup\1\1\xff\xff" + bytes(8), "at most 1200"),
        (b"4tup\1\3\0\x14" + bytes(8) + bytes(16) + b"\3A_B", "no name"),
    ],
)
def test_what_is_wrong_is_said(data, says):
    with pytest.raises(ValueError, match=says):
        decode(data)


def test_a_challenge_is_no_longer_than_the_hello_it_answers():
    seen = (Candidate(Where.REFLEXIVE, Endpoint("198.18.0.2", 40000)),)
    challenge = Message(Kind.CHALLENGE, bytes(8), bytes(16), candidates=seen)
    assert len(encode(challenge)) <= len(encode(Message(Kind.HELLO, bytes(8))))


def test_the_first_bytes_are_those_that_are_documented():
    data = encode(Message(Kind.REFUSED, b"12345678", reason=Reason.TAKEN))
    assert data == b"4tup" + b"\1" + b"\7" + b"\0\1" + b"12345678" + b"\4"
