"""The driver makes real calls on real sockets (of this machine's loopback) and reports exactly what came of them."""

import io
import json

import pytest

from fourtuple.agents.driver import Driver, serve
from fourtuple.net.event import Event


@pytest.fixture
def ask():
    driver = Driver("here")

    def ask(call, *args, socket="s"):
        return driver.handle(json.dumps({"step": "a step", "socket": socket, "call": call, "args": args}))

    yield ask
    for name in list(driver._sockets):
        ask("close", socket=name)


def test_a_datagram_goes_out_and_comes_in_with_every_byte(ask):
    every_byte = bytes(range(256)).decode("latin-1")
    for name in ("a", "b"):
        ask("socket", "udp", socket=name)
        ask("bind", ["127.0.0.1", 0], socket=name)
    there = ask("getsockname", socket="b").result
    assert ask("sendto", every_byte, there, socket="a").result == 256
    payload, peer = ask("recvfrom", 65535, socket="b").result
    assert payload == every_byte
    assert peer == ask("getsockname", socket="a").result


def test_an_event_carries_both_ends_and_the_kernels_own_identity(ask):
    ask("socket", "tcp", socket="listener")
    ask("bind", ["127.0.0.1", 0], socket="listener")
    ask("listen", 1, socket="listener")
    ask("socket", "tcp", socket="client")
    connected = ask("connect", ask("getsockname", socket="listener").result, socket="client")
    accepted = ask("accept", "server", socket="listener")
    server = ask("getpeername", socket="server")
    assert accepted.error is None
    assert server.flow == connected.flow.reversed()
    cookies = {event.cookie for event in (connected, server, accepted)}
    assert len(cookies) == 3
    assert None not in cookies


def test_the_kernels_refusal_is_the_events_error(ask):
    ask("socket", "tcp")
    ask("bind", ["127.0.0.1", 0])
    taken = ask("getsockname").result
    ask("socket", "tcp", socket="second")
    assert ask("bind", taken, socket="second").error == "EADDRINUSE"


def test_a_listening_datagram_socket_is_named_as_linux_names_it(ask):
    ask("socket", "udp")
    assert ask("listen", 1).error == "EOPNOTSUPP"


def test_options_are_asked_for_by_their_names(ask):
    ask("socket", "tcp")
    assert ask("setsockopt", "SOL_SOCKET", "SO_REUSEADDR", 1).error is None
    assert ask("getsockopt", "SOL_SOCKET", "SO_REUSEADDR").result == 1


def test_a_programs_output_and_code_come_back(ask):
    assert ask("run", "sh", "-c", "echo out; exit 3").result == [3, "out\n"]


@pytest.mark.parametrize("line", ["", "nonsense", "[]", "7", "{}", '{"call": "format_disk"}', '{"call": "bind"}'])
def test_nonsense_is_answered_and_not_died_of(line):
    event = Driver("here").handle(line)
    assert event.error is not None
    assert event.error.startswith("EINVAL")


def test_one_line_in_is_one_line_out():
    replies = io.StringIO()
    serve("here", io.StringIO('{"call": "run", "args": ["true"]}\n\n{"call": "run", "args": ["false"]}\n'), replies)
    codes = [Event.from_json(line).result[0] for line in replies.getvalue().splitlines()]
    assert codes == [0, 1]
