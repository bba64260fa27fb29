"""Cached explanations are read again exactly where nothing differs; what was finished survives an interruption."""

import numpy as np
import pytest

import sslviz
from sslviz.explanations import cache as module
from sslviz.explanations.attribution.attribution import Attribution, attribute
from sslviz.explanations.cache import cached_result, is_cached
from sslviz.explanations.faithfulness.faithfulness import Faithfulness, faithfulness
from sslviz.explanations.targets.targets import Target, component, probe, unit
from sslviz.runs import Run

IMAGES = sslviz.shapes(n=4, seed=0)
QUICK = {"method": "saliency", "check": False}


@pytest.fixture
def run(tmp_path):
    made = Run.create(tmp_path / "r", {"encoder": {"name": "conv_nano", "image_size": 32}})
    made.save_checkpoint(3, sslviz.create_encoder("conv_nano", seed=1).state_dict())
    return made


def ask(run, *given, compute=attribute, **parameters):
    return cached_result(run, compute, *given, progress=False, **parameters)


def files(run):
    return sorted((run.path / "results").glob("*"))


def test_the_second_time_it_is_read_and_is_the_same(run, monkeypatch):
    assert not is_cached(run, attribute, run.last, IMAGES, **QUICK)
    first = ask(run, run.last, IMAGES, **QUICK)
    assert is_cached(run, attribute, run.last, IMAGES, **QUICK) and len(files(run)) == 1

    def never(*_, **__) -> Attribution:
        raise AssertionError("made again")

    never.__name__, never.__signature__ = "attribute", module.inspect.signature(attribute)
    again = ask(run, run.last, IMAGES, compute=never, **QUICK)
    np.testing.assert_array_equal(again.maps, first.maps)
    assert again.scores() == first.scores() and again.target == first.target
    assert ask(run, run.last, IMAGES, compute=never, seed=0, **QUICK).method == "saliency"  # a default, said


def test_whatever_differs_is_made_anew(run, tmp_path):
    other = IMAGES.rows(np.array([1, 0, 2, 3]))
    ask(run, run.last, IMAGES, **QUICK)
    asked = [
        (run.last.untrained(), IMAGES, {}),
        (run.last.untrained(1), IMAGES, {}),
        (run.last, other, {}),
        (run.last, IMAGES, {"seed": 1}),
        (run.last, IMAGES, {"target": unit(3)}),
        (run.last, IMAGES, {"target": unit(4)}),
        (run.last, IMAGES, {"reference": other}),
        (run.last, IMAGES, {"reference": (other, IMAGES)}),
        (run.last, IMAGES, {"target": probe(np.ones(128))}),
        (run.last, IMAGES, {"target": probe(np.ones(128), 1.0)}),
        (run.last, IMAGES, {"target": component(sslviz.embed(run.last, sslviz.shapes(n=20), progress=False))}),
    ]
    for checkpoint, images, given in asked:
        assert not is_cached(run, attribute, checkpoint, images, **QUICK | given)
    run.save_checkpoint(3, sslviz.create_encoder("conv_nano", seed=2).state_dict())  # other weights, the same name
    assert not is_cached(run, attribute, run.last, IMAGES, **QUICK)


def test_faithfulness_is_cached_by_the_maps_it_is_about_and_by_the_masks(run):
    maps = ask(run, run.last, IMAGES, **QUICK)
    given = {"steps": 2, "control_maps": {"untrained": maps}}
    truth = ask(run, maps, run.last, IMAGES, compute=faithfulness, **given)
    assert isinstance(truth, Faithfulness) and is_cached(run, faithfulness, maps, run.last, IMAGES, **given)
    other = Attribution(**vars(maps) | {"maps": maps.maps + 1})
    assert not is_cached(run, faithfulness, other, run.last, IMAGES, **given)
    assert not is_cached(run, faithfulness, maps, run.last, IMAGES, **given | {"control_maps": {"untrained": other}})
    without = type(IMAGES)(IMAGES.pixels, IMAGES.ids, IMAGES.table)
    assert without.digest == IMAGES.digest
    assert not is_cached(run, faithfulness, maps, run.last, without, **given)


def test_results_that_older_versions_stored_are_found(run):
    """They called the control maps `controls`, and a key holds the names of parameters."""
    maps = np.zeros((4, 8, 8), np.float32)
    key = module._key(faithfulness, (maps, run.last, IMAGES), {"control_maps": {"untrained": maps}})
    assert "controls" in key and "control_maps" not in key
    others = {"map", "revision", "maps", "checkpoint", "images", "masks", "target", "fill", "steps", "controls", "seed"}
    assert set(key) == others
    # A method that is as it was keeps its key, so that what is stored is found; one that gives other numbers has a new one.
    assert "revision" not in module._key(attribute, (run.last, IMAGES), QUICK)
    path = module._key(attribute, (run.last, IMAGES), {"method": "integrated_gradients"})
    assert path.pop("revision") and run.result_path(path) != run.result_path(path | {"revision": 2})


def test_auto_takes_any_precision_and_one_that_is_named_only_its_own(run):
    maps = np.random.default_rng(0).random((4, 8, 8))

    def asked(precision):
        given = {"compute": faithfulness, "steps": 2, "precision": precision}
        known = is_cached(run, faithfulness, maps, run.last, IMAGES, steps=2, precision=precision)
        return known, ask(run, maps, run.last, IMAGES, **given).precision

    assert [asked("bf16"), asked("auto"), asked("bf16")] == [(False, "bf16"), (True, "bf16"), (True, "bf16")]
    assert [asked("fp32"), asked("fp32")] == [(False, "fp32"), (True, "fp32")] and len(files(run)) == 2
    for file in files(run):
        file.unlink()
    # What "auto" came to be answers for the precision that it took, as do results of before there was a choice.
    assert [asked("auto"), asked("fp32"), asked("bf16")] == [(False, "fp32"), (True, "fp32"), (False, "bf16")]
    broken = run.result_path(module._key(faithfulness, (maps, run.last, IMAGES), {"steps": 2}))
    broken.write_bytes(b"not a result")
    assert asked("fp32") == (False, "fp32")
    with pytest.raises(ValueError, match="no precision 'half'"):
        asked("half")


def test_a_function_cannot_be_told_from_another_so_nothing_is_cached(run):
    mine = Target("the first", lambda f: f[:, 0])
    first = ask(run, run.last, IMAGES, target=mine, **QUICK)
    assert first.target == "the first" and not files(run)
    assert not is_cached(run, attribute, run.last, IMAGES, target=mine, **QUICK)


def test_an_interruption_leaves_what_was_finished_and_nothing_half(run, monkeypatch):
    ask(run, run.last, IMAGES, **QUICK)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sslviz.explanations.attribution.gradients._length", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(run, run.last, IMAGES, seed=1, **QUICK)
    assert len(files(run)) == 1
    assert len(ask(run, run.last, IMAGES, **QUICK).maps) == 4


def test_bad_questions_store_nothing(run):
    with pytest.raises(ValueError, match="no method"):
        ask(run, run.last, IMAGES, method="magic")
    assert not files(run)
