"""Scores in a terminal of 80 columns: no number, no name of a score and no control is cut off."""

from dataclasses import dataclass

import pytest

from sslviz.cli.tables import print_scores
from sslviz.statistics import Score

LONG = {
    "projector_dead_dimensions": Score(-0.0482, -0.0881, -0.0123, {"no remedy": 0.0}),
    "ece after temperature": Score(0.0281, 0.0121, 0.0434, {"labels drawn from its own probabilities": 0.052}),
    "invariance to saturation": Score(0.93, 0.91, 0.95, {"untrained": 0.74}),
}


@dataclass
class Answer:
    found: dict

    def scores(self):
        return self.found


@pytest.mark.parametrize("key", ["spectrum", "counterfactual_effect:color", "description_length:long-column"])
def test_nothing_is_cut_off(key, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_scores({"run": {key: Answer(LONG)}}, [])
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert "…" not in said and max(len(line.rstrip()) for line in lines) <= 80
    assert key in said
    for name, score in LONG.items():
        (line,) = (line for line in lines if line.startswith(f"  {name} "))
        assert score.text in line
    for word in (word for score in LONG.values() for word in score.control_text.split()):
        assert word in said.split()
