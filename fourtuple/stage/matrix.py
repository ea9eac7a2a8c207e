"""Who meets whom: every pair of behaviours, on the same two routers re-configured in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from ..kit import introduced
from ..kit.homes import PEERS
from ..net import meeting
from ..net.endpoint import Protocol
from ..net.presets import NINE
from ..net.punching import Order
from ..report.grid import Cell
from ..report.provenance import Provenance
from .engine import Engine
from .live_scene import LiveScene
from .progress import Progress
from .stage import Stage, new_run

BEHAVIOURS = (*(f"{pair} ports=random:7" for pair in NINE), "masquerade", "masquerade-random", "none")
FIRST_PORT, PORTS = 20000, 10000


class Matrix:
    """The two homes, brought up once."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._stage = Stage(engine, "homes", new_run(), "home", image, taps=False)
        self._numbers = 0
        self._now: dict[str, str] = {}

    def __enter__(self) -> Matrix:
        try:
            self._stage.build()
            self._stage.attach()
            self._stage.start()
            self._scene = LiveScene(self._stage.topology, self._stage.nodes(), lambda _: None)
            self._server = self._scene.endpoint("server", meeting.PORT)
            self._scene.act("server", "rendezvous_server.start", self._server.address, self._server.port, PORTS)
        except BaseException:
            self._stage.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stage.remove()

    def provenance(self) -> Provenance:
        """Where the measurements come from."""
        return self._stage.provenance()

    def play(self, protocols: Sequence[Protocol], only: tuple[str, str] | None, tell: Progress) -> Iterator[Cell]:
        """Every pair or only one, over each transport, in each order; the three of one pair at the same time."""
        for host, why in self._stage.prepared.items():
            if why:
                tell.announce(f"{host} tracks connections and may lose SYNs that cross: {why}")
        pairs = [only] if only else [(a, b) for a in BEHAVIOURS for b in BEHAVIOURS]
        for a, b in pairs:
            for protocol in protocols:
                tell.note(f"{a} and {b}, {protocol.value}")
                yield from self._pair(a, b, protocol)

    def _pair(self, a: str, b: str, protocol: Protocol) -> Iterator[Cell]:
        self._become("router_a", a)
        self._become("router_b", b)
        begun = [self._begin(protocol, order) for order in Order]
        for order, reports in zip(Order, introduced.conduct(self._scene, begun), strict=True):
            told = {peer: cast("dict[str, Any]", reports[peer]) for peer in PEERS}
            said = tuple(f"{it['outcome']} {it['peer'] or it['why']}" for it in told.values())
            met = all(it["outcome"] == "direct" for it in told.values())
            seconds = max(float(it["seconds"]) for it in told.values())
            missed = [it["why"] for it in told.values() if not it["introduced"]]
            missed = missed or [*filter(None, [introduced.held_up(told)])]
            yield Cell(a, b, protocol, order, met, cast("tuple[str, str]", said), seconds, "; ".join(missed))

    def _become(self, router: str, behaviour: str) -> None:
        if self._now.get(router) != behaviour:
            self._scene.act(router, "router.become", behaviour)
            self._now[router] = behaviour

    def _begin(self, protocol: Protocol, order: Order) -> introduced.Started:
        """Both sides of one meeting begin, on a port nobody has used in this run for a while."""
        self._numbers += 1
        port = FIRST_PORT + self._numbers % PORTS
        first = {Order.A: "alice", Order.B: "bob"}.get(order, "")
        plans = {peer: {"hosts": [str(self._scene.endpoint(peer, port))]} for peer in PEERS}
        return introduced.begin(self._scene, self._server, PEERS, protocol, port, plans, again=True, first=first)
