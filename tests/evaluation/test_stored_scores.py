"""Are scores that were kept the same as those that were worked out, and never those of something else?"""

import json

import pytest

from sslviz.catalog import find_entry
from sslviz.evaluation.stored_scores import stored_scores
from sslviz.runs import Run
from sslviz.statistics import Score


class Result:
    """A result that counts how often it is asked."""

    asked = 0

    def scores(self):
        self.asked += 1
        return {
            "a": Score(0.1 + 0.2, 0.1, 0.5, {"chance": 1 / 3}, None, "ceiling"),
            "b": Score.unknown("few", {"x": 0.5}),
        }


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {"encoder": {"name": "conv_nano"}})


def test_they_are_worked_out_once_and_read_as_they_were(run, planted_evidence):
    evidence, entry, result = planted_evidence(n=90, d=8, seed=0), find_entry("spectrum"), Result()
    first, again = (stored_scores(run, entry, evidence, (), result) for _ in range(2))
    assert result.asked == 1 and first["a"] == again["a"] and again["b"].reason == "few"
    other = planted_evidence(n=90, d=8, seed=1)
    stored_scores(run, entry, other, (), result)
    stored_scores(run, find_entry("knn_probe"), evidence, ("label",), result)
    assert result.asked == 3


def test_what_is_damaged_is_worked_out_again(run, planted_evidence):
    evidence, entry, result = planted_evidence(n=90, d=8, seed=0), find_entry("spectrum"), Result()
    stored_scores(run, entry, evidence, (), result)
    (path,) = (run.path / "results").glob("*.json")
    for text in ("{", "[]", json.dumps({"a": {"value": 1}})):
        path.write_text(text)
        assert stored_scores(run, entry, evidence, (), result)["a"].value == 0.1 + 0.2
    assert result.asked == 4


def test_a_folder_that_cannot_be_written_is_left_alone(run, planted_evidence, monkeypatch):
    def refuse(*folders):
        raise ValueError("nothing can be written here")

    monkeypatch.setattr(run, "check_writable", refuse)
    result = Result()
    for _ in range(2):
        assert set(stored_scores(run, find_entry("spectrum"), planted_evidence(n=90, d=8, seed=0), (), result)) == {
            "a",
            "b",
        }
    assert result.asked == 2 and not list(run.path.glob("results/*"))
