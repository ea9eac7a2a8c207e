"""Ask a router's own rules what they do to each packet that comes from outside: nftables tracing.

A table of its own marks the packets, `nft monitor trace` writes down which rules they pass. That it listens, and later
that it has heard everything, is seen by a datagram to nobody over loopback, which it reports like any other.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import time

from .router import interface_carrying

_TABLE = "watch"
_BEGIN, _END = 9, 10  # ports of the two datagrams to nobody
_PATIENCE, _PACE = 2.0, 0.005  # seconds
_LINE = re.compile(r"trace id (\S+) ip (\S+) (\S+) (.*)")
_running: list[tuple[subprocess.Popen[bytes], int]] = []  # the program, and the file it writes to


def start() -> None:
    """From now on; TimeoutError when nft does not begin to listen."""
    outside = interface_carrying(os.environ["OUTSIDE"])
    rules = f"""table ip {_TABLE} {{
  chain arriving {{
    type filter hook prerouting priority -400;
    iifname "{outside}" meta l4proto {{ tcp, udp }} meta nftrace set 1
  }}
  chain own {{
    type filter hook output priority -400;
    oifname "lo" udp dport {{ {_BEGIN}, {_END} }} meta nftrace set 1
  }}
}}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    file = os.memfd_create("trace")
    program = subprocess.Popen(["nft", "monitor", "trace"], stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    _running.append((program, file))
    _seen(file, _BEGIN)


def stop() -> list[list[str]]:
    """End it; for each packet what it was, and table, chain and words of the last that was done to it."""
    program, file = _running.pop()
    try:
        text = _seen(file, _END)
    finally:
        program.kill()
        program.wait()
        os.close(file)
        subprocess.run(["nft", "delete", "table", "ip", _TABLE], check=True)
    told: list[list[str]] = []
    current: dict[str, list[str]] = {}  # a number is the packet's place in memory: the next one there has it again
    for number, table, chain, said in _LINE.findall(text):
        if said.startswith("packet: ") and (table, chain) == (_TABLE, "arriving"):
            current[number] = [said, "", "", ""]
            told.append(current[number])
        elif number in current and said.startswith(("rule ", "policy ")):
            current[number][1:] = [table, chain, said.strip()]
    return told


def _seen(file: int, port: int) -> str:
    """What was written by the time a datagram to this port was reported."""
    deadline = time.monotonic() + _PATIENCE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while time.monotonic() < deadline:
            sock.sendto(b"", ("127.0.0.1", port))
            select.select([], [], [], _PACE)
            text = os.pread(file, os.fstat(file).st_size, 0).decode()
            if f"udp dport {port} " in text:
                return text
    raise TimeoutError(f"nft monitor trace reported nothing: {text}")
