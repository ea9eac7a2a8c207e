"""Whatever lies in a run directory, judging it ends soon, with a report or one sentence; never with a traceback."""

import contextlib
import json
import os
import random
import resource
import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fourtuple.errors import LabError, UsageError
from fourtuple.evidence import rundir
from fourtuple.report import report, terminal

from ..conftest import RECORDINGS, run_invoke

LABS = ("nat-none", "punch", "bare", "publish", "timewait", "icmp")  # one of each kind of topology
SOON = 10.0  # seconds, on a busy machine; each of these takes a fraction of one
JSON = ("meta.json", "compose.json", "events.jsonl")
WRONG = st.one_of(st.none(), st.booleans(), st.integers(-1, 70_000), st.floats(), st.text(max_size=5), st.just([]),
                  st.just({}), st.just([["x"]]), st.just("10.0.0.300"), st.just(10**30))  # fmt: skip


def fresh(tmp_path, recording="nat-none"):
    place = tmp_path / f"{time.monotonic_ns()}"
    return shutil.copytree(RECORDINGS / recording, place)


def reseal(directory):
    """Write down the sizes the files have now, as who tampers with a run would."""
    path = directory / "meta.json"
    with contextlib.suppress(ValueError, AttributeError, TypeError, LookupError):
        meta = json.loads(path.read_text())
        names = [name for name in meta["files"] if (directory / name).is_file()]
        meta["files"] = {name: (directory / name).stat().st_size for name in names}
        path.write_text(json.dumps(meta))


def ends(directory):
    """The sentence it is refused with, or nothing where it is judged: everything a command shows of it is made."""
    began, refusal = time.monotonic(), ""
    try:
        judged = report.judge(rundir.load(directory))
        json.dumps(report.as_dict(judged)).encode()
        facts = judged.run.facts
        for part in (terminal.packets(judged), terminal.verdicts(judged), terminal.footer(judged)):
            assert part
        assert terminal.picture(facts.topology, facts.nat)
        assert judged.exit_code != 1 or any(it.differing for it in judged.verdicts)
    except LabError as error:
        refusal = error.message
        assert len(refusal.splitlines()) == 1
    assert time.monotonic() - began < SOON
    return refusal


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.sampled_from(LABS), st.integers(0), st.integers(0), st.binary(min_size=1, max_size=4), st.booleans())
@FEW
def test_bytes_are_changed(scratch, recording, which, place, noise, cut):
    directory = fresh(scratch, recording)
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != "run.pcapng")
    path = files[which % len(files)]
    good = path.read_bytes()
    at = place % len(good)
    path.write_bytes(good[:at] + noise + (b"" if cut else good[at + len(noise) :]))
    if path.name != "meta.json":
        reseal(directory)
    ends(directory)
    shutil.rmtree(directory)


@given(st.sampled_from(LABS), st.sampled_from(JSON), st.randoms(use_true_random=False), WRONG)
@settings(parent=FEW, max_examples=120)
def test_a_value_is_replaced_by_another_of_any_type(scratch, recording, name, choose, wrong):
    directory = fresh(scratch, recording)
    path = directory / name
    lines = path.read_text().splitlines() if name == "events.jsonl" else [path.read_text()]
    number = choose.randrange(len(lines))
    value = json.loads(lines[number])
    replace_somewhere(value, wrong, choose)
    lines[number] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")
    if name != "meta.json":
        reseal(directory)
    ends(directory)
    shutil.rmtree(directory)


def replace_somewhere(value: object, wrong: object, choose: random.Random) -> None:
    """Put something wrong into a place of the value, deeper with each throw of a coin; or take that place away."""
    while isinstance(value, dict | list) and value:
        key = choose.choice(sorted(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value[key], dict | list) and value[key] and choose.random() < 0.8:
            value = value[key]
            continue
        if isinstance(value, dict) and choose.random() < 0.2:
            del value[key]
        else:
            value[key] = wrong
        return


PLACES = ("meta.json", "compose.json", "events.jsonl", "wan.pcap")


def as_fifo(path):
    os.mkfifo(path)


def as_directory(path):
    path.mkdir()


def as_link(path):
    path.symlink_to("/etc/hostname")


def as_link_to_nothing(path):
    path.symlink_to("nothing")


def as_a_sparse_gigabyte(path):
    with path.open("wb") as file:
        file.truncate(2**30)


def as_no_utf8(path):
    path.write_bytes(b"\xff\xfe\n")


def as_nesting(path):
    path.write_text("[" * 100_000)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "put", [as_fifo, as_directory, as_link, as_link_to_nothing, as_a_sparse_gigabyte, as_no_utf8, as_nesting]
)
@pytest.mark.parametrize("sealed", [True, False])
def test_something_else_lies_in_the_place_of_a_file(tmp_path, name, put, sealed):
    directory = fresh(tmp_path)
    (directory / name).unlink()
    put(directory / name)
    if sealed and name != "meta.json":
        meta = json.loads((directory / "meta.json").read_text())
        meta["files"][name] = (directory / name).lstat().st_size
        (directory / "meta.json").write_text(json.dumps(meta))
    assert ends(directory)


def a_million_events(directory):
    (directory / "events.jsonl").write_text("{}\n" * 1_000_000)


def no_networks(directory):
    change(directory, "compose.json", lambda it: it.pop("networks"))


def a_tap_elsewhere(directory):
    def rename(compose):
        compose["services"]["../../x-tap"] = compose["services"].pop("wan-tap")

    change(directory, "compose.json", rename)


def a_file_elsewhere(directory):
    change(directory, "meta.json", lambda it: it["files"].update({"../x": 0}))


def no_address(directory):
    change(directory, "compose.json", lambda it: it["services"]["alice"]["networks"]["wan"].update(ipv4_address="x"))


def a_huge_number(directory):
    path = directory / "events.jsonl"
    path.write_text(path.read_text().replace('"cookie":', '"cookie":' + "9" * 1_000_000, 1))


def a_number_for_text(directory):
    path = directory / "events.jsonl"
    path.write_text(path.read_text().replace('"call":"socket"', '"call":7', 1))


def an_address_that_is_none(directory):
    def spoil(meta):
        meta["conntrack"]["after"] = "udp 17 29 src=10.0.0.300 dst=1.1.1.1 sport=1 dport=1\n"

    change(directory, "meta.json", spoil)


def a_line_that_is_no_entry(directory):
    change(directory, "meta.json", lambda it: it["conntrack"].update(after="udp 17 29 src=nobody\n"))


def change(directory, name, how):
    value = json.loads((directory / name).read_text())
    how(value)
    (directory / name).write_text(json.dumps(value))


def a_number_for_a_reason(directory):
    change(directory, "meta.json", lambda it: it.update(prepared={"alice": 7}))


TAMPERED = {
    a_number_for_a_reason: "meta.json: prepared: alice: text was wanted, found 7",
    a_million_events: "events.jsonl has 1000000 events; at most 100000 are read",
    no_networks: "compose.json: this is not the resolved compose file of a lab: alice is in wan, which is no",
    a_tap_elsewhere: "a name is letters, digits",
    a_file_elsewhere: "'../x' is no file of this directory",
    no_address: "an IPv4 address was wanted, found 'x'",
    a_huge_number: "a whole number of 1000",
    a_number_for_text: "call: text was wanted, found 7",
    an_address_that_is_none: "'10.0.0.300' does not appear to be an IPv4 or IPv6 address",
    a_line_that_is_no_entry: "not an entry of the connection table: 'udp 17 29 src=nobody",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda it: it.__name__)
def test_what_is_wrong_is_said(tmp_path, tamper):
    directory = fresh(tmp_path)
    tamper(directory)
    if tamper is not a_file_elsewhere:
        reseal(directory)
    assert TAMPERED[tamper] in ends(directory)


@pytest.mark.parametrize("tamper", [no_networks, a_million_events])
def test_the_command_ends_with_2_and_a_sentence(tmp_path, tamper):
    directory = fresh(tmp_path)
    tamper(directory)
    reseal(directory)
    for words in (("judge", str(directory)), ("verdicts", "--run", str(directory))):
        done = run_invoke(*words, timeout=30)
        assert (done.returncode, done.stdout) == (2, "")
        assert TAMPERED[tamper] in done.stderr
        assert "Traceback" not in done.stderr


def test_a_fifo_in_the_place_of_sayings_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "sayings")
    run = str(RECORDINGS / "publish")
    done = run_invoke("verdicts", "--run", run, "--sayings", str(tmp_path / "sayings"), timeout=30)
    assert done.returncode == 2
    assert "is a FIFO; a regular file was wanted" in done.stderr


def test_a_file_of_as_many_bytes_as_are_read_takes_bounded_memory(tmp_path):
    """The most lists that fit: each takes two bytes and a comma of the file, and sixty of memory."""
    directory = fresh(tmp_path)
    (directory / "events.jsonl").write_text("[" + "[]," * 5_000_000 + "[]]\n")
    reseal(directory)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "not an event" in ends(directory)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kilobytes


def test_a_run_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="a run directory was wanted"):
        rundir.load(tmp_path / "none")
