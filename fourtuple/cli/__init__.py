"""The command line: `invoke lab nat` in a checkout, `fourtuple lab nat` anywhere; the tasks are the same.

Imports wait until a task needs them: `judge` has no use for Docker.
"""

from __future__ import annotations

from ..stage import signals

signals.end_on_any()  # as early as this code has a say: the command line is read afterwards

from invoke import Collection  # noqa: E402

from ..stage import commandline  # noqa: E402
from . import checkout, machine, nat, network, questions, running  # noqa: E402

commandline.put_right()
namespace = Collection(
    questions.audit,
    machine.bench,
    questions.bind,
    network.capture,
    running.catalog,
    machine.doctor,
    network.down,
    machine.images,
    running.judge,
    running.lab,
    checkout.lint,
    questions.matrix,
    running.record,
    machine.setup,
    network.shell,
    network.sweep,
    checkout.test,
    network.up,
    questions.verdicts,
)
namespace.add_collection(Collection("nat", nat.nat_list, nat.nat_show, nat.nat_set))
