"""Somebody else's router: the place it is put into is proven first, then it is started there, then it must translate.

`compose/foreign.yml` has the place (`router`, our own program) and the box in it. What a box is told and what it must
do is in docs/foreign.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from docker.errors import NotFound

from ..errors import SetupError, UsageError
from ..evidence.packet import marked
from ..net.endpoint import Endpoint, Protocol
from .engine import Engine
from .live_scene import LiveScene
from .stage import Stage

COMPOSE, SERVICE = "foreign", "box"
PORT = 9998  # alice's; client1 has the next one for each canary, since a flow is translated once
PAUSE = 0.25  # seconds for a canary, each way


@dataclass(frozen=True, slots=True)
class Box:
    """The image of a router, and how many seconds it may take until it translates."""

    image: str
    patience: float = 20.0


def check(engine: Engine, box: Box) -> None:
    """UsageError unless the engine has the image and the patience is a time."""
    if not 0 < box.patience <= 600:
        raise UsageError(f"--patience {box.patience:g} is not possible; wanted were up to 600 seconds")
    try:
        engine.api.inspect_image(box.image)
    except NotFound:
        raise UsageError(
            f"there is no image {box.image!r} on this engine",
            "Build, load or pull it first; `invoke images --box NAME` builds those that come with fourtuple.",
        ) from None


def move_in(stage: Stage, scene: LiveScene, box: Box) -> None:
    """Prove the place with a canary that is only routed, start the box in it, wait until a canary is translated.

    SetupError says whose fault it is: the place's, or what the box does not do.
    """
    scene.step = "canary"
    scene.socket("alice", Protocol.UDP, "alice's canary").bind(scene.endpoint("alice", PORT))
    scene["alice's canary"].settimeout(PAUSE)
    own = scene.endpoint("client1", 0).address
    seen, back = _fly(scene, 0)
    if seen is None or seen.address != own or not back:
        raise SetupError(
            f"the place for the router is broken: of a datagram that was only routed alice saw {seen}, back: {back}",
            "This is not about the image; see `invoke doctor`.",
        )
    scene.act("router", "router.hand_over")
    stage.engine.api.start(stage.containers[SERVICE])
    began = time.monotonic()
    number, trouble = 0, ""
    while time.monotonic() - began < box.patience:
        trouble, over = _not_up(stage)
        if over:
            break
        if trouble:
            scene.wait(1, f"{box.image} {trouble}")
            continue
        number += 1
        seen, back = _fly(scene, number)
        if seen and seen.address != own and back:
            return
        trouble = _blame(seen, own)
        scene.note(f"{box.image} {trouble}")
    said = stage.engine.api.logs(stage.containers[SERVICE], tail=1).decode(errors="replace").strip()
    raise SetupError(
        f"the router image {box.image} {trouble}, after {time.monotonic() - began:.0f} s and {number} canaries; the "
        "same had passed when this lab routed it itself",
        f"What the image said last: {said or 'nothing'}. The contract is in docs/foreign.md.",
    )


def _fly(scene: LiveScene, number: int) -> tuple[Endpoint | None, bool]:
    """A datagram from client1 to alice, and one back: where she saw it come from, and whether hers arrived."""
    name, alice = f"canary {number}", scene["alice's canary"]
    mine = scene.socket("client1", Protocol.UDP, name)
    mine.bind(scene.endpoint("client1", PORT + number))
    mine.settimeout(PAUSE)
    seen: Endpoint | None = None
    try:
        mine.sendto(marked(name), scene.endpoint("alice", PORT))
        payload = b""
        while payload != marked(name):  # an earlier canary may come late
            payload, seen = alice.recvfrom()
        assert seen
        alice.sendto(marked(f"{name} back"), seen)
        return seen, mine.recvfrom()[1] == scene.endpoint("alice", PORT)
    except OSError:
        return seen, False
    finally:
        mine.close()


def _not_up(stage: Stage) -> tuple[str, bool]:
    """Why the box cannot be asked yet, or nothing, and whether it never can be: it ended, or the health check of its
    image does not say healthy."""
    state = stage.engine.api.inspect_container(stage.containers[SERVICE])["State"]
    if not state["Running"]:
        return f"ended with exit code {state['ExitCode']}", True
    health = (state.get("Health") or {}).get("Status", "healthy")
    return ("" if health == "healthy" else f"is not ready: its health check says {health}"), False


def _blame(seen: Endpoint | None, own: str) -> str:
    if seen is None:
        return "does not forward: nothing of client1 reached alice"
    if seen.address == own:
        return f"forwards and does not translate: alice saw {seen}, client1's own endpoint"
    return f"translates and lets nothing back in: alice saw {seen}, and her answer did not reach client1"
