"""A capture is read as it was written, or refused with the reason; Scapy writes what is read here, and reads it too."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from fourtuple.errors import EvidenceError, UsageError
from fourtuple.evidence import capture
from fourtuple.evidence.packet import marked
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

FLOW = FourTuple(Endpoint("10.0.0.1", 1111), Endpoint("10.0.0.2", 2222))
HEAD = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2", ttl=63)


def read(path):
    return capture.read({"lan": path})["lan"]


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
    (packet,) = read(path)
    assert (packet.protocol, packet.flow, packet.ttl) == (Protocol.UDP, FLOW, 63)
    assert (packet.payload, packet.mark) == (b"[hello] you", "hello")
    assert (packet.number, packet.time_ns) == (1, 1_500_000_000)


def test_a_segment_keeps_its_numbers_and_flags(write):
    path = write(HEAD / TCP(sport=1111, dport=2222, flags="SA", seq=7, ack=9))
    (packet,) = read(path)
    assert (packet.flags, packet.sequence, packet.acknowledgement, packet.payload) == ("SA", 7, 9, b"")


def test_padding_of_a_short_frame_is_not_payload(write):
    path = write(HEAD / UDP(sport=1111, dport=2222) / Raw(b"x") / Raw(bytes(20)))
    data = bytearray(path.read_bytes())
    ip_length = 24 + 16 + 14 + 2
    struct.pack_into(">H", data, ip_length, 29)
    struct.pack_into(">H", data, ip_length + 22, 9)
    path.write_bytes(data)
    (packet,) = read(path)
    assert packet.payload == b"x"


def test_an_icmp_message_has_addresses_and_no_ports(write):
    (packet,) = read(write(HEAD / ICMP()))
    assert packet.protocol is Protocol.ICMP
    assert packet.flow == FourTuple(Endpoint("10.0.0.1", 0), Endpoint("10.0.0.2", 0))


def test_what_is_not_ipv4_is_left_out_and_still_counted(write):
    path = write(Ether() / ARP(), HEAD / UDP(sport=1111, dport=2222))
    (packet,) = read(path)
    assert packet.number == 2


def test_nothing_before_the_fence_is_missed_and_nothing_after_it_counts(write):
    names = ("first", "fence", "late")
    seen = read(write(*(HEAD / UDP(sport=1111, dport=2222) / Raw(marked(name)) for name in names)))
    assert [packet.mark for packet in seen.before("fence")] == ["first"]


def test_without_the_fence_absence_cannot_be_told(write):
    seen = read(write(HEAD / UDP(sport=1111, dport=2222) / Raw(marked("first"))))
    with pytest.raises(EvidenceError, match=r"no packet \[fence\] was captured at lan"):
        seen.before("fence")


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_file_that_is_cut_short_is_refused(write, cut):
    path = write(HEAD / UDP(sport=1111, dport=2222) / Raw(b"hello"))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UsageError, match=r"tap\.pcap is cut short: its last packet is not whole"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x0a\x0d\x0d\x0a" + bytes(40)])
def test_a_file_that_is_no_pcap_is_refused(tmp_path, content):
    path = tmp_path / "tap.pcap"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a capture file: it does not begin as a pcap does"):
        read(path)


def test_another_link_type_is_refused(tmp_path):
    path = tmp_path / "tap.pcap"
    wrpcap(str(path), [IP() / UDP()], linktype=101)
    with pytest.raises(UsageError, match="its link type is 101, not Ethernet"):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        read(tmp_path / "none.pcap")


def dissected(data):
    """A frame as the module reads it, alone in a capture."""
    return capture._packet(1, capture.Frame("lan", 0, len(data), data))


HEADERS = st.one_of(
    st.builds(lambda s, d, load: UDP(sport=s, dport=d) / Raw(load), st.integers(0, 65535), st.integers(0, 65535),
              st.binary(max_size=60)),
    st.builds(lambda s, d, flags, q, load: TCP(sport=s, dport=d, flags=flags, seq=q, options=[("MSS", 1460)]) / load,
              st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 511), st.integers(0, 2**32 - 1),
              st.binary(max_size=60).map(Raw)),
    st.builds(lambda load: ICMP() / Raw(load), st.binary(max_size=60)),
)  # fmt: skip


@given(HEADERS, st.integers(0, 255), st.integers(0, 65535))
def test_a_packet_is_read_as_scapy_reads_it(header, ttl, number):
    data = bytes(Ether(type=0x0800) / IP(src="10.0.0.1", dst="10.0.0.2", ttl=ttl, id=number) / header)
    packet, ip = dissected(data), IP(data[14:])
    segment = ip.payload
    ports = (0, 0) if ICMP in ip else (segment.sport, segment.dport)
    assert (packet.flow.source.port, packet.flow.destination.port) == ports
    assert (packet.ttl, packet.identification) == (ip.ttl, ip.id)
    assert packet.payload == (bytes(segment) if ICMP in ip else bytes(segment.payload))
    assert packet.flags == (str(segment.flags) if TCP in ip else "")
    assert packet.sequence == (segment.seq if TCP in ip else 0)


@given(st.binary(max_size=80), st.sampled_from([b"\x01", b"\x06", b"\x11"]), st.integers(0, 255))
def test_no_bytes_make_the_reading_of_a_packet_fail(noise, protocol, head):
    start = bytes(12) + b"\x08\x00" + bytes([head])
    data = (start + noise)[:23] + protocol + noise
    packet = dissected(data)
    assert packet is None or str(packet).startswith("frame 1 (lan) ")


@pytest.mark.parametrize("head", [0x40, 0x44, 0x55, 0x00])
def test_a_packet_without_an_ipv4_header_is_left_out_and_still_counted(write, head):
    path = write(HEAD / UDP(sport=1, dport=2), HEAD / UDP(sport=1111, dport=2222))
    data = bytearray(path.read_bytes())
    data[24 + 16 + 14] = head
    path.write_bytes(data)
    (packet,) = read(path)
    assert packet.number == 2


@pytest.mark.parametrize("header", [UDP(sport=1, dport=2, len=7), TCP(sport=1, dport=2, dataofs=4), UDP()])
def test_a_packet_without_a_whole_transport_header_is_evidence_still_with_ports_0(write, header):
    ip = IP(src="10.0.0.1", dst="10.0.0.2", proto=header.overload_fields[IP]["proto"], frag=int(header == UDP()))
    (packet,) = read(write(Ether() / ip / Raw(bytes(header))))
    assert (packet.flow.source.port, packet.flow.destination.port, packet.payload) == (0, 0, bytes(header))


def test_more_packets_than_any_run_has_are_refused(write, monkeypatch):
    monkeypatch.setattr(capture, "MOST", 2)
    path = write(*[HEAD / UDP(sport=1111, dport=2222)] * 3)
    with pytest.raises(UsageError, match=r"tap\.pcap hold more than 2 packets"):
        read(path)


def test_a_tap_keeps_its_order_where_times_are_equal(tmp_path):
    for tap, ports in (("a", (9, 3)), ("b", (7, 5))):
        frames = [frame(HEAD / UDP(sport=port, dport=1), 1.5) for port in ports]
        wrpcap(str(tmp_path / f"{tap}.pcap"), frames, linktype=1)
    found = capture.read({tap: tmp_path / f"{tap}.pcap" for tap in "ba"})
    numbers = {it.flow.source.port: it.number for packets in found.values() for it in packets}
    assert numbers == {9: 1, 3: 2, 7: 3, 5: 4}
