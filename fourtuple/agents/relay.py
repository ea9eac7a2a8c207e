"""The last resort: the same checks, through the server."""

from __future__ import annotations

import time
from contextlib import suppress

from ..net import meeting
from ..net.meeting import Kind, Message
from .pace import Pace
from .peer import PACE, Report, Side, valid
from .waiting import until


def talk(side: Side, peer: Message, report: Report, pace: Pace) -> None:
    """Until each has a check of the other that says its own was heard, and the other knows that too."""
    heard, done, began = False, False, time.monotonic()
    pace.again()
    while not pace.over(done):
        end = time.monotonic() + PACE
        report.sent += 1
        side.send(side.relayed(peer.token, heard))
        for data in until(end, side.receive):
            with suppress(ValueError):
                told = meeting.decode(data)
                check = valid(told.data, peer) if told.kind is Kind.RELAYED else None
                if check:
                    report.heard, heard = report.heard + 1, True
                if check and check.heard and not done:
                    done, report.outcome, report.why, report.peer = True, "relayed", "", str(side.plan.server)
                    report.way = "relay"
                    report.seconds = round(time.monotonic() - began, 4)
        pace.round(done, time.monotonic() - end)
