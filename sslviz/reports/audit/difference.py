"""What changed between two reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslviz.reports.audit.gate import number_text


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What changed from one report to another, in sentences?  Runs are told apart by name; a run in one only is said.

    Caveat: Intervals that do not overlap differ; those that do may differ too, and are not listed.
    """
    said = [
        f"The {what} are not the same: what differs below may come from that."
        for what, key in (("plans", "plan"), ("images", "images"))
        if before[key]["digest"] != after[key]["digest"]
    ]
    said += [
        f"The {which} report is a quick one ({report['quick']['heading']})."
        for which, report in (("first", before), ("second", after))
        if report.get("quick")
    ]
    found, was = ({_key(one): one for one in report["findings"]} for report in (after, before))
    said += [f"New: {one['run']}: {one['said']}" for key, one in found.items() if key not in was]
    said += [f"No longer found: {one['run']}: {one['said']}" for key, one in was.items() if key not in found]
    for name in dict.fromkeys([*before["runs"], *after["runs"]]):
        a, b = (report["runs"].get(name) for report in (before, after))
        if a is None or b is None:
            said.append(f"{name} is only in the {'second' if a is None else 'first'} report.")
            continue
        if a["verdict"] != b["verdict"]:
            said.append(f"{name}: the verdict was {a['verdict']!r} and is {b['verdict']!r}.")
        said += _moved(name, a["scores"], b["scores"])
    return said


def _key(finding: Mapping[str, Any]) -> tuple[str, ...]:
    return finding["run"], finding["diagnostic"], *finding["columns"]


def _moved(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The scores whose intervals in the two reports have nothing in common."""
    said = []
    for key in (key for key in before if key in after):
        for score in (score for score in before[key] if score in after[key]):
            a, b = before[key][score], after[key][score]
            if None in (a["low"], a["high"], b["low"], b["high"]):
                continue
            if a["high"] < b["low"] or b["high"] < a["low"]:
                said.append(f"{name}: {key}.{score} was {_interval(a)} and is {_interval(b)}.")
    return said


def _interval(read: Mapping[str, Any]) -> str:
    return f"{number_text(read['value'])} [{number_text(read['low'])}, {number_text(read['high'])}]"
