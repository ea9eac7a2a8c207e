"""The behaviours of routers: nat.list, nat.show, nat.set."""

from __future__ import annotations

from invoke import Context, task

from ..stage.command import as_json, command
from .words import INSTANCE, JSON

_BEHAVIOUR = "a name or eim/apdf and what differs, see the task `nat.list`"

_ADDRESSES = "the router's outside, several with commas between"


@task(name="list", help={"json": JSON})
@command
def nat_list(_: Context, json: bool = False) -> None:
    """The behaviours that have a name, what they are, and where such boxes are met."""
    from ..net import presets
    from ..stage.narrator import Narrator

    if json:
        as_json([{"name": name, "says": presets.sentence(it), "met": it.met} for name, it in presets.PRESETS.items()])
        return
    tell = Narrator()
    for it in presets.PRESETS.values():
        tell.say(presets.sentence(it))
        tell.point(it.met)
    tell.say(f"or any of {', '.join(presets.NINE)}, and what differs: ports=random:7 udp=120s hairpin=off ...")


@task(name="show", help={"behaviour": _BEHAVIOUR, "interface": "the outside one", "address": _ADDRESSES})
@command
def nat_show(_: Context, behaviour: str, interface: str = "wan",
             address: str = "198.18.0.2,198.18.0.3,198.18.0.4") -> None:  # fmt: skip
    """The nftables rule set of a behaviour, as a router loads it."""
    from ..errors import UsageError
    from ..net import nft
    from ..stage.session import behaviour_called

    try:
        print(nft.render(behaviour_called(behaviour), interface, address.split(",")), end="")
    except ValueError as error:
        raise UsageError(str(error), "Give as many with --address A,B.") from None


@task(name="set", help={"behaviour": _BEHAVIOUR, "host": "which router, where there are several",
                        "instance": INSTANCE})  # fmt: skip
@command
def nat_set(_: Context, behaviour: str, host: str = "", instance: str = "") -> None:
    """Change the behaviour of a router of a lab that is up, in place; every mapping is forgotten."""
    from ..net import presets
    from ..stage import engine, kept
    from ..stage.narrator import Narrator
    from ..stage.session import behaviour_called

    chosen = behaviour_called(behaviour)
    name, took = kept.become(engine.connect(), host, presets.text(chosen), instance)
    Narrator().say(f"✓ {name} is now {presets.sentence(chosen)} ({took:.2f} s)")
