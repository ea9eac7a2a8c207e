"""One greeting to an echo server: prints the endpoint this host bound and the one the server saw.

docker compose -f compose/nat.yml exec client1 python3 -m fourtuple.agents.client udp 198.18.0.10:8000 40000
"""

from __future__ import annotations

import socket
import sys

from ..net.endpoint import Endpoint


def greet(transport: str, server: Endpoint, port: int) -> str:
    """Send one greeting from source port `port` (0: any); returns what both sides saw. Raises OSError."""
    kind = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}[transport]
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(2)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", port))
        sock.connect((server.address, server.port))
        sock.sendall(b"hello")
        return f"{transport}: I am {Endpoint(*sock.getsockname())}, the server says: {sock.recv(2048).decode()}"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit("usage: client udp|tcp ADDRESS:PORT [SOURCE-PORT]")
    try:
        transport, server, *rest = sys.argv[1:]
        print(greet(transport, Endpoint.parse(server), int(rest[0]) if rest else 0))
    except (ValueError, KeyError) as error:
        raise SystemExit(f"usage: client udp|tcp ADDRESS:PORT [SOURCE-PORT] ({error})") from None
    except OSError as error:
        raise SystemExit(f"no answer from {server}: {error}") from None
