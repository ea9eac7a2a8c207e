"""Each vote can turn: what the evidence says of a saying changes when the evidence does.

Nearly all do when one field of one witness changes, or the same field of several. What only one value can turn is
changed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from fourtuple.evidence import rundir
from fourtuple.evidence.capture import Capture
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit.claim import Check, Outcome
from fourtuple.net.event import Event
from fourtuple.report import court, report
from fourtuple.report.court import Ruling

from ..conftest import RECORDINGS
from .test_claims import CASES, changes, facts_of

Change = Callable[[Facts], Facts]


def events(changed: Callable[[Event], Event]) -> Change:
    """Every call as `changed` makes it."""
    return lambda facts: replace(facts, events=tuple(map(changed, facts.events)))


def result(of: Callable[[Event], bool], value: Callable[[Event], object]) -> Change:
    return events(lambda it: replace(it, result=value(it)) if of(it) else it)


def near(changed: Callable[[Packet, Facts], Packet | None]) -> Change:
    """Every packet at the tap near as `changed` makes it; None: it was never there."""

    def change(facts: Facts) -> Facts:
        packets = (changed(it, facts) for it in facts.at("near"))
        kept = Capture("near", tuple(it for it in packets if it is not None))
        return replace(facts, captures={**facts.captures, "near": kept})

    return change


def ran(*words: str) -> Callable[[Event], bool]:
    return lambda it: it.call == "run" and it.args[: len(words)] == words


def said(old: str, new: str) -> Callable[[Event], object]:
    """What a program printed, with other words in it."""
    return lambda it: [it.result[0], str(it.result[1]).replace(old, new)]


def _second_answered(packet: Packet, facts: Facts) -> Packet | None:
    """The second client's SYN is answered by nobody."""
    late = facts.call("late 0", "connect").local
    return None if packet.flags == "SA" and packet.flow.destination == late else packet


def _small_part_last(packet: Packet, _: Facts) -> Packet:
    """It reaches the client when everything else is over."""
    return replace(packet, number=packet.number + 100_000) if packet.mark == "small" else packet


def _refused_at_the_filter(packet: Packet, facts: Facts) -> Packet:
    """The SYN that the filter dropped is the answer to itself: a RST."""
    dropped = facts.attempt("at the filter", "connect").local
    return replace(packet, flow=packet.flow.reversed(), flags="RA") if packet.flow.source == dropped else packet


def _answer_to_the_late_fin(history: str, flags: str) -> Change:
    from labs.ports import timewait

    port = timewait.port_of(history, timewait.NEITHER)

    def change(facts: Facts) -> Facts:
        late = [it for it in facts.at("near") if it.flow.destination.port == port and "F" in it.flags][-1]
        return near(lambda it, _: replace(it, flags=flags) if it.flow == late.flow.reversed()
                    and it.number > late.number else it)(facts)  # fmt: skip

    return change


def _new_connection_goes_no_further(facts: Facts) -> Facts:
    return result(lambda it: it.socket == "served again" and it.call == "recv", lambda _: "")(facts)


def _left_in_time_wait(history: str) -> Change:
    """The server's first table has a row in TIME-WAIT for that history."""
    from labs.ports import timewait

    kept, other = (timewait.port_of(it, timewait.NEITHER) for it in (timewait.SERVER, history))

    def change(facts: Facts) -> Facts:
        first = next(it for it in facts.events if ran("ss", "-tanHe")(it))
        rows = str(first.result[1]).splitlines()
        more = [it.replace(f":{kept} ", f":{other} ") for it in rows if f":{kept} " in it and "TIME-WAIT" in it]
        return result(lambda it: it is first, lambda _: [0, "\n".join(rows + more)])(facts)

    return change


def _everyone_left_in_time_wait(facts: Facts) -> Facts:
    return _left_in_time_wait("the server reset")(_left_in_time_wait("the client closed first")(facts))


def _without_servers_rows(event: Event) -> object:
    rows = str(event.result[1]).splitlines()
    return [0, "\n".join(it for it in rows if event.host != "srv" or "ESTAB" not in it)]


def _one_row_anothers(event: Event) -> object:
    return [0, re.sub(r"pid=\d+", "pid=1", str(event.result[1]), count=1)]


def _one_descriptor(event: Event) -> object:
    return [0, re.sub(r"fd=\d+", "fd=3", str(event.result[1]))]


def _one_thread(event: Event) -> object:
    accepted, served = event.result["accepted"], event.result["served"]
    return {"accepted": accepted, "served": served | {"thread": accepted["thread"]}}


def _never_starts(event: Event) -> Event:
    alone = (event.socket, event.call) == ("after the first ended", "listen")
    return replace(event, error="EADDRINUSE") if alone else event


DECISIVE = [
    ("C10", "conversations", "the second client is not answered", near(_second_answered)),
    ("C16", "conversations", "the server lists none", result(ran("ss", "-tanHe"), _without_servers_rows)),
    ("C19", "conversations", "two processes hold them", result(ran("ss", "-tnpH"), _one_row_anothers)),
    ("C25", "conversations", "one thread does both", result(lambda it: "threads.collect" in it.args, _one_thread)),
    ("C68", "conversations", "one descriptor for all", result(ran("ss", "-tnpH"), _one_descriptor)),
    ("C103", "bind", "nor does it start without", events(_never_starts)),
    ("C32", "conversations", "the small part comes last", near(_small_part_last)),
    ("C59", "multihome", "a filter does not silence", near(_refused_at_the_filter)),
    ("C59", "multihome", "it was not the filter", result(ran("nft", "list"), said("packets 1 ", "packets 0 "))),
    ("C75", "reuseport", "it reads back as not set", result(lambda it: it.call == "getsockopt", lambda _: 0)),
    ("C114", "conversations", "one socket for all", result(ran("ss", "-tanHe"), said("sk:", "sk:1 was:"))),
    ("C128", "bind", "the number is 48", result(ran("python3"), said("98", "48"))),
    ("C131", "timewait", "a listener leaves TIME_WAIT", _left_in_time_wait("nobody ever connected")),
    ("C137", "timewait", "a listener leaves TIME_WAIT", _left_in_time_wait("nobody ever connected")),
    ("C134", "timewait", "a close by the client leaves it too", _everyone_left_in_time_wait),
    ("C133", "timewait", "TIME_WAIT answers with RST", _answer_to_the_late_fin("the server closed first", "R")),
    ("C133", "timewait", "so does nothing at all", _answer_to_the_late_fin("the client closed first", "A")),
    ("C133", "timewait", "the new connection ends", _new_connection_goes_no_further),
]  # fmt: skip


@pytest.mark.parametrize(
    ("saying", "lab", "change"), [pytest.param(a, b, d, id=f"{a}: {c}") for a, b, c, d in DECISIVE]
)
def test_the_ruling_turns_with_the_evidence_that_decides_it(saying, lab, change):
    run = rundir.load(RECORDINGS / lab)
    turned = replace(run, facts=change(run.facts))
    before, after = ruling(saying, report.judge(run)), ruling(saying, report.judge(turned))
    assert after not in (before, Ruling.UNDECIDED)


@pytest.mark.parametrize(("recording", "claim"), CASES)
def test_no_vote_is_cast_whatever_was_seen(recording, claim):
    facts = facts_of(recording)
    checks = claim.judge(facts).checks
    by_hand = {saying for saying, lab, *_ in DECISIVE if lab == recording}
    stuck = {it for it in votes(checks) if it[1] not in by_hand}
    for changed in changes(facts, checks, jointly=True) if stuck else ():
        verdict = claim.judge(changed)
        if verdict.outcome in (Outcome.HOLDS, Outcome.FAILS):
            stuck -= {(about, saying, not so) for about, saying, so in votes(verdict.checks)}
        if not stuck:
            break
    assert not stuck


def votes(checks: Iterable[Check]) -> set[tuple[str, str, bool]]:
    """Which comparison says of which saying that it is so, or is not."""
    return {(check.about, saying, so) for check in checks for saying, so in check.answers.items()}


def ruling(saying: str, *reports: report.Report) -> Ruling:
    (judged,) = (it for it in court.judge(reports) if it.saying.id == saying)
    return judged.ruling


def test_a_kernel_the_saying_is_not_about_decides_nothing():
    run = rundir.load(RECORDINGS / "reuseport")
    old = replace(run, facts=result(ran("uname"), lambda _: [0, "3.8.0\n"])(run.facts))
    assert ruling("C75", report.judge(old)) is Ruling.UNDECIDED


@pytest.mark.parametrize("lab", ["bind", "conversations", "multihome", "reuseport"])
def test_each_situation_in_which_sockets_share_a_port_has_a_vote(lab):
    assert ruling("C114", report.judge(rundir.load(RECORDINGS / lab))) is Ruling.TRUE
