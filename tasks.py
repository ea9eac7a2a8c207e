"""invoke's front door: `invoke lab nat`, and `invoke --list` for the rest."""

from fourtuple.cli import namespace

__all__ = ["namespace"]
