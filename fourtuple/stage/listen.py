"""Listening to a lab that is up: one more tap, in the network namespace of the host it listens to."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

from ..errors import UsageError
from ..evidence.topology import Topology
from . import kept, ownership
from .engine import Engine
from .images import NAME


@dataclass(frozen=True, slots=True)
class Request:
    """Where to listen: a tap of the lab (`lan`, `home-a`) or a host, in one's only kept lab or in that instance."""

    engine: Engine
    image: str
    tap: str
    instance: str


def listen(request: Request, file: str, wireshark: bool) -> None:
    """Capture until Ctrl-C into a file, Wireshark, a pipe or onto the terminal, and print the command that does it.

    UsageError for an unknown tap, without Wireshark, or where the file cannot be written.
    """
    if wireshark and not shutil.which("wireshark"):
        raise UsageError("wireshark was not found on this machine", "Install it, or use --file.")
    argv = command(request, terminal=sys.stdout.isatty() and not file and not wireshark)
    end = f" > {shlex.quote(file)}" if file else " | wireshark -k -i -" if wireshark else ""
    print("+", shlex.join(argv) + end, file=sys.stderr, flush=True)  # noqa: T201
    if not file and not wireshark:
        os.execvp(argv[0], argv)  # noqa: S606
    if file:
        _into(file, argv)
    else:
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as source:
            subprocess.run(["wireshark", "-k", "-i", "-"], stdin=source.stdout, check=False)
            source.send_signal(signal.SIGINT)


def _into(file: str, argv: list[str]) -> None:
    """Write straight into the file; tcpdump flushes and ends when it is told to."""
    try:
        with open(file, "wb") as out, subprocess.Popen(argv, stdout=out) as source:
            try:
                source.wait()
            except KeyboardInterrupt:
                source.send_signal(signal.SIGINT)  # from a terminal it has had one
    except OSError as error:
        raise UsageError(f"the capture cannot be written to {file}: {error.strerror}") from None


def command(request: Request, terminal: bool) -> list[str]:
    """The `docker run` that listens: tcpdump with what it needs and nothing else. UsageError lists what there is."""
    there = kept.choose(request.engine, request.instance)
    host, address = _place(there.topology(), request.tap)
    caps = [word for cap in ("NET_RAW", "SETUID", "SETGID") for word in ("--cap-add", cap)]
    return [
        *("docker", "run", "--rm", "--pull", "never", *(("-t",) if terminal else ())),
        *("--network", f"container:{there.container(host)[:12]}", "--read-only", "--cap-drop", "ALL", *caps),
        *("--security-opt", "no-new-privileges", "--label", f"{ownership.PROJECT}=fourtuple"),
        *("--label", f"{ownership.RUN}={there.lab.run}", "--label", f"{ownership.OWNER}={there.lab.owner}"),
        *("-e", f"TAP_ADDRESS={address}", f"{NAME}:{request.image}", "python3", "-S", "-m", "fourtuple.agents.tap"),
    ]


def _place(topology: Topology, name: str) -> tuple[str, str]:
    """Whose network namespace that is, and the address of the interface; no address means all interfaces of a host."""
    for tap in topology.taps:
        if tap.name == name:
            return tap.host, topology.host(tap.host).address(tap.network)
    for host in topology.hosts:
        if host.name == name:
            addresses = [address for _, address in host.interfaces]
            return host.lives_with or name, addresses[0] if len(addresses) == 1 else ""
    taps, hosts = ([it.name for it in things] for things in (topology.taps, topology.hosts))
    raise UsageError(
        f"there is nothing called {name!r} to listen to in this lab",
        f"{f'It has the taps {_list(taps)}, and ' if taps else 'It has '}the hosts {_list(hosts)}.",
    )


def _list(names: list[str]) -> str:
    return ", ".join(sorted(names))
