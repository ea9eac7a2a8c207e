"""A segment made by hand: a FIN sent again long after its socket is gone. Needs CAP_NET_RAW."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

_FIN_ACK = 0x11
_heard: list[socket.socket] = []
_last: dict[tuple[str, int, int], tuple[int, int]] = {}  # of a connection: address and port there, port here


def listen() -> None:
    """From now on keep a copy of every TCP segment that reaches this host."""
    _heard.append(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
    _heard[-1].setblocking(False)


def last_fin(remote: str, service: int, port: int) -> list[int]:
    """The sequence number of the FIN by which this host closed a connection, and what that acknowledges.

    The peer's last segment says it: it acknowledges the FIN, so that this was one less (RFC 9293, 3.4). LookupError
    when no segment of the connection was heard.
    """
    with suppress(BlockingIOError):
        while True:
            packet = _heard[-1].recv(65535)
            header = packet[(packet[0] & 0x0F) * 4 :]
            ends = (socket.inet_ntoa(packet[12:16]), *struct.unpack("!HH", header[:4]))
            _last[ends] = struct.unpack("!II", header[4:12])
    if (last := _last.get((remote, service, port))) is None:
        raise LookupError(f"nothing was heard of the connection of port {port} to {remote}:{service}")
    theirs, acknowledged = last
    return [(acknowledged - 1) % 2**32, theirs]


def send_fin(local: str, port: int, remote: str, service: int, sequence: int, acknowledgement: int) -> None:
    """Send a FIN of one's own making."""
    _heard[-1].sendto(_segment(local, port, remote, service, sequence, acknowledgement), (remote, 0))


def _segment(local: str, port: int, remote: str, service: int, sequence: int, acknowledgement: int) -> bytes:
    """A FIN,ACK without options or data, with its checksum (RFC 9293, 3.1)."""

    def header(checksum: int) -> bytes:
        return struct.pack("!HHIIBBHHH", port, service, sequence, acknowledgement, 5 << 4, _FIN_ACK, 0, checksum, 0)

    pseudo = socket.inet_aton(local) + socket.inet_aton(remote) + struct.pack("!HH", socket.IPPROTO_TCP, 20)
    words = struct.unpack("!16H", pseudo + header(0))
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    return header(~(total + (total >> 16)) & 0xFFFF)
