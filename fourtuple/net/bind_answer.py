"""What a kernel said about one question about bind(), and what it was really asked."""

from __future__ import annotations

from dataclasses import dataclass

from .bind_rule import ADDRESS_IN_USE, OK, Prediction


@dataclass(frozen=True, slots=True)
class Answer:
    """What bind() and listen() of the second socket returned, and the first one's later listen(): `ok`, the name of an
    errno, or `-` for a call not made. Where a socket could not be built, `bind` is `cannot:ERRNO`.

    `taken_port` is what bind() to port 0 returned when no port but the first one's could be drawn; `-`: not asked.
    `tried` are the sockets with the addresses and ports they really had, a sentence each.
    """

    bind: str
    listen: str = "-"
    first_listen: str = "-"
    taken_port: str = "-"
    tried: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(
            (self.bind, self.listen, self.first_listen, *([self.taken_port] if self.taken_port != "-" else []))
        )

    @property
    def sentence(self) -> str:
        """The calls that were made, and what each returned."""
        calls = (
            ("bind()", self.bind),
            ("listen()", self.listen),
            ("the first one's later listen()", self.first_listen),
            ("bind() where only the first one's port could be drawn", self.taken_port),
        )
        return ", ".join(f"{call} {said}" for call, said in calls if said != "-")

    def agrees(self, said: Prediction) -> bool:
        """Is it what the rule says?"""
        wanted = OK if said.same_port else ADDRESS_IN_USE
        calls = (self.bind, self.listen, self.first_listen) == (said.bind, said.listen, said.first_listen)
        return calls and self.taken_port in ("-", wanted)
