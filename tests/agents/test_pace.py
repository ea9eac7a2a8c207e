"""A meeting that is conducted depends on no clock: whoever is held up, and when, the same comes of it."""

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from fourtuple.agents import puncher, waiting
from fourtuple.agents.pace import DONE, END, GO, INTRODUCED, LATE, ROUND, UNSETTLED, Clock, Conducted
from fourtuple.agents.waiting import until
from fourtuple.errors import TooLate
from fourtuple.evidence import rundir
from fourtuple.kit import introduced
from fourtuple.kit.homes import PEERS
from fourtuple.net.endpoint import Endpoint, Protocol

from ..conftest import CHECKOUT, RECORDINGS


class Here:
    """A scene whose hosts are all this machine."""

    def __init__(self):
        self.children = []

    def act(self, _, function, *args):
        said = getattr(puncher, function.removeprefix("puncher."))(*args)
        if function == "puncher.start":
            self.children.append(said)
        return said


@pytest.fixture
def server(free_port):
    serve = (
        f"from fourtuple.agents.rendezvous_server import Server; s = Server('127.0.0.1', {free_port}); "
        "print(1); s.serve()"
    )
    argv = [sys.executable, "-u", "-c", serve]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        yield Endpoint("127.0.0.1", free_port)
        process.kill()


@contextmanager
def held_up(here):
    """One of the punchers stands still for up to 0.4 s, again and again: longer than one has patience by hand."""
    over = threading.Event()

    def stall():
        while not over.wait(random.uniform(0, 0.05)):
            if here.children:
                child = random.choice(here.children)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGSTOP)
                    over.wait(random.uniform(0.1, 0.4))
                    os.kill(child, signal.SIGCONT)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def plans(free_ports):
    """Each on a port of its own, since all are on one host."""
    return {peer: {"port": port} for peer, port in zip(PEERS, free_ports[1:], strict=False)}


@pytest.mark.parametrize("first", ["", "alice", "bob"])
@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
def test_who_is_held_up_meets_all_the_same(server, free_ports, protocol, first):
    here = Here()
    with held_up(here):
        begun = introduced.begin(here, server, PEERS, protocol, 0, plans(free_ports), first=first)
        (told,) = introduced.conduct(here, [begun])
    assert {peer: it["outcome"] for peer, it in told.items()} == dict.fromkeys(PEERS, "direct")


def test_who_talks_through_the_server_is_waited_for_too(server, free_ports):
    """Neither believes the other's checks, so that only the way through the server is left; and that fails as well."""
    here = Here()
    more = {peer: it | {"relay": True, "forges": "checks"} for peer, it in plans(free_ports).items()}
    began = time.monotonic()
    (told,) = introduced.conduct(here, [introduced.begin(here, server, PEERS, Protocol.UDP, 0, more)])
    assert {it["outcome"] for it in told.values()} == {"no answer"}
    assert time.monotonic() - began < 20, "it ends"


def test_who_was_not_introduced_says_so(free_ports):
    here = Here()
    nobody = {peer: it | {"tries": 1} for peer, it in plans(free_ports).items()}
    server = Endpoint("127.0.0.1", free_ports[0])
    (told,) = introduced.conduct(here, [introduced.begin(here, server, PEERS, Protocol.UDP, 0, nobody)])
    assert [it["introduced"] for it in told.values()] == [False, False]
    assert all("the server did not answer HELLO" in it["why"] for it in told.values())


def test_the_second_begins_when_the_first_has_made_a_round():
    order = []

    class Scene:
        def act(self, host, function, *_):
            order.append((host, function.removeprefix("puncher.")))
            return [[True, False]] if function == "puncher.rounds" else {}

    introduced.conduct(Scene(), [introduced.Started({"bob": 1, "alice": 2}, first="alice")])
    first = order.index(("alice", "go"))
    assert order[first + 1] == ("alice", "rounds")
    assert order.index(("bob", "go")) > first + 1
    assert order.index(("alice", "go")) > order.index(("bob", "introduced")), "both know where the other is"


class Scripted:
    """A scene whose punchers never meet, and are late in the turns that are named."""

    def __init__(self, late):
        self.late, self.turns, self.settled = late, 0, None

    def act(self, host, function, *args):
        if function == "puncher.rounds":
            self.turns += host == "bob"
            return [[False, self.turns in self.late]]
        if function == "puncher.end":
            self.settled = args[1]
        return {}


@pytest.mark.parametrize(
    ("late", "turns", "settled"),
    [((), introduced.TURNS, True), ((1, 4), 2 + introduced.TURNS, True), (range(1000), introduced.MOST, False)],
)
def test_a_turn_in_which_somebody_was_late_does_not_count(late, turns, settled):
    scene = Scripted(late)
    introduced.conduct(scene, [introduced.Started({"bob": 1, "alice": 2})])
    assert (scene.turns, scene.settled) == (turns, settled)


def test_a_round_that_was_held_up_says_so():
    (told, tell), (hear, says) = os.pipe(), os.pipe()
    pace = Conducted(says, told)
    for done, late in ((False, 0.0), (False, 0.2), (True, 0.2)):
        pace.round(done, late)
    assert os.read(hear, 10) == ROUND + LATE + DONE
    os.write(tell, UNSETTLED)
    assert pace.over(done=False)
    assert pace.unsettled


def test_who_was_held_up_and_has_not_met_was_not_measured():
    facts = rundir.load(RECORDINGS / "punch").facts
    held = [replace(it, result=it.result | {"outcome": "no answer", "unsettled": True, "late": 0.314})
            if it.args[:1] == ("puncher.report",) else it for it in facts.events]  # fmt: skip
    with pytest.raises(TooLate, match=r"so more might have come; (alice|bob) was up to 0\.31 s late"):
        introduced.reports(replace(facts, events=tuple(held)), PEERS)


def test_by_the_clock_it_ends_after_the_patience_or_a_moment_after_it_is_done():
    patient, quick = Clock(60.0, 0.0), Clock(0.0, 60.0)
    for clock in (patient, quick):
        clock.begin()
    assert not patient.over(done=False)
    assert patient.over(done=True)
    assert quick.over(done=False)
    quick.begin()
    quick.round(done=True, late=0.0)
    assert not quick.over(done=True)


def test_conducted_it_ends_when_it_is_told_or_nobody_is_there_to_tell():
    (told, tell), (hear, says) = os.pipe(), os.pipe()
    pace = Conducted(says, told)
    os.write(tell, GO)
    pace.begin()
    assert os.read(hear, 1) == INTRODUCED
    assert not pace.over(done=True), "whatever it thinks itself"
    os.write(tell, END)
    assert pace.over(done=False)
    pace.again()
    assert not pace.over(done=False)
    os.close(tell)
    assert pace.over(done=False)


def test_what_is_there_already_is_taken_after_the_deadline():
    """A process that stood still past its deadline does not call missing what lies in its socket."""
    ours, theirs = os.pipe()
    os.write(theirs, b"an answer")

    def receive(patience):
        return os.read(ours, 100) if select.select([ours], [], [], patience)[0] else None

    assert list(until(time.monotonic() - 1.0, receive)) == [b"an answer"]


def test_somebody_who_never_stops_sending_is_not_heard_for_ever():
    assert len(list(until(time.monotonic() - 1.0, lambda _: "more"))) == waiting.LATE
