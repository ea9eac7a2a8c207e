"""What the taps recorded: their packets in one order, with one number each, read with Scapy; none of its objects leave
this file."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path

from ..errors import EvidenceError, UsageError
from ..net.endpoint import Endpoint, FourTuple, Protocol
from . import files as bounded
from .packet import Packet

MOST = 200_000  # packets of a run; the most that a run kept here has is 10,382
_ETHERNET = 1  # LINKTYPE_ETHERNET
_IPV4 = b"\x08\x00"  # EtherType
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
    version_and_length, _, total, identification, _, ttl, protocol = struct.unpack_from("!BBHHHBB", data, 14)
    header = (version_and_length & 0x0F) * 4
    if version_and_length >> 4 != 4 or header < 20 or total < header:
        return None
    transport = _dissected(data[14 : 14 + total]) or _Transport(0, 0, data[14 + header : 14 + total])
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


def _dissected(packet: bytes) -> _Transport | None:
    """What Scapy makes of an IPv4 packet; None where that has no whole TCP or UDP header, or is too mangled for it."""
    from scapy.config import conf

    conf.route_autoload = conf.route6_autoload = False  # a reader has no use for this host's routes
    from scapy.layers.inet import IP, TCP, UDP

    try:
        ip = IP(packet)
        udp, tcp = ip.getlayer(UDP), ip.getlayer(TCP)
        if udp and udp.len is not None and udp.len >= 8:
            return _Transport(udp.sport, udp.dport, udp.original[8 : udp.len])
        if tcp and tcp.dataofs is not None and tcp.dataofs >= 5:
            payload = tcp.original[4 * tcp.dataofs :]
            return _Transport(tcp.sport, tcp.dport, payload, str(tcp.flags), tcp.seq, tcp.ack)
    except Exception:  # noqa: BLE001 -- the bytes may be anybody's, and Scapy raises whatever its fields raise
        return None
    return None
