"""Who signed what was captured: Ed25519 (RFC 8032), by libsodium, the same library the peers have."""

from __future__ import annotations

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ..net.meeting import Message


def by(key: bytes, message: Message) -> bool:
    """Did the owner of this public key sign this message, as it was received?"""
    try:
        VerifyKey(key).verify(message.signed, message.signature)
    except (BadSignatureError, ValueError):
        return False
    return True
