"""The table of methods: from METHODS and a study, whatever was studied; and the script that makes the study runs."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import torch

from sslviz.methods import METHODS
from sslviz.methods.results import STUDY, read_study, readme_methods_table

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "methods.py"


@pytest.fixture
def script(monkeypatch):
    """The benchmark, on few pictures."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("methods_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"SPECS": {"shapes": "shapes:n=320"}, "BATCH": 32, "TUNING_STEPS": 2}.items():
        monkeypatch.setattr(module, name, value)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


def row(**changes):
    values = {"images": "shapes:n=9,size=32", "encoder": "conv_nano", "method": "simclr", "linear_shape": 0.8}
    values |= {"linear_shape_low": 0.75, "linear_shape_high": 0.85, "linear_shape_untrained": 0.4}
    return values | {"beats_untrained_shape": True} | changes


def test_the_table_has_a_row_for_each_method_with_its_paper_and_what_collapses_it():
    lines = readme_methods_table(pd.DataFrame([row()])).splitlines()
    assert len(lines) == 2 + len(METHODS) and len({line.count("|") for line in lines}) == 1
    for name, line in zip(METHODS, lines[2:], strict=True):
        assert f"`{name}`" in line and "](https://arxiv.org/abs/" in line
        for settings in getattr(METHODS[name], "safeguards", {}).values():
            assert all(f"{key}={value}" in line for key, value in settings.items())
    families = [line.split("|")[1].strip() for line in lines[2:]]
    assert [family for family in families if family] == list(dict.fromkeys(m.family for m in METHODS.values()))


def test_numbers_stand_beside_the_untrained_encoder_and_are_bold_only_where_they_beat_it():
    def cell(*rows, method="simclr"):
        table = readme_methods_table(pd.DataFrame(rows))
        return next(line for line in table.splitlines() if f"`{method}`" in line)

    assert "| **0.80 ± 0.05** (0.40) |" in cell(row())
    assert "| 0.80 ± 0.05 (0.40) |" in cell(row(beats_untrained_shape=False))
    none = row(linear_shape_low=None, linear_shape_high=None, beats_untrained_shape=None)
    assert "| 0.80 (0.40) |" in cell(none)
    both = [row(encoder="vit_nano", linear_shape=0.1), row()]
    assert "**0.80" in cell(*both) and "vit_nano" not in cell(*both)
    assert "`simclr` (vit_nano)" in cell(row(encoder="vit_nano"))
    assert cell(row(), method="byol").endswith("|  |  |  |")


def test_the_study_that_ships_is_of_methods_that_there_are_and_lies_in_the_package():
    study = read_study()
    assert set(study["method"]) <= set(METHODS) and STUDY.parent.name == "methods"
    assert not study.duplicated(["images", "encoder", "method"]).any()


@pytest.mark.slow
def test_the_script_makes_a_row_and_keeps_the_others(script, tmp_path):
    """The whole of one study on few pictures: training, probes, fine-tuning with few labels."""
    options = {"out": str(tmp_path), "seeds": 2, "views": 128, "hardware": "here", "threads": 1}
    tasks, _ = script.planned(["shapes"], ["conv_nano", "vit_nano"], ["simclr"])
    assert tasks == [("shapes", "conv_nano", "simclr")]
    made = script.row_of(*tasks[0], options)
    for name in ("linear_shape", "linear_color", "knn", "few_labels", "few_labels_scratch"):
        assert made[f"{name}_low"] <= made[name] <= made[f"{name}_high"]
    assert made == pytest.approx(script.row_of(*tasks[0], options))  # nothing is trained again
    path = tmp_path / "study.csv"
    script.write_csv(path, [{**made, "method": "vicreg"}, made])
    table = script.write_csv(path, [{**made, "knn": 0.5}])
    assert list(table["method"]) == ["simclr", "vicreg"] and table["knn"].iloc[0] == 0.5
    assert readme_methods_table(read_study(path)).count("±") >= 4
