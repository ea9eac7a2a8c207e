"""The rule of bind() against the kernel: the whole table, and single questions about the port that was typed."""

import json
import re
from dataclasses import replace

import pytest

from fourtuple.net.bind_answer import Answer
from fourtuple.net.bind_rule import State
from fourtuple.net.bind_table import table
from fourtuple.stage.stage import Stage, new_run

from ..conftest import run_invoke
from .support import traces

pytestmark = pytest.mark.live
BATCH = 1500


@pytest.fixture
def asked(engine, image):
    """Ask a function of the oracle in a host without a network."""
    before = traces(engine)
    stage = Stage(engine, "single", new_run(), "none", image)
    try:
        stage.build()
        stage.attach()
        stage.start()
        node = stage.nodes()["srv"]

        def ask(function, *args):
            event = node.ask({"step": "", "socket": "", "call": "act", "args": [f"bind_oracle.{function}", *args]})
            assert event.error is None
            return event.result

        yield ask
    finally:
        stage.remove()
    assert traces(engine) == before


def test_the_whole_bind_table_is_as_the_rule_says(engine, tmp_path):
    before = traces(engine)
    done = run_invoke("lab", "bind", "--full", "--json", "--out", str(tmp_path))
    said = json.loads(done.stdout)
    assert done.returncode == 0, said
    rule = next(claim for claim in said["claims"] if claim["name"] == "the_kernel_follows_the_rule")
    assert {check["about"]: check["got"] for check in rule["checks"]}["cases asked"] == str(len(list(table())))
    assert traces(engine) == before


def test_port_0_is_drawn_as_the_rule_says(asked):
    """Every case of the table that leaves no TIME_WAIT behind, which could hold the port that is drawn next."""
    silent = (State.CLOSED, State.BOUND, State.LISTENING)
    cases = [replace(case, port=0) for case in table() if case.state in silent or case.first.protocol.value == "udp"]
    wrong = []
    for start in range(0, len(cases), BATCH):
        some = cases[start : start + BATCH]
        answers = asked("ask", [list(case.spelled()) for case in some])
        said = [Answer(*answer.split()) for answer in answers]
        wrong += [case.command() for case, it in zip(some, said, strict=True) if not it.agrees(case.predict())]
    assert len(cases) > 12_000
    assert wrong == []


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("listening reuseaddr reuseport", "tcp 127.0.0.1:80 reuseaddr", "bind() EADDRINUSE"),
        ("listening reuseaddr reuseport", "tcp 127.0.0.1:80 reuseport uid=1000", "bind() EADDRINUSE"),
        ("listening reuseaddr reuseport", "udp 127.0.0.1:80", "bind() ok"),
        ("connected", "tcp 127.0.0.2:80", "bind() ok, listen() ok"),
        ("time-wait local=127.0.0.2", "tcp 127.0.0.2:80", "bind() EADDRINUSE"),
    ],
)
def test_one_question_is_asked_about_the_port_that_was_typed(engine, first, second, says):
    before = traces(engine)
    done = run_invoke("bind", "--first", f"tcp 0.0.0.0:80 {first}", "--second", second)
    assert done.returncode == 0, done.stdout
    assert f"the kernel: {says}" in done.stdout
    tried = re.findall(r"tried: +(.*)", done.stdout)
    assert tried[0].startswith("tcp 0.0.0.0:80 ")
    assert tried[1].startswith(second)
    assert "its connection 127.0.0" in tried[0] or "listening" in first
    assert traces(engine) == before


def test_an_address_the_host_has_not_and_a_privileged_port_are_said(engine):
    done = run_invoke("bind", "--first", "tcp 0.0.0.0:80", "--second", "tcp 10.0.0.1:80")
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.split())
    assert "bound with IP_FREEBIND, since this host has no 10.0.0.1" in said
    assert "bind() to port 80 fails with EACCES unless the program has CAP_NET_BIND_SERVICE" in said


@pytest.mark.parametrize(
    ("words", "drawn", "says"),
    [
        ("tcp 0.0.0.0:0 reuseaddr reuseport", "never the same one", "EADDRINUSE"),
        ("udp 0.0.0.0:0", "never the same one", "EADDRINUSE"),
        ("udp [::]:0 reuseport", "possibly the same one", "ok"),
    ],
)
def test_port_0_is_answered_with_the_two_ports_that_were_drawn(engine, words, drawn, says):
    done = run_invoke("bind", "--first", words, "--second", words)
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.split())
    assert drawn in said
    ports = [int(port) for port in re.findall(r"which got port (\d+)", said)]
    assert len(ports) == 2
    assert 0 not in ports
    assert f"bind() where only the first one's port could be drawn {says}" in said


@pytest.mark.parametrize(("local", "says"), [("[::1]", "bind() ok"), ("127.0.0.1", "bind() EADDRINUSE")])
def test_the_family_of_a_connections_peer_decides(engine, local, says):
    done = run_invoke("bind", "--first", f"tcp [::]:8080 established local={local}", "--second", "tcp 127.0.0.1:8080")
    assert done.returncode == 0, done.stdout
    assert f"the kernel: {says}" in done.stdout


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("tcp 10.0.0.1:80 connected", "tcp 10.0.0.1:80 connected: EADDRNOTAVAIL"),
        ("tcp 0.0.0.0:80 connected local=127.0.0.2", "its connection has the local address 127.0.0.1"),
        ("tcp 0.0.0.0:80 dev=eth9", "ENODEV"),
    ],
)
def test_a_socket_that_cannot_be_made_there_is_a_sentence(engine, first, says):
    done = run_invoke("bind", "--first", first, "--second", "tcp 0.0.0.0:80")
    assert done.returncode == 2
    assert "this socket cannot be made where the kernel is asked: " in done.stderr
    assert says in done.stderr
    assert "a host with the interface lo only" in done.stderr
