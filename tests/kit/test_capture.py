"""A capture is read as it was written, or refused with the reason; Scapy writes what the tests read."""

import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from labs.kit import capture
from labs.kit.errors import EvidenceError, UsageError
from labs.kit.packet import marked
from labs.net.endpoint import Endpoint, FourTuple, Protocol

FLOW = FourTuple(Endpoint("10.0.0.1", 1111), Endpoint("10.0.0.2", 2222))
HEAD = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2", ttl=63)


def frame(packet, time=1.5):
    packet = packet.copy()
    packet.time = time
    return packet


@pytest.fixture
def write(tmp_path):
    def write(*packets):
        path = tmp_path / "tap.pcap"
        wrpcap(str(path), [frame(packet, 1.5 + number) for number, packet in enumerate(packets)], linktype=1)
        return path

    return write


def test_a_datagram_is_read_with_every_field_a_nat_may_touch(write):
    path = write(HEAD / UDP(sport=1111, dport=2222) / Raw(marked("hello", "you")))
    (packet,) = capture.read(path, "lan")
    assert (packet.protocol, packet.flow, packet.ttl) == (Protocol.UDP, FLOW, 63)
    assert (packet.payload, packet.mark) == (b"[hello] you", "hello")
    assert (packet.number, packet.time_ns) == (1, 1_500_000_000)


def test_a_segment_keeps_its_numbers_and_flags(write):
    path = write(HEAD / TCP(sport=1111, dport=2222, flags="SA", seq=7, ack=9))
    (packet,) = capture.read(path, "lan")
    assert (packet.flags, packet.sequence, packet.acknowledgement, packet.payload) == ("SA", 7, 9, b"")


def test_padding_of_a_short_frame_is_not_payload(write):
    path = write(HEAD / UDP(sport=1111, dport=2222) / Raw(b"x") / Raw(bytes(20)))
    data = bytearray(path.read_bytes())
    ip_length = 24 + 16 + 14 + 2
    struct.pack_into(">H", data, ip_length, 29)
    struct.pack_into(">H", data, ip_length + 22, 9)
    path.write_bytes(data)
    (packet,) = capture.read(path, "lan")
    assert packet.payload == b"x"


def test_an_icmp_message_has_addresses_and_no_ports(write):
    (packet,) = capture.read(write(HEAD / ICMP()), "lan")
    assert packet.protocol is Protocol.ICMP
    assert packet.flow == FourTuple(Endpoint("10.0.0.1", 0), Endpoint("10.0.0.2", 0))


def test_what_is_not_ipv4_is_left_out_and_still_counted(write):
    path = write(Ether() / ARP(), HEAD / UDP(sport=1111, dport=2222))
    (packet,) = capture.read(path, "lan")
    assert packet.number == 2


def test_nothing_before_the_fence_is_missed_and_nothing_after_it_counts(write):
    names = ("first", "fence", "late")
    seen = capture.read(write(*(HEAD / UDP(sport=1111, dport=2222) / Raw(marked(name)) for name in names)), "lan")
    assert [packet.mark for packet in seen.before("fence")] == ["first"]


def test_without_the_fence_absence_cannot_be_told(write):
    seen = capture.read(write(HEAD / UDP(sport=1111, dport=2222) / Raw(marked("first"))), "lan")
    with pytest.raises(EvidenceError, match=r"no packet \[fence\] was captured at lan"):
        seen.before("fence")


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_file_that_is_cut_short_is_refused(write, cut):
    path = write(HEAD / UDP(sport=1111, dport=2222) / Raw(b"hello"))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UsageError, match=r"tap\.pcap is cut short: its last packet is not whole"):
        capture.read(path, "lan")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x0a\x0d\x0d\x0a" + bytes(40)])
def test_a_file_that_is_no_pcap_is_refused(tmp_path, content):
    path = tmp_path / "tap.pcap"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a capture file: it does not begin as a pcap does"):
        capture.read(path, "lan")


def test_another_link_type_is_refused(tmp_path):
    path = tmp_path / "tap.pcap"
    wrpcap(str(path), [IP() / UDP()], linktype=101)
    with pytest.raises(UsageError, match="its link type is 101, not Ethernet"):
        capture.read(path, "lan")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        capture.read(tmp_path / "none.pcap", "lan")
