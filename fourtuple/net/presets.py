"""Behaviours as people write them: a name, or `eim/apdf`, then what differs, as `ports=random:7 udp=120s`.

The same text comes back from `text()`: `parse(text(it)) == it` for every behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from .behaviour import (
    Addresses,
    AddressPooling,
    Filtering,
    FilterScope,
    Hairpinning,
    Lifetimes,
    Mapping,
    NatBehaviour,
    PortAssignment,
    Ports,
    Translation,
    Unsolicited,
)

MAPPINGS = {"eim": Mapping.ENDPOINT_INDEPENDENT, "adm": Mapping.ADDRESS_DEPENDENT,
            "apdm": Mapping.ADDRESS_AND_PORT_DEPENDENT}  # fmt: skip
FILTERINGS = {"eif": Filtering.ENDPOINT_INDEPENDENT, "adf": Filtering.ADDRESS_DEPENDENT,
              "apdf": Filtering.ADDRESS_AND_PORT_DEPENDENT}  # fmt: skip
POOLS = {"preserve": Ports(), "sequential": Ports(PortAssignment.SEQUENTIAL, 1024, 5119),
         "random": Ports(PortAssignment.RANDOM, 1024, 65535)}  # fmt: skip
NINE = tuple(f"{mapping}/{filtering}" for mapping in MAPPINGS for filtering in FILTERINGS)
LONGEST = 86_400 * 7  # seconds: a claim on a port is renewed weekly
MOST = 4  # external addresses of one router
DRAWN = 4096  # ports of a pool that a router really uses, however large its range

_Word = TypeVar("_Word", bound=Enum)
_Any = TypeVar("_Any")


def _wild(
    name: str, met: str, how: Translation, mapping: str, ports: str, unsolicited: Unsolicited = Unsolicited.DROP
) -> NatBehaviour:
    """The kernel's own NAT, which has no hairpin and filters by the whole tuple.

    Its lifetimes are the kernel's defaults: a UDP flow that was not a stream for two seconds lives for thirty.
    """
    return NatBehaviour(MAPPINGS[mapping], Filtering.ADDRESS_AND_PORT_DEPENDENT, how, FilterScope.MAPPING, POOLS[ports],
                        hairpinning=Hairpinning.OFF, unsolicited=unsolicited, lifetimes=Lifetimes(30, 432_000, 120),
                        name=name, met=met)  # fmt: skip


_WILD = (
    _wild("masquerade", "Linux home routers: MASQUERADE behind a stateful firewall",
          Translation.MASQUERADE, "eim", "preserve"),
    _wild("masquerade-random", "Linux gateways told to randomise source ports: MASQUERADE --random",
          Translation.MASQUERADE_RANDOM, "apdm", "random"),
    _wild("masquerade-fully-random", "Kubernetes nodes and other Linux gateways: MASQUERADE --random-fully",
          Translation.MASQUERADE_FULLY_RANDOM, "apdm", "random"),
    _wild("bare", "a router with one NAT rule and no firewall: the teaching example that kills hole punching",
          Translation.MASQUERADE, "eim", "preserve", Unsolicited.HOST),
    NatBehaviour(MAPPINGS["eim"], FILTERINGS["eif"], Translation.NONE, name="none",
                 met="routers without NAT: the control of every experiment here"),
)  # fmt: skip
_NAMED = {
    "home": ("eim/apdf", "good home routers: mappings that last, strict filters, ports kept"),
    "full-cone": ("eim/eif", "the old name (RFC 3489); gamers' routers and UPnP-like port triggers"),
    "restricted-cone": ("eim/adf", "the old name (RFC 3489); older home routers"),
    "port-restricted-cone": ("eim/apdf", "the old name (RFC 3489); most home routers"),
    "symmetric": ("apdm/apdf ports=random", "the old name (RFC 3489); firewalls and mobile networks"),
    "cgnat": ("eim/eif ports=random udp=300s", "carrier-grade NATs that follow RFC 6888 and 7857"),
    "corporate": ("apdm/apdf ports=random hairpin=off unsolicited=rst udp=120s", "enterprise firewalls"),
    "cloud-gateway": ("apdm/apdf ports=random hairpin=off udp=350s tcp=350s", "managed NAT gateways of clouds"),
    "rst": ("eim/apdf unsolicited=rst", "teaching: refuses what nobody asked for, as RFC 5382 REQ-4 asks not to"),
    "icmp": ("eim/apdf unsolicited=icmp", "teaching: reports what nobody asked for"),
    "short-lived": ("eim/apdf udp=3s transitory=3s tcp=6s", "teaching: mappings that die while one waits"),
}


def parse(text: str) -> NatBehaviour:
    """The behaviour a person wrote; ValueError says which word is wrong, and what is possible."""
    words = re.split(r"[\s,]+", text.strip())
    behaviour = _base(words[0])
    for word in words[1:] if "=" not in words[0] else words:
        behaviour = _changed(behaviour, word)
    _possible(behaviour)
    return behaviour


def _base(word: str) -> NatBehaviour:
    if word in PRESETS:
        return PRESETS[word]
    if "=" in word:  # no base at all: mapping= and filtering= say it
        return replace(PRESETS["home"], name="", met="")
    mapping, slash, filtering = word.partition("/")
    if not slash:
        raise ValueError(
            f"there is no NAT called {word!r}; there are: {', '.join(PRESETS)}, and MAPPING/FILTERING with "
            f"{'|'.join(MAPPINGS)} and {'|'.join(FILTERINGS)}"
        )
    return NatBehaviour(_one(mapping, MAPPINGS, "mapping"), _one(filtering, FILTERINGS, "filtering"))


def _changed(behaviour: NatBehaviour, word: str) -> NatBehaviour:
    key, _, value = word.partition("=")
    keys: dict[str, Callable[[], NatBehaviour]] = {
        "mapping": lambda: replace(behaviour, mapping=_one(value, MAPPINGS, key)),
        "filtering": lambda: replace(behaviour, filtering=_one(value, FILTERINGS, key)),
        "scope": lambda: replace(behaviour, scope=_enum(value, FilterScope, key)),
        "ports": lambda: replace(behaviour, ports=_ports(value)),
        "hairpin": lambda: replace(behaviour, hairpinning=_enum(value, Hairpinning, key)),
        "unsolicited": lambda: replace(behaviour, unsolicited=_enum(value, Unsolicited, key)),
        "udp": lambda: _lifetime(behaviour, udp=_seconds(value, key)),
        "tcp": lambda: _lifetime(behaviour, established=_seconds(value, key)),
        "transitory": lambda: _lifetime(behaviour, transitory=_seconds(value, key)),
        "addresses": lambda: replace(behaviour, addresses=_addresses(value)),
        "refresh": lambda: _lifetime(behaviour, inbound_refresh=_one(value, _REFRESH, key)),
    }
    if key not in keys:
        raise ValueError(f"{word!r} means nothing here; wanted was one of: {', '.join(f'{it}=' for it in keys)}")
    if not behaviour.exact:
        raise ValueError(
            f"{behaviour.name} is taken as it is met: {key}= cannot be chosen; say eim/apdf and change that"
        )
    return replace(keys[key](), name="", met="")


_REFRESH = {"both": True, "outbound": False}


def _lifetime(behaviour: NatBehaviour, **change: int | bool) -> NatBehaviour:
    return replace(behaviour, lifetimes=replace(behaviour.lifetimes, **change))  # type: ignore[arg-type]


def _one(value: str, words: dict[str, _Any], key: str) -> _Any:
    if value not in words:
        raise ValueError(f"{key}={value or '?'} is not possible; {key} is one of: {', '.join(words)}")
    return words[value]


def _enum(value: str, kind: type[_Word], key: str) -> _Word:
    return _one(value, {it.value: it for it in kind if it is not Unsolicited.HOST}, key)


def _seconds(value: str, key: str) -> int:
    found = re.fullmatch(r"(\d+)s?", value)
    if not found or not 1 <= int(found[1]) <= LONGEST:
        raise ValueError(f"{key}={value} is not possible; wanted was a number of seconds from 1 to {LONGEST}, as 120s")
    return int(found[1])


def _ports(value: str) -> Ports:
    word, *rest = value.split(":")
    ports = _one(word, POOLS, "ports")
    for part in rest:
        bounds = re.fullmatch(r"(\d+)-(\d+)", part)
        if bounds:
            ports = replace(ports, low=int(bounds[1]), high=int(bounds[2]))
        elif part.isdigit() and ports.assignment is PortAssignment.RANDOM:
            ports = replace(ports, seed=int(part))
        else:
            raise ValueError(
                f"ports={value} is not possible; wanted was e.g. preserve, sequential:2000-2999 or random:7"
            )
    if not 1 <= ports.low <= ports.high <= 65535:
        raise ValueError(f"ports={value} is not possible; a pool is LOW-HIGH, both from 1 to 65535, LOW first")
    return ports


def _addresses(value: str) -> Addresses:
    count, _, pooling = value.partition(":")
    if not count.isdecimal() or not 1 <= int(count) <= MOST:
        raise ValueError(f"addresses={value} is not possible; wanted was 1 to {MOST}, as 2 or 2:arbitrary")
    return Addresses(int(count), _enum(pooling or AddressPooling.PAIRED.value, AddressPooling, "addresses=N"))


def _possible(behaviour: NatBehaviour) -> None:
    """ValueError for a combination no rule set can do."""
    lifetimes = behaviour.lifetimes
    if behaviour.exact and lifetimes.established <= lifetimes.transitory:
        raise ValueError(
            f"tcp={lifetimes.established}s must be longer than transitory={lifetimes.transitory}s: by the time it has "
            "left the rules tell an established connection from one that is not"
        )


def text(behaviour: NatBehaviour) -> str:
    """The behaviour as a person would write it: its name, or mapping/filtering and what differs from the default."""
    if behaviour.name:
        return behaviour.name
    mapping, filtering = _key(MAPPINGS, behaviour.mapping), _key(FILTERINGS, behaviour.filtering)
    plain = NatBehaviour(behaviour.mapping, behaviour.filtering)
    words = [f"{mapping}/{filtering}"]
    for key, enum in (("scope", "scope"), ("hairpin", "hairpinning"), ("unsolicited", "unsolicited")):
        if (value := getattr(behaviour, enum)) is not getattr(plain, enum):
            words.append(f"{key}={value.value}")
    if behaviour.ports != plain.ports:
        words.append(f"ports={_pool(behaviour.ports)}")
    if behaviour.addresses != plain.addresses:
        pooling = behaviour.addresses.pooling
        end = "" if pooling is AddressPooling.PAIRED else f":{pooling.value}"
        words.append(f"addresses={behaviour.addresses.count}{end}")
    lifetimes, usual = behaviour.lifetimes, Lifetimes()
    for key, name in (("udp", "udp"), ("tcp", "established"), ("transitory", "transitory")):
        if (seconds := getattr(lifetimes, name)) != getattr(usual, name):
            words.append(f"{key}={seconds}s")
    if not lifetimes.inbound_refresh:
        words.append("refresh=outbound")
    return " ".join(words)


def _pool(ports: Ports) -> str:
    word, usual = next((word, pool) for word, pool in POOLS.items() if pool.assignment is ports.assignment)
    seed = f":{ports.seed}" if ports.seed else ""
    bounds = f":{ports.low}-{ports.high}" if (ports.low, ports.high) != (usual.low, usual.high) else ""
    return f"{word}{seed}{bounds}"


def _key(words: dict[str, _Any], value: object) -> str:
    return next(word for word, it in words.items() if it is value)


def sentence(behaviour: NatBehaviour) -> str:
    """The behaviour in RFC 4787's words."""
    name = text(behaviour)
    if not behaviour.translates:
        return f"{name}: translates nothing, filters nothing"
    mapping, filtering, ports = behaviour.mapping.value, behaviour.filtering.value, behaviour.ports.assignment.value
    return f"{name}: {mapping} mapping, {filtering} filtering, {ports}"


def slug(behaviour: NatBehaviour) -> str:
    """The behaviour as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text(behaviour))


PRESETS: dict[str, NatBehaviour] = {it.name: it for it in _WILD}
PRESETS |= {"home": NatBehaviour(MAPPINGS["eim"], FILTERINGS["apdf"])}
PRESETS |= {name: replace(parse(spelt), name=name, met=met) for name, (spelt, met) in _NAMED.items()}
