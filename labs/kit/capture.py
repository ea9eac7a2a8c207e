"""What a tap recorded: its packets in order, read with Scapy; no Scapy object leaves this file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..net.endpoint import Endpoint, FourTuple, Protocol
from .errors import EvidenceError, UsageError
from .packet import Packet

_ETHERNET = 1  # LINKTYPE_ETHERNET
_PROTOCOLS = {1: Protocol.ICMP, 6: Protocol.TCP, 17: Protocol.UDP}


@dataclass(frozen=True)
class Capture:
    """The packets of one tap, in the order it saw them."""

    tap: str
    packets: tuple[Packet, ...]

    def __iter__(self) -> Iterator[Packet]:
        return iter(self.packets)

    def find(self, mark: str) -> Packet | None:
        """The first packet that carries `mark` (a TCP segment may be sent twice), or None."""
        return self._marked.get(mark)

    @cached_property
    def _marked(self) -> dict[str | None, Packet]:
        return {packet.mark: packet for packet in reversed(self.packets)}

    def only(self, mark: str) -> Packet:
        """The packet that carries `mark`; EvidenceError when this tap has none."""
        if (packet := self.find(mark)) is None:
            raise EvidenceError(f"no packet [{mark}] was captured at {self.tap}")
        return packet

    def acknowledgement(self, segment: Packet) -> Packet:
        """The first segment that acknowledges the whole of this one; EvidenceError when there is none."""
        end = segment.sequence + len(segment.payload) + ("S" in segment.flags) + ("F" in segment.flags)
        for packet in self.packets[self.packets.index(segment) + 1 :]:
            if packet.flow == segment.flow.reversed() and (packet.acknowledgement - end) % 2**32 < 2**31:
                return packet
        raise EvidenceError(f"nothing at {self.tap} acknowledges {segment}")

    def before(self, fence: str) -> tuple[Packet, ...]:
        """Everything this tap saw before the fence; EvidenceError when the fence itself never came.

        A datagram sent before the fence on the same path is in here, or did not come at all.
        """
        return self.packets[: self.packets.index(self.only(fence))]


def read(path: Path, tap: str) -> Capture:
    """The IPv4 packets in a tap's pcap. UsageError when it is cut short or is not an Ethernet pcap."""
    packets = (
        _packet(frame, tap, number, time_ns) for number, (time_ns, _, frame) in enumerate(frames(path), 1)
    )  # fmt: skip
    return Capture(tap, tuple(packet for packet in packets if packet is not None))


def frames(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Wall time (nanoseconds), length on the wire and captured bytes of each frame; UsageError as above."""
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

    _whole(path)
    try:
        with RawPcapReader(str(path)) as reader:
            if reader.linktype != _ETHERNET:
                raise UsageError(f"{path} was not recorded by a tap: its link type is {reader.linktype}, not Ethernet")
            scale = 1 if reader.nano else 1000
            for frame, meta in reader:
                yield meta.sec * 1_000_000_000 + meta.usec * scale, meta.wirelen, frame
    except Scapy_Exception as error:
        raise UsageError(f"{path} is not a capture file: {error}") from None


def _whole(path: Path) -> None:
    """UsageError unless the file ends where its last record ends: Scapy stops silently at a cut."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) < 24 or data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        raise UsageError(f"{path} is not a capture file: it does not begin as a pcap does")
    offset = 24
    while offset + 16 <= len(data):
        offset += 16 + struct.unpack_from("<I", data, offset + 8)[0]
    if offset != len(data):
        raise UsageError(f"{path} is cut short: its last packet is not whole")


def _packet(frame: bytes, tap: str, number: int, time_ns: int) -> Packet | None:
    """Dissect one frame; None for what is not TCP, UDP or ICMP over IPv4, looked at before Scapy is asked."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00" or frame[23] not in _PROTOCOLS:
        return None
    from scapy.layers.inet import IP, TCP, UDP

    ip = IP(frame[14 : 14 + int.from_bytes(frame[16:18], "big")])
    segment = ip.getlayer(TCP) or ip.getlayer(UDP)
    ports = (segment.sport, segment.dport) if segment else (0, 0)
    tcp = ip.getlayer(TCP)
    return Packet(
        tap=tap,
        number=number,
        time_ns=time_ns,
        protocol=_PROTOCOLS[frame[23]],
        flow=FourTuple(Endpoint(ip.src, ports[0]), Endpoint(ip.dst, ports[1])),
        ttl=ip.ttl,
        payload=bytes(segment.payload) if segment else bytes(ip.payload),
        flags=str(tcp.flags) if tcp else "",
        sequence=tcp.seq if tcp else 0,
        acknowledgement=tcp.ack if tcp else 0,
        identification=ip.id,
    )
