"""Where a result comes from: new runs say it, and of old ones it is said as far as it is known."""

from dataclasses import replace

from fourtuple.evidence import rundir
from fourtuple.report import provenance

from ..conftest import RECORDINGS


def test_an_older_run_says_when_and_on_what_it_was_made():
    run = rundir.load(RECORDINGS / "nat-home")
    meta = {name: value for name, value in run.facts.meta.items() if name not in ("time", "version", "image_ids")}
    said = provenance.of(replace(run, facts=replace(run.facts, meta=meta)))
    assert said.version == provenance.UNKNOWN
    assert said.time.startswith("20")
    assert said.engine == run.facts.meta["engine"]["version"]
    assert set(said.images.values()) == {provenance.UNKNOWN}


def test_a_new_run_says_its_images():
    run = rundir.load(RECORDINGS / "nat-home")
    meta = {**run.facts.meta, "time": "now", "version": "9", "images": {"a": "x:1"}, "image_ids": {"x:1": "sha256:ab"}}
    said = provenance.of(replace(run, facts=replace(run.facts, meta=meta)))
    assert (said.time, said.version, said.images) == ("now", "9", {"x:1": "sha256:ab"})
