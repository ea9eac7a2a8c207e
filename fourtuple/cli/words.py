"""What options are called and mean, where several tasks have them."""

from __future__ import annotations

NAT = "the router's behaviour: a name or eim/apdf and what differs; see the task `nat.list`"

JSON = "print JSON, for programs"

JUNIT = "also write JUnit XML to this file"

INSTANCE = "which lab, where you have several up, or somebody else's"

LABS = "also search this directory for labs, or load this file; as does the variable FOURTUPLE_LABS"

OUT = "where run directories go"
