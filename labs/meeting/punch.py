"""Two routers, one try to meet.

Alice and Bob are introduced, and each sends to where the server saw the other. What a router does with the first packet
that comes from there, and where its own host's packets come from, decides whether they hear each other. Choose the
routers with --a and --b, the transport with --proto, who begins with --order. Each check or call is followed from
router to router, and of what does not arrive the router that dropped it says by which rule.

    alice -- home_a -- router_a --+
                                  +-- core -- wan -- server, witness
    bob ---- home_b -- router_b --+
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fourtuple.errors import EvidenceError, NotAsked
from fourtuple.evidence import rule_trace
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit import classified, homes, introduced
from fourtuple.kit.claim import Check
from fourtuple.kit.homes import FENCES, LAST, PEERS, SIDE
from fourtuple.kit.lab import Lab
from fourtuple.kit.scene import Scene
from fourtuple.net import meeting
from fourtuple.net.behaviour import NatBehaviour, Unsolicited
from fourtuple.net.endpoint import Protocol
from fourtuple.net.event import Event
from fourtuple.net.presets import parse
from fourtuple.net.punching import Answers, Order, Prediction, comes_in_at_once, predict, predict_crossing

PORT = 40000
A_MOMENT = 50_000  # nanoseconds that a router may take over a packet
RULES = ("nft", "list", "table", "ip", "fourtuple")
TRACKED = ("cat", "/proc/sys/net/netfilter/nf_conntrack_count")
UNTRACKED, CONTROL = (*PEERS, "core"), "server"
_COUNTED = re.compile(r'counter packets (\d+) .*comment "(filtered|clash)"')


def accepts(options: dict[str, str]) -> None:
    """ValueError for a behaviour, transport or order there is not."""
    for side in ("a", "b"):
        parse(options[side])
    introduced.accepts(options)
    if options["order"] not in [it.value for it in Order]:
        raise ValueError(f"--order {options['order']} is not possible; wanted was both, a or b")


def called(packet: Packet) -> str | None:
    """By what name a packet of the two is followed: its mark, or what a segment is and the end of its number, which no
    router changes."""
    if packet.mark or packet.protocol is not Protocol.TCP or meeting.PORT in (packet.flow.source.port,
                                                                             packet.flow.destination.port):  # fmt: skip
        return packet.mark
    words = {"S": "SYN", "SA": "SYN-ACK", "R": "RST", "RA": "RST"}
    number = packet.sequence or packet.acknowledgement
    return f"{words[packet.flags]} ..{number % 100_000:05}" if packet.flags in words else None


lab = Lab("punch", "Two routers, one try to meet", "homes", nats=("home",), guard=classified.check, fences=FENCES,
          options={"a": "home", "b": "home", "proto": "udp", "order": "a"}, accepts=accepts,
          called=called)  # fmt: skip


@lab.step
def become_what_was_chosen(scene: Scene) -> None:
    """The routers become what was chosen; alice and bob find out that they have."""
    classified.serve(scene, ("server", "witness"))
    for peer, side in SIDE.items():
        classified.become(scene, {f"router_{side}": scene.options[side]}, peer, "server")


@lab.step
def try_to_meet(scene: Scene) -> None:
    """Both register and are introduced; then they send to each other, in the order that was chosen. The routers
    trace what their rules do to what comes from outside, and are asked what they have counted."""
    where = scene.endpoint("server", meeting.PORT)
    scene.act("server", "rendezvous_server.start", where.address)
    for side in SIDE.values():
        scene.act(f"router_{side}", "tracer.start")
    first = {"a": "alice", "b": "bob"}.get(scene.options["order"], "")
    introduced.meet(scene, where, PEERS, Protocol(scene.options["proto"]), PORT, first=first)
    for side in SIDE.values():
        scene.act(f"router_{side}", "tracer.stop")
        scene.run(f"router_{side}", *RULES)
    homes.end(scene)


@lab.step
def ask_who_keeps_track(scene: Scene) -> None:
    """Alice, Bob, the core and the server are asked how many connections their kernels keep track of."""
    for host in (*UNTRACKED, CONTROL):
        scene.run(host, *TRACKED)


def routers(facts: Facts) -> dict[str, NatBehaviour]:
    """What each peer is behind."""
    return {peer: parse(facts.options[side]) for peer, side in SIDE.items()}


def reports(facts: Facts) -> dict[str, Event]:
    """What each peer's puncher said."""
    return introduced.reports(facts, PEERS)


def tries(facts: Facts, tap: str, peer: str) -> list[Packet]:
    """A peer's checks or first segments to the other one, as a tap saw them before the end."""
    other = PEERS[peer]
    fence = LAST[peer if tap.endswith(SIDE[peer]) else other]
    inside, outside = ({facts.topology.host(it).address(), _outside(facts, it)} for it in (peer, other))
    wanted = Protocol(facts.options["proto"])
    return [it for it in facts.at(tap).before(fence) if it.protocol is wanted and it.flow.source.address in inside
            and it.flow.destination.address in outside
            and (it.flags == "S" if wanted is Protocol.TCP else (it.mark or "").startswith("check"))]  # fmt: skip


def _outside(facts: Facts, peer: str) -> str:
    """The address a peer is known by outside: its router's, or its own."""
    side = SIDE[peer]
    if not parse(facts.options[side]).translates:
        return facts.topology.host(peer).address()
    return facts.topology.host(f"router_{side}").address(f"net_{side}")


def _identity(packet: Packet) -> object:
    """What a router leaves as it is, by which a packet is known again."""
    return packet.sequence if packet.protocol is Protocol.TCP else packet.mark


def _early(facts: Facts, peer: str) -> bool | None:
    """At the other's router: had this peer's first try come before the other's own went in there? None where the router
    had both in its hands at one moment."""
    side, other = SIDE[PEERS[peer]], PEERS[peer]
    came, went, left = (tries(facts, f"{tap}-{side}", who)[:1]
                        for tap, who in (("out", peer), ("home", other), ("out", other)))  # fmt: skip
    if not came or (left and left[0].time_ns < came[0].time_ns):
        return False
    return True if not went or came[0].time_ns + A_MOMENT < went[0].time_ns else None


def _theory(facts: Facts, answers: Answers = Answers.ANY) -> Prediction:
    """What theory says, for the order in which the routers saw the first tries, and peers that take such answers."""
    nats, protocol = routers(facts), Protocol(facts.options["proto"])
    first, second = (_early(facts, peer) for peer in PEERS)
    a, b = (predict(nats["alice"], nats["bob"], protocol, order, answers) for order in (Order.A, Order.B))
    crossing = predict_crossing(nats["alice"], nats["bob"], protocol, answers)
    if a.meets is b.meets is crossing.meets:
        return a
    if first is None or second is None or (first and second):
        return Prediction(None, "who was first could not be told")
    return a if first else b if second else crossing


@lab.claim
def they_meet_as_theory_says(facts: Facts) -> Iterator[Check]:
    """Both hear each other exactly where theory says so for these two routers, and for who was first."""
    told, theory = reports(facts), _theory(facts)
    if theory.meets is None:
        raise NotAsked(theory.why)
    ice = _theory(facts, Answers.SYMMETRIC)
    why = theory.why + (f"; two ICE programs would not: {ice.why}" if ice.meets is not theory.meets else "")
    for peer, event in told.items():
        met = event.result["outcome"] == "direct"
        yield Check(f"{peer} meets {PEERS[peer]} ({why})", theory.meets, met, (event,))


@lab.claim
def the_first_try_meets_the_filter(facts: Facts) -> Iterator[Check]:
    """The first packet of whoever begins comes in exactly where the other's router lets in somebody its host has not
    written to."""
    nats = routers(facts)
    began = [peer for peer in PEERS if _early(facts, peer)]
    if not began:
        raise NotAsked("at both routers the other's first packet came after the own host's")
    for peer in began:
        side = SIDE[PEERS[peer]]
        sent = tries(facts, f"out-{side}", peer)[0]
        came = [it for it in tries(facts, f"home-{side}", peer) if _identity(it) == _identity(sent)]
        told = reports(facts)[PEERS[peer]]
        yield Check(f"where the first of {peer} goes", told.result["seen"], str(sent.flow.destination), (sent, told))
        fence = facts.at(f"home-{side}").only(LAST[PEERS[peer]])
        want = comes_in_at_once(nats[peer], nats[PEERS[peer]])
        yield Check(f"the first of {peer} comes in", want, bool(came), (sent, *came, fence))


@lab.claim
def what_does_not_arrive_was_counted(facts: Facts) -> Iterator[Check]:
    """Where a packet reaches a router and not the home behind it, the rule that drops what nobody asked for has
    counted; and nowhere else. A router without that rule counts nothing."""
    nats = routers(facts)
    listed = {it.host: it for it in facts.events if it.call == "run" and it.args == RULES}
    for peer, other in PEERS.items():
        side = SIDE[other]
        event = listed.get(f"router_{side}")
        if event is None:
            raise EvidenceError(f"the rules of router_{side} were not read")
        there, here = tries(facts, f"out-{side}", peer), {_identity(it) for it in tries(facts, f"home-{side}", peer)}
        lost = [it for it in there if _identity(it) not in here]
        counted = sum(int(number) for number, _ in _COUNTED.findall(str(event.result[1])))
        drops = bool(lost) and nats[other].unsolicited is not Unsolicited.HOST
        yield Check(f"router_{side} has counted what it dropped", drops, counted > 0,
                    (event, *(lost or there)[:1]))  # fmt: skip


@lab.claim
def a_rule_ended_each(facts: Facts) -> Iterator[Check]:
    """Each check or call that reaches a router and not the home behind it was dropped by a rule of that router, whose
    own trace says which; a router without such a rule takes it for its own. None that came home was dropped."""
    nats, traced = routers(facts), {it.host: it for it in facts.acts("tracer.stop")}
    for peer, other in PEERS.items():
        router, side = f"router_{SIDE[other]}", SIDE[other]
        if router not in traced:
            raise EvidenceError(f"{router} was not traced")
        event, fates = traced[router], rule_trace.parse(traced[router].result)
        home = {_identity(it) for it in tries(facts, f"home-{side}", peer)}
        lost, kept = list[tuple[Packet, rule_trace.Fate]](), list[tuple[Packet, rule_trace.Fate]]()
        for it in tries(facts, f"out-{side}", peer):
            (kept if _identity(it) in home else lost).append((it, rule_trace.of(it, fates)))
        ends = nats[other].unsolicited is not Unsolicited.HOST
        if lost:
            packet, fate = lost[0]
            where = f"{packet.mark or f'the SYN of {peer}'} dropped at {router}, chain {fate.chain}, rule {fate.rule!r}"
            yield Check(where, ends, fate.verdict == "drop", (packet, event))
            same = sum((it.verdict == "drop") is ends for _, it in lost)
            yield Check(f"so are all of {peer} that end there", len(lost), same, (event, *(it for it, _ in lost)))
        dropped = sum(it.verdict == "drop" for _, it in kept)
        yield Check(f"dropped at {router}, of what came home", 0, dropped, (event, *(it for it, _ in kept)))


@lab.claim
def no_host_drops_what_crosses(facts: Facts) -> Iterator[Check]:
    """The kernels of alice, bob and the core track no connection, so none of them drops one of two SYNs that cross in
    it; a kernel that tracks can take the two for different connections with one tuple."""
    counted = {it.host: it for it in facts.events if it.call == "run" and it.args == TRACKED}
    if missing := {*UNTRACKED, CONTROL} - set(counted):
        raise EvidenceError(f"{', '.join(sorted(missing))} did not say how many connections the kernel tracks")
    if counted[CONTROL].result == [0, "0\n"]:
        raise NotAsked("the engine leaves connection tracking off in a container, so nothing was to be switched off")
    for host in UNTRACKED:
        if host in PEERS:
            facts.untracked(host)
        event = counted[host]
        yield Check(f"connections that the kernel of {host} tracks", "0", str(event.result[1]).strip(),
                    (event, counted[CONTROL]))  # fmt: skip
