import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from sslviz.runs import Checkpoint, Run, load_result, open_runs, save_result
from sslviz.runs.run import FORMAT


@dataclass(frozen=True, eq=False)
class Planted:
    name: str
    n: int
    maybe: float | None
    x: np.ndarray
    words: np.ndarray
    nested: dict = field(default_factory=dict)
    listed: list = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Other:
    n: int


@pytest.fixture
def planted():
    return Planted(
        "a",
        3,
        None,
        np.arange(6.0).reshape(2, 3),
        np.array(["x", "yy"]),
        {"null map": np.ones(2), "deep": {"value": 0.5}},
        [np.zeros(1), "word", 2],
    )


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "runs" / "one", {"encoder": {"name": "conv_nano"}, "arguments": {"seed": 0}})


def test_a_result_comes_back_as_it_was(planted, tmp_path):
    save_result(tmp_path / "r.npz", planted)
    back = load_result(tmp_path / "r.npz", Planted)
    assert (back.name, back.n, back.maybe) == ("a", 3, None)
    for one, two in [(back.x, planted.x), (back.words, planted.words), (back.nested["null map"], np.ones(2))]:
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype
    assert back.nested["deep"] == {"value": 0.5} and back.listed[1:] == ["word", 2]


def test_a_result_is_computed_once_and_read_after(run, planted):
    calls = []

    def compute():
        calls.append(1)
        return planted

    key = {"diagnostic": "planted", "features": "abc"}
    run.result(key, Planted, compute)
    assert run.result(key, Planted, compute).name == "a" and len(calls) == 1
    run.result({**key, "features": "abd"}, Planted, compute)
    assert len(calls) == 2


def test_a_damaged_or_foreign_result_is_computed_again(run, planted):
    key = {"diagnostic": "planted"}
    run.result(key, Planted, lambda: planted)
    path = run.result_path(key)
    path.write_bytes(path.read_bytes()[:100])
    assert run.result(key, Planted, lambda: planted).n == 3
    save_result(path, Other(5))
    with pytest.raises(ValueError, match="holds a Other, not a Planted"):
        load_result(path, Planted)
    assert run.result(key, Planted, lambda: planted).n == 3


def test_a_new_run_says_where_it_comes_from(run):
    info = json.loads((run.path / "run.json").read_text())
    assert info["format"] == FORMAT and set(info["versions"]) >= {"sslviz", "torch", "timm"}
    assert Run(run.path).name == "one" and Run(run.path).history.empty
    with pytest.raises(ValueError, match="holds no checkpoint yet"):
        _ = run.last


def test_an_out_that_exists_is_refused_and_left_alone(run):
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(ValueError, match="already exists; choose another --out, or continue .* --resume"):
        Run.create(run.path, {})
    assert (run.path / "run.json").read_bytes() == before


def test_checkpoints_are_listed_in_the_order_of_their_steps(run):
    for step in (400, 0, 1_200_000):
        run.save_checkpoint(step, {"encoder.w": torch.ones(2)})
    assert [c.step for c in run.checkpoints] == [0, 400, 1_200_000]
    assert run.last.key == "1200000" and run.last.untrained(2).key == "untrained2"
    assert run.last.untrained().path is None
    assert isinstance(run.last, Checkpoint)


def test_folders_that_are_no_runs_are_left_out_with_the_reason(run):
    folder = run.path.parent
    (folder / "notes").mkdir()
    (folder / "newer").mkdir()
    (folder / "newer" / "run.json").write_text(json.dumps({"format": FORMAT + 1}))
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text('{"format": 1, "enc')
    (folder / "loose file.txt").write_text("hello")
    runs, problems = open_runs(folder)
    assert [r.name for r in runs] == ["one"]
    text = " ".join(problems)
    assert len(problems) == 3 and "holds no run.json" in text and "newer sslviz" in text and "cannot be read" in text
    assert open_runs(folder / "nowhere") == ([], [])


def test_thumbnails_are_kept_small_and_in_order(run):
    import pandas as pd

    from sslviz import Images

    pixels = np.zeros((3, 200, 100, 3), np.uint8)
    pixels[1] = 255
    images = Images(pixels, np.array(["a", "b", "c"]), pd.DataFrame(index=range(3)))
    assert run.thumbnails(images.digest) is None
    run.save_thumbnails(images)
    kept = run.thumbnails(images.digest)
    assert kept.shape == (3, 64, 32, 3) and (kept[1] == 255).all() and (kept[[0, 2]] == 0).all()
