"""TIME_WAIT and the restart: who closed first decides.

A server ends and starts again, and bind() says EADDRINUSE. Whether it does depends on history: on who sent the first
FIN, on whether it was a FIN at all, and on what both generations of the server had set. The side that closes first
keeps the connection, not the port, for 60 seconds, to answer whatever may still arrive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import EvidenceError, TooLate
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, RA, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.bind_rule import ADDRESS_IN_USE, Claimant, State, predict
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP = Protocol.TCP
NEVER, CLIENT, SERVER, RESET, IDLE, UNREAD = HISTORIES = (
    "nobody ever connected", "the client closed first", "the server closed first", "the server reset",
    "killed with an idle client", "killed with unread data")  # fmt: skip
LEFT = {NEVER: State.CLOSED, CLIENT: State.CLOSED, SERVER: State.TIME_WAIT, RESET: State.CLOSED, IDLE: State.FIN_WAIT2,
        UNREAD: State.CLOSED}  # fmt: skip
NEITHER, OLD, NEW, BOTH = GENERATIONS = ("in neither", "in the old one only", "in the new one only", "in both")
CASES = tuple((history, generation) for history in HISTORIES for generation in GENERATIONS)
FIRST_PORT, LONGEST = 8100, 70
GOES_ON = "the new one goes on"
TIMERS = ("ss", "-tanoH", "state", "time-wait")
MINUTE, MARGIN = 60, 10  # seconds
SLACK = 5  # seconds: Linux runs so long a timer up to four late (kernel/time/timer.c), and the lab looks each second
_TIMER = re.compile(r":(\d+) .*timewait,(\d+)sec")
lab = Lab("timewait", "TIME_WAIT and the restart", "timewait", fences=(Fence(fences.LAST, ("near",)),))


def port_of(history: str, generation: str) -> int:
    """Every case has a port of its own, so that none stands in another's way."""
    return FIRST_PORT + CASES.index((history, generation))


def source(scene: Scene, port: int) -> Endpoint:
    """The endpoint the client of a case binds, so that it can come again."""
    return Endpoint(scene.address("c1", "near"), port + 12000)


def options(generation: str, new: bool) -> tuple[str, ...]:
    """Did this generation of the server set SO_REUSEADDR?"""
    return (RA,) if generation in (BOTH, NEW if new else OLD) else ()


def live(scene: Scene, history: str, generation: str) -> None:
    """The first generation of a server: a process that listens, perhaps serves a client, and ends."""
    port = port_of(history, generation)
    process = scene.fork("srv", f"{port}")
    listener = claim_port(scene, process, f"listener {port}", Endpoint(ANY, port), *options(generation, new=False),
                          listen=True)  # fmt: skip
    if history != NEVER:
        client = scene.socket("c1", TCP, f"client {port}")
        client.bind(source(scene, port))
        client.connect(Endpoint(scene.address("srv", "near"), port))
        served = listener.accept(f"served {port}")
        if history == CLIENT:
            client.close()
            served.recv()
            served.close()
        elif history == SERVER:
            served.close()
            client.recv()
            client.close()
        elif history == RESET:
            served.setsockopt("SOL_SOCKET", "SO_LINGER", (1, 0))
            served.close()
        elif history == UNREAD:
            client.send(marked(f"unread {port}"))
    scene.kill(process)


@lab.step
def live_and_die(scene: Scene) -> None:
    """Six histories of a server, each with SO_REUSEADDR in neither, one or both of its generations: 24 servers listen,
    serve a client or none, and end."""
    scene.act("c1", "wire.listen")
    for history, generation in CASES:
        live(scene, history, generation)
    scene.run("srv", *COMMAND)
    scene.run("srv", *TIMERS)


@lab.step
def start_again(scene: Scene) -> None:
    """Each server starts again at once."""
    for history, generation in CASES:
        port = port_of(history, generation)
        claim_port(scene, "srv", f"again {port}", Endpoint(ANY, port), *options(generation, new=True), listen=True)
    scene.run("srv", *COMMAND)


@lab.step
def take_another_address(scene: Scene) -> None:
    """Where the server closed first and nobody set anything, a server binds its other address. The client that was left
    idle closes. And a client connects again from the port it had; the FIN of its old connection comes once more, and
    the new one goes on."""
    port = port_of(SERVER, NEITHER)
    claim_port(scene, "srv", "elsewhere", Endpoint(scene.address("srv", "far"), port), listen=True)
    idle = port_of(IDLE, NEITHER)
    scene[f"client {idle}"].recv()
    scene[f"client {idle}"].close()
    scene.run("srv", *COMMAND)
    claim_port(scene, "srv", "after the idle client", Endpoint(ANY, idle), listen=True)
    reused, late = port_of(SERVER, BOTH), old_fin(scene, SERVER, BOTH)
    again = scene.socket("c1", TCP, "the same again")
    again.bind(source(scene, reused))
    again.connect(Endpoint(scene.address("srv", "near"), reused))
    scene[f"again {reused}"].accept("served again")
    again.send(marked("the same again"))
    scene["served again"].recv()
    send_again(scene, SERVER, BOTH, late)
    again.send(marked(GOES_ON))
    scene["served again"].recv()


def old_fin(scene: Scene, history: str, generation: str) -> list[int]:
    """The FIN by which the client of a case closed: its sequence number, and what it acknowledged."""
    port = port_of(history, generation)
    said = scene.act("c1", "wire.last_fin", scene.address("srv", "near"), port, source(scene, port).port)
    assert isinstance(said, list)
    return said


def send_again(scene: Scene, history: str, generation: str, fin: list[int]) -> None:
    """The client's FIN once more, by hand."""
    port = port_of(history, generation)
    mine = source(scene, port)
    scene.act("c1", "wire.send_fin", mine.address, mine.port, scene.address("srv", "near"), port, *fin)


@lab.step
def repeat_the_fin(scene: Scene) -> None:
    """The last FIN of a client is sent again, by hand, to a connection in TIME_WAIT, and to one of which the server has
    nothing left. And the last datagram of the lab."""
    for history in (SERVER, CLIENT):
        send_again(scene, history, NEITHER, old_fin(scene, history, NEITHER))
    fences.end(scene, "c1", "srv", "near")
    scene.run("srv", *TIMERS)


@lab.step
def wait_it_out(scene: Scene) -> None:
    """Asked for everything (--full), the lab waits until a server without options may start again: a minute."""
    where = Endpoint(ANY, port_of(SERVER, NEW))
    for second in range(LONGEST if scene.full else 0):
        scene.wait(1, f"{second} of about 60 seconds of TIME_WAIT have passed")
        sock = scene.socket("srv", TCP, f"waited {second}")
        with suppress(OSError):
            sock.bind(where)
            break
        sock.close()


def predicted(facts: Facts, history: str, generation: str) -> str:
    """What the bind rule says of the restart."""
    near = facts.topology.host("srv").address("near")
    first, second = (Claimant(TCP, ANY, reuseaddr=bool(options(generation, new))) for new in (False, True))
    return predict(first, LEFT[history], second, near).bind


def restarted(facts: Facts, history: str, generation: str) -> tuple[str, Event]:
    event = facts.attempt(f"again {port_of(history, generation)}", "bind")
    return outcome(event), event


def ending(facts: Facts, history: str) -> Packet:
    """The first FIN or RST of the connection."""
    port = port_of(history, NEITHER)
    return next(it for it in facts.at("near") if port in (it.flow.source.port, it.flow.destination.port)
                and set(it.flags) & set("FR"))  # fmt: skip


def answers(ids: tuple[str, ...], so: bool) -> dict[str, bool]:
    return dict.fromkeys(ids, so)


@lab.claim
def the_first_to_close_keeps_it(facts: Facts) -> Iterator[Check]:
    """TIME_WAIT is left at the server only where its FIN was the first end of the connection; a RST leaves nothing, nor
    does a listener without connections. (C131, C134, C137)"""
    table, event = tables(facts, "srv")[0]
    rows = {history: [row.state for row in on_port(table, port_of(history, NEITHER))] for history in HISTORIES}
    for history, state in LEFT.items():
        want = [] if state is State.CLOSED else [state.value.upper()]
        left = rows[history] == ["TIME-WAIT"]
        ids: tuple[str, ...] = ("C134",) if history in (CLIENT, SERVER, RESET) else ()
        ids = ("C131", "C137") if history == NEVER else ids
        yield Check(f"{history}: what is left", want, rows[history], (event,), answers(ids, left))
    for history, flag, server in ((CLIENT, "F", False), (SERVER, "F", True), (RESET, "R", True)):
        end = ending(facts, history)
        first = flag in end.flags and (end.flow.source.port == port_of(history, NEITHER)) == server
        yield Check(f"{history}: as the wire has it", True, first, (end,))


@lab.claim
def the_restart_follows_the_rule(facts: Facts) -> Iterator[Check]:
    """Each of the 24 servers may start again, or not, as the bind rule predicts from its history and from what both of
    its generations had set."""
    for history, generation in CASES:
        said, event = restarted(facts, history, generation)
        yield Check(f"{history}, SO_REUSEADDR {generation}", predicted(facts, history, generation), said, (event,))


@lab.claim
def nothing_to_wait_for(facts: Facts) -> Iterator[Check]:
    """Without any option a server starts again at once if nobody had connected, or if the client closed first.
    (C131, C132, C137, C161)"""
    said, event = restarted(facts, NEVER, NEITHER)
    fails = said == ADDRESS_IN_USE
    yield Check(NEVER, OK, said, (event,), answers(("C131", "C137", "C161"), fails))
    listened = facts.attempt(f"again {port_of(NEVER, NEITHER)}", "listen")
    yield Check(f"{NEVER}: listen()", OK, outcome(listened), (listened,), {"C137": outcome(listened) != OK})
    said, event = restarted(facts, CLIENT, NEITHER)
    yield Check(CLIENT, OK, said, (event,), {"C132": said == ADDRESS_IN_USE})


@lab.claim
def both_generations_must_set_it(facts: Facts) -> Iterator[Check]:
    """During TIME_WAIT, SO_REUSEADDR lets a server start again only if the one before had set it too; in the new one
    only it does not help. (C117, C130, C136, C162)"""
    port = port_of(SERVER, BOTH)
    said, event = restarted(facts, SERVER, BOTH)
    listened = facts.attempt(f"again {port}", "listen")
    table, rows = tables(facts, "srv")[1]
    still = [row.state for row in on_port(table, port)]
    yield Check("listed beside the new listener", ["LISTEN", "TIME-WAIT"], sorted(still), (rows,))
    works = said == outcome(listened) == OK and "TIME-WAIT" in still
    ids = ("C117", "C130", "C162")
    yield Check("in both", OK, said, (event, listened, rows), answers(ids, works))
    without, other = restarted(facts, SERVER, NEITHER)
    needed = (without, said) == (ADDRESS_IN_USE, OK)
    yield Check("in neither", ADDRESS_IN_USE, without, (other, event), {"C136": needed})
    alone, event = restarted(facts, SERVER, NEW)
    yield Check("in the new one only", ADDRESS_IN_USE, alone, (event,), answers((*ids, "C136"), alone == OK))


@lab.claim
def a_crash_leaves_what_its_packets_say(facts: Facts) -> Iterator[Check]:
    """Killed with an idle client, a server ends with a FIN and stays in the way, in FIN_WAIT2 and then in TIME_WAIT;
    killed with unread data it ends with a RST, and nothing stays. (C138, C161)"""
    idle, unread = ending(facts, IDLE), ending(facts, UNREAD)
    yield Check("idle: a FIN", True, "F" in idle.flags and idle.flow.source.port == port_of(IDLE, NEITHER), (idle,))
    yield Check("unread: a RST", True, "R" in unread.flags and unread.flow.source.port == port_of(UNREAD, NEITHER),
                (unread,))  # fmt: skip
    for history, want in ((IDLE, ADDRESS_IN_USE), (UNREAD, OK)):
        said, event = restarted(facts, history, NEITHER)
        yield Check(f"{history}, no options", want, said, (event,), answers(("C138", "C161"), said == ADDRESS_IN_USE))
    table, event = tables(facts, "srv")[2]
    states = [row.state for row in on_port(table, port_of(IDLE, NEITHER))]
    yield Check("when the idle client has closed", ["TIME-WAIT"], states, (event,))
    after = facts.attempt("after the idle client", "bind")
    yield Check("a server then", ADDRESS_IN_USE, outcome(after), (after,))


@lab.claim
def it_is_the_connection_that_waits(facts: Facts) -> Iterator[Check]:
    """TIME_WAIT stands in the way of its own address: the wildcard is refused, another local address is not. And the
    connection itself may begin anew. (C135)"""
    said, event = restarted(facts, SERVER, NEITHER)
    yield Check("the wildcard", ADDRESS_IN_USE, said, (event,), {"C135": said == ADDRESS_IN_USE})
    other = facts.attempt("elsewhere", "bind")
    yield Check("another address", OK, outcome(other), (other,), {"C135": outcome(other) == ADDRESS_IN_USE})
    first, again = facts.call(f"client {port_of(SERVER, BOTH)}", "connect"), facts.call("the same again", "connect")
    yield Check("the same tuple again", first.flow, again.flow, (first, again))
    wrote, read = facts.at("near").only("the same again"), facts.read("served again", "the same again")
    yield Check("it carries data", wrote.payload, read.payload, (wrote, read))


@lab.claim
def it_answers_late_packets(facts: Facts) -> Iterator[Check]:
    """A FIN that comes again is acknowledged by TIME_WAIT; where nothing is left it is answered with RST. A new
    connection on the same tuple begins beyond it, and goes on when it comes. (C133)"""
    table, rows = tables(facts, "srv")[2]
    for history, rest, want in ((SERVER, ["LISTEN", "TIME-WAIT"], ["A"]), (CLIENT, ["LISTEN"], ["R"])):
        left = sorted(row.state for row in on_port(table, port_of(history, NEITHER)))
        late, back = repeated(facts, history, NEITHER)[1:]
        flags = [it.flags for it in back]
        yield Check(f"{history}: what there is on the port", rest, left, (rows,))
        yield Check(f"{history}: what the server answers", want, flags, (rows, late, *back),
                    {"C133": left == rest and flags == want})  # fmt: skip
    old, late, back = repeated(facts, SERVER, BOTH)
    began = next(it for it in facts.at("near") if it.flow == old.flow and it.flags == "S" and it.number > old.number)
    beyond = 0 < (began.sequence - old.sequence) % 2**32 < 2**31
    yield Check("the new connection begins beyond the old FIN", True, beyond, (old, began), {"C133": beyond})
    ends = [it.flags for it in back if set(it.flags) & set("FR")]
    wrote, read = facts.at("near").only(GOES_ON), facts.call("served again", "recv")
    on = not ends and late.number < wrote.number and wrote.flow == late.flow and read.payload == wrote.payload
    yield Check("it goes on when that FIN comes again", True, on, (late, wrote, read, *back), {"C133": on})


def repeated(facts: Facts, history: str, generation: str) -> tuple[Packet, Packet, tuple[Packet, ...]]:
    """The client's FIN, the same when it came again, and what the server then sent on that connection."""
    port, near = port_of(history, generation), facts.at("near").before(fences.LAST)
    fins = [it for it in near if it.flow.destination.port == port and "F" in it.flags]
    if len(fins) < 2 or len({(it.flow, it.sequence) for it in fins}) > 1:
        raise EvidenceError(f"{history}, SO_REUSEADDR {generation}: the client's FIN was not captured twice")
    once, again = fins[0], fins[-1]
    return once, again, tuple(it for it in near if it.flow == again.flow.reversed() and it.number > again.number)


@lab.claim
def it_lasts_a_minute(facts: Facts) -> Iterator[Check]:
    """The kernel's timer says 60 seconds, whatever tcp_fin_timeout is. Where the lab waited (--full), bind() succeeded
    when they had passed. (C132)"""
    asked = next((it for it in facts.events if it.call == "run" and it.args == TIMERS), None)
    if asked is None:
        raise EvidenceError("the kernel's timers were not read")
    left = {int(port): int(seconds) for port, seconds in _TIMER.findall(str(asked.result[1]))}
    earliest = max((it.wall_ns for it in facts.events if it.host == "srv" and it.wall_ns < asked.wall_ns), default=0)
    _quick(earliest, asked.wall_ns, "the kernel's timers were read")
    waiting = [port_of(history, it) for history, it in CASES if LEFT[history] is State.TIME_WAIT]
    yield Check("ports with a timer", waiting, sorted(left), (asked,))
    for port, seconds in left.items():
        fin = [it for it in facts.at("near") if it.flow.destination.port == port and "F" in it.flags
               and it.time_ns < asked.wall_ns][-1]  # fmt: skip
        least, most = ((then - fin.time_ns) / 1e9 for then in (earliest, asked.wall_ns))
        minute = least - 1 <= MINUTE - seconds <= most + 1
        yield Check(f"port {port}: seconds left and seconds passed are {MINUTE}", True, minute, (asked, fin),
                    {"C132": minute})  # fmt: skip
    tries = [it for it in facts.events if it.socket.startswith("waited") and it.call == "bind"]
    if tries:
        port = port_of(SERVER, NEW)
        fin = next(it for it in facts.at("near") if it.flow.destination.port == port and "F" in it.flags)
        *refused, last = tries
        before = max((it.wall_ns for it in refused), default=fin.time_ns)
        _quick(before, last.wall_ns, "the last two tries were made")
        passed = (before - fin.time_ns) / 1e9 - SLACK <= MINUTE <= (last.wall_ns - fin.time_ns) / 1e9 + 1
        in_time = passed and outcome(last) == OK and all(outcome(it) == ADDRESS_IN_USE for it in refused)
        yield Check(f"refused until {MINUTE} seconds had passed", True, in_time, (fin, tries[0], last),
                    {"C132": in_time})  # fmt: skip


def _quick(before: int, after: int, what: str) -> None:
    """TooLate where so long passed between two moments that a minute cannot be told from another time."""
    if after - before > MARGIN * 1e9:
        raise TooLate(f"{what} within {(after - before) / 1e9:.1f} s; to tell a minute, {MARGIN} s are too many")
