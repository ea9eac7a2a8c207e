"""Address already in use.

bind() asks one thing: do the addresses overlap, and did BOTH sockets give a permission of a kind that the first one's
state and owner allow? The rule is seven sentences long (`fourtuple/net/bind_rule.py`). Here the kernel is asked a
sample of its whole table (all of it with `--full`: protocols, address pairs, options, states, peers, owners), and then
the cases people argue about are played by two programs on one host.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import cycle

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Lab
from fourtuple.kit.ports import ANY, OK, RA, RP, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.bind_case import Case, parse
from fourtuple.net.bind_rule import ADDRESS_IN_USE, Claimant, State, predict
from fourtuple.net.bind_table import sample, table
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP, UDP = Protocol.TCP, Protocol.UDP
PORTS_IN_USE = ("ss", "-tuanH")
SAMPLE, BATCH, ORACLE = 400, 1500, "bind_oracle.ask"
PORTS = range(1024, 32768)  # below the ports that connections are given
ONE, OTHER = "127.0.0.1", "127.0.0.2"
PATH = "/tmp/fourtuple.sock"  # noqa: S108 -- in a container of our own

lab = Lab("bind", "Address already in use", compose="single")


@lab.step
def ask_the_kernel(scene: Scene) -> None:
    """The kernel is asked what bind() and listen() say, case by case, each on a port of its own since TIME_WAIT
    outlives its case; whoever contradicts the rule is asked again, since a connection may not have reached its state
    yet."""
    cases, ports = list(table()) if scene.full else sample(SAMPLE), cycle(PORTS)
    for start in range(0, len(cases), BATCH):
        asked = cases[start : start + BATCH]
        for _ in range(3):
            asked = [replace(case, port=next(ports)) for case in asked]
            answers = scene.act("srv", ORACLE, [list(case.spelled()) for case in asked])
            assert isinstance(answers, list)
            asked = [case for case, answer in zip(asked, answers, strict=True) if answer != _predicted(case)]
            if not asked:
                break


def _predicted(case: Case) -> str:
    said = case.predict()
    return f"{said.bind} {said.listen} {said.first_listen}"


@lab.step
def start_a_second_server(scene: Scene) -> None:
    """A second program takes the port of a first one that listens: without options, after the first has ended, with
    SO_REUSEPORT on both, over UDP beside TCP, and on another address."""
    first = claim_port(scene, "srv", "occupant", Endpoint(ANY, 61001), listen=True)
    claim_port(scene, "twin", "second", Endpoint(ANY, 61001), listen=True)
    claim_port(scene, "twin", "over UDP", Endpoint(ANY, 61001), protocol=UDP)
    first.close()
    claim_port(scene, "twin", "after the first ended", Endpoint(ANY, 61001), listen=True)
    claim_port(scene, "srv", "sharing 1", Endpoint(ANY, 61002), RP, listen=True)
    claim_port(scene, "twin", "sharing 2", Endpoint(ANY, 61002), RP, listen=True)
    claim_port(scene, "other", "sharing, another user", Endpoint(ANY, 61002), RP, listen=True)
    claim_port(scene, "srv", "one address", Endpoint(ONE, 61003))
    claim_port(scene, "twin", "other address", Endpoint(OTHER, 61003))
    scene.run("srv", "python3", "-c", _ERRNO)


_ERRNO = """
import socket
first, second = socket.socket(), socket.socket()
first.bind(("127.0.0.1", 61004))
try:
    second.bind(("127.0.0.1", 61004))
except OSError as error:
    print(error.errno)
"""


@lab.step
def give_permission_to_reuse(scene: Scene) -> None:
    """Two sockets with SO_REUSEADDR take one endpoint, and then both want to listen. Two over UDP, a wildcard beside a
    specific address, and a specific address beside a wildcard that already listens."""
    for name in ("reuse 1", "reuse 2"):
        claim_port(scene, "srv" if name.endswith("1") else "twin", name, Endpoint(ONE, 61010), RA)
    with suppress(OSError):
        scene["reuse 1"].listen()
    with suppress(OSError):
        scene["reuse 2"].listen()
    claim_port(scene, "twin", "reuse 3", Endpoint(ONE, 61010), RA)
    for name in ("udp reuse 1", "udp reuse 2"):
        claim_port(scene, "srv", name, Endpoint(ONE, 61011), RA, protocol=UDP)
    claim_port(scene, "srv", "reuse wildcard", Endpoint(ANY, 61012), RA)
    claim_port(scene, "srv", "reuse specific", Endpoint(ONE, 61012), RA)
    claim_port(scene, "srv", "listening wildcard", Endpoint(ANY, 61013), RA, listen=True)
    claim_port(scene, "twin", "specific, no option", Endpoint(ONE, 61013))
    claim_port(scene, "twin", "specific, reuseaddr", Endpoint(ONE, 61013), RA)


@lab.step
def listen_beside_a_wildcard(scene: Scene) -> None:
    """With SO_REUSEPORT on both, a specific address is listened on beside the wildcard, and a client dials it."""
    claim_port(scene, "srv", "wide", Endpoint(ANY, 61020), RP, listen=True)
    claim_port(scene, "twin", "narrow", Endpoint(ONE, 61020), RP, listen=True)
    client = scene.socket("srv", TCP, "caller")
    client.connect(Endpoint(ONE, 61020))
    scene["narrow"].accept("narrow's child")


@lab.step
def bind_a_path(scene: Scene) -> None:
    """The same with a socket of the Unix domain: a path instead of a port, taken twice, after close, and after
    unlink."""
    scene.run("srv", *PORTS_IN_USE)
    first = scene.unix_socket("srv", "path 1")
    first.bind(PATH)
    first.listen()
    _bind_path(scene, "path 2")
    _bind_path(scene, "path 2, reuseaddr", RA)
    client = scene.unix_socket("srv", "path client")
    client.connect(PATH)
    first.accept("path child").send(b"over the path")
    client.recv()
    scene.run("srv", "ss", "-xlanH", "src", PATH)
    scene.run("srv", *PORTS_IN_USE)
    first.close()
    _bind_path(scene, "path 3")
    second = scene.unix_socket("srv", "path open")
    scene.run("srv", "rm", PATH)
    second.bind(PATH)
    scene.run("srv", "rm", PATH)
    _bind_path(scene, "path 4")
    claim_port(scene, "srv", "tcp, reuseport", Endpoint(ONE, 61030), RP)
    _bind_path(scene, "path 5", RP)


def _bind_path(scene: Scene, name: str, *options: str) -> None:
    sock = scene.unix_socket("srv", name)
    with suppress(OSError):
        for option in options:
            sock.setsockopt("SOL_SOCKET", option, 1)
        sock.bind(PATH)


@lab.step
def build_a_bridge(scene: Scene) -> None:
    """Three sockets: one with SO_REUSEADDR and one with SO_REUSEPORT exclude each other, until one with both stands
    between them. No pairwise rule can say that."""
    claim_port(scene, "srv", "only reuseaddr", Endpoint(ONE, 61040), RA)
    claim_port(scene, "srv", "only reuseport, before", Endpoint(ONE, 61040), RP)
    claim_port(scene, "srv", "the bridge", Endpoint(ONE, 61040), RA, RP)
    claim_port(scene, "srv", "only reuseport, after", Endpoint(ONE, 61040), RP)


def expected(first: tuple[str, ...], state: State, second: tuple[str, ...], owner: int = 0) -> str:
    """What the rule says of two TCP sockets on one endpoint with these options."""
    one = Claimant(TCP, ONE, reuseaddr=RA in first, reuseport=RP in first)
    other = Claimant(TCP, ONE, reuseaddr=RA in second, reuseport=RP in second, owner=owner)
    return predict(one, state, other).bind


@lab.claim
def the_kernel_follows_the_rule(facts: Facts) -> Iterator[Check]:
    """In every case asked, bind() and listen() say what the sentences of the rule say."""
    answers: dict[Case, tuple[Case, str, Event]] = {}
    for event in facts.acts(ORACLE):
        for spelled, answer in zip(event.args[1], event.result, strict=True):
            case = parse(*spelled)
            answers[case] = (case, answer, event)  # asked again on another port, it is the same case
    events = facts.acts(ORACLE)
    asked = len(list(table())) if facts.meta.get("full") else SAMPLE
    yield Check("cases asked", asked, len(answers), events[:1])
    wrong = 0
    for case, answer, event in answers.values():
        if answer != _predicted(case):
            wrong += 1
            yield Check(f"your kernel differs: {case.command()}", _predicted(case), answer, (event,))
    yield Check("cases in which the kernel differs", 0, wrong, events[:1])


@lab.claim
def a_listened_port_refuses_a_second_server(facts: Facts) -> Iterator[Check]:
    """Without options the second server gets EADDRINUSE, errno 98; once the first has ended it starts.
    (C02, C76, C93, C103, C108, C127, C128)"""
    second, after = facts.attempt("second", "bind"), facts.attempt("after the first ended", "listen")
    refused = outcome(second) == ADDRESS_IN_USE
    yield Check(
        "the second server's bind()", expected((), State.LISTENING, ()), outcome(second), (second,),
        dict.fromkeys(("C02", "C76", "C93", "C103", "C108", "C127"), refused),
    )  # fmt: skip
    yield Check("once the first has ended", OK, outcome(after), (after,), {"C103": outcome(after) == OK})
    number = facts.ran("python3", "-c", _ERRNO)
    said = str(number.result[1]).strip()
    yield Check("the number of the error", "98", said, (number,), {"C128": said == "48"})


@lab.claim
def it_is_about_protocol_and_address_too(facts: Facts) -> Iterator[Check]:
    """UDP beside TCP, or two different addresses, share a port number without any option. (C108, C127)"""
    udp, other = facts.attempt("over UDP", "bind"), facts.attempt("other address", "bind")
    yield Check("UDP beside TCP", OK, outcome(udp), (udp,), {"C108": outcome(udp) != OK})
    yield Check("another address", OK, outcome(other), (other,), {"C127": outcome(other) != OK})


@lab.claim
def reuseport_on_both_lets_both_listen(facts: Facts) -> Iterator[Check]:
    """With SO_REUSEPORT on both, two programs of one user listen on one port; another user's is refused.
    (C02, C93, C108, C114)"""
    second, stranger = facts.attempt("sharing 2", "listen"), facts.attempt("sharing, another user", "bind")
    first = facts.attempt("sharing 1", "listen")
    two = outcome(first) == outcome(second) == OK and first.local == second.local and first.cookie != second.cookie
    refused = dict.fromkeys(("C02", "C93", "C108"), not two) | {"C114": two}
    yield Check("the second listener", OK, outcome(second), (second, first), refused)
    want = expected((RP,), State.LISTENING, (RP,), owner=1000)
    yield Check("another user's", want, outcome(stranger), (stranger,))


@lab.claim
def reuseaddr_lets_both_bind_and_one_listen(facts: Facts) -> Iterator[Check]:
    """SO_REUSEADDR on both lets two sockets bind one endpoint while neither listens; then only one may listen, and
    nobody else may bind. (C74, C76, C118, C139, C140)"""
    bound, first = facts.attempt("reuse 2", "bind"), facts.attempt("reuse 1", "listen")
    second, third = facts.attempt("reuse 2", "listen"), facts.attempt("reuse 3", "bind")
    both = outcome(bound) == OK
    answers = {"C74": not both, "C76": not both, "C139": not both}
    yield Check("two bind", expected((RA,), State.BOUND, (RA,)), outcome(bound), (bound,), answers)
    yield Check("the first listens", OK, outcome(first), (first,))
    alone = outcome(second) == ADDRESS_IN_USE
    yield Check("the second listens", ADDRESS_IN_USE, outcome(second), (second,), {"C118": alone, "C139": alone})
    want = expected((RA,), State.LISTENING, (RA,))
    yield Check("a third binds", want, outcome(third), (third,), {"C139": outcome(third) == ADDRESS_IN_USE})
    for name in ("udp reuse 2", "reuse specific"):
        event = facts.attempt(name, "bind")
        yield Check(f"{name}, nothing was closed", OK, outcome(event), (event,), {"C140": outcome(event) != OK})


@lab.claim
def a_listening_wildcard_keeps_specific_addresses_out(facts: Facts) -> Iterator[Check]:
    """While a wildcard listens, a specific address is refused without options and with SO_REUSEADDR; with
    SO_REUSEPORT on both it is not, and receives what is sent to it. (C77, C153)"""
    for name in ("specific, no option", "specific, reuseaddr"):
        event = facts.attempt(name, "bind")
        refused = outcome(event) == ADDRESS_IN_USE
        yield Check(name, ADDRESS_IN_USE, outcome(event), (event,), {"C77": refused, "C153": refused})
    narrow, wide = facts.attempt("narrow", "listen"), facts.attempt("wide", "listen")
    yield Check("with SO_REUSEPORT on both", OK, outcome(narrow), (narrow, wide), {"C153": outcome(narrow) != OK})
    accepted, caller = facts.attempt("narrow", "accept"), facts.call("caller", "connect")
    peer = f"{accepted.result[0]}:{accepted.result[1]}" if accepted.error is None else outcome(accepted)
    yield Check("the specific listener accepts the caller", str(caller.local), peer, (accepted, caller))


@lab.claim
def a_path_is_taken_until_it_is_unlinked(facts: Facts) -> Iterator[Check]:
    """A Unix-domain path stays in use after close() and whatever options are set; unlinked, it is free while its socket
    is still open. No port is involved. (C48, C78, C165)"""
    for name in ("path 2", "path 2, reuseaddr", "path 3"):
        event = facts.attempt(name, "bind")
        yield Check(name, ADDRESS_IN_USE, outcome(event), (event,), {"C78": outcome(event) == ADDRESS_IN_USE})
    freed = facts.attempt("path 4", "bind")
    yield Check("after unlink", OK, outcome(freed), (freed,), {"C78": outcome(freed) != OK})
    row = facts.ran("ss", "-xlanH", "src", PATH)
    read = facts.call("path client", "recv")
    tables = [it for it in facts.events if it.call == "run" and it.args == PORTS_IN_USE]
    if len(tables) != 2:
        raise EvidenceError("the ports in use were not read before and after the path was")
    before, after = (str(it.result[1]).splitlines() for it in tables)
    taken = sorted(set(after) - set(before))
    yield Check("the client reads over the path", b"over the path", read.payload, (read,))
    listed = PATH in str(row.result[1])
    yield Check("the socket is listed by its path", True, listed, (row,))
    used = bool(taken) or not listed or read.payload != b"over the path"
    yield Check("ports taken meanwhile", [], taken, (*tables, row, read), {"C48": used})
    tcp, unix = facts.attempt("tcp, reuseport", "setsockopt"), facts.attempt("path 5", "setsockopt")
    yield Check("SO_REUSEPORT on TCP", OK, outcome(tcp), (tcp,), {"C165": outcome(tcp) == OK})
    yield Check("SO_REUSEPORT on a path", "EOPNOTSUPP", outcome(unix), (unix,), {"C165": outcome(unix) == OK})


@lab.claim
def three_sockets_may_stand_where_two_may_not(facts: Facts) -> Iterator[Check]:
    """SO_REUSEADDR alone and SO_REUSEPORT alone exclude each other, until a socket with both has bound between them:
    the rule is about pairs, and this is where it ends."""
    before, bridge = facts.attempt("only reuseport, before", "bind"), facts.attempt("the bridge", "bind")
    after = facts.attempt("only reuseport, after", "bind")
    yield Check("a pair", expected((RA,), State.BOUND, (RP,)), outcome(before), (before,))
    yield Check("the bridge", expected((RA,), State.BOUND, (RA, RP)), outcome(bridge), (bridge,))
    if outcome(before) == OK:
        raise EvidenceError("the pair alone is allowed here, so a bridge shows nothing")
    yield Check("over the bridge", OK, outcome(after), (after,))
