"""Perturbed pictures: each is asked about once, whatever serves from it; fewer steps say the same; precision is said."""

import numpy as np
import pytest

import sslviz
from sslviz.explanations.faithfulness.encoder_measures import PerturbedAnswers
from sslviz.explanations.faithfulness.faithfulness import faithfulness
from sslviz.explanations.faithfulness.perturbation import block_masks, block_sums, square_blocks
from sslviz.runs import Checkpoint

from ..toys import counted

NANO = Checkpoint("nano", 0, {"name": "conv_nano", "image_size": 32}, None)
IMAGES = sslviz.shapes(n=8, seed=0)
QUIET = {"steps": 4, "progress": False}


def some_maps(grid, seed=0):
    return np.random.default_rng(seed).normal(size=(len(IMAGES), *grid)).astype(np.float32)


def test_maps_that_share_answers_are_measured_as_each_by_itself():
    """Two maps on one grid and one on another, each beside an own control; and a map that is another's control."""
    asked = [(some_maps((8, 8), 0), some_maps((8, 8), 1)), (some_maps((8, 8), 1), some_maps((8, 8), 2))]
    asked.append((some_maps((32, 32), 3), some_maps((32, 32), 4)))
    answers = PerturbedAnswers(NANO, IMAGES)
    for maps, control in asked:
        given = {"control_maps": {"untrained": control}, **QUIET}
        shared = faithfulness(maps, NANO, IMAGES, answers=answers, **given)
        alone = faithfulness(maps, NANO, IMAGES, **given)
        assert shared.names == alone.names
        for name, values in alone.values.items():
            np.testing.assert_allclose(shared.values[name], values, atol=1e-5)


def test_what_was_asked_is_not_asked_again():
    answers, first = PerturbedAnswers(NANO, IMAGES), some_maps((8, 8))
    with counted() as counts:
        for _ in range(2):
            faithfulness(first, NANO, IMAGES, answers=answers, **QUIET)
        before = counts[0]
        faithfulness(some_maps((8, 8), 1), NANO, IMAGES, answers=answers, **QUIET)
    # The map itself: three pictures going, three coming; and all and nothing of each picture.
    assert counts[0] - before == len(IMAGES) * (2 * 3 + 2)


def test_answers_of_others_are_refused():
    for answers in (PerturbedAnswers(NANO.untrained(3), IMAGES), PerturbedAnswers(NANO, IMAGES, "bf16")):
        with pytest.raises(ValueError, match="of another checkpoint or of other images, or .* in another precision"):
            faithfulness(some_maps((8, 8)), NANO, IMAGES, answers=answers, **QUIET)


def test_the_random_order_comes_backwards_as_it_goes():
    result = faithfulness(some_maps((8, 8)), NANO, IMAGES, **QUIET)
    deletion, insertion = (result.curves[name][result.names.index("random")] for name in ("deletion", "insertion"))
    np.testing.assert_array_equal(insertion, deletion[:, ::-1])
    assert not np.allclose(result.curves["insertion"][0], result.curves["deletion"][0, :, ::-1])


def test_sums_over_blocks_are_those_over_their_masks():
    blocks, maps = square_blocks(5, 16, seed=3), np.random.default_rng(0).normal(size=(5, 16, 16))
    masks = block_masks(blocks, 16)
    np.testing.assert_array_equal(masks.sum((2, 3)), blocks[..., 2] ** 2)
    assert 2 <= blocks[..., 2].min() and blocks[..., 2].max() <= 8
    np.testing.assert_allclose(block_sums(maps, blocks), (masks * maps[:, None]).sum((2, 3)), atol=1e-9)


def test_bfloat16_is_said_and_says_the_same():
    """Of an encoder whose features agree; a processor that multiplies bfloat16 slowly computes it all the same."""
    images = sslviz.shapes(n=8, seed=0, size=96)
    checkpoint = Checkpoint("mine", 0, {"name": "conv_nano", "image_size": 96}, None, 1)
    maps = np.random.default_rng(0).random((8, 6, 6))
    found = {}
    for precision in ("fp32", "bf16"):
        found[precision] = faithfulness(maps, checkpoint, images, precision=precision, **QUIET)
        assert found[precision].precision == precision
    for name, values in found["fp32"].values.items():
        assert np.abs(found["bf16"].values[name] - values).max() < 0.02, name
    assert not np.array_equal(found["bf16"].values["insertion"], found["fp32"].values["insertion"])


def test_noise_rarely_beats_its_controls_with_the_few_steps_of_a_report():
    """Of a hundred maps of noise, each on its own pictures: 2.5 % would beat one control, fewer beat all of them."""
    from sslviz.reports.explain.expected_passes import STEPS

    fired, draws = {"insertion": 0, "deletion": 0}, np.random.default_rng(0)
    pictures = sslviz.shapes(n=400, seed=1, size=16)
    tiny = Checkpoint("tiny", 0, {"name": "conv_nano", "image_size": 16}, None)
    for seed in range(100):
        images = pictures.rows(np.sort(draws.permutation(400)[:8]))
        maps = draws.normal(size=(8, 16, 16))
        result = faithfulness(maps, tiny, images, steps=STEPS, seed=seed, progress=False)
        for measure in fired:
            fired[measure] += bool(result.beats(measure))
    assert max(fired.values()) <= 7, fired
