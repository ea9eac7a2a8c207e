"""What a lab needs of this machine, examined one by one; measured rather than guessed from versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ..errors import LabError
from ..evidence.packet import marked
from ..net.endpoint import Protocol
from . import compose, images
from .engine import Engine, connect
from .live_scene import LiveScene, Node
from .progress import Progress
from .stage import Stage, new_run


@dataclass(frozen=True, slots=True)
class Finding:
    """One prerequisite: what was found, whether a lab can live with it, and what to do where it cannot."""

    name: str
    ok: bool
    found: str
    todo: str = ""

    def __str__(self) -> str:
        line = f"{'✓' if self.ok else '✗'} {self.name}: {self.found}"
        return f"{line}\n    {self.todo}" if self.todo else line

    def as_dict(self) -> dict[str, str | bool]:
        return asdict(self)


def examine(tell: Progress) -> Iterator[Finding]:
    """Look at everything, each thing as soon as what it stands on is there."""
    tell.note("asking the engine")
    try:
        engine = connect()
    except LabError as error:
        yield Finding("engine", False, error.message, error.hint)
        return
    yield Finding("engine", True, f"{engine.version}, API {engine.api_version}, kernel {engine.kernel}")
    yield _compose()
    yield _bridge_netfilter(engine)
    yield _subnet(engine)
    image = _image(engine)
    yield image
    if image.ok:
        tell.note("sending a frame through a router")
        yield from _living(engine)


def _compose() -> Finding:
    if trouble := compose.trouble():
        return Finding("compose", False, trouble.message, trouble.hint)
    return Finding("compose", True, str(compose.version()))


def _bridge_netfilter(engine: Engine) -> Finding:
    state = engine.api.info().get("BridgeNfIptables")
    if state is None:
        return Finding("br_netfilter", True, "the engine does not say; lab networks work with and without it")
    on = "on, so lab frames pass the host's iptables, which change none and may drop one of two SYNs that cross"
    words = on if state else "off"
    return Finding("br_netfilter", True, f"{words}; lab networks work with and without it")


def _subnet(engine: Engine) -> Finding:
    try:
        return Finding("subnets", True, f"{len(compose.free_instances(engine))} of 255 instance numbers are free")
    except LabError as error:
        return Finding("subnets", False, error.message, error.hint)


def _image(engine: Engine) -> Finding:
    wanted, have = images.content_hash(), images.found(engine)
    if images.present(engine, wanted):
        return Finding("image", True, f"{images.NAME}:{wanted} is of this fourtuple")
    found = f"the image on the engine is {have}, this fourtuple wants {wanted}" if have else "it is not built yet"
    return Finding("image", False, found, "Run `invoke images`; `invoke lab` does it too.")


def _living(engine: Engine) -> Iterator[Finding]:
    """A router that only routes, brought up for real: what its kernel can do, and a frame that crosses it."""
    stage = Stage(engine, "nat", new_run(), "none", images.content_hash(), taps=False)
    try:
        stage.build()
        stage.attach()
        stage.start()
        nodes = stage.nodes()
        yield _nft(nodes["router"])
        yield _netem(nodes["router"])
        yield _frame(stage, nodes)
    except LabError as error:
        yield Finding("a frame through a router", False, error.message, error.hint)
    finally:
        stage.remove()


def _nft(router: Node) -> Finding:
    rule = "add table ip probe; add chain ip probe nat { type nat hook postrouting priority 100; };"
    try:
        router.run("nft", f"{rule} add rule ip probe nat oifname lo masquerade; delete table ip probe")
        return Finding("nft NAT in a container", True, router.run("nft", "--version").split("(")[0].strip())
    except LabError as error:
        return Finding("nft NAT in a container", False, error.message, "The kernel needs nf_tables and nft_masq.")


def _netem(router: Node) -> Finding:
    try:
        router.run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
        router.run("tc", "qdisc", "del", "dev", "lo", "root")
        return Finding("netem", True, "the kernel can delay and lose packets")
    except LabError:
        return Finding("netem", True, "this kernel has none: no lab can add delay or loss here; none needs it")


def _frame(stage: Stage, nodes: dict[str, Node]) -> Finding:
    """One datagram from client1 to alice, through the router, read on the other side."""
    scene = LiveScene(stage.topology, nodes, lambda _: None)
    wanted = marked("doctor", "are you there?")
    try:
        alice = scene.socket("alice", Protocol.UDP, "alice")
        alice.bind(scene.endpoint("alice", 8000))
        client = scene.socket("client1", Protocol.UDP, "client1")
        client.bind(scene.endpoint("client1", 40000))
        client.sendto(wanted, scene.endpoint("alice", 8000))
        payload, seen = alice.recvfrom()
    except OSError as error:
        return Finding(
            "a frame through a router",
            False,
            f"it did not reach the other side: {error.strerror or error}",
            "The engine drops routed frames: try sysctl net.bridge.bridge-nf-call-iptables=0, and tell us your engine.",
        )
    ok = payload == wanted and seen == scene.endpoint("client1", 40000)
    return Finding("a frame through a router", ok, f"sent by client1, read by alice from {seen}")
