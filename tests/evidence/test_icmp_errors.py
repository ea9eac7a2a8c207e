"""ICMP errors, made here byte by byte as RFC 792 draws them."""

import struct
from ipaddress import ip_address

import pytest

from fourtuple.evidence import icmp_errors
from fourtuple.evidence.packet import Packet
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

FLOW = FourTuple(Endpoint("198.18.0.10", 0), Endpoint("10.0.1.10", 0))
INNER = FourTuple(Endpoint("10.0.1.10", 40000), Endpoint("198.18.0.10", 9))


def message(kind, mtu=0, options=b""):
    length = 5 + len(options) // 4
    header = struct.pack("!BBHHHBBH", 0x40 | length, 0, 40, 0, 0, 63, 17, 0)
    ends = b"".join(ip_address(end.address).packed for end in (INNER.source, INNER.destination))
    ports = struct.pack("!HHHH", INNER.source.port, INNER.destination.port, 8, 0)
    return struct.pack("!BBHHH", *kind, 0, 0, mtu) + header + ends + options + ports


def packet(payload):
    return Packet("wan", 1, 0, Protocol.ICMP, FLOW, 64, payload)


@pytest.mark.parametrize("kind", [icmp_errors.PORT_UNREACHABLE, icmp_errors.TTL_EXCEEDED])
def test_an_error_says_what_and_about_which_packet(kind):
    assert icmp_errors.error(packet(message(kind))) == icmp_errors.Error(kind, INNER, 0)


def test_the_size_that_fits_is_read_where_it_is_meant_and_nowhere_else():
    assert icmp_errors.error(packet(message(icmp_errors.FRAGMENTATION_NEEDED, 1300))).mtu == 1300
    assert icmp_errors.error(packet(message(icmp_errors.PORT_UNREACHABLE, 1300))).mtu == 0


def test_options_of_the_inner_packet_are_skipped():
    assert icmp_errors.error(packet(message(icmp_errors.PORT_UNREACHABLE, options=b"\x01" * 8))).about == INNER


@pytest.mark.parametrize("payload", [b"", b"\x08\x00" + bytes(60), message(icmp_errors.PORT_UNREACHABLE)[:30]])
def test_anything_else_is_refused(payload):
    with pytest.raises(ValueError, match="not an ICMP error"):
        icmp_errors.error(packet(payload))


def test_an_echo_has_an_identifier_and_is_no_error():
    request = packet(struct.pack("!BBHHH", 8, 0, 0, 4711, 1))
    assert icmp_errors.echo(request) == icmp_errors.Echo(icmp_errors.REQUEST, 4711)
    assert icmp_errors.is_echo(request)
    assert not icmp_errors.is_error(request)
    with pytest.raises(ValueError, match="not an echo"):
        icmp_errors.echo(packet(message(icmp_errors.PORT_UNREACHABLE)))


def test_errors_are_picked_out_of_other_packets():
    error, echo = packet(message(icmp_errors.TTL_EXCEEDED)), packet(struct.pack("!BBHHH", 0, 0, 0, 1, 1))
    assert icmp_errors.errors([echo, error]) == [(error, icmp_errors.error(error))]
