"""The merged capture opens elsewhere: Scapy reads it back, and Wireshark's tools where they are installed."""

import shutil
import subprocess

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader, rdpcap

from fourtuple.evidence import pcapng, rundir

from ..conftest import RECORDINGS

RECORDING = RECORDINGS / "nat-masquerade"


@pytest.fixture
def merged(tmp_path):
    topology = rundir.load(RECORDING).facts.topology
    target = tmp_path / "run.pcapng"
    pcapng.merge(topology, {tap.name: RECORDING / f"{tap.name}.pcap" for tap in topology.taps}, target)
    return target


def test_every_frame_of_every_tap_is_in_it_by_time(merged):
    expected = sorted(
        (int(frame.time * 10**9), bytes(frame))
        for tap in ("lan", "wan", "alice", "bob")
        for frame in rdpcap(str(RECORDING / f"{tap}.pcap"))
    )
    with RawPcapNgReader(str(merged)) as reader:
        found = [((meta.tshigh << 32) + meta.tslow, frame) for frame, meta in reader]
    assert sorted(found) == expected
    assert [time for time, _ in found] == sorted(time for time, _ in found)


def test_the_committed_one_is_what_would_be_written_now(merged):
    assert merged.read_bytes() == (RECORDING / "run.pcapng").read_bytes()


CAPTURED = sorted(path.parent.name for path in RECORDINGS.glob("*/run.pcapng"))


@pytest.mark.parametrize("recording", CAPTURED)
def test_frame_n_of_the_file_is_the_packet_that_evidence_calls_frame_n(recording):
    with RawPcapNgReader(str(RECORDINGS / recording / "run.pcapng")) as reader:
        frames = [(meta.tshigh << 32 | meta.tslow, meta.ifname.decode(), data) for data, meta in reader]
    packets = rundir.load(RECORDINGS / recording).facts.packets()
    assert packets
    for packet in packets:
        time_ns, tap, data = frames[packet.number - 1]
        ip = Ether(data)[IP]
        shown = (tap, time_ns, ip.src, ip.dst, ip.id, ip.ttl)
        flow = packet.flow
        assert shown == (packet.tap, packet.time_ns, flow.source.address, flow.destination.address,
                         packet.identification, packet.ttl)  # fmt: skip
        assert packet.payload in data


def test_wireshark_shows_interfaces_and_hosts_by_name(merged):
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")
    fields = [word for name in ("frame.interface_name", "ip.src_host", "ip.dst_host") for word in ("-e", name)]
    argv = ["tshark", "-N", "n", "-r", str(merged), "-Y", "udp", "-T", "fields", *fields]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    rows = {tuple(line.split("\t")) for line in done.stdout.splitlines()}
    assert ("lan", "client1", "alice") in rows
    assert ("wan", "router.wan", "alice") in rows
    assert ("alice", "router.wan", "alice") in rows
