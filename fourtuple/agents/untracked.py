"""Keeps connection tracking (conntrack) away from every packet of a network namespace, and ends.

The engine puts NAT rules for its resolver into every container, and these switch connection tracking on there. Of two
SYNs that cross in it at one instant it takes each for the first packet of a connection of its own; both are the same
connection, and the SYN that is confirmed second is dropped (`insert_failed`). Hosts that call each other lose calls by
that, and so does a router that only forwards. Neither needs the tracking: the resolver has no names to tell.

An end host may not load rules: this runs beside it, in a container that shares its network namespace.
"""

from __future__ import annotations

from . import rules

RULES = """\
table inet fourtuple {
  chain arriving {
    type filter hook prerouting priority raw; policy accept;
    notrack
  }
  chain leaving {
    type filter hook output priority raw; policy accept;
    notrack
  }
}
"""


def load() -> None:
    """Load the rules; SystemExit where that cannot be."""
    rules.load(RULES, "the rules that keep connection tracking away")


if __name__ == "__main__":
    load()
