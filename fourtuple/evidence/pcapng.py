"""All taps of a run in one pcapng, with the names of interfaces and hosts: it opens in Wireshark as is.

Scapy's writer knows no Name Resolution Block and puts a nameless interface first, so the four kinds of block are
written here (draft-ietf-opsawg-pcapng, sections 4.1 to 4.5).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from .capture import merged
from .topology import Topology

_SECTION, _INTERFACE, _NAMES, _PACKET = 0x0A0D0D0A, 1, 4, 6
_ETHERNET, _SNAPLEN = 1, 256
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL, _NRB_IPV4, _END = 2, 3, 9, 1, struct.pack("<HH", 0, 0)


def merge(topology: Topology, captures: Mapping[str, Path], target: Path) -> None:
    """Write `target` from the taps' pcaps, in the order packets are numbered in. OSError where that cannot be."""
    taps = [tap for tap in topology.taps if tap.name in captures]
    numbers = {tap.name: number for number, tap in enumerate(taps)}
    with target.open("wb") as out:
        out.write(_block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for tap in taps:
            options = _option(_IF_NAME, tap.name.encode())
            options += _option(_IF_DESCRIPTION, f"{tap.host} in {tap.network}".encode())
            options += _option(_IF_TSRESOL, b"\x09") + _END  # nanoseconds
            out.write(_block(_INTERFACE, struct.pack("<HHI", _ETHERNET, 0, _SNAPLEN) + options))
        out.write(_block(_NAMES, b"".join(_hosts(topology)) + _END))
        for it in merged({tap.name: captures[tap.name] for tap in taps}):
            time = (it.time_ns >> 32, it.time_ns & 0xFFFFFFFF)
            head = struct.pack("<IIIII", numbers[it.tap], *time, len(it.data), it.wire_length)
            out.write(_block(_PACKET, head + _padded(it.data)))


def _hosts(topology: Topology) -> list[bytes]:
    """A record for each address of each host; a router is named once for each network it is in."""
    return [
        _option(_NRB_IPV4, ip_address(address).packed + f"{host.name}.{network}".encode() + b"\0")
        if host.router
        else _option(_NRB_IPV4, ip_address(address).packed + host.name.encode() + b"\0")
        for host in topology.hosts
        for network, address in host.interfaces
    ]


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
