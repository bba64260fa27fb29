"""Sentences about a checkpoint: what its results say in words."""

from __future__ import annotations

from typing import Any

from sslviz.diagnostics.geometry.collapse import Collapse
from sslviz.diagnostics.geometry.spectrum import Spectrum


def statements(results: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What would one say of this checkpoint?  (diagnostic, what it says, whether that is good news), one for each statement."""
    said = []
    collapse, geometry = results.get("collapse"), results.get("spectrum")
    used = f"{geometry.directions_in_use} of {geometry.d} directions in use" if isinstance(geometry, Spectrum) else ""
    if isinstance(collapse, Collapse):
        if used and collapse.verdict == "complete collapse":
            used = "hardly anything differs between images"  # of which the directions in use say nothing
        text = ", ".join(filter(None, [collapse.verdict, used]))
        said.append(("collapse", text, collapse.verdict == "healthy"))
    elif used:
        said.append(("spectrum", used, True))
    for key, probe in results.items():
        if key.partition(":")[0] == "linear_probe":
            score = probe.scores()["accuracy"]
            beside, good = f"{score.control_name} {score.control:.2f}", bool(score.beats_control)
            text = {
                True: f"decodable at {score.value:.2f} ({beside})",
                False: f"{score.value:.2f}, no better than {beside}",
                None: f"{score.value:.2f} ({beside}), on too few images to judge",
            }[score.beats_control]
            said.append((key, f"{probe.label} {text}", good))
    return said


def sentence(name: str, results: dict[str, Any]) -> str:
    """What would one say of this checkpoint in one sentence?

    "simclr: healthy, 41 of 128 directions in use, shape decodable at 0.83 (untrained 0.40)".
    """
    return f"{name}: " + ", ".join(text for _, text, _ in statements(results))
