"""What is brought in is fed as it was trained, or it is asked about: features against plain torch, file by file."""

import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

import sslviz
from sslviz.cli.main import main
from sslviz.data import Images
from sslviz.encoders import create_encoder
from sslviz.encoders.preprocessing import resolve
from sslviz.encoders.stated import WeightsFile
from sslviz.features.embed import embed_pixels
from sslviz.runs import Run
from sslviz.runs.import_checkpoint import inspect_import
from sslviz.runs.preprocessing import preprocessing_lines, preprocessing_rows, run_preprocessing
from sslviz.runtime.random_state import seeded

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


def as_images(pixels):
    return Images(pixels, np.array([str(i) for i in range(len(pixels))]), pd.DataFrame(index=range(len(pixels))))


def fed(size, mean, std, pixels=PIXELS):
    """The pictures, of this size already, normalised in plain torch."""
    x = torch.from_numpy(pixels[:, :size, :size]).permute(0, 3, 1, 2) / 255
    return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


@torch.no_grad()
def features(model, x):
    model = model.eval()
    return model.forward_head(model.forward_features(x), pre_logits=True).flatten(1).numpy()


def saved(path, model, prefix="", **beside):
    """A file of this network's weights under a prefix, with other tensors beside."""
    state = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    torch.save(state | {name: torch.zeros(2) for name in beside.get("names", ())}, path)
    return path


@pytest.fixture(scope="module")
def small():
    """timm's smallest ViT, for which timm takes 0.5."""
    with seeded(3):
        return timm.create_model("test_vit", num_classes=0)


@pytest.fixture
def vit(small, tmp_path):
    """`vit(prefix, names, beside)` is a file of its weights in a folder with other files."""

    def write(prefix="", names=(), beside=None):
        for name, content in (beside or {}).items():
            (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return saved(tmp_path / "w.pt", small, prefix, names=names)

    return write


# --- mean and std --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    """A file as DINO's code saves it, and the network in it: timm's ViT-S, of which here any has two narrow blocks."""
    from timm.models import _registry

    with pytest.MonkeyPatch.context() as patched:
        narrow = partial(_registry._model_entrypoints["vit_small_patch16_224"], embed_dim=48, depth=2, num_heads=2)
        patched.setitem(_registry._model_entrypoints, "vit_small_patch16_224", narrow)
        with seeded(1):
            model = timm.create_model("vit_small_patch16_224", num_classes=0)
        path = tmp_path_factory.mktemp("dino") / "dino.pth"
        teacher = {f"backbone.{name}": tensor for name, tensor in model.state_dict().items()}
        torch.save({"teacher": teacher | {"head.mlp.0.weight": torch.zeros(2, 2)}}, path)
        yield model, path


def test_a_tag_says_how_the_file_is_fed(dino, tmp_path):
    model, path = dino
    run, report = sslviz.import_checkpoint("vit_small_patch16_224", weights=path, out=tmp_path / "run", tag="dino")
    got = sslviz.embed(Run(run.path).last, as_images(PIXELS), precision="fp32", progress=False).x
    np.testing.assert_allclose(got, features(model, fed(224, *IMAGENET)), atol=1e-4)
    info = Run(run.path).info
    assert tuple(info["encoder"]["mean"]) == IMAGENET[0]
    assert tuple(info["preprocessing"]["values"]["std"]) == IMAGENET[1]
    assert info["preprocessing"]["origins"]["mean"] == "timm's vit_small_patch16_224.dino"
    assert "std 0.229 0.224 0.225: timm's vit_small_patch16_224.dino" in str(report)
    assert info["import"]["lines"] == str(report).splitlines()


@pytest.mark.parametrize(
    ("options", "mean", "std"),
    [
        ({"tag": "r160_in1k"}, *HALF),
        ({"mean": "imagenet"}, *IMAGENET),
        ({"mean": (0.4, 0.5, 0.6), "std": (0.1, 0.2, 0.3)}, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)),
    ],
)
def test_the_same_file_is_fed_as_chosen(small, vit, options, mean, std):
    found = inspect_import("test_vit", weights=vit("teacher."), **options)
    got = embed_pixels(found.encoder, np.ascontiguousarray(PIXELS[:, :160, :160]))
    np.testing.assert_allclose(got, features(small, fed(160, mean, std)), atol=1e-5)
    origin = "timm's test_vit.r160_in1k" if "tag" in options else "given"
    assert found.preprocessing["origins"]["mean"] == origin


def test_a_file_that_hints_at_another_mean_is_asked_about(dino, tmp_path):
    with pytest.raises(ValueError) as told:
        sslviz.import_checkpoint("vit_small_patch16_224", weights=dino[1], out=tmp_path / "run")
    said = str(told.value)
    assert "\n" not in said and "'teacher'" in said and "DINO" in said and not (tmp_path / "run").exists()
    assert "--tag dino (mean 0.485 0.456 0.406, std 0.229 0.224 0.225)" in said
    assert "--tag augreg_in21k_ft_in1k" in said and "(mean 0.5 0.5 0.5, std 0.5 0.5 0.5)" in said


@pytest.mark.parametrize(
    ("prefix", "names", "who"),
    [
        ("student.", (), "DINO"),
        ("teacher.backbone.", (), "DINO"),
        ("", ("decoder_embed.weight", "decoder_blocks.0.mlp.fc1.weight"), "MAE"),
        ("module.momentum_encoder.", (), "MoCo"),
        ("module.base_encoder.", (), "MoCo"),
        ("target_encoder.", (), "I-JEPA"),
        ("backbone.", ("projector.0.weight",), "library"),
        ("backbone.", ("projection_head.layers.0.weight",), "library"),
    ],
)
def test_each_method_that_normalises_otherwise_is_asked_about(vit, prefix, names, who):
    """Also where timm has no weights of theirs, so that no tag says so."""
    found = inspect_import("test_vit", weights=vit(prefix, names))
    assert who in found.problem and "--mean imagenet (mean 0.485" in found.problem and found.encoder is None
    assert "--tag r160_in1k" in found.problem and len(found.matched) == 78 and "78 weights" in str(found)
    assert inspect_import("test_vit", weights=vit(prefix, names), mean="imagenet").encoder.mean == IMAGENET[0]


def test_a_hint_that_agrees_with_the_default_is_no_question(tmp_path):
    with seeded(0):
        model = timm.create_model("resnet10t", num_classes=0)
    found = inspect_import("resnet10t", weights=saved(tmp_path / "w.pt", model, "module.encoder_q."), image_size=64)
    assert not found.problem and found.encoder.mean == IMAGENET[0] and not found.preprocessing["notes"]


def test_presets_are_trained_here_and_no_question(tmp_path):
    found = inspect_import("conv_nano", weights=saved(tmp_path / "w.pt", create_encoder("conv_nano").model, "teacher."))
    assert not found.problem and found.encoder.mean == HALF[0]


def test_where_nothing_hints_the_default_is_taken_and_the_others_are_named(tmp_path, monkeypatch):
    from sslviz.encoders import preprocessing

    monkeypatch.setattr(preprocessing, "normalizations", lambda name: {HALF: ("r160_in1k",), IMAGENET: ("dino", "mae")})
    with seeded(3):
        path = saved(tmp_path / "w.pt", timm.create_model("test_vit", num_classes=0))
    run, report = sslviz.import_checkpoint("test_vit", weights=path, out=tmp_path / "run")
    assert run.last.encoder().mean == HALF[0]
    note = next(line for line in str(report).splitlines() if "differ in mean and std" in line)
    assert "--tag dino (mean 0.485 0.456 0.406" in note and note in "\n".join(
        preprocessing_lines(run_preprocessing(run))
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tag": "no_such"}, r"no encoder 'test_vit.no_such'; did you mean test_vit\.r160_in1k"),
        ({"mean": (128, 128, 128), "std": (64, 64, 64)}, "divide those of pixels up to 255"),
        ({"std": (0.5, 0.5, 0.5)}, "got std alone"),
        ({"stem": "standard"}, "Only ResNets"),
    ],
)
def test_options_that_cannot_be_are_answered_and_nothing_is_written(vit, tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        sslviz.import_checkpoint("test_vit", weights=vit(), out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_two_tags_are_one_too_many(vit):
    with pytest.raises(ValueError, match="give one of them"):
        inspect_import("test_vit.r160_in1k", tag="dino", weights=vit())


# --- what the file, or a file beside it, states -------------------------------------------------------------------------

OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
TRANSFORMERS = {"image_mean": IMAGENET[0], "image_std": IMAGENET[1], "resample": 3, "do_normalize": True}


SQUARE = {"height": 160, "width": 160}
TIMM = {
    "mean": IMAGENET[0],
    "std": IMAGENET[1],
    "input_size": [3, 160, 160],
    "interpolation": "bicubic",
    "crop_pct": 0.9,
}


@pytest.mark.parametrize(
    ("name", "content", "mean", "interpolation", "crop"),
    [
        (
            "preprocessor",
            {**TRANSFORMERS, "size": {"shortest_edge": 200}, "crop_size": SQUARE},
            IMAGENET[0],
            "bicubic",
            "0.8",
        ),
        ("preprocessor", {**TRANSFORMERS, "size": SQUARE}, IMAGENET[0], "bicubic", ""),
        ("preprocessor", {**TRANSFORMERS, "size": 160, "resample": 2}, IMAGENET[0], "bilinear", ""),
        ("preprocessor", {"do_normalize": False, "size": 160}, (0.0, 0.0, 0.0), "bilinear", ""),
        ("", {"architecture": "test_vit", "pretrained_cfg": TIMM}, IMAGENET[0], "bicubic", "0.9"),
        ("open_clip", {"preprocess_cfg": {"mean": OPENAI[0], "std": OPENAI[1]}}, OPENAI[0], "bilinear", "0.95"),
    ],
)
def test_a_file_beside_the_weights_is_read(vit, name, content, mean, interpolation, crop):
    """And it settles what the names would be asked about for."""
    name = f"{name}_config.json".lstrip("_")
    found = inspect_import("test_vit", weights=vit("teacher.", beside={name: content}))
    assert not found.problem, found.problem
    assert (found.encoder.mean, found.encoder.image_size) == (mean, 160)
    assert found.encoder.preprocessing.interpolation == interpolation and found.encoder.preprocessing.crop == 1
    origins = found.preprocessing["origins"]
    assert origins["mean"] == f"{name} beside it"
    if crop:
        assert f"--crop {crop}" in origins["crop"]
    given = inspect_import("test_vit", weights=vit("teacher."), mean="clip", interpolation="nearest")
    assert given.encoder.mean == OPENAI[0] and given.preprocessing["origins"]["interpolation"] == "given"


def test_the_size_that_a_file_beside_states_is_taken(tmp_path):
    with seeded(0):
        path = saved(tmp_path / "w.pt", timm.create_model("resnet10t", num_classes=0))
    content = {**TRANSFORMERS, "size": {"shortest_edge": 256}, "crop_size": {"height": 192, "width": 192}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(content))
    found = inspect_import("resnet10t", weights=path)
    assert found.encoder.image_size == 192 and "--crop 0.75" in found.preprocessing["origins"]["crop"]


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"config.json": {"architecture": "resnet50", "pretrained_cfg": TIMM}}, "of resnet50, not"),
        ({"config.json": "{broken"}, "config.json beside it was not understood"),
        ({"preprocessor_config.json": {"image_mean": [120, 110, 100], "image_std": [1, 1, 1]}}, "divide those"),
        ({"preprocessor_config.json": {**TRANSFORMERS, "rescale_factor": 0.00784}}, "where 1/255 was expected"),
    ],
)
def test_a_file_beside_that_is_not_understood_is_passed_over_with_a_word(vit, beside, said):
    found = inspect_import("test_vit", weights=vit(beside=beside))
    assert found.encoder.mean == HALF[0] and any(said in note for note in found.preprocessing["notes"])


def test_what_the_file_itself_states_comes_first(small, tmp_path):
    cfg = {"mean": IMAGENET[0], "std": IMAGENET[1], "input_size": (3, 96, 96)}
    state = {name: tensor.contiguous() for name, tensor in small.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors", metadata={"pretrained_cfg": json.dumps(cfg)})
    torch.save({"state_dict": state, "hyper_parameters": {"data": {**cfg, "lr": 0.1}}}, tmp_path / "w.ckpt")
    for path, origin in (("w.safetensors", "the file's metadata"), ("w.ckpt", "the file's hyper-parameters")):
        found = inspect_import("test_vit", weights=tmp_path / path, image_size=160)
        assert found.encoder.mean == IMAGENET[0] and found.preprocessing["origins"]["mean"] == origin
        assert found.preprocessing["origins"]["image_size"] == "given"


def test_a_checkpoint_of_a_run_of_ours_is_fed_as_it_was_trained(tmp_path):
    """Its names have a projector, as those of other libraries; its stem is not the one other libraries have."""
    images = sslviz.shapes(40)
    run = sslviz.pretrain(images, encoder="resnet10t", out=tmp_path / "ours", epochs=1, batch_size=32, progress=False)
    again, _ = sslviz.import_checkpoint("resnet10t", weights=run.last.path, out=tmp_path / "again")
    assert again.last.encoder().preprocessing.config == run.last.encoder().preprocessing.config
    assert again.info["preprocessing"]["origins"]["stem"] == "run.json beside it"
    a, b = (sslviz.embed(one.last, images, progress=False).x for one in (run, again))
    np.testing.assert_array_equal(a, b)
    rows = {what: (value, origin) for what, value, origin in preprocessing_rows(run_preprocessing(run))}
    assert rows["stem"] == ("low-resolution (three of 3x3, stride 1, no max-pool)", "sslviz's default up to 64 px")
    assert rows["mean"][1].startswith("timm's resnet10t.") and rows["input size"][0] == "32 px"


def test_the_size_is_that_of_the_position_embeddings_in_the_file(tmp_path):
    with seeded(2):
        model = timm.create_model("test_vit", num_classes=0, img_size=96)
    run, _ = sslviz.import_checkpoint("test_vit", weights=saved(tmp_path / "w.pt", model, "net."), out=tmp_path / "run")
    assert run.last.encoder().image_size == 96
    assert run.info["preprocessing"]["origins"]["image_size"] == "the shapes in the file (6 patches of 16x16 a side)"
    got = sslviz.embed(run.last, as_images(PIXELS[:, :96, :96]), precision="fp32", progress=False).x
    np.testing.assert_allclose(got, features(model, fed(96, *HALF)), atol=1e-5)


# --- stems ---------------------------------------------------------------------------------------------------------------


def theirs(kernel=7, stride=2, padding=3, pool=True):
    """A ResNet-18 of torchvision with this stem, and what a person would save of it."""
    with seeded(4):
        model = torchvision.models.resnet18()
        if (kernel, stride, padding) != (7, 2, 3):
            model.conv1 = nn.Conv2d(3, 64, kernel, stride=stride, padding=padding, bias=False)
    if not pool:
        model.maxpool = nn.Identity()
    return nn.Sequential(*list(model.children())[:-1]).eval()


FIVE = "5x5,stride=1,padding=2,maxpool"


@pytest.mark.parametrize(
    ("stem", "options", "size", "name"),
    [
        ({}, {}, 32, "standard"),
        ({}, {}, 64, "standard"),
        ({}, {}, 65, "standard"),
        ({"kernel": 3, "stride": 1, "padding": 1, "pool": False}, {}, 32, "low-resolution"),
        ({"kernel": 3, "stride": 1, "padding": 1, "pool": False}, {}, 96, "low-resolution"),
        ({"kernel": 3, "stride": 1, "padding": 2, "pool": False}, {"stem": "solo-learn"}, 32, "solo-learn"),
        ({"kernel": 3, "stride": 1, "padding": 1}, {"stem": "3x3-maxpool"}, 64, "3x3-maxpool"),
        ({"pool": False}, {"stem": "7x7,stride=2,padding=3,no-maxpool"}, 64, "7x7,stride=2,padding=3,no-maxpool"),
        ({"kernel": 5, "stride": 1, "padding": 2}, {"stem": FIVE}, 48, FIVE),
    ],
)
@torch.no_grad()
def test_a_resnet_begins_as_its_file_says(tmp_path, stem, options, size, name):
    model = theirs(**stem)
    path = tmp_path / "lightly.ckpt"
    torch.save({"state_dict": {f"backbone.{key}": value for key, value in model.state_dict().items()}}, path)
    found = inspect_import("resnet18", weights=path, image_size=size, **options)
    expected = model(fed(size, *IMAGENET)).flatten(1).numpy()
    got = embed_pixels(found.encoder, np.ascontiguousarray(PIXELS[:, :size, :size]))
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())
    assert found.encoder.spec["stem"] == name and create_encoder(**found.encoder.spec).spec == found.encoder.spec
    assert found.preprocessing["origins"]["stem"].startswith("given" if options else "the shapes in the file")
    if not options and stem:
        assert "--stem solo-learn: 3x3, stride 1, padding 2, no max-pool" in str(found)


@pytest.mark.parametrize(
    ("kernel", "options", "said"),
    [
        (
            5,
            {},
            r"shape \(64, 3, 5, 5\), and resnet18 is known with 3x3 and 7x7. Spell its stem out, as --stem 7x7,stride",
        ),
        (7, {"stem": "low-resolution"}, r"shape \(64, 3, 7, 7\), which does not fit the stem low-resolution \(3x3"),
        (3, {"stem": "standard"}, r"shape \(64, 3, 3, 3\), which does not fit the stem standard"),
    ],
)
def test_a_stem_that_the_file_contradicts_is_refused_with_its_shape(tmp_path, kernel, options, said):
    path = saved(tmp_path / "w.pt", theirs(kernel=kernel, padding=1))
    with pytest.raises(ValueError, match=said):
        sslviz.import_checkpoint("resnet18", weights=path, out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{}, {"stem": "low-resolution"}])
def test_a_deep_stem_is_timms_unless_told_otherwise(tmp_path, options):
    """Its shapes are the same with every stride: at 32 px it was taken for the small one, without a word."""
    with seeded(5):
        model = timm.create_model("resnet10t", num_classes=0)
    if options:
        model.conv1[0].stride, model.maxpool = (1, 1), nn.Identity()
    found = inspect_import("resnet10t", weights=saved(tmp_path / "w.pt", model), image_size=32, **options)
    expected = features(model, fed(32, *IMAGENET))
    np.testing.assert_allclose(embed_pixels(found.encoder, PIXELS[:, :32, :32]), expected, atol=1e-5)
    assert options or "leave no trace in a file (--stem low-resolution)" in str(found)


# --- what a user sees ----------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_is_found_and_writes_nothing(vit, tmp_path, capsys):
    def command(*words):
        """What the command line prints, line by line, and how it ends."""
        try:
            main(["import", "--encoder", "test_vit", "--weights", str(path), *map(str, words)])
            code = 0
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    path, out = vit("student."), tmp_path / "run"
    code, lines, error = command("--out", out, "--dry-run")
    assert (
        code == 2
        and re.match(r"78 weights .*loaded, found under 'student\.'", lines[0])
        and "unless another is chosen" in lines[1]
    )
    assert error.startswith("sslviz: w.pt has 'student' in its names") and error.count("\n") == 1
    options = ["--mean", *IMAGENET[0], "--std", *IMAGENET[1], "--interpolation", "bicubic", "--crop", "0.9"]
    code, found, _ = command("--dry-run", *options)
    assert code == 0 and not out.exists() and len(found) <= 10
    assert "mean 0.485 0.456 0.406, std 0.229 0.224 0.225: given" in found and "crop 0.9: given" in found
    code, done, _ = command("--out", out, *options)
    assert code == 0 and done[:-1] == found[:-1] == Run(out).info["import"]["lines"]
    assert Run(out).last.encoder().preprocessing.crop == 0.9
    assert command(*options)[0] == 2  # nowhere to write


def test_a_dry_run_says_what_does_not_match(vit):
    found = inspect_import("test_vit2", weights=vit())
    assert "another architecture" in found.problem and "mean 0.5" in str(found) and found.encoder is None


def test_a_vit_is_no_resnet_with_an_odd_stem(vit):
    assert "another architecture" in inspect_import("resnet18", weights=vit(), image_size=32).problem


@pytest.mark.parametrize(
    ("name", "noted"), [("vit_base_patch16_clip_224", 1), ("vit_base_patch16_clip_quickgelu_224", 0)]
)
def test_what_openai_did_otherwise_is_said(vit, name, noted):
    notes = resolve(name, {}, WeightsFile(vit())).notes
    assert sum("trained with QuickGELU" in note for note in notes) == noted


def test_maps_need_whole_pictures(vit, tmp_path):
    run, _ = sslviz.import_checkpoint("test_vit", weights=vit(), out=tmp_path / "run", crop=0.8)
    with pytest.raises(ValueError, match="test_vit is shown only the middle; import it again without --crop"):
        sslviz.attention(run.last, sslviz.shapes(2, size=64), progress=False)


def test_a_folder_of_an_older_sslviz_says_what_its_settings_amount_to(tmp_path):
    old = Run.create(
        tmp_path / "old", {"kind": "import", "encoder": {"name": "resnet18", "image_size": 64, "stem": "standard"}}
    )
    rows = {what: (value, origin) for what, value, origin in preprocessing_rows(run_preprocessing(old))}
    assert rows["mean"] == ("0.485 0.456 0.406", "timm's resnet18.a1_in1k, by default")
    assert rows["input size"] == ("64 px", "not recorded") and rows["stem"][0] == "standard"
    trained = Run.create(
        tmp_path / "trained",
        {"kind": "pretrain", "encoder": {"name": "gone"}, "views": {"mean": [0.5] * 3, "std": [0.2] * 3}},
    )
    assert preprocessing_rows(run_preprocessing(trained))[1] == ("std", "0.2 0.2 0.2", "the views it was trained on")
    assert preprocessing_lines(run_preprocessing(Run.create(tmp_path / "bare", {})))
