"""What functions of the programs were called when older runs were recorded."""

from __future__ import annotations

from dataclasses import replace

from ..net.event import Event

MODULES = {"classify": "classifier", "load": "traffic", "rendezvous": "rendezvous_server", "trace": "tracer"}


def renewed(event: Event) -> Event:
    """The event as it would be recorded today."""
    if event.call != "act" or not event.args:
        return event
    module, dot, function = str(event.args[0]).partition(".")
    if module not in MODULES:
        return event
    return replace(event, args=(f"{MODULES[module]}{dot}{function}", *event.args[1:]))
