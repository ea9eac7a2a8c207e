"""The lab's image, one for every role, tagged and labelled with a hash of what went into it; and routers not ours."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from docker.errors import APIError, NotFound

from .. import places
from ..errors import SetupError, UsageError
from . import base_image
from .engine import Engine
from .progress import Progress

NAME = "fourtuple/node"
CONTENT = "fourtuple.content"
_IMAGES, _PACKAGE = places.of("images"), Path(__file__).resolve().parents[1]


def content_hash() -> str:
    """Twelve hex digits over every file that goes into the image, names included."""
    return _digest(_ingredients())


def _digest(ingredients: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in ingredients:
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _ingredients() -> Iterator[tuple[str, Path]]:
    """Name in the build context, and file: the Dockerfile, the package list, what containers import."""
    for name in ("Dockerfile", "packages.txt"):
        yield name, _IMAGES / name
    rooms = [path for room in ("net", "agents") for path in sorted((_PACKAGE / room).rglob("*.py"))]
    for path in (_PACKAGE / "__init__.py", *rooms):
        yield str(path.relative_to(_PACKAGE.parent)), path


def found(engine: Engine) -> str | None:
    """The hash of the image on the engine that is called `latest`, or None."""
    try:
        labels = engine.api.inspect_image(f"{NAME}:latest")["Config"].get("Labels") or {}
    except NotFound:
        return None
    return str(labels.get(CONTENT, "of unknown content"))


def present(engine: Engine, tag: str) -> bool:
    """Is the image with that tag on the engine?"""
    try:
        engine.api.inspect_image(f"{NAME}:{tag}")
    except NotFound:
        return False
    return True


def ensure(engine: Engine, tell: Progress) -> str:
    """The tag of the image that matches this fourtuple; built when it is missing, and the user is told why."""
    wanted = content_hash()
    have = found(engine)
    if present(engine, wanted):
        if have != wanted:  # by hand, Compose runs what is called latest
            engine.api.tag(f"{NAME}:{wanted}", NAME, "latest")
        return wanted
    why = (
        f"the image ({have}) is of another fourtuple than this ({wanted})"
        if have
        else "the lab's image is not built yet"
    )
    tell.announce(f"{why}: building it")
    return build(engine, tell)


def build(engine: Engine, tell: Progress) -> str:
    """Build the image; returns its tag. SetupError, with the builder's last words, when that fails."""
    wanted = content_hash()
    _build(engine, f"{NAME}:{wanted}", wanted, base_image.ensure(engine, tell), _ingredients(), tell)
    engine.api.tag(f"{NAME}:{wanted}", NAME, "latest")
    return wanted


def boxes() -> tuple[str, ...]:
    """The routers that are not ours and come with the project: directories beside the Dockerfile."""
    return tuple(sorted(it.parent.name for it in _IMAGES.glob("*/Dockerfile")))


def build_box(engine: Engine, name: str, tell: Progress) -> str:
    """Build the image of such a router; returns its name. UsageError lists what there is."""
    if name not in boxes():
        raise UsageError(f"there is no box called {name!r}; there are: {', '.join(boxes())}")
    home = _IMAGES / name
    files = [(path.name, path) for path in sorted(home.iterdir())]
    image = f"fourtuple/{name}"
    base = base_image.ensure(engine, tell, home / "packages.txt")
    _build(engine, f"{image}:latest", _digest(files), base, files, tell)
    return image


def _build(
    engine: Engine, image: str, content: str, base: str, ingredients: Iterable[tuple[str, Path]], tell: Progress
) -> None:
    tell.note(f"building {image} on {base}")
    last = ""
    try:
        for line in engine.api.build(
            fileobj=_context(ingredients),
            custom_context=True,
            tag=image,
            buildargs={"BASE": base},
            labels={CONTENT: content},
            rm=True,
            forcerm=True,
            pull=False,
            decode=True,
        ):
            if "error" in line:
                raise SetupError(f"the image could not be built: {line['error'].strip()} ({last})")
            last = str(line.get("stream", "")).strip() or last
            tell.note(last[:100])
    except APIError as error:
        raise SetupError(f"the image could not be built: {error.explanation}") from None


def _context(ingredients: Iterable[tuple[str, Path]]) -> io.BytesIO:
    """The build context: the ingredients and nothing else, the same bytes for the same content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, path in ingredients:
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            entry.mode = 0o644
            with path.open("rb") as file:
                tar.addfile(entry, file)
    packed.seek(0)
    return packed
