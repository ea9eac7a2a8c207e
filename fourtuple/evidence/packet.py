"""A packet as a tap saw it: the fields a NAT may touch, and those it may not.

A step gives each datagram a mark, `[name] ` at the start of its payload. A NAT does not rewrite payloads, so the mark
is how one datagram is followed from tap to tap; what follows the mark is compared, not assumed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..net.endpoint import FourTuple, Protocol

_CHECK = re.compile(rb"4tup\x01\x0a..([a-z0-9 -]{5})(.)(..)", re.DOTALL)  # see fourtuple/agents/peer.py
_MARK = re.compile(rb"\[([^\]\r\n]{1,100})\] ")


def marked(name: str, text: str = "") -> bytes:
    """A payload that can be followed: `[name] text`."""
    return f"[{name}] {text}".encode()


@dataclass(frozen=True, slots=True)
class Packet:
    """One IPv4 packet at one tap.

    `number` is the frame's in `run.pcapng`, the file of all taps, as Wireshark shows it; `time_ns` is wall time since
    1970; ports are 0 in the flow of an ICMP message, and of a packet without a whole TCP or UDP header. `flags` is
    TCP's, as Wireshark's letters (`S`, `SA`, `PA`), empty otherwise. `identification` is IP's, by which a router's own
    words are about this packet.
    """

    tap: str
    number: int
    time_ns: int
    protocol: Protocol
    flow: FourTuple
    ttl: int
    payload: bytes
    flags: str = ""
    sequence: int = 0
    acknowledgement: int = 0
    identification: int = 0

    @property
    def mark(self) -> str | None:
        """The name a step gave this datagram, or None; of two peers' check, whose and which it is."""
        if checked := _CHECK.match(self.payload):
            meeting = f"{checked[2][0]}." if checked[2][0] else ""
            return f"check {checked[1].decode().strip()} {meeting}{int.from_bytes(checked[3])}"
        found = _MARK.match(self.payload)
        return found[1].decode("latin-1") if found else None

    def __str__(self) -> str:
        ends = f"{self.flow.source.address} > {self.flow.destination.address}"
        ends = ends if self.protocol is Protocol.ICMP else str(self.flow)
        what = f" {self.flags}" if self.flags else ""
        return f"frame {self.number} ({self.tap}) {self.protocol.value}{what} {ends} ttl {self.ttl}"
