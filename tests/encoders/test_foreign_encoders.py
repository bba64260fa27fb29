"""Networks of other libraries and of the user behind the one face, and all that is asked of an encoder, asked of them."""

import json
import sys
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_networks import Gives, Grid, Perceptron, Pooled, Tokens
from torch import nn

import sslviz
from sslviz.cli.main import main
from sslviz.encoders import create_encoder
from sslviz.runs import Checkpoint, Run
from sslviz.runs.import_checkpoint import import_checkpoint

HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
FED = {"image_size": 32, **HALF}


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path, monkeypatch):
    """Functions that are named here are remembered here, and are importable by their file's name."""
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "home"))
    monkeypatch.setattr("sslviz.encoders.own_function._named", set())
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture(scope="module")
def transformers_folder(tmp_path_factory):
    """What `save_pretrained` writes of a small ViT, with a preprocessor_config.json beside it."""
    from transformers import ViTConfig, ViTForImageClassification

    folder = tmp_path_factory.mktemp("hub") / "vit"
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    made_of(lambda: ViTForImageClassification(config), seed=3).save_pretrained(folder)
    fed = {
        "do_normalize": True,
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.4, 0.5, 0.6],
        "size": {"height": 32, "width": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(fed))
    return folder


def made_of(make, seed=0):
    """What `make` makes, its weights drawn by this seed; the global generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def pictures(size=32, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


# --- what is read is what the network gives -----------------------------------------------------------------------------


@torch.no_grad()
def test_features_and_grids_of_torchvision_are_those_of_its_own_parts():
    """Held against torchvision's own feature extraction."""
    from torchvision.models import resnet18
    from torchvision.models.feature_extraction import create_feature_extractor

    encoder, x = create_encoder("torchvision/resnet18", image_size=64).eval(), pictures(64)
    theirs = made_of(resnet18)
    theirs.fc = nn.Identity()
    theirs.load_state_dict(encoder.model.state_dict())
    theirs.eval()
    stages = create_feature_extractor(theirs, [f"layer{i}" for i in range(1, 5)])(x)
    assert torch.equal(encoder(x), theirs(x)) and encoder.dim == 512
    assert list(encoder.layers(x)) == [*stages, "pooled"]
    for name, grid in stages.items():
        torch.testing.assert_close(encoder.grid(x, name), grid)
        torch.testing.assert_close(encoder.layers(x)[name], grid.mean((2, 3)))
    torch.testing.assert_close(encoder.tokens(x), stages["layer4"])


@pytest.mark.parametrize(
    ("name", "size", "dim", "grid", "stages"),
    [
        ("vit_b_16", 32, 768, 2, 12),
        ("swin_t", 64, 768, 2, 8),  # channels last inside
        ("efficientnet_b0", 64, 1280, 2, 9),
        ("convnext_tiny", 64, 768, 2, 8),
    ],
)
@torch.no_grad()
def test_torchvisions_families_show_stages_and_a_last_grid(name, size, dim, grid, stages):
    encoder = create_encoder(f"torchvision/{name}", image_size=size).eval()
    x = pictures(size)
    assert encoder(x).shape == (2, dim) and encoder.tokens(x).shape == (2, dim, grid, grid)
    assert len(encoder.face.grid_names) == stages
    assert not encoder.preprocessing.notes


@torch.no_grad()
def test_channels_last_are_read_as_such():
    """The mean over the last grid is the feature, as torchvision's Swin pools."""
    encoder, x = create_encoder("torchvision/swin_t", image_size=64).eval(), pictures(64)
    torch.testing.assert_close(encoder.tokens(x).mean((2, 3)), encoder(x))
    assert encoder.layers(x)["features.1"].shape == (2, 96)


@torch.no_grad()
def test_a_vit_of_transformers_is_read_at_its_class_token(transformers_folder):
    from transformers import ViTModel

    encoder = create_encoder(f"transformers/{transformers_folder}", image_size=None, pretrained=True).eval()
    network, x = made_of(lambda: ViTModel.from_pretrained(transformers_folder)).eval(), pictures()
    theirs = network(x).last_hidden_state
    torch.testing.assert_close(encoder(x), theirs[:, 0])
    torch.testing.assert_close(encoder.tokens(x)[:, :, 1, 2], theirs[:, 1 + 1 * 4 + 2])
    assert encoder.face.grid_names == ["layers.0", "layers.1", "layers.2"]
    assert encoder.mean == (0.1, 0.2, 0.3) and encoder.preprocessing.origins["mean"].startswith(
        "the preprocessor_config"
    )
    assert any("17 tokens: taken for 1 before a grid of 4 x 4" in note for note in encoder.preprocessing.notes)
    assert any("pooler" in note for note in encoder.preprocessing.notes)


def test_how_torchvision_feeds_its_networks_is_taken_from_its_weights():
    from torchvision.models import ResNet18_Weights

    fed, theirs = (
        create_encoder("torchvision/resnet18", image_size=None).preprocessing,
        ResNet18_Weights.DEFAULT.transforms(),
    )
    assert (list(fed.mean), list(fed.std), fed.image_size) == (theirs.mean, theirs.std, theirs.crop_size[0])
    assert "ResNet18_Weights" in fed.origins["mean"]


@pytest.mark.filterwarnings("ignore:Tokens gives 17 tokens")  # what is assumed of them is right here
@pytest.mark.parametrize("network", [Pooled, Grid, Tokens])
def test_grad_cam_is_the_gradient_at_the_last_grid(network):
    """Where the features are the mean over the grid, each cell's gradient of their sum is one over the cells."""
    checkpoint = Checkpoint.of(made_of(network), **FED)
    encoder, x = checkpoint.encoder(), pictures()
    held, features = encoder.face.split(x)
    torch.testing.assert_close(features, encoder(x))
    (gradient,) = torch.autograd.grad((features * torch.arange(16.0)).sum(), held)
    grid = encoder.face.on_grid(gradient, tuple(encoder.tokens(x).shape[-2:]))
    assert grid.abs().sum((1,)).min() > 0, "every place matters"
    if network is not Tokens:
        torch.testing.assert_close(grid[0, :, 3, 4], torch.arange(16.0) / 64)


def test_the_layers_of_a_network_are_counted_from_the_pixels():
    encoder = create_encoder("torchvision/resnet18", image_size=32)
    numbers = encoder.face.layer_numbers()
    assert numbers["conv1.weight"] == 0 and numbers["layer1.0.conv1.weight"] == 1 and numbers["layer4.1.bn2.bias"] == 4


# --- everything works on it ---------------------------------------------------------------------------------------------


def in_memory():
    return made_of(Pooled)


KINDS = {  # what is named, and how it is fed where it does not say
    "function": ("foreign_networks:described", {}),
    "torchvision": ("torchvision/resnet18", {"image_size": 32}),
    "torchvision swin": ("torchvision/swin_t", {"image_size": 32}),
    "transformers": ("transformers", {}),
    "in memory": (None, {}),
}


def made(kind, folder, tmp_path):
    name, fed = KINDS[kind]
    if name is None:
        return Checkpoint.of(in_memory(), **FED, name="mine")
    if name == "transformers":
        name = f"transformers/{folder}"
    weights = {}
    if name.startswith("torchvision"):
        weights = {"weights": tmp_path / "theirs.pt"}
        torch.save(create_encoder(name, image_size=32, seed=5).model.state_dict(), weights["weights"])
    return import_checkpoint(name, out=tmp_path / "run", **weights, **fed)[0].last


@pytest.fixture
def narrow_swin(monkeypatch):
    """torchvision's Swin-T with 8 channels instead of 96: the same parts in the same order, not 28 million weights."""
    from torchvision.models import _api, swin_transformer

    @wraps(_api.BUILTIN_MODELS["swin_t"])
    def narrow(*, weights=None, progress=True, **options):
        return swin_transformer.SwinTransformer([4, 4], 8, [2, 2, 6, 2], [1, 2, 4, 8], [7, 7], **options)

    monkeypatch.setitem(_api.BUILTIN_MODELS, "swin_t", narrow)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_encoder_answers(kind, transformers_folder, narrow_swin, tmp_path):
    """Features, probe, Grad-CAM, occlusion and the control of each."""
    checkpoint = made(kind, transformers_folder, tmp_path)
    images = sslviz.shapes(n=48, seed=0)
    features, control = (sslviz.embed(c, images, progress=False) for c in (checkpoint, checkpoint.untrained()))
    assert features.x.shape == control.x.shape and not np.allclose(features.x, control.x, atol=1e-3)
    assert features.source["weights"] == checkpoint.digest != checkpoint.untrained().digest
    score = sslviz.linear_probe(features, "shape", control_features={"untrained": control}).scores()["accuracy"]
    assert 0 <= score.value <= 1 and score.control is not None
    some = images.rows(range(3))
    for method, options in {"grad_cam": {}, "occlusion": {"window": 16, "stride": 16}}.items():
        maps = sslviz.attribute(checkpoint, some, method=method, progress=False, **options).maps
        assert maps.shape[0] == 3 and np.isfinite(maps).all()
    layers = sslviz.embed_layers(checkpoint, some, progress=False)
    np.testing.assert_allclose(layers["pooled"].x, features.x[:3], atol=1e-5)


@pytest.mark.parametrize("kind", ["function", "transformers"])
def test_import_and_diagnose_from_the_command_line(kind, transformers_folder, tmp_path, capsys):
    name = f"transformers/{transformers_folder}" if kind == "transformers" else "foreign_networks:described"
    run = tmp_path / "theirs"
    main(["import", "--encoder", name, "--out", str(run)])
    said = capsys.readouterr().out
    if kind == "transformers":
        assert "left out as heads: classifier.bias, classifier.weight" in said
    assert "mean 0.1 0.2 0.3, std 0.4 0.5 0.6" in said and "ready for `sslviz diagnose" in said
    main(["diagnose", str(run), "--images", "shapes:n=96", "--only", "spectrum,linear_probe"])
    assert "rankme" in capsys.readouterr().out.lower()


def test_a_run_needs_nothing_but_its_folder(transformers_folder, tmp_path):
    """The configuration of a network of transformers lies in run.json: the folder it came from may go."""
    copy = tmp_path / "vit"
    copy.mkdir()
    for file in transformers_folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    run = import_checkpoint(f"transformers/{copy}", out=tmp_path / "run")[0]
    before = run.last.encoder()(pictures())
    for file in copy.iterdir():
        file.unlink()
    torch.testing.assert_close(Run(run.path).last.encoder()(pictures()), before)


def test_what_a_class_of_attention_is_not_known_for_is_said(transformers_folder):
    for name, kind in (
        (f"transformers/{transformers_folder}", "ViTAttention"),
        ("torchvision/vit_b_16", "MultiheadAttention"),
    ):
        checkpoint = Checkpoint("theirs", 0, {"name": name, "image_size": 32}, None)
        with pytest.raises(ValueError, match=f"attends with .*{kind}"):
            sslviz.attention(checkpoint, sslviz.shapes(n=2), progress=False)


def test_weights_of_torchvision_leave_its_classifier_out(tmp_path):
    from torchvision.models import mobilenet_v3_small

    network = made_of(mobilenet_v3_small)
    torch.save(network.state_dict(), tmp_path / "theirs.pth")
    run, report = import_checkpoint(
        "torchvision/mobilenet_v3_small", weights=tmp_path / "theirs.pth", image_size=32, out=tmp_path / "run"
    )
    assert set(report.heads) == {"classifier.3.weight", "classifier.3.bias"}
    network.classifier[3] = nn.Identity()
    torch.testing.assert_close(run.last.encoder()(pictures()), network.eval()(pictures()))


def test_hub_names_are_read_as_timm_reads_them(monkeypatch, tmp_path):
    """A hub that answers from here: its architecture, its arguments and how it is fed; offline, one sentence."""
    import timm

    config = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "input_size": (3, 64, 64)}
    monkeypatch.setattr(
        "sslviz.encoders.hub_model.load_model_config_from_hf", lambda name: (config, "test_vit", {"global_pool": "avg"})
    )
    encoder = create_encoder("hf_hub:somebody/net", image_size=None, seed=1)
    again = create_encoder(**json.loads(json.dumps(encoder.spec)), seed=1)
    assert encoder.spec["name"] == "test_vit" and encoder.model.global_pool == again.model.global_pool == "avg"
    assert encoder.mean == again.mean == (0.1, 0.2, 0.3)
    assert type(encoder.model) is type(made_of(lambda: timm.create_model("test_vit")))

    def offline(name):
        raise OSError("Name or service not known\nand more")

    monkeypatch.setattr("sslviz.encoders.hub_model.load_model_config_from_hf", offline)
    with pytest.raises(
        ValueError, match=r"^timm could not read hf_hub:a/b [^\n]*online\?\): Name or service not known$"
    ):
        create_encoder("hf_hub:a/b")


# --- functions of the user ----------------------------------------------------------------------------------------------


def test_the_untrained_control_of_a_function_is_drawn_anew_even_where_it_loads_weights():
    """`described` has weights of its own; those of `create_encoder` depend on the seed alone."""
    one, again, other = (create_encoder("foreign_networks:described", seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["model.first.weight"], other["model.first.weight"])


def test_a_run_that_names_a_function_is_believed_only_after_the_user_named_it(tmp_path, monkeypatch):
    run = import_checkpoint("foreign_networks:described", out=tmp_path / "run")[0]
    monkeypatch.setattr("sslviz.encoders.own_function._named", set())
    Run(run.path).last.encoder()  # in another process: remembered in the user's own folder
    monkeypatch.setattr("sslviz.encoders.own_function._named", set())
    monkeypatch.setenv("SSLVIZ_CACHE", str(tmp_path / "another home"))
    with pytest.raises(
        ValueError, match=r"running foreign_networks:described.*SSLVIZ_FUNCTIONS=foreign_networks:described"
    ):
        Run(run.path).last.encoder()
    monkeypatch.setenv("SSLVIZ_FUNCTIONS", "foreign_networks:described")
    Run(run.path).last.encoder()


def test_code_in_a_run_folder_is_never_run(tmp_path, monkeypatch):
    Run.create(tmp_path / "run", {"encoder": {"name": "planted_code:network", "image_size": 32}})
    (tmp_path / "run" / "planted_code.py").write_text("import sys\nsys.planted = True\n")
    monkeypatch.chdir(tmp_path / "run")
    with pytest.raises(ValueError, match="lies in a run folder"):
        create_encoder("planted_code:network")
    assert not hasattr(sys, "planted")
    with pytest.raises(ValueError, match="Python's own"):
        create_encoder("os:abort")


def test_a_function_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "my_own_net.py").write_text(
        "from torch import nn\ndef network():\n    return nn.Sequential(nn.Conv2d(3, 8, 4, 4))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert create_encoder("my_own_net:network", mean="imagenet").dim == 8


# --- networks in memory -------------------------------------------------------------------------------------------------


def test_a_network_in_memory_stays_as_it_is():
    network = in_memory().train()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    hooks = len(network._forward_hooks)
    checkpoint = Checkpoint.of(network, **FED)
    sslviz.embed(checkpoint, sslviz.shapes(n=4), progress=False)
    sslviz.embed(checkpoint.untrained(), sslviz.shapes(n=4), progress=False)
    sslviz.attribute(checkpoint, sslviz.shapes(n=2), method="grad_cam", progress=False)
    assert network.training and len(network._forward_hooks) == hooks
    assert not any(module._forward_hooks for module in network.children())
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert all(weight.requires_grad for weight in network.parameters())


def test_its_digest_is_that_of_its_weights():
    network = in_memory()
    checkpoint, other = Checkpoint.of(network, **FED), Checkpoint.of(network, mean="imagenet", image_size=32)
    before = checkpoint.digest
    assert before == Checkpoint.of(in_memory(), **FED).digest != other.digest
    with torch.no_grad():
        network.first.bias[0] += 1
    assert checkpoint.digest != before


def test_weights_that_cannot_reset_themselves_are_shuffled_and_named():
    with pytest.warns(UserWarning, match="17 tokens: taken for 1 before a grid of 4 x 4"):
        checkpoint = Checkpoint.of(made_of(Tokens), **FED)
    with pytest.warns(UserWarning, match=r"1 weights have no reset_parameters and were shuffled instead \(start\)"):
        fresh = checkpoint.untrained(1).encoder()
    old = checkpoint.encoder().model.start
    assert not torch.equal(fresh.model.start, old)
    assert torch.equal(fresh.model.start.sort().values, old.sort().values)


def test_transfer_and_cascade_take_a_network_in_memory():
    images = sslviz.shapes(n=60, seed=1)
    checkpoint = Checkpoint.of(in_memory(), **FED)
    found = sslviz.cascade(
        lambda c, i: sslviz.attribute(c, i, method="saliency", progress=False),
        checkpoint,
        images.rows(range(8)),
        seeds=1,
        progress=False,
    )
    assert found.layers == ["none", "second", "norm", "first"]
    with pytest.raises(ValueError, match="is a network in memory"):
        sslviz.pretrain(images, encoder="Pooled", start=checkpoint, batch_size=16, out="never written")


# --- bad input ----------------------------------------------------------------------------------------------------------

BAD = {
    "gives a tuple of 2; return one tensor": lambda: Gives(lambda z: (z, z)),
    "gives a dict with the keys features, logits; return one tensor": lambda: Gives(
        lambda z: {"features": z, "logits": z}
    ),
    "gives NaN or infinite features": lambda: Gives(lambda z: z * float("nan")),
    r"gives 1 rows for 2 pictures": lambda: Gives(lambda z: z[:1]),
    "other features for the same pictures at a second call": lambda: Gives(
        lambda z: nn.functional.dropout(z, 0.5, training=True)
    ),
    r"gives a tensor \(2,\) of float32": lambda: Gives(lambda z: z[:, 0]),
    r"takes pictures of 1 channel, and encoders here see \(b, 3, h, w\)": lambda: Pooled(channels=1),
    "has no weights": lambda: nn.Flatten(),
    "does not take 32-pixel images": lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 2)),
    "expected|got a": lambda: "no module",
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_network_that_cannot_be_read_is_answered_in_one_sentence(sentence):
    with pytest.raises(ValueError, match=sentence) as told:
        Checkpoint.of(made_of(BAD[sentence]), **FED)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("foreign_networks:fails", r"^foreign_networks:fails failed: RuntimeError: no such dataset$"),
        ("foreign_networks:gives_nothing", "returns nothing; expected a torch.nn.Module"),
        ("foreign_networks:not_a_function", "has no function 'not_a_function'"),
        ("foreign_networks:absent", "has no function 'absent'"),
        ("no_such_package.nets:network", "cannot be imported: ModuleNotFoundError.*install no_such_package"),
        ("a b:c", "is named package.module:function"),
        ("torchvision/resnet19", "torchvision has no classifier 'resnet19'.*did you mean resnet18|resnet1"),
        ("transformers/./nowhere", "There is no config.json in nowhere"),
        ("resnet118", "An encoder is any timm name, torchvision/NAME"),
    ],
)
def test_a_name_that_leads_nowhere_is_answered_in_one_sentence(name, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence) as told:
        import_checkpoint(name, out=tmp_path / "run", pretrained=True, mean="imagenet", image_size=32)
    assert "\n" not in str(told.value) and not (tmp_path / "run").exists()


def test_what_is_not_stated_has_to_be_given(tmp_path, capsys):
    with pytest.raises(
        ValueError, match=r"Nothing says .*foreign_networks:pooled: give --mean and --std .* and --image-size"
    ):
        import_checkpoint("foreign_networks:pooled", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="give --image-size"):
        Checkpoint.of(made_of(Perceptron), mean="imagenet")
    with pytest.raises(SystemExit) as told:
        main(["import", "--encoder", "foreign_networks:pooled", "--out", str(tmp_path / "run")])
    assert told.value.code == 2 and "--mean" in capsys.readouterr().err


def test_a_network_without_a_grid_says_so():
    checkpoint = Checkpoint.of(made_of(Perceptron), **FED)
    with pytest.raises(ValueError, match="does not end in a grid"):
        sslviz.attribute(checkpoint, sslviz.shapes(n=2), method="grad_cam", progress=False)


def test_code_of_a_model_of_transformers_is_never_run(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps(
            {"model_type": "their_own", "auto_map": {"AutoModel": "modeling.Net", "AutoConfig": "modeling.Config"}}
        )
    )
    (tmp_path / "modeling.py").write_text("import sys\nsys.planted = True\n")
    with pytest.raises(ValueError, match="code of its own, which is never run"):
        create_encoder(f"transformers/{tmp_path}")
    assert not hasattr(sys, "planted")
