"""Rounds: the checkpoint decides how many pictures are shown, every other encoder sees the same, and nothing is lost."""

import shutil
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import sslviz
from sslviz.data import Images
from sslviz.features import diagnosed, evidence
from sslviz.features.diagnosed import record_diagnosis, stored_evidence
from sslviz.features.evidence import STIMULI, find_stimulus
from sslviz.features.passes import drawing_seconds, gather_passes
from sslviz.features.stored import gather
from sslviz.runtime.memory_cache import MemoryCache

SIZE, MOST = 5, 20


class Drawing(ModuleType):
    """A module that draws pictures in two brightnesses, and finds `needed` of them enough."""

    def __init__(self):
        super().__init__("sslviz.brightness")
        self.drawn, self.needed, self.broken_at = [], 10, None

    def draw(self, images, numbers=None):
        if len(self.drawn) == self.broken_at:
            raise KeyboardInterrupt
        self.drawn.append([int(number) for number in numbers])
        table = {"object": np.tile(images.ids, 2), "changed": np.repeat(["", "half"], len(images))}
        pixels = np.concatenate([images.pixels, images.pixels // 2])
        ids = np.array(
            [f"{name} {change}".strip() for name, change in zip(table["object"], table["changed"], strict=True)]
        )
        return Images(pixels, ids, pd.DataFrame(table))

    def seconds(self, images):
        return 0.1

    def enough(self, features, fit, seen):
        assert len(features) == 60 and fit is None
        return len(seen) >= 2 * self.needed


@pytest.fixture
def drawing(monkeypatch):
    """The row of corrupted pictures with another drawing, of twenty pictures in rounds of five."""
    module = Drawing()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    homes = {"pictures": "brightness:draw", "drawing": "brightness:seconds", "enough": "brightness:enough"}
    row = replace(find_stimulus("corrupted"), max_images=MOST, round_size=SIZE, each=2, **homes)
    for room in (evidence, diagnosed):
        monkeypatch.setattr(room, "STIMULI", tuple(row if one.name == row.name else one for one in STIMULI))
    return module


@pytest.fixture
def run(tmp_path):
    run = sslviz.Run.create(tmp_path / "r", {"encoder": {"name": "conv_nano", "image_size": 16}})
    for step in (1, 2):
        run.save_checkpoint(step, sslviz.create_encoder("conv_nano", image_size=16, seed=step).state_dict())
    return run


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=60, size=16, seed=3)


def objects(features):
    return features.column("object")[features.column("changed") == ""].tolist()


def test_the_checkpoint_decides_and_the_control_sees_the_same(run, images, drawing):
    announced = {p.encoder: p for p in gather_passes(run, run.last, images, None, requested=["corrupted"])[-2:]}
    assert all(one.pictures == 2 * MOST and one.at_most for one in announced.values())
    row = evidence.find_stimulus("corrupted")
    # Twenty of the images at 0.1 s each, once for both encoders.
    assert drawing_seconds(row, images, announced.values()) == pytest.approx(2.0)
    found = gather(run, run.last, images, None, requested=["corrupted"])
    trained, control = found.of("corrupted"), found.of("corrupted", "untrained")
    assert len(trained) == 20 and objects(trained) == objects(control) and len(drawing.drawn) == 2
    assert not set(drawing.drawn[0]) & set(drawing.drawn[1])
    assert trained.source["enough"] and trained.source["of"] == MOST and len(trained.source["rounds"]) == 2
    expected = sslviz.embed(
        run.last, drawing.draw(images.rows(np.isin(images.ids, objects(trained))), range(10)), progress=False
    )
    np.testing.assert_allclose(trained.x, expected.select(list(trained.ids)).x, atol=1e-5)
    known = gather_passes(run, run.last, images, None, requested=["corrupted"])[-2:]
    assert [(one.pictures, one.stored, one.at_most) for one in known] == [(0, 20, False)] * 2
    assert drawing_seconds(row, images, known) == 0
    gather(run, run.last, images, None, requested=["corrupted"])
    assert len(drawing.drawn) == 3  # one of them by this test
    record_diagnosis(run, images, None)
    assert stored_evidence(run, run.last, images.digest).of("corrupted").digest == trained.digest


def test_a_checkpoint_that_needs_more_shows_the_control_the_rest(run, images, drawing):
    first, last = run.checkpoints
    gather(run, first, images, None, requested=["corrupted"])
    drawing.needed, before = MOST, len(drawing.drawn)
    announced = gather_passes(run, last, images, None, requested=["corrupted"])[-2:]
    assert [(one.pictures, one.stored, one.at_most) for one in announced] == [(40, 0, True), (20, 20, True)]
    found = gather(run, last, images, None, requested=["corrupted"])
    assert len(drawing.drawn) - before == 4  # once for both encoders
    assert (
        objects(found.of("corrupted")) == objects(found.of("corrupted", "untrained"))
        and len(found.of("corrupted")) == 40
    )
    assert not found.of("corrupted").source["enough"]  # it was shown all there are
    of_first = gather(run, first, images, None, requested=["corrupted"])
    assert len(of_first.of("corrupted")) == 20 and set(objects(of_first.of("corrupted"))) < set(
        objects(found.of("corrupted"))
    )


def test_what_is_drawn_for_one_checkpoint_serves_the_next_where_memory_holds_it(run, images, drawing):
    first, last = run.checkpoints
    one_round = 2 * SIZE * images.pixels[0].nbytes
    for room, again in ((4 * one_round, 0), (one_round // 2, 2)):
        cache, before = MemoryCache(room), len(drawing.drawn)
        found = [gather(run, step, images, None, requested=["corrupted"], drawn=cache) for step in (first, last)]
        assert len(drawing.drawn) - before == 2 + again
        alone = gather(run, last, images, None, requested=["corrupted"]).of("corrupted")
        assert found[1].of("corrupted").digest == alone.digest and objects(found[0].of("corrupted")) == objects(alone)
        shutil.rmtree(run.path / "features")


def test_what_was_shown_before_an_interruption_is_not_shown_again(run, images, drawing):
    drawing.broken_at = 1
    with pytest.raises(KeyboardInterrupt):
        gather(run, run.last, images, None, requested=["corrupted"])
    drawing.broken_at = None
    announced = gather_passes(run, run.last, images, None, requested=["corrupted"])[-2:]
    assert [(one.pictures, one.stored) for one in announced] == [(30, 10), (40, 0)]
    row = evidence.find_stimulus("corrupted")
    assert drawing_seconds(row, images, announced[:1]) == pytest.approx(1.5)  # fifteen have yet to be drawn for itself
    found = gather(run, run.last, images, None, requested=["corrupted"])
    assert len(found.of("corrupted")) == 20 and [len(numbers) for numbers in drawing.drawn] == [5, 5, 5]


def test_what_an_older_sslviz_showed_at_once_is_read_as_it_is(run, images, drawing, monkeypatch):
    row = replace(find_stimulus("corrupted"), round_size=None)
    monkeypatch.setattr(drawing, "draw", lambda images: Drawing().draw(images, range(len(images))))
    with monkeypatch.context() as older:
        older.setattr(evidence, "STIMULI", tuple(row if one.name == row.name else one for one in STIMULI))
        before = gather(run, run.last, images, None, requested=["corrupted"])
    assert len(before.of("corrupted")) == 2 * MOST
    monkeypatch.setattr(drawing, "draw", None)
    assert not any(one.pictures for one in gather_passes(run, run.last, images, None, requested=["corrupted"]))
    again = gather(run, run.last, images, None, requested=["corrupted"])
    assert again.of("corrupted").digest == before.of("corrupted").digest
