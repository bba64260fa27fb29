"""Sentences about a checkpoint: what its results say in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sslviz.diagnostics.geometry.collapse import Collapse
from sslviz.diagnostics.geometry.spectrum import Spectrum
from sslviz.diagnostics.probes.probe import Probe
from sslviz.diagnostics.result import ResultKey

HEALTHY = "healthy"


@dataclass(frozen=True)
class Statement:
    """One thing to say of a checkpoint.

    - key: the result that says it
    - text: in words
    - tone: whether it is good news, bad news, or neither
    """

    key: ResultKey
    text: str
    tone: Literal["good", "bad", "neutral"]


def statements(results: Mapping[str, Any]) -> list[Statement]:
    """What is said of a checkpoint whose results {name: Result} these are: its health, then what can be decoded."""
    found = {ResultKey.parse(text): result for text, result in results.items()}
    probes = [_of_probe(key, result) for key, result in found.items() if key.name == "linear_probe"]
    return [*_of_health(results.get("collapse"), results.get("spectrum")), *probes]


def _of_health(collapse: Any, spectrum: Any) -> list[Statement]:
    used = f"{spectrum.directions_in_use} of {spectrum.d} directions in use" if isinstance(spectrum, Spectrum) else ""
    if isinstance(collapse, Collapse):
        if used and collapse.verdict == "complete collapse":
            used = "hardly anything differs between images"  # of which the directions in use say nothing
        text = ", ".join(filter(None, [collapse.verdict, used]))
        return [Statement(ResultKey("collapse"), text, "good" if collapse.verdict == HEALTHY else "bad")]
    return [Statement(ResultKey("spectrum"), used, "neutral")] if used else []


def _of_probe(key: ResultKey, probe: Probe) -> Statement:
    score = probe.scores()["accuracy"]
    control = f"{score.control_name} {score.control:.2f}"
    text = {
        True: f"decodable at {score.value:.2f} ({control})",
        False: f"{score.value:.2f}, no better than {control}",
        None: f"{score.value:.2f} ({control}), on too few images to judge",
    }[score.beats_control]
    return Statement(key, f"{probe.label} {text}", "good" if score.beats_control else "neutral")


def sentence(name: str, results: Mapping[str, Any]) -> str:
    """All that is said of a checkpoint in one sentence; empty where nothing is.

    "simclr: healthy, 41 of 128 directions in use, shape decodable at 0.83 (untrained 0.40)".
    """
    said = ", ".join(statement.text for statement in statements(results))
    return f"{name}: {said}" if said else ""
