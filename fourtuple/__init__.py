"""What ports, sockets and NATs do, proven on a real kernel and on the wire.

A lab is a module that says `lab = Lab(...)`, and gives it steps that drive sockets and claims that judge what was
captured. What a run left behind is read and judged without an engine:

>>> import fourtuple
>>> home = fourtuple.behaviour("home")
>>> home.mapping.value, home.filtering.value
('endpoint-independent', 'address and port-dependent')
>>> home.reuses_mapping(fourtuple.Endpoint("192.0.2.1", 80), fourtuple.Endpoint("192.0.2.2", 443))
True
>>> fourtuple.FourTuple(fourtuple.Endpoint("192.0.2.1", 80), fourtuple.Endpoint("192.0.2.2", 443)).reversed()
FourTuple(source=Endpoint(address='192.0.2.2', port=443), destination=Endpoint(address='192.0.2.1', port=80))

The programs in the containers import this too: what is offered is loaded on first use.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for true; `typing` itself would cost every container its import
if TYPE_CHECKING:
    from .errors import EvidenceError, LabError, NotAsked, TooLate
    from .evidence.facts import Facts
    from .evidence.packet import Packet, marked
    from .evidence.rundir import Run, load
    from .kit.claim import Check, Outcome, Verdict
    from .kit.lab import Fence, Lab
    from .kit.scene import Scene, Socket
    from .net.behaviour import NatBehaviour
    from .net.endpoint import Endpoint, FourTuple, Protocol
    from .net.event import Event
    from .net.presets import parse as behaviour
    from .report.report import Report, judge

__all__ = [
    "Check",
    "Endpoint",
    "Event",
    "EvidenceError",
    "Facts",
    "Fence",
    "FourTuple",
    "Lab",
    "LabError",
    "NatBehaviour",
    "NotAsked",
    "Outcome",
    "Packet",
    "Protocol",
    "Report",
    "Run",
    "Scene",
    "Socket",
    "TooLate",
    "Verdict",
    "behaviour",
    "judge",
    "load",
    "marked",
]
_HOMES = {
    ".errors": ("EvidenceError", "LabError", "NotAsked", "TooLate"),
    ".evidence.facts": ("Facts",),
    ".evidence.packet": ("Packet", "marked"),
    ".evidence.rundir": ("Run", "load"),
    ".kit.claim": ("Check", "Outcome", "Verdict"),
    ".kit.lab": ("Fence", "Lab"),
    ".kit.scene": ("Scene", "Socket"),
    ".net.behaviour": ("NatBehaviour",),
    ".net.endpoint": ("Endpoint", "FourTuple", "Protocol"),
    ".net.event": ("Event",),
    ".report.report": ("Report", "judge"),
}


def __getattr__(name: str) -> object:
    """What the package offers, imported when it is asked for."""
    from importlib import import_module

    if name == "behaviour":
        return import_module(".net.presets", __name__).parse
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module, __name__), name)
    raise AttributeError(f"fourtuple offers no {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
