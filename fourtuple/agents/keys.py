"""Ed25519 (RFC 8032), by libsodium: the one thing a container's programs take from outside Python's own library."""

from __future__ import annotations

import hashlib
import site
import sys

if sys.flags.no_site:  # the programs start without it, which is faster; libsodium's binding is a package like others
    site.main()

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey


class Key:
    """A key pair made from a word, so that a lab can be repeated. Nobody else's business is safe with it."""

    def __init__(self, word: str) -> None:
        self._key = SigningKey(hashlib.sha256(word.encode()).digest())
        self.public = bytes(self._key.verify_key)

    def sign(self, covered: bytes) -> bytes:
        """The signature, 64 bytes."""
        return bytes(self._key.sign(covered).signature)


def verify(public: bytes, covered: bytes, signature: bytes) -> bool:
    """Did the owner of this public key sign that?"""
    try:
        VerifyKey(public).verify(covered, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
