"""The last resort: the same checks, through the server."""

from __future__ import annotations

import time
from contextlib import suppress

from ..net import meeting
from ..net.meeting import Kind, Message
from .peer import LINGER, PACE, Report, Side, valid

PATIENCE = 1.0  # seconds


def talk(side: Side, peer: Message, report: Report) -> None:
    """Until each has a check of the other that says its own was heard, and a moment more."""
    heard, began = False, time.monotonic()
    until = began + PATIENCE
    while time.monotonic() < until:
        report.sent += 1
        side.send(side.relayed(peer.token, heard))
        if (data := side.receive(5 * PACE)) is None:
            continue
        with suppress(ValueError):
            told = meeting.decode(data)
            check = valid(told.data, peer) if told.kind is Kind.RELAYED else None
            if check:
                report.heard, heard = report.heard + 1, True
            if check and check.heard and report.outcome != "relayed":
                report.outcome, report.why, report.peer = "relayed", "", str(side.plan.server)
                report.way = "relay"
                report.seconds = round(time.monotonic() - began, 4)
                until = time.monotonic() + LINGER  # the other side may not know yet
