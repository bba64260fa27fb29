"""The table of methods: from METHODS and a study, whatever was studied; and the script that makes the study runs."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import torch

from sslviz.evaluation.study.stored import STUDY, read_study, readme_methods_table, readme_study_table
from sslviz.methods import METHODS

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
    values = {"images": "shapes:n=9,size=32", "encoder": "conv_nano", "method": "simclr", "views": 9, "seeds": 3}
    values |= {"hardware": "a machine", "date": "2000-01-01", "linear_shape": 0.8}
    values |= {"linear_shape_low": 0.75, "linear_shape_high": 0.85, "linear_shape_untrained": 0.4}
    return values | {"linear_shape_untrained_low": 0.3, "linear_shape_untrained_high": 0.5} | changes


def test_the_table_has_a_row_for_each_method_with_its_paper_and_what_collapses_it():
    lines = readme_methods_table().splitlines()
    assert len(lines) == 2 + len(METHODS) and len({line.count("|") for line in lines}) == 1
    for name, line in zip(METHODS, lines[2:], strict=True):
        assert f"`{name}`" in line and "](https://arxiv.org/abs/" in line
        for settings in getattr(METHODS[name], "safeguards", {}).values():
            assert all(f"{key}={value}" in line for key, value in settings.items())
    families = [line.split("|")[1].strip() for line in lines[2:]]
    assert [family for family in families if family] == list(dict.fromkeys(m.family for m in METHODS.values()))


def test_numbers_stand_beside_their_control_and_are_bold_only_where_the_intervals_lie_apart():
    def cell(*rows, method="simclr"):
        table = readme_study_table(pd.DataFrame(rows))
        return next(line for line in table.splitlines() if f"`{method}`" in line)

    assert "| **0.80 ± 0.050** (0.40) |" in cell(row())
    assert "| 0.80 ± 0.050 (0.40) |" in cell(row(linear_shape_untrained_high=0.76))
    none = row(linear_shape_low=None, linear_shape_high=None)
    assert "| 0.80 (0.40) |" in cell(none)
    both = [row(encoder="vit_nano", linear_shape=0.1), row()]
    assert "**0.80" in cell(*both) and "vit_nano" not in cell(*both)
    assert "`simclr` (vit_nano)" in cell(row(encoder="vit_nano"))
    assert not set(cell(row(), method="byol").split("|")[3:]) - {"  ", ""}
    painted = {"reconstruction_error": 0.01, "reconstruction_error_low": 0.005, "reconstruction_error_high": 0.015}
    painted |= {f"reconstruction_control{end}": value for end, value in (("", 0.03), ("_low", 0.02), ("_high", 0.04))}
    assert "| **0.010 ± 0.005** (0.030) |" in cell(row(**painted))


def test_the_line_below_says_the_budget_the_hardware_and_the_date():
    assert readme_study_table(pd.DataFrame([row()])).endswith(
        "Measured: 9 views a run, 3 seeds; a machine; 2000-01-01."
    )


def test_the_study_that_ships_is_of_methods_that_there_are_and_lies_in_the_package():
    study = read_study()
    assert set(study["method"]) <= set(METHODS) and STUDY.parent.name == "study"
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
    assert readme_study_table(read_study(path)).count("±") >= 4
