"""What can go wrong, each with the sentence a person reads: what was wanted, what was found, what to do."""

from __future__ import annotations


class LabError(Exception):
    """Something that ends a command with exit code 2: a message, and a hint about what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(LabError):
    """The words of a command are off: an unknown lab, NAT or directory."""


class SetupError(LabError):
    """The lab could not be brought up: no engine, no image, no free subnet."""


class DriveError(LabError):
    """A program in a container failed: which host, what it was asked, the end of what it said."""


class EvidenceError(LabError):
    """What was recorded cannot answer the question. A claim turns it into UNDECIDED."""


class TooLate(EvidenceError):
    """Something came later than the question allows, and only time could tell: what, and by how much. A claim turns it
    into NOT_MEASURED."""


class NotAsked(EvidenceError):
    """The run was not made to find that out, or could not on this router: no fault of the evidence."""
