"""A NAT router: claims the gateway address of its inside network, loads the rules of a behaviour, then is driven.

INSIDE_GATEWAY   10.7.1.1/24       the address the inside hosts already have as their default route
OUTSIDE          198.18.7.2        its own address outside; the interface that carries it is the outside one
OUTSIDE_GATEWAY  198.18.7.254/24   claimed by plain routing only, where the servers have no other way back without NAT
OUTSIDE_POOL     198.18.7.3        more addresses, with commas between, for a behaviour that has several
UPSTREAM         100.64.7.1        the router it leads to, where its outside is not yet the Internet
NAT              masquerade        as `fourtuple.net.presets` reads it

With an argument it changes the behaviour of the router that is running: `python3 -m fourtuple.agents.router eim/apdf`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from ipaddress import ip_address, ip_interface

from ..net import nft, presets
from . import rules
from .driver import serve


def interface_carrying(address: str) -> str:
    """The name of the interface that has `address`. Names are never guessed: Docker's order changes between runs."""
    for link in json.loads(ip("-j", "-4", "addr")):
        if any(entry["local"] == address for entry in link["addr_info"]):
            return str(link["ifname"])
    raise SystemExit(f"no interface of this router has the address {address}")


def interface_towards(gateway: str) -> str:
    """The name of the interface whose subnet holds `gateway` (ADDRESS/PREFIX)."""
    wanted = ip_address(gateway.partition("/")[0])
    for link in json.loads(ip("-j", "-4", "addr")):
        for entry in link["addr_info"]:
            if wanted in ip_interface(f"{entry['local']}/{entry['prefixlen']}").network:
                return str(link["ifname"])
    raise SystemExit(f"no interface of this router is in the network of {gateway}")


def ip(*words: str) -> str:
    """What `ip` prints; SystemExit with its complaint when it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def configure(environment: dict[str, str]) -> None:
    """Claim the gateways and load the rules; SystemExit with a sentence where that cannot be."""
    inside = environment["INSIDE_GATEWAY"]
    if ip("-j", "route", "show", "default").strip() not in ("", "[]", "[ ]"):
        ip("route", "del", "default")  # Docker's own; without it the unknown is unreachable at once
    ip("addr", "add", inside, "dev", interface_towards(inside))
    if upstream := environment.get("UPSTREAM"):
        ip("route", "add", "default", "via", upstream)
    become(environment["NAT"])


def forget() -> None:
    """Stay what it is, with every mapping forgotten."""
    become(os.environ["NAT"])


def become(text: str) -> str:
    """Behave like this from now on, with every mapping forgotten; returns the rules.

    SystemExit where nft refuses, ValueError where the router cannot be this.
    """
    chosen, address = presets.parse(text), os.environ["OUTSIDE"]
    outside = interface_carrying(address)
    if gateway := os.environ.get("OUTSIDE_GATEWAY"):
        claimed = gateway.partition("/")[0] in ip("-4", "addr", "show", "dev", outside)
        if claimed == chosen.translates:  # only plain routing needs it: its servers must find the inside hosts
            ip("addr", "del" if claimed else "add", gateway, "dev", outside)
    more = list(filter(None, os.environ.get("OUTSIDE_POOL", "").split(",")))
    wanted = nft.render(chosen, outside, [address, *more])
    _hold(outside, more[: chosen.addresses.count - 1], more)
    rules.load(wanted, f"the rules of {text}")
    subprocess.run(["conntrack", "-F"], capture_output=True, check=False)
    os.environ["NAT"] = text
    return wanted


def _hold(outside: str, wanted: list[str], possible: list[str]) -> None:
    """Have these of the possible additional addresses, and no other of them."""
    held = ip("-4", "addr", "show", "dev", outside)
    for one in possible:
        if (f" {one}/" in held) != (one in wanted):
            ip("addr", "add" if one in wanted else "del", f"{one}/32", "dev", outside)


def hand_over() -> None:
    """Leave the place to another program: the inside addresses stay, our rules and all that was remembered go."""
    gateway = os.environ["OUTSIDE_GATEWAY"]
    ip("addr", "del", gateway, "dev", interface_carrying(gateway.partition("/")[0]))
    subprocess.run(["nft", "delete", "table", "ip", nft.TABLE], check=True)
    subprocess.run(["conntrack", "-F"], capture_output=True, check=False)


if __name__ == "__main__" and sys.argv[1:]:
    try:
        become(sys.argv[1])
    except ValueError as error:
        raise SystemExit(f"this router cannot: {error}") from None
elif __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        configure(dict(os.environ))
    except (ValueError, KeyError) as error:
        raise SystemExit(f"the router's environment is not usable: {error}") from None
    serve(socket.gethostname(), sys.stdin, sys.stdout)
