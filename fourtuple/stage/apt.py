"""The distribution's packages: installed where we are root, and always from the machine's own mirror."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError
from .progress import Progress

_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where this machine gets its packages: `options` is apt's bracket with the key, `suite` the release's name."""

    uri: str
    suite: str
    components: tuple[str, ...]
    options: str


def usable() -> bool:
    """Can packages be installed here?"""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str], purpose: str, tell: Progress) -> None:
    """Install packages. SetupError when this is not a Debian or Ubuntu where we are root, or apt fails."""
    if not usable():
        raise SetupError(
            f"{' and '.join(packages)} was wanted {purpose}, and this is not a Debian or Ubuntu machine with root",
            f"Install {' and '.join(packages)} by your own means, or run `invoke setup` as root.",
        )
    tell.announce(f"installing {' '.join(packages)} {purpose}")
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        if end := run_showing(["apt-get", *words], tell, os.environ | _QUIET):
            raise SetupError(f"`apt-get {' '.join(words)}` failed: {end}", "Is the package mirror reachable?")


def candidate(package: str) -> str | None:
    """The version apt would install, or None."""
    asked = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    for line in asked.stdout.splitlines():
        if line.strip().startswith("Candidate:"):
            version = line.split(":", 1)[1].strip()
            return None if version == "(none)" else version
    return None


def own_source() -> Source:
    """The machine's main package source. SetupError when apt names none."""
    wanted = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    codename = _codename()
    rows = [line.split("|") for line in asked.stdout.splitlines() if line.count("|") == 3]
    rows = [row for row in rows if row[1] == codename]
    if not rows:
        raise SetupError(f"apt names no package source for {codename or 'this system'}", "Run `apt-get update` once.")
    uri, suite, _, key = rows[0]
    components = tuple(dict.fromkeys(row[2] for row in rows if row[0] == uri))
    return Source(uri, suite, components, f"[signed-by={key}] " if key.startswith("/") else "")


def _codename() -> str:
    release = Path("/etc/os-release")
    for line in release.read_text().splitlines() if release.exists() else ():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return ""


@contextmanager
def newer_suite(suite: str) -> Iterator[tuple[Path, list[str]]]:
    """A scratch directory and apt options that read another suite of the same mirror, without touching the system."""
    source = own_source()
    with tempfile.TemporaryDirectory(prefix="fourtuple-apt-") as name:
        place = Path(name)
        for directory in ("lists/partial", "cache/archives/partial", "x"):
            (place / directory).mkdir(parents=True)
        listed = place / "newer.list"
        listed.write_text(f"deb {source.options}{source.uri} {suite} main\n")
        settings = {
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::sourcelist": str(listed),
            "Dir::State::Lists": str(place / "lists"),
            "Dir::Cache": str(place / "cache"),
            "APT::Sandbox::User": "root",
        }
        yield place, [f"-o{name}={value}" for name, value in settings.items()]


def run_showing(argv: list[str], tell: Progress, environment: Mapping[str, str], cwd: Path | None = None) -> str:
    """Run a program and show its last line as it works; returns the end of what it said if it failed, else nothing."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(environment),
        cwd=cwd,
    ) as process:
        said: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            if words := line.strip():
                said = [*said[-4:], words]
                tell.note(words[:100])
    return "" if process.returncode == 0 else " / ".join(said[-2:]) or f"exit code {process.returncode}"
