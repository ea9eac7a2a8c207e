"""An end host: no privilege, no configuration, only sockets that are driven from outside.

By hand, run `fourtuple.agents.server` or `fourtuple.agents.client` in it.
"""

from __future__ import annotations

import signal
import socket
import sys

from .driver import serve

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(socket.gethostname(), sys.stdin, sys.stdout)
