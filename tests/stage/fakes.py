"""A fake engine (a real HTTP server on a Unix socket) and fake programs (real executables that record their argv)."""

from __future__ import annotations

import json
import os
import socketserver
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path


@contextmanager
def fake_engine(place: Path, api: str = "1.41", images: tuple[str, ...] = ()) -> Iterator[str]:
    """An engine that only says its version and which images it has; yields its DOCKER_HOST."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.endswith("/version"):
                self._say(200, {"ApiVersion": api, "Version": "0.fake", "KernelVersion": "0"})
            elif "/images/" in path and any(path.endswith(f"/images/{image}/json") for image in images):
                self._say(200, {"Config": {"Labels": {}}})
            elif path.endswith(("/containers/json", "/networks")):
                self._say(200, [])
            else:
                self._say(404, {"message": f"nothing at {path}"})

        def do_POST(self) -> None:
            self._say(201 if self.path.partition("?")[0].endswith("/tag") else 404, {"message": "not here"})

        def _say(self, code: int, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    path = place / "engine.sock"
    with Server(str(path), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


class Programs:
    """A directory that goes first on PATH, with programs that write down how they were called."""

    def __init__(self, place: Path) -> None:
        self.place = place / "bin"
        self.place.mkdir()
        self.log = place / "calls"
        self.log.touch()

    def add(self, name: str, script: str) -> None:
        """A program: its argv is recorded, then the shell script runs (with `$1`, `$2`, ...)."""
        path = self.place / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IEXEC)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def path(self, alone: bool = False) -> str:
        """The PATH with these first; `alone` leaves only the shell's own tools."""
        if not alone:
            return f"{self.place}:{os.environ['PATH']}"
        for tool in ("sh", "echo", "cat", "mkdir", "cp", "touch"):
            if not (self.place / tool).exists() and Path(f"/bin/{tool}").exists():
                (self.place / tool).symlink_to(f"/bin/{tool}")
        return str(self.place)


class Told:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def announce(self, text: str) -> None:
        self.announced.append(text)

    def note(self, text: str) -> None:
        """Passing words are not remembered."""
