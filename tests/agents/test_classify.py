"""The classifier against real servers on loopback: honest ones, one with a single address, some that refuse, some that
lie, some that are slow. Each server has an address of its own in 127.0.0.0/8, and answers at the STUN port."""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from fourtuple.agents import admission, child, classifier, guess, stun_server
from fourtuple.agents.questions import Line
from fourtuple.net import stun
from fourtuple.net.endpoint import Endpoint

from ..conftest import CHECKOUT

INDEPENDENT, CANNOT_TELL = "endpoint-independent", "cannot tell"
BY_ADDRESS, BY_PORT = "address-dependent", "address and port-dependent"
_numbers = itertools.count(1)


@pytest.fixture
def addresses():
    """Two addresses of loopback that nobody else uses."""
    return [f"127.{1 + os.getpid() % 200}.{next(_numbers)}.{1 + os.getpid() // 200 % 200}" for _ in range(2)]


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def honest(addresses):
    """Our own server, on both addresses; their pids are the fixture's second part."""
    one, other = addresses
    pids = [stun_server.start(one, other), stun_server.start(other, one)]
    yield one, pids
    end(pids)


@pytest.fixture
def serve(addresses):
    """Starts a server of these addresses that answers as a function says: what, and from where, for each question."""
    with ExitStack() as ends:

        def start(says):
            sockets = {}
            for address, port in itertools.product(addresses, stun_server.PORTS):
                opened = ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                opened.bind((address, port))
                sockets[Endpoint(address, port)] = opened
            pid = child.begin(lambda: answer_all(sockets, says))
            ends.callback(end, [pid])
            return addresses

        yield start


def answer_all(sockets, says):
    while True:
        for ready in select.select([*sockets.values()], [], [])[0]:
            data, peer = ready.recvfrom(4096)
            here = Endpoint(*ready.getsockname())
            corner = next(it for it in sockets if it.address != here.address and it.port != here.port)
            for message, origin in says(stun.decode(data), here, corner, Endpoint(*peer)):
                sockets[origin].sendto(stun.encode(message), peer)


def plain(asked, here, other, peer, **changed):
    """An honest answer from where it was asked, with some attributes changed; None: without that one."""
    said = {"XOR-MAPPED-ADDRESS": peer, "RESPONSE-ORIGIN": here, "OTHER-ADDRESS": other}
    said |= {name.replace("_", "-"): it for name, it in changed.items()}
    said |= {"PADDING": it} if (it := asked.attributes.get("PADDING")) else {}
    return stun.Message(stun.SUCCESS | stun.BINDING, asked.transaction, {n: it for n, it in said.items() if it})


def error(asked, number):
    return stun.Message(stun.ERROR | stun.BINDING, asked.transaction, {"ERROR-CODE": (number, "no")})


def change(asked):
    return asked.attributes.get("CHANGE-REQUEST", 0)


def test_without_a_nat_everything_is_independent(honest):
    found = classifier.udp(honest[0])
    assert (found["mapping"], found["filtering"], found["fragments"]) == (INDEPENDENT, INDEPENDENT, True)
    assert (found["mapping_why"], found["filtering_why"]) == ("", "")
    assert set(found["mapped"]) == {found["own"]}
    assert len(found["mapped"]) == 4


def test_the_same_over_tcp(honest, free_port):
    found = classifier.tcp(honest[0], free_port)
    assert (found["mapping"], found["filtering"]) == (INDEPENDENT, INDEPENDENT)


@pytest.mark.parametrize("frozen", [0, 1], ids=["the server", "its partner"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_server_that_is_frozen_for_a_while_changes_nothing(honest, free_port, transport, frozen):
    server, pids = honest
    stop = threading.Event()

    def stall():
        while not stop.is_set():
            os.kill(pids[frozen], signal.SIGSTOP)
            stop.wait(0.3)
            os.kill(pids[frozen], signal.SIGCONT)
            stop.wait(0.005)

    staller = threading.Thread(target=stall)
    staller.start()
    try:
        found = [classifier.udp(server) if transport == "udp" else classifier.tcp(server, free_port) for _ in range(3)]
    finally:
        stop.set()
        staller.join()
    assert [(it["mapping"], it["filtering"]) for it in found] == [(INDEPENDENT, INDEPENDENT)] * 3


class Late(stun_server.Server):
    """A partner that takes its time for what it is asked to send: as long as a frozen container does."""

    def _send(self, port, peer, reply):
        threading.Event().wait(0.3)
        super()._send(port, peer, reply)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_partner_that_is_late_is_waited_for(addresses, free_port, transport):
    """The answer, or the call, comes by the partner: that the asked server has answered a fence says nothing of it."""
    one, other = addresses
    late = Late(other, one)
    pids = [stun_server.start(one, other), child.begin(late.serve)]
    for opened in (*late.udp.values(), *late.listeners.values()):
        opened.close()
    try:
        found = classifier.udp(one) if transport == "udp" else classifier.tcp(one, free_port)
    finally:
        end(pids)
    assert (found["mapping"], found["filtering"]) == (INDEPENDENT, INDEPENDENT)


def test_an_answer_that_lies_there_is_read_however_late_it_is():
    """A program that was frozen past its deadline looks once more."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine,
    ):
        for it in (server, mine):
            it.bind(("127.0.0.1", 0))
        where, line, asked = Endpoint(*server.getsockname()), Line(mine), stun.request()
        line.send(asked, where)
        data, peer = server.recvfrom(100)
        server.sendto(stun.encode(plain(stun.decode(data), where, None, Endpoint(*peer))), peer)
        assert line._read(time.monotonic() - 1.0)
        assert line.late >= 1.0
        assert [origin for _, origin in line.answers(asked.transaction)] == [where]


def test_one_address_is_no_classification(addresses):
    """Behind whatever router: nothing can be told of destinations there are none of."""
    pid = stun_server.start(addresses[0])
    try:
        found = classifier.udp(addresses[0])
    finally:
        end([pid])
    assert (found["mapping"], found["filtering"]) == (CANNOT_TELL, CANNOT_TELL)
    for part in ("mapping", "filtering"):
        assert found[f"{part}_why"] == (
            f"{addresses[0]}:3478 named no other endpoint of its own (OTHER-ADDRESS), "
            "and one alone shows nothing about others"
        )


def near(here):
    """The same address, and the other port."""
    (port,) = set(stun_server.PORTS) - {here.port}
    return Endpoint(here.address, port)


def one_address(mapped):
    """A server whose other endpoint is another port of the same address."""

    def says(asked, here, other, peer):
        origin = near(here) if change(asked) & stun.CHANGE_PORT else here
        seen = mapped(peer, here)
        yield plain(asked, origin, near(here), peer, XOR_MAPPED_ADDRESS=seen), origin

    return says


def test_two_ports_of_one_address_tell_what_depends_on_the_port(serve):
    one, _ = serve(one_address(lambda _, here: Endpoint("192.0.2.1", 2000 + here.port)))
    found = classifier.udp(one)
    assert found["mapping"] == BY_PORT


def test_two_ports_of_one_address_tell_nothing_of_another_address(serve):
    one, _ = serve(one_address(lambda peer, _: peer))
    found = classifier.udp(one)
    assert (found["mapping"], found["filtering"]) == (CANNOT_TELL, CANNOT_TELL)
    assert found["mapping_why"] == (
        "whether the mapping depends on the address is not known; the mapping does not depend on the port"
    )
    assert found["filtering_why"].endswith("the filter does not depend on the port")


def refuses(number):
    def says(asked, here, other, peer):
        yield (error(asked, number), here) if change(asked) else (plain(asked, here, other, peer), here)

    return says


@pytest.mark.parametrize("number", [420, 400, 500])
def test_an_error_is_no_answer_that_got_in(serve, number):
    one, _ = serve(refuses(number))
    found = classifier.udp(one)
    assert (found["mapping"], found["filtering"]) == (INDEPENDENT, CANNOT_TELL)
    assert found["filtering_why"] == f"{one}:3478 answers CHANGE-REQUEST with error {number} no"


def ignores(asked, here, other, peer):
    yield plain(asked, here, other, peer), here


def is_silent(asked, here, other, peer):
    if not change(asked):
        yield plain(asked, here, other, peer), here


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (ignores, "{one}:3478 answers CHANGE-REQUEST from the endpoint that was asked"),
        (is_silent, "{one}:3478 sends nothing from {other}:3479 when CHANGE-REQUEST asks it to: "
                    "a socket that has written there hears nothing either"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_do_what_it_offers_tells_no_filter(serve, says, why):
    one, other = serve(says)
    found = classifier.udp(one)
    assert (found["mapping"], found["filtering"]) == (INDEPENDENT, CANNOT_TELL)
    assert why.format(one=one, other=other) in found["filtering_why"]


class Ends(NamedTuple):
    """What a server can choose its lies from."""

    here: Endpoint
    other: Endpoint
    peer: Endpoint


def lies(asked, here, other, peer, what):
    yield plain(asked, here, other, peer, **what(Ends(here, other, peer))), here


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda ends: {"OTHER_ADDRESS": ends.here}, "named itself as its other endpoint"),
        (lambda ends: {"OTHER_ADDRESS": ends.peer}, "this host's own"),
        (lambda _: {"OTHER_ADDRESS": Endpoint("0.0.0.0", 3479)}, "nobody can be there"),
        (lambda ends: {"OTHER_ADDRESS": Endpoint(ends.other.address, 0)}, "nobody can be there"),
        (lambda _: {"OTHER_ADDRESS": Endpoint("::1", 3479)}, "of another address family"),
        (lambda ends: {"RESPONSE_ORIGIN": ends.other}, "said that its answer came from"),
        (lambda ends: {"XOR_MAPPED_ADDRESS": ends.here}, "which cannot be"),
        (lambda _: {"XOR_MAPPED_ADDRESS": Endpoint("192.0.2.1", 0)}, "which cannot be"),
        (lambda _: {"XOR_MAPPED_ADDRESS": Endpoint("192.0.2.1", 1 + time.monotonic_ns() % 60000)},
         "said that one socket came from"),
    ],
)  # fmt: skip
def test_a_lie_is_found_and_nothing_believed(serve, what, why):
    one, _ = serve(lambda *question: lies(*question, what=what))
    found = classifier.udp(one)
    assert (found["mapping"], found["filtering"]) == (CANNOT_TELL, CANNOT_TELL)
    assert why in found["mapping_why"]
    assert why in found["filtering_why"]


def twice(asked, here, other, peer):
    """Two answers to one question, which contradict each other."""
    yield plain(asked, here, other, peer), here
    yield plain(asked, here, other, peer, XOR_MAPPED_ADDRESS=Endpoint("192.0.2.9", 9)), here


def from_elsewhere(asked, here, other, peer):
    yield plain(asked, other, here, peer), other


def changed_elsewhere(asked, here, other, peer):
    origin = near(here) if change(asked) == admission.BOTH else here
    yield plain(asked, origin, other, peer), origin


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (twice, "said that one socket came from"),
        (from_elsewhere, "{one}:3478 was asked, and {other}:3479 answered"),
        (changed_elsewhere, "{one}:3478 was asked to answer from {other}:3479, and {one}:3479 answered"),
    ],
)
def test_an_answer_from_elsewhere_or_another_one_is_found(serve, says, why):
    one, other = serve(says)
    found = classifier.udp(one)
    assert (found["mapping"], found["filtering"]) == (CANNOT_TELL, CANNOT_TELL)
    assert why.format(one=one, other=other) in found["mapping_why"]


def half_dead(asked, here, other, peer):
    """One whose second address does not answer."""
    if ip(here) < ip(other):
        yield plain(asked, here, other, peer), here


def ip(endpoint):
    return [*map(int, endpoint.address.split("."))]


def test_a_partner_that_is_gone_is_said(serve):
    one, other = serve(half_dead)
    found = classifier.udp(one)
    assert (found["mapping"], found["filtering"]) == (CANNOT_TELL, CANNOT_TELL)
    assert f"{other}:3478 did not answer within 3 s" in found["mapping_why"]
    assert "the mapping does not depend on the port" in found["mapping_why"]


def test_a_server_that_is_not_there_is_an_error(addresses):
    with pytest.raises(TimeoutError, match=f"{addresses[0]}:3478 did not answer within 3 s"):
        classifier.udp(addresses[0])


@pytest.mark.parametrize(
    "says",
    [lambda asked, here, *_: iter([(error(asked, 400), here)]), lambda *question: lies(*question, what=elsewhere)],
    ids=["refuses", "lies"],
)
def test_an_observer_that_is_of_no_use_leads_to_no_guess(serve, says):
    """Who guesses ports asks the same questions, and believes no more."""
    one, other = serve(says)
    plan = SimpleNamespace(window=3, observers=[Endpoint(it, stun.PORT) for it in (one, other)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.bind(("0.0.0.0", 0))
        assert guess.over_udp(mine, plan) == ()


def elsewhere(ends):
    return {"RESPONSE_ORIGIN": ends.other}


def by_hand(*words):
    argv = [sys.executable, "-m", "fourtuple.agents.classifier", *words]
    return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=30)


def test_a_person_is_told_in_sentences(honest):
    done = by_hand(honest[0])
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first.endswith("no NAT is between them")
    assert others == [f"mapping: {INDEPENDENT}", f"filtering: {INDEPENDENT}", "fragments: pass"]


def test_a_person_is_told_what_cannot_be_told(serve):
    one, _ = serve(one_address(lambda peer, _: replace(peer, address="192.0.2.1")))
    done = by_hand(one)
    assert done.returncode == 2
    assert "a NAT is between them, which kept the port" in done.stdout
    assert "mapping: cannot tell (whether the mapping depends on the address is not known; " in done.stdout
