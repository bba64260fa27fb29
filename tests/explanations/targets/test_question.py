"""One question, three ways to put it: rows of known features (the app), reference images (Python), a text (a terminal)."""

import dataclasses

import numpy as np
import pytest
import torch

import sslviz
from sslviz.explanations.targets.from_images import target_from_images, target_from_text
from sslviz.explanations.targets.question import TARGET_KINDS, TargetQuestion, question_in_text, target_of
from sslviz.runs import Checkpoint

WORLD = sslviz.shapes(n=60, seed=0)
ROWS = np.array([0, 3, 7])
CHECKPOINT = Checkpoint("c", 0, {"name": "conv_nano", "image_size": 32}, None)


@pytest.fixture(scope="module")
def features():
    return sslviz.embed(CHECKPOINT, WORLD, progress=False)


def values(target, features):
    return target.value(torch.from_numpy(features.x[ROWS].copy()), *target.references).numpy()


def from_images(target, reference):
    return target_from_images(target, reference, CHECKPOINT, CHECKPOINT.encoder(), WORLD.rows(ROWS))


def from_text(text):
    return target_from_text(text, CHECKPOINT, WORLD.rows(ROWS), WORLD)


def test_every_kind_names_fields_that_a_question_has():
    fields = {field.name for field in dataclasses.fields(TargetQuestion)}
    assert all(set(kind.needs) <= fields for kind in TARGET_KINDS.values())
    assert all(kind.app_words or kind.python_words for kind in TARGET_KINDS.values())


def test_a_contrast_is_the_same_number_whoever_asks(features):
    disc = (WORLD.table["shape"] == "disc").to_numpy()
    near, far = (tuple(map(int, np.flatnonzero(group))) for group in (disc, ~disc))
    in_app = target_of(TargetQuestion("contrast", near=(near,) * 3, far=(far,) * 3), ROWS, features)
    in_python = from_images(None, (WORLD.rows(disc), WORLD.rows(~disc)))
    assert in_python.words == f"near {len(near)} images and not {len(far)} images"
    in_terminal = from_text("shape=disc")
    for target in (in_python, in_terminal):
        np.testing.assert_allclose(values(target, features), values(in_app, features), atol=1e-6)


def test_a_similarity_to_one_picture_is_the_same_number_whoever_asks(features):
    in_app = target_of(TargetQuestion("image", near=((9,),)), ROWS, features)
    for target in (from_images("similarity", WORLD.rows(np.array([9]))), from_text("similarity:9")):
        np.testing.assert_allclose(values(target, features), values(in_app, features), atol=1e-6)


def test_the_rest_is_the_same_number_whoever_asks(features):
    group = tuple(range(20))
    in_app = target_of(TargetQuestion("similarity", near=(group,) * 3), ROWS, features)
    in_python = from_images("similarity", WORLD.rows(np.arange(20)))  # three of which are the images themselves
    np.testing.assert_allclose(values(in_python, features), values(in_app, features), atol=1e-6)
    pairs = target_of(TargetQuestion("paired_reference", near=((4,), (5,), (6,))), ROWS, features)
    in_python = from_images("paired_reference", WORLD.rows(np.array([4, 5, 6])))
    np.testing.assert_allclose(values(in_python, features), values(pairs, features), atol=1e-6)
    for kind, text in (("unit", "unit:3"), ("component", "component:1")):
        in_app = target_of(TargetQuestion(kind, number=int(text[-1])), ROWS, features)
        np.testing.assert_allclose(values(from_text(text), features), values(in_app, features), atol=1e-5)
    for kind in ("self", "self_cosine"):
        in_app = target_of(TargetQuestion(kind), ROWS, features)
        assert from_text(kind) == kind  # left to `attribute`, which asks in Python's way
        np.testing.assert_array_equal(values(from_images(kind, None), features), values(in_app, features))
    assert target_of(TargetQuestion("itself"), ROWS, features) is None is from_text(None)


def test_what_a_text_asks_is_known_without_an_encoder():
    assert question_in_text("unit:3", WORLD) == TargetQuestion("unit", number=3)
    assert question_in_text("similarity:9", WORLD) == TargetQuestion("image", "similarity to image 9", near=((9,),))
    contrast = question_in_text("shape=disc", WORLD)
    assert set(WORLD.table["shape"].iloc[list(contrast.near[0])]) == {"disc"}
    assert not set(WORLD.table["shape"].iloc[list(contrast.far[0])]) & {"disc"}
    for text, message in [
        ("similarity:600", "no image '600' among these 60"),
        ("hue=3", "no column 'hue'; its columns are"),
        ("shape=egg", "there must be both; shape is: "),
        ("units", "The target is one of self, self_cosine, loss, unit:N"),
    ]:
        with pytest.raises(ValueError, match=message):
            question_in_text(text, WORLD)


@pytest.mark.parametrize("kind", ["loss", "magic"])
def test_what_features_do_not_say_is_refused(features, kind):
    with pytest.raises(ValueError, match=f"No target of the kind '{kind}'"):
        target_of(TargetQuestion(kind), ROWS, features)
