"""An exported encoder is the encoder, for one picture and for several, or there is no file."""

import importlib.util
import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch

import sslviz
from sslviz.data import Images
from sslviz.encoders.encoder import Encoder
from sslviz.runs import Checkpoint
from sslviz.transfer import export
from sslviz.transfer.export import export_onnx

CONV = Checkpoint(
    "mine", 3, {"name": "conv_nano", "image_size": 16, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}, None
)


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=6, size=16, seed=0)


@pytest.fixture(scope="module")
def exported(images, tmp_path_factory):
    """Of a transformer, whose attention and position have to come along."""
    vit = Checkpoint("mine", 3, {"name": "vit_nano", "image_size": 16}, None, 1)
    path = tmp_path_factory.mktemp("onnx") / "vit.onnx"
    return vit, export_onnx(vit, path, images=images)


class TestTheFile:
    def test_gives_the_features_that_embed_gives_for_any_number_of_pictures(self, exported, images):
        checkpoint, one = exported
        expected = sslviz.embed(checkpoint, images, progress=False).x
        session = onnxruntime.InferenceSession(one.path)
        for n in (1, 2, 3, 6):
            pixels = images.pixels[:n].transpose(0, 3, 1, 2).astype(np.float32) / 255
            (found,) = session.run(None, {"pixels": pixels})
            np.testing.assert_allclose(found, expected[:n], atol=1e-4 * np.abs(expected).max())

    def test_is_one_valid_file_that_says_what_it_is(self, exported):
        checkpoint, one = exported
        assert [path.name for path in one.path.parent.iterdir()] == ["vit.onnx"]
        assert one.megabytes == pytest.approx(one.path.stat().st_size / 1e6)
        model = onnx.load(one.path)
        onnx.checker.check_model(model)
        said = {entry.key: entry.value for entry in model.metadata_props}
        assert said["encoder"] == "vit_nano" and checkpoint.digest in said["run"]
        fed = json.loads(said["pixels"])
        assert (fed["size"], fed["range"], fed["interpolation"]) == (16, [0, 1], "bilinear")
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param

    def test_was_compared_and_the_control_is_another_picture(self, exported):
        _, one = exported
        assert one.difference < 1e-4 and one.cosine > 0.9999 and one.other_cosine < 0.5
        assert onnxruntime.__version__ in one.checked_by and str(one.path) in str(one)


def test_without_onnxruntime_the_reference_of_onnx_checks_it_and_mean_and_std_come_along(images, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "onnxruntime" else real(name, *rest)
    )
    one = export_onnx(CONV, tmp_path / "conv.onnx", images=images)
    assert one.checked_by == f"the reference of onnx {onnx.__version__}" and one.difference < 1e-4


@pytest.fixture
def no_export(monkeypatch):
    """Nothing is exported: the file's bytes are made up."""
    monkeypatch.setattr(export, "_exported", lambda checkpoint, encoder: b"bytes")


class TestRefusals:
    def test_a_graph_that_gives_something_else_is_not_written(self, images, tmp_path, monkeypatch, no_export):
        def wrong(shift):
            encoder = CONV.encoder()
            mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.mean, encoder.std))

            def run(x):
                with torch.no_grad():
                    return encoder((torch.from_numpy(x) - mean) / std).numpy() * (1 + shift * (len(x) == 3))

            return lambda content: (run, "a made-up runtime")

        monkeypatch.setattr(export, "_runner", wrong(0.01))  # right for one picture, wrong for three
        with pytest.raises(ValueError, match="a made-up runtime makes of the export differs .* by 0.01 of"):
            export_onnx(CONV, tmp_path / "bad.onnx", images=images)
        assert not list(tmp_path.iterdir())
        monkeypatch.setattr(export, "_runner", wrong(0.0))
        assert export_onnx(CONV, tmp_path / "good.onnx", images=images).path.read_bytes() == b"bytes"

    def test_numbers_that_are_none_are_not_written(self, images, tmp_path, monkeypatch, no_export):
        monkeypatch.setattr(export, "_runner", lambda content: (lambda x: np.full((len(x), 128), np.nan), "it"))
        with pytest.raises(ValueError, match="differs from the encoder by nan"):
            export_onnx(CONV, tmp_path / "bad.onnx", images=images)
        assert not list(tmp_path.iterdir())

    def test_a_full_disk_leaves_what_was_there(self, images, tmp_path, monkeypatch, no_export):
        (tmp_path / "old.onnx").write_bytes(b"old")
        monkeypatch.setattr(export, "_compared", lambda *_: (0.0, 1.0, 0.0, "it"))
        monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="nothing was changed"):
            export_onnx(CONV, tmp_path / "old.onnx", images=images)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]

    def test_a_network_that_cannot_be_exported_is_one_sentence(self, images, tmp_path, monkeypatch):
        def forward(encoder, x):
            return x.mean((1, 2, 3))[:, None] if x.sum() > 0 else x.flatten(1)  # a branch on data

        monkeypatch.setattr(Encoder, "forward", forward)
        with pytest.raises(ValueError, match=r"mine \(conv_nano\) cannot be exported: "):
            export_onnx(CONV, tmp_path / "bad.onnx", images=images)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("lacking", ["onnx", "onnxscript"])
    def test_without_the_packages_it_says_how_to_get_them(self, lacking, images, tmp_path, monkeypatch):
        real = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name == lacking else real(name, *rest)
        )
        with pytest.raises(ValueError, match=rf"needs {lacking}; install them with `pip install sslviz\[onnx\]`"):
            export_onnx(CONV, tmp_path / "bad.onnx", images=images)

    def test_more_than_one_file_can_hold_is_refused(self, images, tmp_path, monkeypatch):
        monkeypatch.setattr(export, "LARGEST", 1000)
        with pytest.raises(ValueError, match="mine has more than 2 GB of weights"):
            export_onnx(CONV, tmp_path / "bad.onnx", images=images)

    def test_bad_input(self, images, tmp_path):
        clips = Images(np.zeros((4, 3, 8, 8, 3), np.uint8), list("abcd"), pd.DataFrame(index=range(4)))
        for path, given, message in [
            (tmp_path, images, "is a folder; name a file in it"),
            (tmp_path / "a.onnx", clips, "needs pictures"),
            (tmp_path / "a.onnx", images.rows(np.arange(2)), "at least 3 pictures to be checked on; got 2"),
        ]:
            with pytest.raises(ValueError, match=message):
                export_onnx(CONV, path, images=given)


def test_the_checkpoint_is_as_before(images, tmp_path, monkeypatch, no_export):
    monkeypatch.setattr(export, "_compared", lambda *_: (0.0, 1.0, 0.0, "it"))
    before, threads = CONV.digest, torch.get_num_threads()
    export_onnx(CONV, tmp_path / "a.onnx", images=images)
    assert CONV.digest == before and torch.get_num_threads() == threads
