"""Passes: as many pictures are announced as encoders then see, counted in the encoders themselves."""

import shutil

import numpy as np
import pytest

import sslviz
from sslviz.encoders import Encoder
from sslviz.encoders.precision import PROBE
from sslviz.features.embed import embed_many, embed_projector, preprocess
from sslviz.features.evidence import SEEDS, STIMULI
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

    # The few pictures by which an encoder is checked before are no part of what is announced.
    monkeypatch.setattr("sslviz.features.checked_encoder._checked_output", lambda encoder, x: None)
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


def test_pictures_are_made_ready_once_for_all_encoders(run, images, monkeypatch):
    """Of which each gives what it gives alone; and one that knows them already is not shown them again."""
    ready = []

    def counted(pixels, encoder, dtype=None):
        ready.append(len(pixels))
        return preprocess(pixels, encoder, dtype)

    monkeypatch.setattr("sslviz.features.readers.preprocess", counted)
    scored, fit = images.rows(np.arange(120)), images.rows(np.arange(120, 160))
    gather(run, run.checkpoints[0], scored, None)
    ready.clear()
    found = gather(run, run.last, scored, fit, attributes=True)
    changed = len(found.of("changed"))
    assert sum(n for n in ready if n > PROBE) == 120 + 40 + changed  # not the few by which encoders are checked
    monkeypatch.undo()
    for name, encoder in {"trained": run.last, **{k: run.last.untrained(seed) for k, seed in SEEDS.items()}}.items():
        for stimulus, pictures in {"images": scored, "fit": fit}.items():
            alone, together = sslviz.embed(encoder, pictures, progress=False), found.of(stimulus, name)
            np.testing.assert_array_equal(together.x, alone.x)
            assert dict(together.source) == dict(alone.source)


def test_encoders_too_large_to_lie_side_by_side_see_pictures_in_turn(run, images, monkeypatch):
    names = ("trained", "untrained", *SEEDS)
    found = gather(run, run.checkpoints[0], images, None, attributes=True)
    together = {name: np.array(found.of("images", name).x) for name in names}
    shown = []

    def counted(checkpoints, pictures, **options):
        shown.append(len(checkpoints))
        return embed_many(checkpoints, pictures, **options)

    monkeypatch.setattr("sslviz.features.stored.embed_many", counted)
    monkeypatch.setattr("sslviz.features.stored.MOST_WEIGHTS", 2 * run.last.path.stat().st_size)
    shutil.rmtree(run.path / "features")
    in_turn = gather(run, run.checkpoints[0], images, None, attributes=True)
    assert shown == [2, 2, 2]  # of the images by four encoders, and of changed pictures by two
    for name in names:
        np.testing.assert_array_equal(in_turn.of("images", name).x, together[name])


def test_a_kill_loses_one_stimulus_at_most(run, images, monkeypatch):
    scored, fit = images.rows(np.arange(120)), images.rows(np.arange(120, 160))

    def killed(checkpoints, pictures, **options):
        if len(pictures) == 40:
            raise KeyboardInterrupt
        return embed_many(checkpoints, pictures, **options)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("sslviz.features.stored.embed_many", killed)
        gather(run, run.last, scored, fit, attributes=True)
    left = gather_passes(run, run.last, scored, fit, attributes=True)
    assert {one.pictures for one in left if one.stimulus == "images"} == {0}
    assert [one.pictures for one in left if one.stimulus == "fit"] == [40] * (2 + len(SEEDS))


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
