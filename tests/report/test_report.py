"""The report says the same to people, programs and CI."""

import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from fourtuple.evidence import rundir
from fourtuple.evidence.capture import Capture
from fourtuple.net.presets import parse
from fourtuple.report import report, terminal

from ..conftest import RECORDINGS


@pytest.fixture
def run():
    return rundir.load(RECORDINGS / "nat-masquerade")


@pytest.fixture
def holding(run):
    return report.judge(run)


@pytest.fixture
def failing(run):
    return report.judge(replace(run, facts=replace(run.facts, nat=parse("eim/apdf ports=random"))))


@pytest.fixture
def undecided(run):
    return report.judge(replace(run, facts=replace(run.facts, captures={"lan": Capture("lan", ())})))


def text_of(renderable, width=140):
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_exit_codes_are_those_of_diff(holding, failing, undecided):
    assert (holding.exit_code, failing.exit_code, undecided.exit_code) == (0, 1, 2)


def test_the_summary_counts_in_english(holding, undecided):
    assert holding.summary == "10 claims: 10 hold"
    assert undecided.summary == "10 claims: 10 are undecided"


def test_json_carries_every_comparison_with_its_evidence(failing):
    said = json.loads(json.dumps(report.as_dict(failing)))
    assert (said["lab"], said["exit_code"]) == ("nat", 1)
    claim = next(claim for claim in said["claims"] if claim["outcome"] == "fails")
    check = next(check for check in claim["checks"] if not check["holds"])
    assert check["want"] != check["got"]
    assert re.match(r"frame \d+ \((lan|wan)\) ", check["evidence"][0])


def test_junit_has_a_case_for_each_claim(failing, undecided, tmp_path):
    from junitparser import JUnitXml

    for judged, failures, errors in ((failing, True, False), (undecided, False, True)):
        file = tmp_path / "junit.xml"
        report.write_junit(judged, file)
        (suite,) = JUnitXml.fromfile(str(file))
        assert suite.tests == len(judged.verdicts)
        assert bool(suite.failures) == failures
        assert bool(suite.errors) == errors


def test_rewritten_fields_are_marked_without_colour(holding):
    shown = text_of(terminal.packets(holding))
    router = holding.run.facts.topology.router.address("wan")
    client = holding.run.facts.topology.host("client1").address()
    assert f"*{router}*:40001 > " in shown
    assert f" > *{client}*:40001" in shown
    assert "64>63" in shown


def test_a_packet_that_was_filtered_is_shown_to_have_never_arrived(holding):
    assert text_of(terminal.packets(holding)).count("never arrived") == 2


def test_want_and_got_stand_under_a_claim_that_fails(failing):
    shown = text_of(terminal.verdicts(failing))
    assert "✗" in shown
    assert "want no, got yes" in shown
    assert re.search(r"frame \d+ \(wan\) ", shown)


def test_an_undecided_claim_says_what_is_missing(undecided):
    assert "? " in text_of(terminal.verdicts(undecided))
    assert "nothing was captured at wan" in text_of(terminal.verdicts(undecided))


def test_it_fits_a_terminal_of_eighty_columns(holding):
    for part in (
        terminal.packets(holding),
        terminal.verdicts(holding),
        terminal.picture(holding.run.facts.topology, holding.run.facts.nat),
    ):
        assert max(map(len, text_of(part, 80).splitlines())) <= 80


def test_the_picture_names_every_host_with_its_address(holding):
    topology = holding.run.facts.topology
    shown = text_of(terminal.picture(topology, holding.run.facts.nat))
    for host in topology.hosts:
        if not host.router:
            assert f"{host.name} {host.address()}" in shown
    assert "masquerade" in shown


def test_the_footer_says_where_the_run_is_and_what_to_do_next(holding):
    shown = text_of(terminal.footer(holding), 300)
    assert f"invoke judge {holding.run.path}" in shown
    assert "10 claims: 10 hold" in shown
