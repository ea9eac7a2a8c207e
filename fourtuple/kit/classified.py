"""Is a router what it was told to be? A lab that stands on a behaviour asks first, as any host would: with STUN.

Its claims are guarded by `check`: where a client found another behaviour than the routers between it and the servers
should show, or could not tell, nothing is concluded from that run.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary

from ..errors import EvidenceError, TooLate
from ..evidence.facts import Facts
from ..net import presets, stun
from ..net.behaviour import Filtering, Mapping, NatBehaviour
from ..net.classification import CANNOT_TELL
from ..net.event import Event
from .scene import Scene

ASK = "classifier.udp"
BECOME = "router.become"
LATE = 0.05  # seconds that a client may wake up too late, and still be believed that others were silent
SERVERS = ("alice", "bob")
_MAPPINGS, _FILTERINGS = list(Mapping), list(Filtering)  # from the most lenient to the strictest


def serve(scene: Scene, servers: tuple[str, str] = SERVERS) -> None:
    """The two servers answer STUN, each for the other."""
    first, second = (scene.endpoint(name, stun.PORT).address for name in servers)
    scene.act(servers[0], "stun_server.start", first, second)
    scene.act(servers[1], "stun_server.start", second, first)


def become(scene: Scene, routers: Dictionary[str, str], client: str = "client1", server: str = SERVERS[0]) -> None:
    """The routers become these behaviours, and a client behind them finds out which; then they forget every mapping."""
    for router, behaviour in routers.items():
        scene.act(router, BECOME, behaviour)
    ask(scene, tuple(routers), client, server)


def ask(scene: Scene, routers: tuple[str, ...], client: str = "client1", server: str = SERVERS[0]) -> None:
    """A client finds out what is between it and the servers; then the routers forget every mapping."""
    scene.act(client, ASK, scene.endpoint(server, stun.PORT).address)
    for router in routers:
        scene.act(router, "router.forget")


def check(facts: Facts) -> None:
    """EvidenceError unless somebody asked, and everybody who did could tell, and found what was to be found."""
    for event in facts.acts(ASK):
        path = facts.topology.routers_above(event.host)
        behaviours = [_of(facts, router.name, event.monotonic_ns) for router in path]
        want = strictest(behaviours)
        got = (Mapping(told(event, "mapping")), Filtering(told(event, "filtering")))
        if want != got:
            called = " and ".join(f"{router.name} as {presets.text(it)}"
                                  for router, it in zip(path, behaviours, strict=True))  # fmt: skip
            raise EvidenceError(
                f"{event.host} found {got[0].value} mapping and {got[1].value} filtering, and has {called} before it: "
                "nothing is concluded about a router that is not what it was told to be"
            )


def told(event: Event, part: str) -> str:
    """The `mapping` or the `filtering` that a client found; EvidenceError, with the reason, where it could not tell.
    TooLate where the client itself was held up."""
    if event.result[part] == CANNOT_TELL and event.result.get("late", 0.0) > LATE:
        late = f"{event.host} itself woke up {event.result['late']:.2f} s late"
        raise TooLate(f"{event.host} could not tell the {part}: {event.result[f'{part}_why']}; {late}")
    if event.result[part] == CANNOT_TELL:
        raise EvidenceError(f"{event.host} could not tell the {part}: {event.result[f'{part}_why']}")
    return str(event.result[part])


def strictest(behaviours: list[NatBehaviour]) -> tuple[Mapping, Filtering]:
    """What routers one behind the other look like from outside: in each respect the strictest of them decides."""
    mapping = max((it.mapping for it in behaviours), key=_MAPPINGS.index)
    return mapping, max((it.filtering for it in behaviours), key=_FILTERINGS.index)


def _of(facts: Facts, router: str, until: int) -> NatBehaviour:
    """What a router had been told to be by then, or at its start."""
    told = [it for it in facts.events if it.host == router and it.args[:1] == (BECOME,) and it.monotonic_ns < until]
    return presets.parse(told[-1].args[1]) if told else facts.nat
