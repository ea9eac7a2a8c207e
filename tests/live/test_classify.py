"""The classifier by hand, in a container behind a router that is not known to it."""

from __future__ import annotations

import pytest

from fourtuple.stage import kept, ownership, session
from fourtuple.stage.narrator import Narrator

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]


@pytest.fixture
def asked(engine):
    """Brings the lab `nat` up with a behaviour; returns what the classifier prints at client1, and its exit code."""
    runs = []

    def ask(behaviour, partner):
        stage = kept.bring_up(session.begin("nat", behaviour, Narrator(quiet=True)))
        runs.append(stage.run)
        alice, bob = (stage.topology.endpoint(name, 3478).address for name in ("alice", "bob"))
        servers = {"alice": [alice, bob], "bob": [bob, alice]} if partner else {"alice": [alice]}
        for name, words in servers.items():
            run(engine, stage.containers[name], ["python3", "-m", "fourtuple.agents.stun_server", *words], detach=True)
        return run(engine, stage.containers["client1"], ["python3", "-m", "fourtuple.agents.classifier", alice])

    yield ask
    for it in runs:
        ownership.remove(engine, it)


def run(engine, container, argv, detach=False):
    job = engine.api.exec_create(container, argv)["Id"]
    said = engine.api.exec_start(job, detach=detach)
    return ("", 0) if detach else (said.decode(), engine.api.exec_inspect(job)["ExitCode"])


def test_a_server_with_two_addresses_tells_a_symmetric_router(asked):
    """`python3 -m fourtuple.agents.classifier SERVER`, typed in a container behind it."""
    said, code = asked("symmetric", partner=True)
    assert "mapping: address and port-dependent\nfiltering: address and port-dependent" in said
    assert "a NAT is between them, which changed the port" in said
    assert code == 0


def test_a_server_with_one_address_does_not_call_it_endpoint_independent(asked):
    said, code = asked("symmetric", partner=False)
    assert said.count("cannot tell (") == 2
    assert "named no other endpoint of its own (OTHER-ADDRESS)" in said
    assert "endpoint-independent" not in said
    assert code == 2
