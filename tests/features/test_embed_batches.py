"""Batches: features do not depend on them, nothing is lost where memory ends, and what a thread raises is raised."""

import json
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import sslviz
from sslviz.encoders import Encoder
from sslviz.encoders import precision as precisions
from sslviz.features import batches, embed_views
from sslviz.features.batches import BatchSize, in_batches
from sslviz.features.diagnosed import layers_of, record_diagnosis
from sslviz.features.embed import embed, embed_layers, embed_many
from sslviz.features.stored import gather, stored_embed
from sslviz.runs import Checkpoint

CONV = Checkpoint("r", 0, {"name": "conv_nano", "image_size": 32}, None)
RANDOM = torch.Generator().manual_seed(0)
LARGE = Checkpoint("large", 0, {"name": "test_resnet", "image_size": 96}, None)


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=50, seed=0)


@pytest.fixture
def fast(monkeypatch):
    """A processor that multiplies bfloat16 faster."""
    monkeypatch.setattr(precisions, "multiplies_bfloat16", lambda device: True)


class Frail(Encoder):
    """An encoder whose memory ends where more than `most` pictures come at once; it notes what it was shown."""

    def __init__(self, encoder, most, error):
        super().__init__(encoder.model, encoder.spec, encoder.mean, encoder.std, encoder.preprocessing, encoder.face)
        self.most, self.error, self.shown = most, error, []

    def forward(self, x):
        self.shown.append(len(x))
        if len(x) > self.most:
            raise self.error
        return super().forward(x)

    def layers(self, x):
        return {"pooled": self(x)}


class Given(Checkpoint):
    """A checkpoint of the encoder that is given."""

    def __new__(cls, encoder):
        checkpoint = Checkpoint("given", 0, {"name": "conv_nano"}, None)
        object.__setattr__(checkpoint, "__class__", cls)
        checkpoint.__dict__["given"] = encoder
        return checkpoint

    def __init__(self, encoder):
        pass

    def encoder(self):
        return self.__dict__["given"].eval()


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
def test_features_do_not_depend_on_the_batch(images, monkeypatch, name):
    checkpoint = replace(CONV, config={"name": name, "image_size": 32})
    whole = embed(checkpoint, images, progress=False).x
    for size in (3, 49):
        monkeypatch.setattr(batches, "BATCH", size)
        np.testing.assert_allclose(embed(checkpoint, images, progress=False).x, whole, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_where_memory_ends_batches_are_halved_and_nothing_is_lost(images, monkeypatch, error):
    monkeypatch.setattr(batches, "BATCH", 32)
    expected = embed(CONV, images, progress=False).x
    frail = Frail(CONV.encoder(), 9, error)
    got = embed(Given(frail), images, progress=False).x
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())
    assert [n for n in frail.shown if n > 4] == [32, 16, *[8] * 4, 8, 8]  # and the last two of the 18 that lay ready


def test_memory_that_does_not_hold_one_picture_is_a_sentence(images):
    frail = Frail(CONV.encoder(), 0, MemoryError())
    with pytest.raises(ValueError, match="Memory does not hold a single picture in conv_nano; take a smaller encoder"):
        embed(Given(frail), images, progress=False)
    size = BatchSize(CONV.encoder())
    with pytest.raises(ValueError, match="does not hold a single picture"):
        list(in_batches(frail, torch.from_numpy, images.pixels[:3], size))


def test_other_errors_are_not_taken_for_memory(images):
    with pytest.raises(RuntimeError, match="a bug"):
        embed(Given(Frail(CONV.encoder(), 3, RuntimeError("a bug"))), images, progress=False)


def test_what_the_thread_raises_is_raised_and_the_thread_ends(images):
    def load(pixels):
        assert threading.current_thread() is not threading.main_thread()
        if pixels is not first and pixels[0, 0, 0, 0] == last:
            raise OSError("the disk is gone")
        return torch.from_numpy(np.array(pixels))

    pixels = np.arange(40, dtype=np.uint8).reshape(10, 2, 2, 1)
    first, last, size = pixels[:2], pixels[6, 0, 0, 0], BatchSize(CONV.encoder(), 2)
    done = []
    with pytest.raises(OSError, match="the disk is gone"):
        for part in in_batches(len, load, pixels, size):
            done.append(part)
    assert done == [2, 2, 2]
    for _ in in_batches(len, load, pixels, size):
        break  # whoever stops early leaves no thread either
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


def test_only_two_batches_lie_ready():
    loaded, most = [], 0
    pixels = np.zeros((20, 1, 1, 1), np.uint8)

    def load(chunk):
        loaded.append(len(chunk))
        return torch.from_numpy(np.array(chunk))

    for done, _ in enumerate(in_batches(len, load, pixels, BatchSize(CONV.encoder(), 1))):
        most = max(most, len(loaded) - done)
    assert sum(loaded) == 20 and most <= batches.AHEAD + 1


def test_a_gpus_batches_grow_until_that_brings_nothing(monkeypatch):
    monkeypatch.setattr(BatchSize, "_has_room", lambda self: True)
    size = BatchSize(CONV.encoder())
    size._growing = True  # as on a GPU
    size.images = 8
    for _ in range(20):  # a device that does 64 at once in the time of one
        size.computed(size.images, max(1, size.images / 64))
    assert size.images == 128
    size.halve(128)
    assert size.images == 64
    size.computed(64, 1e-9)
    assert size.images == 64  # memory has spoken


# --- several encoders, precision --------------------------------------------------------------------------------------


def test_many_at_once_are_each_alone_and_pictures_are_made_ready_once(images, monkeypatch):
    from sslviz.features import readers as module

    other = replace(CONV, run="blurred", config={**CONV.config, "mean": [0.4] * 3, "std": [0.2] * 3})
    all_of_them = [CONV, CONV.untrained(1), other, CONV.untrained(2)]
    alone = [embed(checkpoint, images, progress=False) for checkpoint in all_of_them]
    calls = []
    real = module.preprocess
    monkeypatch.setattr(module, "preprocess", lambda x, *rest: calls.append(len(x)) or real(x, *rest))
    together = embed_many(all_of_them, images, progress=False)
    assert [n for n in calls if n > 4] == [50, 50]  # those of the first, second and fourth, and those of the third
    for one, same in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.x, same.x)
        assert one.source == same.source


def test_source_says_the_precision_and_auto_takes_bf16_where_it_is_faster(images, fast):
    full = embed(LARGE, images, precision="fp32", progress=False)
    half = embed(LARGE, images, precision="bf16", progress=False)
    auto = embed(LARGE, images, progress=False)
    assert [x.source["precision"] for x in (full, half, auto)] == ["fp32", "bf16", "bf16"]
    assert embed(CONV, images, progress=False).source["precision"] == "fp32"  # 32 pixels: as it always was
    np.testing.assert_array_equal(half.x, auto.x)
    cosine = (full.x * half.x).sum(1) / np.linalg.norm(full.x, axis=1) / np.linalg.norm(half.x, axis=1)
    assert 0.999 < cosine.min() and not np.array_equal(full.x, half.x) and half.x.dtype == np.float32
    assert [x.source["precision"] for x in embed_many([LARGE, CONV], images, progress=False)] == ["bf16", "fp32"]
    assert {x.source["precision"] for x in embed_layers(LARGE, images, progress=False).values()} == {"bf16"}
    for function in (embed_views.embed_views, embed_views.embed_altered):
        x, y = (function(LARGE, images, objects=5, precision=asked) for asked in ("fp32", "bf16"))
        assert (x.source["precision"], y.source["precision"]) == ("fp32", "bf16")
        assert np.abs(x.x - y.x).max() < 0.05 * np.abs(x.x).max()


def test_why_bf16_was_not_taken_is_said_and_kept(images, fast, capsys):
    class Shifted(Frail):
        def forward(self, x):
            return super().forward(x) + 1e4

    features = embed(Given(Shifted(LARGE.encoder(), 99, None)), images)
    assert features.source["precision"] == "fp32" and "tells pictures apart" in features.source["precision_note"]
    assert features.source["precision_note"] in capsys.readouterr().err


def test_an_encoder_that_cannot_run_in_bf16_says_so_where_it_was_named(images):
    class Only32(Frail):
        def forward(self, x):
            if x.dtype != torch.float32:
                raise RuntimeError("expected Float\nsomewhere")
            return super().forward(x)

    encoder = Only32(CONV.encoder(), 99, None)
    with pytest.raises(ValueError, match="conv_nano does not run in bf16 .expected Float.*; take --precision fp32"):
        embed(Given(encoder), images, precision="bf16", progress=False)
    with pytest.raises(ValueError, match="no precision 'half'"):
        embed(CONV, images, precision="half", progress=False)


# --- encoders that give something else --------------------------------------------------------------------------------


class Odd(Frail):
    """An encoder that gives what `change` makes of its features."""

    def __init__(self, change):
        super().__init__(CONV.encoder(), 99, None)
        self.change = change

    def forward(self, x):
        return self.change(super().forward(x))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: (x, x), "a tensor of features .4, d. for 4 pictures, and gives a tuple; wrap it"),
        (lambda x: {"logits": x, "tokens": x}, "gives a dict with logits, tokens; wrap it"),
        (lambda x: x[:1], "and gives one of shape .1, 128."),
        (lambda x: x[:, :, None, None], "and gives one of shape .4, 128, 1, 1."),
        (lambda x: x * float("nan"), "gives values that are not finite"),
        (lambda x: x * (torch.rand(x.shape, generator=RANDOM) > 0.1), "draws random numbers"),  # dropout
        (lambda x: x - x.mean(0), "mixes the pictures of a batch"),
    ],
)
def test_an_encoder_that_gives_something_else_is_told_in_a_sentence(images, change, said):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=said) as raised:
        warnings.simplefilter("error")
        embed(Given(Odd(change)), images, progress=False)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("conv_nano")
    with pytest.raises(ValueError, match=said):
        embed_views.embed_views(Given(Odd(change)), images, objects=4)


# --- what lies in the run folder --------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file(LARGE.encoder().model.state_dict(), tmp_path / "w.safetensors")
    run, _ = sslviz.import_checkpoint(
        "test_resnet", weights=tmp_path / "w.safetensors", image_size=96, out=tmp_path / "run"
    )
    return run


def test_a_named_precision_is_embedded_anew_and_auto_takes_what_lies_there(run, images, fast):
    stem = run.features_stem(run.last.key, images.digest)
    half = stored_embed(run, run.last, images, progress=False)
    assert half.source["precision"] == "bf16"
    assert stored_embed(run, run.last, images, precision="bf16", progress=False).digest == half.digest
    full = stored_embed(run, run.last, images, precision="fp32", progress=False)
    assert full.source["precision"] == "fp32" and full.digest != half.digest
    assert stored_embed(run, run.last, images, progress=False).digest == full.digest  # auto: what lies there
    path = stem.with_name(stem.name + ".json")
    written = json.loads(path.read_text())
    del written["source"]["precision"]  # as an older sslviz wrote it
    path.write_text(json.dumps(written))
    assert stored_embed(run, run.last, images, precision="fp32", progress=False).source.get("precision") is None
    assert stored_embed(run, run.last, images, precision="bf16", progress=False).digest == half.digest


def test_all_stimuli_are_shown_in_the_precision_that_is_named(run, images, fast):
    images = images.rows(np.arange(4))
    for asked in ("fp32", "bf16", "auto"):
        evidence = gather(run, run.last, images, None, requested=["views", "altered", "layers"], precision=asked)
        expected = "bf16" if asked == "auto" else asked  # what lies there
        shown = {
            (name, encoder): features.source.get("precision")
            for name, seen in evidence.shown.items()
            for encoder, features in seen.items()
            if encoder != "pixels"
        }
        assert {name for name, _ in shown} == {"images", "views", "altered"} and set(shown.values()) == {expected}
        record_diagnosis(run, images, None)
        layers = layers_of(run, run.last, images.digest)
        assert len(layers) > 2 and {features.source["precision"] for features in layers.values()} == {expected}
