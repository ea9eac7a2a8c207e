"""From a lab's name to an engine that is ready for it: the checks every live command makes first, in this order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import UsageError
from ..kit import catalog
from ..kit.lab import Lab
from ..kit.nearest import did_you_mean
from ..net import presets
from ..net.behaviour import NatBehaviour
from . import foreign, images, ownership
from .engine import Engine, connect
from .narrator import Narrator


@dataclass(frozen=True, slots=True)
class Session:
    """A lab, a behaviour, an engine without the leavings of dead runs, and the image of this checkout.

    `box` is a router that is not ours; then the behaviour is that of the place it is put into.
    """

    lab: Lab
    nat: NatBehaviour
    engine: Engine
    image: str
    box: foreign.Box | None = None
    options: dict[str, str] = field(default_factory=dict)


def begin(
    name: str, nat: str, narrator: Narrator, box: foreign.Box | None = None, options: Mapping[str, str] | None = None
) -> Session:
    """UsageError for an unknown lab, NAT or image, before anything is touched; SetupError if the engine will not do."""
    lab = catalog.find(catalog.called(name))
    chosen = behaviour_called("none" if box else nat or lab.nats[0])
    wanted = presets.text(chosen)
    if wanted not in lab.nats and not lab.any_nat:
        raise UsageError(f"the lab {name} has no router to be {wanted}; it runs with: {', '.join(lab.nats)}")
    chosen_options = _options(lab, options or {})
    engine = connect()
    if box:
        foreign.check(engine, box)
    for dead in ownership.sweep(engine):
        narrator.announce(f"removed what the dead run {dead.run} had left behind")
    with narrator.working("looking at the image"):
        image = images.ensure(engine, narrator)
    return Session(lab, chosen, engine, image, box, chosen_options)


def _options(lab: Lab, chosen: Mapping[str, str]) -> dict[str, str]:
    """What was chosen over what the lab has otherwise; UsageError for what it does not know."""
    if strange := [name for name in chosen if name not in lab.options]:
        raise UsageError(
            f"the lab {lab.name} has nothing to choose called {', '.join(strange)}; "
            + (f"it has: {', '.join(lab.options)}" if lab.options else "it has nothing at all to choose")
        )
    options = lab.options | dict(chosen)
    try:
        lab.accepts(options)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return options


def behaviour_called(name: str) -> NatBehaviour:
    """The behaviour a person named; UsageError lists what exists."""
    try:
        return presets.parse(name)
    except ValueError as error:
        meant = did_you_mean(re.split(r"[\s,]", name.strip())[0], {*presets.PRESETS, *presets.NINE}).strip()
        raise UsageError(str(error), meant or "See `invoke nat.list`.") from None
