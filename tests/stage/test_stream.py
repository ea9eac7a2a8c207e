"""The engine's multiplexed stream, spoken by the test over a real socket pair."""

import socket
import struct

import pytest

from fourtuple.errors import DriveError, SetupError
from fourtuple.net.event import Event
from fourtuple.stage.live_scene import Node
from fourtuple.stage.stream import STDERR, STDOUT, Stream
from fourtuple.stage.taps import LiveTap


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    stream = Stream.__new__(Stream)
    stream._socket = stream._raw = here
    yield stream, there
    here.close()
    there.close()


def said(kind, data):
    return struct.pack(">BxxxL", kind, len(data)) + data


def test_pieces_come_out_as_they_were_said_however_they_arrive(pair):
    stream, there = pair
    for byte in said(STDOUT, b"hello") + said(STDERR, b"oops"):
        there.send(bytes([byte]))
    there.shutdown(socket.SHUT_WR)
    assert list(stream.pieces(1)) == [(STDOUT, b"hello"), (STDERR, b"oops")]


def test_silence_has_an_end(pair):
    stream, _ = pair
    with pytest.raises(TimeoutError):
        next(stream.pieces(0.01))


def test_a_program_that_ends_is_named_with_what_it_was_asked_and_its_last_word(pair):
    stream, there = pair
    there.sendall(said(STDERR, b"Traceback\nboom\n"))
    there.shutdown(socket.SHUT_WR)
    with pytest.raises(DriveError, match=r"the program in alice ended while it was asked for bind\(x\); it said: boom"):
        Node("alice", stream).ask({"call": "bind", "args": ["x"]})


def test_an_answer_may_come_in_pieces(pair):
    stream, there = pair
    event = Event("h", "s", "k", "run", (), [0, "x" * 100_000], None, None, None, None, 1, 2)
    line = event.to_json().encode() + b"\n"
    there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    there.sendall(said(STDOUT, line[:7]) + said(STDERR, b"a word") + said(STDOUT, line[7:]))
    assert Node("h", stream).ask({"call": "run", "args": []}) == event


def test_a_failing_program_is_a_sentence_with_its_command(pair):
    stream, there = pair
    event = Event("h", "", "", "run", (), [1, "nft: no such rule"], None, None, None, None, 1, 2)
    there.sendall(said(STDOUT, event.to_json().encode() + b"\n"))
    with pytest.raises(DriveError, match="`nft list` failed in router: nft: no such rule"):
        Node("router", stream).run("nft", "list")


def test_a_fence_is_seen_where_it_lies_across_two_pieces(pair, tmp_path):
    stream, there = pair
    tap = LiveTap("lan", "id", stream, tmp_path / "lan.pcap")
    tap.expect(["the fence"])
    there.sendall(said(STDERR, b"tcpdump: listening on eth0\n"))
    tap.ready()
    there.sendall(said(STDOUT, b"....[the fe") + said(STDOUT, b"nce] ...."))
    tap.settled()
    there.shutdown(socket.SHUT_WR)
    tap._thread.join(5)
    assert (tmp_path / "lan.pcap").read_bytes() == b"....[the fence] ...."


def test_a_tap_that_ends_before_the_fence_says_so(pair, tmp_path):
    stream, there = pair
    tap = LiveTap("lan", "id", stream, tmp_path / "lan.pcap")
    tap.expect(["the fence"])
    there.sendall(said(STDERR, b"tcpdump: eth9: no such device\n"))
    there.shutdown(socket.SHUT_WR)
    with pytest.raises(DriveError, match="the tap lan was to see the fences, and ended: tcpdump: eth9: no such device"):
        tap.settled()


def test_a_full_disk_is_named_with_the_file_and_what_to_do(pair, tmp_path):
    stream, there = pair
    full = tmp_path / "lan.pcap"
    full.symlink_to("/dev/full")
    tap = LiveTap("lan", "id", stream, full)
    there.sendall(said(STDOUT, b"x" * 1_000_000))
    with pytest.raises(
        SetupError, match=r"the capture of lan cannot be written to .*: No space left on device"
    ) as caught:
        tap.ready()
    assert "--out DIR" in caught.value.hint


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ("9 packets captured\n10 packets received by filter\n1 packets dropped by kernel\n", "lost packets"),
        ("9 packets captured\n9 packets received by filter\n1 packet dropped by kernel\n", "lost packets"),
        ("", "did not end as tcpdump does"),
    ],
)
def test_a_tap_that_lost_a_packet_is_no_witness(pair, tmp_path, counts, says):
    stream, there = pair
    tap = LiveTap("lan", "id", stream, tmp_path / "lan.pcap")
    there.sendall(said(STDERR, f"tcpdump: listening on eth0\n{counts}".encode()))
    there.shutdown(socket.SHUT_WR)
    with pytest.raises(DriveError, match=says):
        tap.stop(_Killer())


def test_a_packet_that_came_after_the_fence_and_was_not_read_is_not_lost(pair, tmp_path):
    stream, there = pair
    tap = LiveTap("lan", "id", stream, tmp_path / "lan.pcap")
    tap.expect(["the fence"])
    counts = "9 packets captured\n10 packets received by filter\n0 packets dropped by kernel\n"
    there.sendall(said(STDOUT, b"[the fence] ") + said(STDERR, counts.encode()))
    there.shutdown(socket.SHUT_WR)
    tap.settled()
    assert tap.stop(_Killer())["received by filter"] == 10


class _Killer:
    """Stands for the engine where a test only needs somebody to send SIGINT to."""

    class api:
        @staticmethod
        def kill(_, signal):
            assert signal == "SIGINT"
