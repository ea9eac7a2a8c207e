"""Gives rules to the packet filter of this container's network namespace."""

from __future__ import annotations

import subprocess


def load(rules: str, what: str) -> None:
    """Load nftables rules; SystemExit, with a sentence that calls them `what`, where nft is missing or refuses."""
    try:
        loaded = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        raise SystemExit(f"{what} need nft, and this image lacks the package nftables") from None
    if loaded.returncode:
        refused = " ".join(loaded.stderr.split())
        raise SystemExit(f"nft refused {what}, which this kernel may lack a part for: {refused}")
