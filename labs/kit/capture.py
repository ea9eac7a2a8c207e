"""What the taps recorded: their packets in one order, with one number each."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path

from ..net.endpoint import Endpoint, FourTuple, Protocol
from . import files as bounded
from .errors import EvidenceError, UsageError
from .packet import Packet

MOST = 200_000  # packets of a run; the most that a run kept here has is 10,382
_ETHERNET = 1  # LINKTYPE_ETHERNET
_IPV4 = b"\x08\x00"  # EtherType
_OFFSET = 0x1FFF  # the bits of the fragment offset (RFC 791 section 3.1)
_FLAGS = "FSRPAUECN"  # TCP's, from the lowest bit
_PROTOCOLS = {1: Protocol.ICMP, 6: Protocol.TCP, 17: Protocol.UDP}
_SCALES = {b"\xd4\xc3\xb2\xa1": 1000, b"\x4d\x3c\xb2\xa1": 1}  # how a pcap begins: nanoseconds of its unit of time


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as a tap wrote it down: wall time (nanoseconds since 1970), length on the wire, captured bytes."""

    tap: str
    time_ns: int
    wire_length: int
    data: bytes


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


def read(files: Mapping[str, Path]) -> dict[str, Capture]:
    """The IPv4 packets in the pcap of each tap, numbered as in the file of all taps. UsageError as in `merged`."""
    found: dict[str, list[Packet]] = {tap: [] for tap in files}
    for number, frame in enumerate(merged(files), 1):
        if (packet := _packet(number, frame)) is not None:
            found[frame.tap].append(packet)
    return {tap: Capture(tap, tuple(packets)) for tap, packets in found.items()}


def merged(files: Mapping[str, Path]) -> Iterator[Frame]:
    """The frames of all taps by time, each tap's in the order it saw them: the n-th is frame n in Wireshark.

    UsageError when a file is cut short or is no Ethernet pcap, or when they hold more than `MOST` frames.
    """
    frames = heapq.merge(*(_frames(path, tap) for tap, path in sorted(files.items())), key=lambda it: it.time_ns)
    for number, frame in enumerate(frames, 1):
        if number > MOST:
            raise UsageError(f"{' and '.join(str(path) for path in files.values())} hold more than {MOST} packets")
        yield frame


def _frames(path: Path, tap: str) -> Iterator[Frame]:
    """The frames of a pcap as tcpdump writes it on this kind of machine (draft-ietf-opsawg-pcap sections 4 and 5)."""
    data = bounded.read(path, follow=False)
    if len(data) < 24 or data[:4] not in _SCALES:
        raise UsageError(f"{path} is not a capture file: it does not begin as a pcap does")
    scale, link = _SCALES[data[:4]], struct.unpack_from("<I", data, 20)[0] & 0x0FFFFFFF
    if link != _ETHERNET:
        raise UsageError(f"{path} was not recorded by a tap: its link type is {link}, not Ethernet")
    offset = 24
    while offset + 16 <= len(data):
        seconds, fraction, length, wire_length = struct.unpack_from("<IIII", data, offset)
        frame = data[offset + 16 : offset + 16 + length]
        offset += 16 + length
        if offset > len(data):
            break
        yield Frame(tap, seconds * 1_000_000_000 + fraction * scale, wire_length, frame)
    if offset != len(data):
        raise UsageError(f"{path} is cut short: its last packet is not whole")


def _packet(number: int, frame: Frame) -> Packet | None:
    """Read one frame; no bytes make it raise.

    None for what is not TCP, UDP or ICMP over IPv4, and where the IPv4 header is malformed: whose packet it was nobody
    can say. What has no whole TCP or UDP header (a later fragment, a packet cut off or malformed there) was on the wire
    all the same: it is kept with ports 0, and its payload is all that follows the IPv4 header.
    """
    data = frame.data
    if len(data) < 34 or data[12:14] != _IPV4 or data[23] not in _PROTOCOLS:
        return None
    version_and_length, _, total, identification, fragment, ttl, protocol = struct.unpack_from("!BBHHHBB", data, 14)
    header = (version_and_length & 0x0F) * 4
    if version_and_length >> 4 != 4 or header < 20 or total < header:
        return None
    segment = data[14 + header : 14 + total]
    transport = _Transport(0, 0, segment)
    if fragment & _OFFSET == 0:
        transport = _READERS[_PROTOCOLS[protocol]](segment) or transport
    return Packet(
        tap=frame.tap,
        number=number,
        time_ns=frame.time_ns,
        protocol=_PROTOCOLS[protocol],
        flow=FourTuple(
            Endpoint(str(IPv4Address(data[26:30])), transport.source),
            Endpoint(str(IPv4Address(data[30:34])), transport.destination),
        ),
        ttl=ttl,
        payload=transport.payload,
        flags=transport.flags,
        sequence=transport.sequence,
        acknowledgement=transport.acknowledgement,
        identification=identification,
    )


@dataclass(frozen=True, slots=True)
class _Transport:
    """What the header after IPv4's says."""

    source: int
    destination: int
    payload: bytes
    flags: str = ""
    sequence: int = 0
    acknowledgement: int = 0


def _udp(segment: bytes) -> _Transport | None:
    """RFC 768; None unless there is a whole header. What lies behind the datagram's length is padding."""
    if len(segment) < 8:
        return None
    source, destination, length = struct.unpack_from("!HHH", segment)
    return _Transport(source, destination, segment[8:length]) if length >= 8 else None


def _tcp(segment: bytes) -> _Transport | None:
    """RFC 9293 section 3.1; None unless there is a whole header, options aside."""
    if len(segment) < 20:
        return None
    source, destination, sequence, acknowledgement, bits = struct.unpack_from("!HHIIH", segment)
    header = (bits >> 12) * 4
    flags = "".join(letter for place, letter in enumerate(_FLAGS) if bits >> place & 1)
    return _Transport(source, destination, segment[header:], flags, sequence, acknowledgement) if header >= 20 else None


_READERS: Mapping[Protocol, Callable[[bytes], _Transport | None]] = {
    Protocol.UDP: _udp, Protocol.TCP: _tcp, Protocol.ICMP: lambda _: None,
}  # fmt: skip
