"""A tap: tcpdump on the interface that carries TAP_ADDRESS, in the network namespace of the host it listens to; on all
interfaces where TAP_ADDRESS is empty.

Piped, it writes a pcap to standard output; on a terminal it prints the packets. Immediate mode, because without it
the last second of packets is still in the kernel's ring when tcpdump is told to stop.
"""

from __future__ import annotations

import os
import sys

from .router import interface_carrying

if __name__ == "__main__":
    address = os.environ["TAP_ADDRESS"]
    interface = interface_carrying(address) if address else "any"
    output = ["-nn"] if sys.stdout.isatty() else ["-w", "-"]
    quiet = ["--immediate-mode", "-U", "--time-stamp-precision=nano", "-B", "16384", "-s", "256", "-p", "-i", interface]
    os.execvp("tcpdump", ["tcpdump", *quiet, *output, *sys.argv[1:]])
