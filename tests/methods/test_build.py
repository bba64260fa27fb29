import dataclasses

import pytest
import torch

import sslviz
from sslviz.encoders import create_encoder
from sslviz.methods import METHODS, build_method
from sslviz.methods.build import build
from sslviz.views import ViewPolicy


def test_settings_go_to_the_method_or_to_its_views():
    encoder = create_encoder("conv_nano")
    model, policy = build_method("simclr", encoder, {"temperature": 0.5, "hue": 0.1})
    assert model.temperature == 0.5 and policy.hue == 0.1 and policy.size == encoder.image_size
    assert policy.mean == encoder.mean


class Watching(torch.nn.Module):
    """A method that pulls all views together and notes which shapes it was given."""

    family = "made up"
    views = ViewPolicy(blur_prob=(1.0, 0.2))

    def __init__(self, encoder, *, seed=0):
        super().__init__()
        self.encoder = encoder
        self.shapes = set()

    def loss(self, batch):
        self.shapes.add(tuple(tuple(x.shape) for x in batch.views))
        outputs = [self.encoder(x.flatten(0, 1)).unflatten(0, (len(x), -1)) for x in batch.views]
        return torch.cat(outputs).var(0).mean()


class OneView(Watching):
    views = ViewPolicy(views=1)


@pytest.mark.parametrize("encoder, size, local", [("conv_nano", 32, 16), ("vit_nano", 32, 16), ("vit_nano", 24, 12)])
def test_local_views_of_any_method_of_two_views_are_half_as_large_in_whole_patches(
    encoder, size, local, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setitem(METHODS, "watching", Watching)
    monkeypatch.setattr(Watching, "__init__", _noted(Watching.__init__, made))
    images = sslviz.shapes(n=24, size=size, seed=0)
    options = {"encoder": encoder, "epochs": 1, "batch_size": 8, "progress": False}
    settings = {"local_views": 3, "local_scale": (0.1, 0.3)}
    run = sslviz.pretrain(images, "watching", out=tmp_path / "run", settings=settings, **options)
    assert run.info["views"]["local_size"] == local and run.info["views"]["local_scale"] == [0.1, 0.3]
    assert made[0].shapes == {((2, 8, 3, size, size), (3, 8, 3, local, local))}


def _noted(init, made):
    def build_and_note(self, *arguments, **settings):
        init(self, *arguments, **settings)
        made.append(self)

    return build_and_note


def test_a_vision_transformers_local_views_are_a_multiple_of_its_patch():
    encoder = create_encoder("vit_nano", image_size=40)  # patches of 5 pixels
    assert build("watching", Watching, encoder, {"local_views": 1}, 0)[1].local_size == 20
    encoder = create_encoder("vit_nano", image_size=24)  # of 3: half of it is four of them
    _, policy = build("watching", Watching, encoder, {"local_views": 2, "local_size": 9}, 0)
    assert policy.local_size == 9 and encoder.training
    with pytest.raises(ValueError, match="vit_nano does not take local views of 10 pixels"):
        build("watching", Watching, encoder, {"local_views": 2, "local_size": 10}, 0)
    with pytest.raises(ValueError, match="Local views are the smaller ones"):
        build("watching", Watching, encoder, {"local_views": 2, "local_size": 48}, 0)
    with pytest.raises(ValueError, match="The local_views of views is one int from 0"):
        build("watching", Watching, encoder, {"local_views": -1}, 0)


def test_what_is_said_of_each_large_view_is_the_mean_for_the_local_ones():
    encoder = create_encoder("conv_nano")
    _, policy = build("watching", Watching, encoder, {"local_views": 2}, 0)
    assert policy.blur_prob == (1.0, 0.2, 0.6, 0.6) and policy.solarize_prob == 0.0
    _, policy = build("watching", Watching, encoder, {"local_views": 1, "blur_prob": (0.1, 0.2, 0.9)}, 0)
    assert policy.blur_prob == (0.1, 0.2, 0.9)
    _, policy = build("watching", Watching, encoder, {}, 0)
    assert policy == dataclasses.replace(Watching.views, mean=encoder.mean, std=encoder.std)


def test_a_method_of_one_view_has_no_local_ones():
    encoder = create_encoder("conv_nano")
    for setting in ({"local_views": 2}, {"local_scale": (0.1, 0.2)}, {"local_size": 8}):
        said = f"{next(iter(setting))} is for methods that compare two or more views; single makes one of each image"
        with pytest.raises(ValueError, match=said):
            build("single", OneView, encoder, setting, 0)
    with pytest.raises(ValueError, match="single has no setting 'temprature'"):
        build("single", OneView, encoder, {"temprature": 1}, 0)
