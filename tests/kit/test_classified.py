"""A lab that stands on a classification concludes nothing where the client could not tell, and says why."""

from dataclasses import replace

import pytest

from fourtuple.evidence import rundir
from fourtuple.kit import catalog
from fourtuple.kit.claim import Outcome

from ..conftest import RECORDINGS


@pytest.mark.parametrize("lab", ["hairpin", "lifetime", "cgnat"])
@pytest.mark.parametrize("part", ["mapping", "filtering"])
def test_what_cannot_be_told_is_undecided_with_the_reason(lab, part):
    facts = rundir.load(RECORDINGS / lab).facts
    blind = {part: "cannot tell", f"{part}_why": "it named no other endpoint"}
    events = [
        replace(it, result=it.result | blind) if it.args[:1] == ("classifier.udp",) else it for it in facts.events
    ]
    for claim in catalog.find(lab).claims:
        verdict = claim.judge(replace(facts, events=tuple(events)))
        assert verdict.outcome is Outcome.UNDECIDED
        assert verdict.why.endswith(f"could not tell the {part}: it named no other endpoint")
