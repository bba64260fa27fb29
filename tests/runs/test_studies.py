"""Do runs that belong together find each other, whatever they are called and wherever they lie?"""

import json

import pytest

from sslviz.runs import Run, argument_table, color_groups, flat_arguments, open_runs, run_folders, seed_groups, studies


def make(path, **arguments):
    encoder = {"name": arguments.pop("encoder", "conv_nano")}
    return Run.create(path, {"kind": "pretrain", "arguments": {"seed": 0, **arguments}, "encoder": encoder})


@pytest.fixture
def folder(tmp_path):
    """A study of two methods with three seeds each, two runs beside it, and one in a folder of its own."""
    for method in ("byol", "simclr"):
        for seed in range(3):
            make(tmp_path / "study" / method / f"s{seed}", method=method, seed=seed)
    make(tmp_path / "simclr-seed0", method="simclr", learning_rate=0.1)
    make(tmp_path / "simclr-seed1", method="simclr", learning_rate=0.1, seed=1, settings={"temperature": 0.2})
    make(tmp_path / "alone" / "only", method="mae", encoder="vit_nano")
    return tmp_path


def test_runs_in_subfolders_are_found_and_named_with_them(folder):
    runs, problems = open_runs(folder)
    inside = [f"study/{method}/s{seed}" for method in ("byol", "simclr") for seed in range(3)]
    assert [run.name for run in runs] == ["alone/only", "simclr-seed0", "simclr-seed1", *inside] and not problems
    assert all(run.path == folder / run.name for run in runs)


def test_runs_of_one_name_in_two_studies_keep_what_is_computed_apart(folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    runs, problems = open_runs(folder, cache=cache)
    written = [run.places.written for run in runs]
    assert not problems and len(set(written)) == len(runs) and all(cache in place.parents for place in written)


def test_what_lies_in_a_run_is_no_run_and_what_is_none_is_named_once(folder):
    (folder / "photos" / "cats").mkdir(parents=True)
    (folder / "study" / "notes").mkdir()
    make(folder / "simclr-seed0" / "features" / "inner")
    (folder / ".hidden").mkdir()
    runs, problems = open_runs(folder)
    assert len(runs) == 9 and sorted(p.partition(" is not")[0] for p in problems) == [
        str(folder / "photos"),
        str(folder / "study" / "notes"),
    ]
    deep = folder / "a" / "b" / "c" / "d"
    make(deep)
    assert deep not in run_folders(folder)


def test_only_runs_that_differ_in_nothing_but_the_seed_are_one_group(folder):
    runs = open_runs(folder)[0]
    groups = seed_groups(runs)
    assert groups == {f"study/{m}": [f"study/{m}/s{s}" for s in range(3)] for m in ("byol", "simclr")}
    # The two beside the study differ in a setting, too; without it they are a group, called by what their names share.
    info = json.loads((folder / "simclr-seed1" / "run.json").read_text())
    del info["arguments"]["settings"]
    (folder / "simclr-seed1" / "run.json").write_text(json.dumps(info))
    assert seed_groups(open_runs(folder)[0])["simclr"] == ["simclr-seed0", "simclr-seed1"]


def test_two_runs_of_one_seed_are_no_group(tmp_path):
    runs = [make(tmp_path / name, method="simclr") for name in ("a", "b")]
    assert seed_groups(runs) == {} and color_groups(runs) == {"a": "a", "b": "b"}


def test_groups_whose_names_share_nothing_are_called_by_their_method(tmp_path):
    runs = [make(tmp_path / f"{x}-{m}", method=m, seed=i) for m in ("byol", "mae") for i, x in enumerate("xy")]
    runs += [make(tmp_path / f"{x}-mae-fast", method="mae", learning_rate=1, seed=i) for i, x in enumerate("xy")]
    assert list(seed_groups(runs)) == ["byol", "mae", "mae (2)"]


def test_studies_are_folders_and_seeds_once_each(folder):
    found = studies(open_runs(folder)[0])
    assert list(found) == ["study", "study/byol", "study/simclr"] and len(found["study"]) == 6


def test_arguments_in_which_runs_differ(folder):
    table = argument_table(open_runs(folder)[0])
    assert list(table) == ["study", "encoder", "seed", "method", "learning_rate", "temperature"]
    assert table.loc["study/byol/s2", ["study", "seed"]].tolist() == ["study/byol", 2]
    assert flat_arguments(Run(folder / "simclr-seed1"))["temperature"] == 0.2
    assert argument_table([Run(folder / "simclr-seed0")]).empty
