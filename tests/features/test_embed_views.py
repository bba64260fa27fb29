"""One step of a view at a time: what is rendered is that step and nothing else, and features say of which it is."""

import numpy as np
import pytest
import torch

from sslviz.data import shapes
from sslviz.features.embed import embed
from sslviz.features.embed_views import embed_altered, embed_altered_many, embed_views, embed_views_many
from sslviz.runs import Checkpoint
from sslviz.views import ViewPolicy
from sslviz.views.parameters import ALTERED, single_steps

ALWAYS = {"flip_prob": 1.0, "jitter_prob": 1.0, "gray_prob": 1.0, "blur_prob": 1.0}
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


@pytest.fixture(scope="module")
def rendered():
    """{step: (views (b, 3, 32, 32) from 0 to 1, amounts)} of four pictures, and the pictures (b, 3, 32, 32)."""
    batch = torch.from_numpy(shapes(n=4, seed=0).pixels)
    policy = ViewPolicy(views=1, **ALWAYS, **PLAIN)
    drawn = policy.draw(batch, torch.Generator().manual_seed(0))[0]
    views = {n: (policy.render(batch, [p])[0][0], amount) for n, p, amount in single_steps(drawn, 32, 32)}
    return views, batch.permute(0, 3, 1, 2).float() / 255


def test_no_step_is_the_picture_and_each_step_is_another(rendered):
    views, pictures = rendered
    assert list(views) == ["", *ALTERED] and views[""][1].isnan().all()
    torch.testing.assert_close(views[""][0], pictures)
    for name in ALTERED:
        assert (views[name][0] - pictures).abs().amax(dim=(1, 2, 3)).min() > 0.02, name


def test_steps_are_what_they_are_called(rendered):
    views, pictures = rendered
    luma = (pictures * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(views["flip"][0], pictures.flip(-1))
    torch.testing.assert_close(views["gray"][0], luma.expand_as(pictures), atol=1e-5, rtol=0)
    bright, factor = views["brightness"]
    torch.testing.assert_close(bright, (pictures * factor[:, None, None, None]).clamp(0, 1), atol=1e-5, rtol=0)
    saturated, factor = views["saturation"]
    expected = (luma + factor[:, None, None, None] * (pictures - luma)).clamp(0, 1)
    torch.testing.assert_close(saturated, expected, atol=1e-5, rtol=0)


def test_amounts_are_in_their_units_and_flips_have_none(rendered):
    views, _ = rendered
    assert views["flip"][1].isnan().all() and views["gray"][1].isnan().all()
    share = 2 ** views["crop"][1]
    assert (share > 0.05).all() and (share <= 1).all()
    assert (views["hue"][1].abs() <= 0.2).all() and (views["hue"][1] != 0).all()
    assert (views["blur"][1] >= 0.1).all() and (views["blur"][1] <= 2).all()


@pytest.fixture(scope="module")
def checkpoint():
    config = {"name": "conv_nano", "image_size": 32}
    return Checkpoint("r", 0, config, None)


def test_features_of_no_step_are_those_of_the_pictures(checkpoint):
    images = shapes(n=60, seed=0)
    altered = embed_altered(checkpoint, images, objects=30)
    plain = altered.rows((altered.table["changed"] == "").to_numpy())
    own = embed(checkpoint, images, progress=False).select(list(plain.table["object"]))
    np.testing.assert_allclose(plain.x, own.x, rtol=1e-3, atol=1e-4 * np.abs(own.x).max())
    assert len(altered) == 30 * (1 + len(ALTERED)) and list(dict.fromkeys(altered.table["changed"])) == ["", *ALTERED]
    assert len(np.unique(plain.table["object"])) == 30
    assert altered.table.groupby("changed")["amount"].count().to_dict() == {
        "": 0,
        "flip": 0,
        "gray": 0,
        **dict.fromkeys(["crop", "brightness", "contrast", "saturation", "hue", "blur"], 30),
    }


def test_every_checkpoint_sees_the_same_steps(checkpoint):
    images = shapes(n=60, seed=0)
    a, b = (embed_altered(c, images, objects=20) for c in (checkpoint, checkpoint.untrained(3)))
    assert a.table.equals(b.table) and list(a.ids) == list(b.ids) and not np.allclose(a.x, b.x)
    np.testing.assert_array_equal(a.x, embed_altered(checkpoint, images, objects=20).x)
    assert not a.table.equals(embed_altered(checkpoint, images, objects=20, seed=1).table)


@pytest.mark.parametrize("together, alone", [(embed_altered_many, embed_altered), (embed_views_many, embed_views)])
def test_several_checkpoints_see_what_is_drawn_once_and_each_gives_what_it_gives_alone(
    checkpoint, monkeypatch, together, alone
):
    images, both = shapes(n=60, seed=0), [checkpoint, checkpoint.untrained(3)]
    expected = [alone(one, images, objects=20) for one in both]
    drawn = []
    draw = ViewPolicy.draw
    monkeypatch.setattr(ViewPolicy, "draw", lambda self, x, *rest: drawn.append(len(x)) or draw(self, x, *rest))
    found = together(both, images, objects=20)
    assert sum(drawn) == 20
    for one, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.x, same.x)
        assert one.table.equals(same.table) and dict(one.source) == dict(same.source)
    small = Checkpoint("small", 0, {"name": "conv_nano", "image_size": 16}, None)
    with pytest.raises(ValueError, match="one image size, mean and std"):
        together([checkpoint, small], images, objects=20)
