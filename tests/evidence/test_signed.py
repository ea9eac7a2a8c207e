"""Whose signature is whose."""

from dataclasses import replace

from nacl.signing import SigningKey

from fourtuple.evidence import signed
from fourtuple.net import meeting
from fourtuple.net.meeting import Kind, Message

ALICE, BOB = SigningKey(b"a" * 32), SigningKey(b"b" * 32)


def check():
    unsigned = Message(Kind.CHECK, b"alice001", token=bytes(16), heard=True, issued=7)
    made = replace(unsigned, signature=ALICE.sign(meeting.to_sign(unsigned)).signature)
    return meeting.decode(meeting.encode(made))


def test_who_signed_it_has_signed_it_and_nobody_else():
    assert signed.by(bytes(ALICE.verify_key), check())
    assert not signed.by(bytes(BOB.verify_key), check())
    assert not signed.by(b"no key", check())


def test_one_bit_changed_is_enough():
    whole = check()
    for place in range(len(whole.signed)):
        bits = bytearray(whole.signed)
        bits[place] ^= 1
        assert not signed.by(bytes(ALICE.verify_key), replace(whole, signed=bytes(bits)))
