"""The system under the lab's image: pulled where a registry answers, bootstrapped from packages where none does.

A bootstrapped system is kept as a tar in the user's cache under a name that says what went into it, so it is made
once per recipe and machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from docker.errors import APIError, NotFound
from requests.exceptions import RequestException

from .. import places
from ..errors import SetupError
from . import apt
from .engine import Engine
from .progress import Progress

PULLED = "debian:bookworm-slim"
PACKAGES = places.of("images") / "packages.txt"
_UNREAD = ("man", "locale", "doc", "info", "completions")  # of /usr/share: nobody reads it in a container
_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"  # without it a whole perl comes in to do the same


def ensure(engine: Engine, tell: Progress, packages: Path = PACKAGES) -> str:
    """The name of a base image that is on the engine now. SetupError when there is no way to have one.

    A bootstrapped one has the packages listed in that file; into a pulled one the Dockerfile installs them.
    """
    if _present(engine, PULLED):
        return PULLED
    bootstrapped = f"fourtuple/base:{_recipe_hash(packages)}"
    if _present(engine, bootstrapped):
        return bootstrapped
    tell.announce(f"pulling {PULLED}")
    try:
        repository, _, tag = PULLED.partition(":")
        for line in engine.api.pull(repository, tag=tag, stream=True, decode=True):
            if "error" in line:
                raise APIError(line["error"])
        return PULLED
    except (APIError, RequestException, OSError):
        tell.announce("no image registry answers: bootstrapping the same system from packages")
    tar = bootstrap(tell, packages)
    repository, _, tag = bootstrapped.partition(":")
    tell.note("importing the base image")
    engine.api.import_image_from_file(str(tar), repository=repository, tag=tag)
    return bootstrapped


def bootstrap(tell: Progress, packages: Path = PACKAGES) -> Path:
    """A root file system as a tar, from the cache or made with mmdebstrap. SetupError when it cannot be made."""
    tar = cache() / f"base-{_recipe_hash(packages)}.tar"
    if tar.exists():
        return tar
    if not shutil.which("mmdebstrap"):
        apt.install(["mmdebstrap"], "to build the lab's image without a registry", tell)
    source = apt.own_source()
    tar.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tar.with_suffix(f".{os.getpid()}.part")
    argv = [
        "mmdebstrap",
        "--format=tar",  # or the suffix decides, and .part means a directory
        *_recipe(packages),
        source.suite,
        str(unfinished),
        f"deb {source.options}{source.uri} {source.suite} {' '.join(source.components)}",
    ]
    try:
        lines = apt.run_showing(argv, tell, os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
        if lines:
            raise SetupError(
                f"mmdebstrap could not bootstrap the base image: {lines}", "Is the package mirror reachable?"
            )
        unfinished.rename(tar)
    finally:
        unfinished.unlink(missing_ok=True)
    return tar


def cache() -> Path:
    """Where what is worth keeping between runs lies."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "fourtuple"


def _recipe(listed: Path) -> list[str]:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in _UNREAD]
    packages = ",".join(["usr-is-merged", *listed.read_text().split()])
    return ["--variant=essential", f"--hook-dir={_MERGED_USR}", *excluded, f"--include={packages}"]


def _recipe_hash(packages: Path) -> str:
    return hashlib.sha256("\n".join(_recipe(packages)).encode()).hexdigest()[:12]


def _present(engine: Engine, image: str) -> bool:
    try:
        engine.api.inspect_image(image)
    except NotFound:
        return False
    return True
