"""The puncher's parts and its programs, on this machine's loopback."""

import json
import select
import socket
import subprocess
import sys

import pytest

from fourtuple.agents import switchboard
from fourtuple.agents.peer import Plan, Side
from fourtuple.agents.switchboard import Messages
from fourtuple.net import meeting
from fourtuple.net.endpoint import Endpoint
from fourtuple.net.meeting import Candidate, Kind, Message, Where

from ..conftest import CHECKOUT

HELLO = meeting.encode(Message(Kind.HELLO, b"12345678"))


@pytest.fixture
def stream():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Messages(ours), theirs


def test_messages_are_told_apart_however_they_come(stream):
    messages, other = stream
    assert messages.next(0.0) is None
    other.sendall(HELLO[:10])
    assert messages.next(0.01) is None, "not whole yet"
    other.sendall(HELLO[10:] + HELLO + HELLO[:30])
    assert [messages.next(0.01) for _ in range(3)] == [HELLO, HELLO, None]
    other.sendall(HELLO[30:])
    assert messages.next(0.01) == HELLO


def test_who_has_ended_says_nothing_more(stream):
    messages, other = stream
    other.sendall(HELLO[:10])
    other.close()
    assert messages.next(5.0) is None


def test_something_else_is_no_message(stream):
    messages, other = stream
    other.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ValueError, match="does not begin with the magic"):
        messages.next(0.1)


def test_an_introduction_may_come_before_the_answer_to_a_registration():
    """The first REGISTERED is lost; the other one asks meanwhile; then the registration is answered again."""
    where, asked = Endpoint("198.18.0.2", 1), []
    seen = (Candidate(Where.REFLEXIVE, where),)

    def receive(_):
        kind = Kind(asked[-1][5])
        transaction = asked[-1][8:16]
        if kind is Kind.HELLO:
            return meeting.encode(Message(Kind.CHALLENGE, transaction, bytes(16), candidates=seen))
        if not introductions:
            return meeting.encode(Message(Kind.REGISTERED, transaction, lifetime=60, candidates=seen))
        return introductions.pop()

    told = Message(Kind.INTRODUCTION, b"anothers", names=("alice",), key=bytes(32), token=bytes(16), candidates=seen)
    introductions = [meeting.encode(told)]
    side = Side(Plan("bob", "alice", where, 1, asks=False), asked.append, receive)
    assert side.meet().names == ("alice",)
    assert side.seen == where


@pytest.fixture
def rendezvous(free_port):
    serve = (
        f"from fourtuple.agents.rendezvous_server import Server; s = Server('127.0.0.1', {free_port}); "
        "print(1); s.serve()"
    )
    argv = [sys.executable, "-u", "-c", serve]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"127.0.0.1:{free_port}"
        process.kill()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_two_programs_meet(rendezvous, free_ports, transport):
    """`python3 -m fourtuple.agents.puncher`, on either side."""
    here, there = map(str, free_ports[1:])

    def puncher(*words):
        argv = [sys.executable, "-m", "fourtuple.agents.puncher", transport, *words]
        return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)

    with puncher("bob", "alice", rendezvous, there) as bob, puncher("alice", "bob", rendezvous, here, "asks") as alice:
        told = [json.loads(it.communicate(timeout=20)[0]) for it in (alice, bob)]
    assert [it["outcome"] for it in told] == ["direct", "direct"]
    assert [it["seen"] for it in told] == [f"127.0.0.1:{here}", f"127.0.0.1:{there}"]


def test_of_many_connections_both_keep_one(rendezvous, free_ports):
    """Each also calls from ports of its own, so that several connections stand at once."""

    def puncher(name, wanted, port, asks):
        plan = {"name": name, "wanted": wanted, "server": rendezvous, "port": port, "asks": asks, "sockets": 4}
        meet = f"import json; from fourtuple.agents.punch_tcp import meet; print(json.dumps(meet({plan!r})))"
        return subprocess.Popen([sys.executable, "-c", meet], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)

    with puncher("bob", "alice", free_ports[1], False) as bob, puncher("alice", "bob", free_ports[2], True) as alice:
        hers, his = (json.loads(it.communicate(timeout=20)[0]) for it in (alice, bob))
    assert (hers["outcome"], his["outcome"]) == ("direct", "direct")
    assert (hers["local"], hers["peer"]) == (his["peer"], his["local"])


def test_a_call_that_was_answered_while_the_puncher_stood_still_is_not_given_up(free_ports):
    with switchboard.shared(free_ports[0]) as listener, switchboard.shared(free_ports[1]) as server:
        server.listen()
        listener.listen()
        board = switchboard.Switchboard(None, listener, None)
        lines = [(free_ports[0], Endpoint("127.0.0.1", free_ports[1]))]
        assert board.dial(lines) == 1
        ((call, (line, since)),) = board.calls.items()
        select.select([], [call], [])
        board.calls[call] = (line, since - 2 * switchboard.AGAIN)
        assert board.dial(lines) == 0
        assert call in board.calls
        board.close()
