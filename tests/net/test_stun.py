"""The STUN codec against the test vectors of RFC 5769, against itself, and against whatever bytes there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtuple.net import stun
from fourtuple.net.endpoint import Endpoint

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599"
    "fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5"
    "bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
HERE, OTHER = Endpoint("192.0.2.1", 3478), Endpoint("192.0.2.2", 3479)
PEER = Endpoint("203.0.113.9", 40000)


def test_the_sample_request_of_section_2_1():
    message = stun.decode(REQUEST, PASSWORD)
    assert (message.kind, message.transaction) == (stun.REQUEST | stun.BINDING, TRANSACTION)
    assert message.attributes["USERNAME"] == "evtj:h6vY"
    assert message.attributes["SOFTWARE"] == "STUN test client"
    assert message.attributes["PRIORITY"] == 0x6E0001FF


@pytest.mark.parametrize(
    ("data", "mapped"),
    [(IPV4, Endpoint("192.0.2.1", 32853)), (IPV6, Endpoint("2001:db8:1234:5678:11:2233:4455:6677", 32853))],
)
def test_the_sample_responses_of_sections_2_2_and_2_3(data, mapped):
    message = stun.decode(data, PASSWORD)
    assert message.kind == stun.SUCCESS | stun.BINDING
    assert message.attributes["XOR-MAPPED-ADDRESS"] == mapped


@pytest.mark.parametrize("data", [REQUEST, IPV4, IPV6])
@pytest.mark.parametrize("at", [4, 8, 25, 40, -5, -1])
def test_one_byte_changed_is_noticed(data, at):
    changed = bytearray(data)
    changed[at] ^= 1
    with pytest.raises(ValueError, match=r"FINGERPRINT|INTEGRITY|not a STUN|says"):
        stun.decode(bytes(changed), PASSWORD)


def test_a_wrong_password_is_noticed():
    with pytest.raises(ValueError, match="MESSAGE-INTEGRITY does not match"):
        stun.decode(REQUEST, b"another")


ENDPOINTS = st.builds(Endpoint, st.ip_addresses().map(str), st.integers(0, 65535))
VALUES = {
    "MAPPED-ADDRESS": ENDPOINTS, "XOR-MAPPED-ADDRESS": ENDPOINTS, "OTHER-ADDRESS": ENDPOINTS,
    "CHANGE-REQUEST": st.integers(0, 2**32 - 1), "USERNAME": st.text(max_size=50), "PADDING": st.binary(max_size=200),
    "ERROR-CODE": st.tuples(st.integers(300, 699), st.text(max_size=20)),
    "UNKNOWN-ATTRIBUTES": st.lists(st.integers(0, 65535), max_size=5).map(tuple),
}  # fmt: skip


@given(st.binary(min_size=12, max_size=12), st.fixed_dictionaries({}, optional=VALUES), st.booleans(), st.booleans())
def test_what_is_written_is_read_back(transaction, attributes, signed, fingerprint):
    message = stun.Message(stun.REQUEST | stun.BINDING, transaction, attributes)
    read = stun.decode(stun.encode(message, PASSWORD if signed else b"", fingerprint), PASSWORD)
    assert {name: read.attributes[name] for name in attributes} == attributes
    assert ("MESSAGE-INTEGRITY" in read.attributes, "FINGERPRINT" in read.attributes) == (signed, fingerprint)


def arbitrary():
    """Bytes, and real messages with some of them changed, cut or prolonged."""
    damaged = st.tuples(st.sampled_from([REQUEST, IPV4, IPV6]), st.integers(0, 107), st.binary(max_size=8)).map(
        lambda it: it[0][: it[1]] + it[2] + it[0][it[1] + len(it[2]) :]
    )
    return st.one_of(
        st.binary(max_size=2000), damaged, st.tuples(damaged, st.integers(0, 120)).map(lambda it: it[0][: it[1]])
    )


@given(arbitrary())
def test_no_bytes_crash_the_server_and_no_answer_is_three_times_the_question(data):
    answered = stun.answer(data, PEER, HERE, OTHER)
    if answered is not None:
        assert len(answered[0]) <= 3 * len(data)
        assert answered[0][4:20] == data[4:20]


@pytest.mark.parametrize(
    ("change", "origin"),
    [
        (0, HERE),
        (stun.CHANGE_PORT, Endpoint(HERE.address, OTHER.port)),
        (stun.CHANGE_ADDRESS, Endpoint(OTHER.address, HERE.port)),
        (stun.CHANGE_ADDRESS | stun.CHANGE_PORT, OTHER),
    ],
)
def test_the_answer_comes_from_where_it_was_asked_to_come_from(change, origin):
    asked = stun.request(CHANGE_REQUEST=change) if change else stun.request()
    reply, came_from = stun.answer(stun.encode(asked), PEER, HERE, OTHER)
    said = stun.decode(reply).attributes
    assert came_from == origin == said["RESPONSE-ORIGIN"]
    assert (said["XOR-MAPPED-ADDRESS"], said["OTHER-ADDRESS"]) == (PEER, OTHER)


def test_what_must_be_understood_and_is_not_is_an_error():
    asked = stun.encode(stun.request())
    strange = asked[:2] + b"\x00\x04" + asked[4:] + b"\x7f\xff\x00\x00"
    reply, _ = stun.answer(strange, PEER, HERE, OTHER)
    assert stun.decode(reply).attributes == {"ERROR-CODE": (420, ""), "UNKNOWN-ATTRIBUTES": (0x7FFF,)}


def test_what_is_no_request_gets_no_answer():
    assert stun.answer(IPV4, PEER, HERE, OTHER) is None
    assert stun.answer(b"hello", PEER, HERE, OTHER) is None


def test_an_old_client_without_a_cookie_is_answered_in_its_own_words():
    old = b"\x00\x01\x00\x08" + bytes(range(16)) + b"\x00\x03\x00\x04\x00\x00\x00\x06"
    reply, origin = stun.answer(old, PEER, HERE, OTHER)
    said = stun.decode(reply[:4] + bytes.fromhex("2112a442") + reply[8:]).attributes
    assert reply[4:20] == bytes(range(16))
    assert said == {"MAPPED-ADDRESS": PEER, "SOURCE-ADDRESS": OTHER, "CHANGED-ADDRESS": OTHER}
    assert origin == OTHER


def test_a_server_with_one_address_names_no_other_and_refuses_to_change():
    here, peer = Endpoint("198.51.100.1", stun.PORT), Endpoint("203.0.113.1", 40000)
    plain, _ = stun.answer(stun.encode(stun.request()), peer, here, None)
    assert "OTHER-ADDRESS" not in stun.decode(plain).attributes
    refusal, origin = stun.answer(stun.encode(stun.request(CHANGE_REQUEST=stun.CHANGE_PORT)), peer, here, None)
    assert stun.decode(refusal).attributes == {"ERROR-CODE": (420, ""), "UNKNOWN-ATTRIBUTES": (0x0003,)}
    assert origin == here
