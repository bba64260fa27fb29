"""Passes: as many pictures are announced as encoders then see, counted in the encoders themselves."""

import numpy as np
import pytest

import sslviz
from sslviz.encoders import Encoder
from sslviz.features.embed import embed_projector
from sslviz.features.evidence import STIMULI
from sslviz.features.passes import Passes, diagnosis_passes, gather_passes, passes_line
from sslviz.features.stored import gather
from sslviz.methods import build_method


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=160, size=32, seed=0)


@pytest.fixture
def seen(monkeypatch):
    """The number of pictures of every batch that any encoder was shown."""
    counts = []

    def counting(method):
        def shown(self, x, *given, **named):
            counts.append(len(x))
            return method(self, x, *given, **named)

        return shown

    # The three pictures by which an encoder is checked before are no part of what is announced.
    monkeypatch.setattr("sslviz.features.checked_encoder._check_output", lambda encoder, x: None)
    for name in ("forward", "layers"):
        monkeypatch.setattr(Encoder, name, counting(getattr(Encoder, name)))
    return counts


@pytest.fixture
def run(tmp_path):
    """Two checkpoints of a method with a projector, of which nothing was asked yet."""
    settings = {"hidden": 16, "out": 8}
    encoder = {"name": "conv_nano", "image_size": 32}
    run = sslviz.Run.create(
        tmp_path / "r", {"encoder": encoder, "arguments": {"method": "simclr", "settings": settings}}
    )
    for step in (1, 2):
        method, _ = build_method("simclr", sslviz.create_encoder(**encoder, seed=step), settings)
        run.save_checkpoint(step, method.state_dict())
    return run


ASKED = {
    "nothing on request": ({}, False),
    "layers, whose last gives the images": ({"requested": ["layers"]}, False),
    "views": ({"requested": ["views"]}, True),
    "everything about an attribute": ({"requested": ["views", "altered", "layers"], "attributes": True}, True),
}


@pytest.mark.parametrize("asked, with_fit", ASKED.values(), ids=ASKED)
def test_as_many_pictures_are_seen_as_announced(run, images, seen, asked, with_fit):
    scored, fit = (images.rows(np.arange(120)), images.rows(np.arange(120, 160)) if with_fit else None)
    announced = gather_passes(run, run.last, scored, fit, **asked)
    assert not seen and not (run.path / "features").exists()  # asking shows and writes nothing
    gather(run, run.last, scored, fit, **asked)
    assert sum(seen) == sum(one.pictures for one in announced) and sum(seen) >= 240
    seen.clear()
    again = gather_passes(run, run.last, scored, fit, **asked)
    assert [(one.stimulus, one.encoder, one.pictures) for one in again] == [
        (p.stimulus, p.encoder, 0) for p in announced
    ]
    gather(run, run.last, scored, fit, **asked)
    assert not seen and passes_line(again).startswith("0 forward passes.")


def test_checkpoints_of_one_run_share_their_untrained_encoder(run, images, seen):
    asked = [(run, checkpoint) for checkpoint in run.checkpoints]
    announced = diagnosis_passes(asked, images, None)
    for _, checkpoint in asked:
        gather(run, checkpoint, images, None)
    assert sum(seen) == sum(one.pictures for one in announced) == 160 * (2 + 1)


def test_what_other_weights_left_there_is_shown_again(run, images, seen):
    gather(run, run.last, images, None)
    config = {**run.last.config, "mean": [0.1, 0.1, 0.1]}  # features depend on how pictures are fed, too
    other = sslviz.Checkpoint(run.name, run.last.step, config, run.last.path)
    assert [one.pictures for one in gather_passes(run, other, images, None)] == [160, 160]


def test_the_projector_needs_no_pass_and_is_the_same(run, images):
    found = gather(run, run.last, images, None)
    expected = embed_projector(run.last, images, progress=False)
    np.testing.assert_allclose(found.of("projector").x, expected.x, rtol=1e-4, atol=1e-4)
    assert dict(found.of("projector").source) == dict(expected.source)


def test_the_last_layer_is_what_the_images_give(run, images):
    found = gather(run, run.last, images, None, requested=["layers"])
    np.testing.assert_allclose(found.features.x, sslviz.embed(run.last, images, progress=False).x, rtol=1e-5, atol=1e-5)


def test_the_sentence_adds_up():
    passes = [
        Passes("images", "trained", 10),
        Passes("images", "untrained", 0, stored=10),
        Passes("corrupted", "trained", 3_000, at_most=True),
    ]
    assert passes_line(passes) == (
        "At most 3,010 forward passes: images 10, corrupted pictures at most 3,000. 10 more lie in the run folder."
    )
    assert passes_line([]) == "0 forward passes."
    assert all(stimulus.words for stimulus in STIMULI if not stimulus.project)


def test_corruptions_that_cannot_be_drawn_take_no_pass(run):
    small = sslviz.shapes(n=40, size=16, seed=0)
    large = sslviz.shapes(n=40, size=32, seed=0)
    shown = [
        sum(one.pictures for one in gather_passes(run, run.last, images, None, requested=["corrupted"]))
        for images in (small, large)
    ]
    assert shown == [2 * 40, 2 * 40 + 2 * 40 * 76]
