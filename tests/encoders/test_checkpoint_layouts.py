"""Sixty layouts of other people's files: the features are those of the network that was saved.  20 s in all."""

import re
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from checkpoint_layouts import CONTAINERS, TREES
from safetensors.torch import load_file
from timm.models import swin_transformer
from timm.models.convnext import ConvNeXt
from timm.models.resnet import BasicBlock, ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from sslviz.encoders import create_encoder, load_weights
from sslviz.encoders.encoder import Encoder
from sslviz.runtime.random_state import seeded

HALF = (0.5, 0.5, 0.5)


def wrapped(model, size=32):
    return Encoder(model, {"name": "theirs", "image_size": size}, HALF, HALF)


def vit(seed, size=32, **options):
    """A ViT with two small blocks, and no weight left at the value it begins with."""
    with seeded(seed):
        options = {"img_size": size, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2} | options
        return stirred(VisionTransformer(num_classes=0, **options), seed)


@torch.no_grad()
def stirred(model, seed):
    random = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor += 0.1 * torch.rand(tensor.shape, generator=random)
    return model


def pictures(size=32):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def same_features(encoder, truth, size=32, **tolerance):
    x = pictures(size)
    torch.testing.assert_close(encoder.eval()(x), truth.eval()(x), **(tolerance or {"atol": 1e-5, "rtol": 1e-5}))


@pytest.mark.parametrize("name", TREES)
def test_what_torch_save_was_given(tmp_path, name):
    truth, encoder = vit(1), wrapped(vit(0))
    torch.save(TREES[name](truth.state_dict()), tmp_path / "checkpoint.pth")
    report = load_weights(encoder, tmp_path / "checkpoint.pth")
    if name == "bfloat16":
        same_features(encoder, truth, atol=0.1, rtol=0.1)
    elif name == "float16":
        same_features(encoder, truth, atol=1e-2, rtol=1e-2)
    else:
        same_features(encoder, truth)
    assert report.unused == () and len(report.matched) == len(truth.state_dict())


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(tmp_path, name):
    truth, encoder = create_encoder("conv_nano", seed=1), create_encoder("conv_nano", seed=0)
    stirred(truth.model, 1)
    load_weights(encoder, CONTAINERS[name](truth.model.state_dict(), tmp_path))
    same_features(encoder, truth)


def saved(tree, folder):
    torch.save(tree, folder / "weights.pth")
    return folder / "weights.pth"


# --- other people's code as the truth --------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["model", None])
def test_torchvisions_vit(tmp_path, container):
    with seeded(0):
        theirs = stirred(torchvision.models.VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=5), 3)
    state = theirs.state_dict()
    encoder = wrapped(vit(0, mlp_ratio=2))
    report = load_weights(encoder, saved({container: state} if container else state, tmp_path))
    theirs.heads = nn.Identity()
    same_features(encoder, theirs)
    assert [name.split(".")[-3:] for name in report.heads] == [["heads", "head", "weight"], ["heads", "head", "bias"]]
    assert "torchvision" in str(report)


def test_torchvisions_convnext(tmp_path):
    from torchvision.models.convnext import CNBlockConfig

    widths, depths = (8, 16, 24, 32), (1, 1, 2, 1)
    with seeded(0):
        blocks = [CNBlockConfig(a, b, n) for a, b, n in zip(widths, (*widths[1:], None), depths, strict=True)]
        theirs = stirred(torchvision.models.ConvNeXt(blocks, num_classes=5), 1)
        encoder = wrapped(stirred(ConvNeXt(depths=depths, dims=widths, num_classes=0), 0), 64)
    report = load_weights(encoder, saved(theirs.state_dict(), tmp_path))
    theirs.classifier[2] = nn.Identity()
    same_features(encoder, theirs, 64)
    assert report.heads == ("classifier.2.weight", "classifier.2.bias")


def test_torchvisions_swin(tmp_path):
    options = {"embed_dim": 8, "depths": (2, 1, 1, 1), "num_heads": (2, 2, 2, 2)}
    with seeded(0):
        theirs = stirred(torchvision.models.SwinTransformer([4, 4], window_size=[2, 2], num_classes=5, **options), 1)
        own = SwinTransformer(img_size=64, patch_size=4, window_size=2, num_classes=0, **options)
        encoder = wrapped(stirred(own, 0), 64)
    report = load_weights(encoder, saved({"state_dict": theirs.state_dict()}, tmp_path))
    theirs.head = nn.Identity()
    same_features(encoder, theirs, 64)
    assert "torchvision (Swin)" in report.converted_by and not report.unused


def test_a_vit_at_another_size_sees_what_it_would_see_with_its_positions_resized(tmp_path):
    theirs = vit(1, dynamic_img_size=True)  # resizes its position embeddings itself, in every forward pass
    encoder = wrapped(vit(0, size=64), 64)
    report = load_weights(encoder, saved({"model": theirs.state_dict()}, tmp_path))
    same_features(encoder, theirs, 64)
    assert "resized from 4x4 to 8x8 patches, as timm does it. --image-size 32 keeps" in str(report)


def facebooks(state):
    """DINOv2 with registers as Facebook publishes it: the class token's position is a token's of its own."""
    own = {name: t for name, t in state.items() if name not in {"reg_token", "pos_embed", "cls_token"}}
    place = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(0))
    own |= {"register_tokens": state["reg_token"], "pos_embed": torch.cat([place, state["pos_embed"]], 1)}
    return own | {"cls_token": state["cls_token"] - place}


@pytest.mark.parametrize("extra", [{"mask_token": torch.zeros(1, 32)}, {}])
@pytest.mark.parametrize("grouped", [False, True])
def test_dinov2_with_registers(tmp_path, extra, grouped):
    options = {"reg_tokens": 4, "no_embed_class": True, "init_values": 0.1}
    truth, encoder = vit(1, **options), wrapped(vit(0, **options))
    theirs = facebooks(truth.state_dict()) | extra
    if grouped:  # blocks.<group>.<block>
        theirs = {re.sub(r"^blocks\.(\d)", r"blocks.\1.\1", name): t for name, t in theirs.items()}
    load_weights(encoder, saved({"teacher": {f"backbone.{k}": t for k, t in theirs.items()}}, tmp_path))
    same_features(encoder, truth)
    with pytest.raises(ValueError, match=r"1 in the file have no place in it \(register_tokens\)|register_tokens"):
        load_weights(wrapped(vit(0, init_values=0.1)), tmp_path / "weights.pth")


def clips(state, depth=2):
    """A ViT in the names of OpenAI's CLIP."""
    names = {
        "norm1": "ln_1",
        "norm2": "ln_2",
        "attn.proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    theirs = {"class_embedding": state["cls_token"][0, 0], "positional_embedding": state["pos_embed"][0]}
    theirs |= {"conv1.weight": state["patch_embed.proj.weight"], "proj": torch.zeros(32, 16)}
    theirs |= {
        f"ln_{a}.{s}": state[f"{b}.{s}"] for a, b in (("pre", "norm_pre"), ("post", "norm")) for s in ("weight", "bias")
    }
    for i in range(depth):
        for s in ("weight", "bias"):
            theirs[f"transformer.resblocks.{i}.attn.in_proj_{s}"] = state[f"blocks.{i}.attn.qkv.{s}"]
            theirs |= {f"transformer.resblocks.{i}.{b}.{s}": state[f"blocks.{i}.{a}.{s}"] for a, b in names.items()}
    return theirs


@pytest.mark.parametrize("prefix", ["visual.", "module.visual.", "", "model.visual."])
def test_clip(tmp_path, prefix):
    options = {"pre_norm": True, "norm_layer": nn.LayerNorm}
    truth, encoder = vit(1, **options), wrapped(vit(0, **options))
    text = {"token_embedding.weight": torch.zeros(9, 4), "text_projection": torch.zeros(4, 4)} if prefix else {}
    state = {prefix + name: t for name, t in clips(truth.state_dict()).items()} | text
    report = load_weights(encoder, saved({"state_dict": state}, tmp_path))
    same_features(encoder, truth)
    assert report.prefix == f"state_dict.{prefix}" and report.heads == (f"state_dict.{prefix}proj",)
    assert len(report.others) == len(text)


def test_convnext_in_facebooks_names(tmp_path):
    def net(seed):
        with seeded(seed):
            return stirred(ConvNeXt(depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), num_classes=0), seed)

    truth, encoder = net(1), wrapped(net(0), 64)
    names = {
        "stem.": "downsample_layers.0.",
        ".blocks.": ".",
        "conv_dw": "dwconv",
        "mlp.fc": "pwconv",
        "head.norm": "norm",
    }
    theirs = {"head.weight": torch.zeros(5, 32), "head.bias": torch.zeros(5)}
    for name, tensor in truth.state_dict().items():
        name = re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", name)
        for ours, facebook in names.items():
            name = name.replace(ours, facebook)
        theirs[name] = tensor
    report = load_weights(encoder, saved({"model": theirs}, tmp_path))
    same_features(encoder, truth, 64)
    assert report.heads == ("model.head.weight", "model.head.bias")


@pytest.mark.parametrize("window", [4, 2])
@pytest.mark.filterwarnings("ignore")  # of torch, on what timm's interpolation does
def test_swin_in_microsofts_names(tmp_path, window):
    def net(seed, window):
        with seeded(seed):
            options = {"img_size": 32, "patch_size": 4, "embed_dim": 8, "depths": (1, 1), "num_heads": (2, 2)}
            return stirred(SwinTransformer(**options, window_size=window, num_classes=0), seed)

    truth, encoder = net(1, 4), wrapped(net(0, window))
    theirs = {name.replace("layers.1.downsample", "layers.0.downsample"): t for name, t in truth.state_dict().items()}
    theirs |= {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(16, 16), "head.weight": torch.zeros(5, 16)}
    report = load_weights(encoder, saved({"model": theirs}, tmp_path))
    if window == 4:
        same_features(encoder, truth)
    converted = swin_transformer.checkpoint_filter_fn(theirs, encoder.model)
    assert all(torch.equal(tensor, converted[name]) for name, tensor in encoder.model.state_dict().items())
    assert ("relative_position_bias_table was resized from" in str(report)) == (window != 4)
    assert len(report.heads) == 2


def test_a_vit_in_openmmlabs_names(tmp_path):
    truth, encoder = vit(1), wrapped(vit(0))
    names = {r"^norm\.": "ln1.", r"patch_embed\.proj": "patch_embed.projection", r"mlp\.fc1": "ffn.layers.0.0"}
    names |= {r"mlp\.fc2": "ffn.layers.1", r"^blocks\.(\d)\.norm(\d)": r"layers.\1.ln\2", r"^blocks": "layers"}
    theirs = {}
    for name, tensor in truth.state_dict().items():
        for ours, mm in names.items():
            name = re.sub(ours, mm, name)
        theirs[f"backbone.{name}"] = tensor
    load_weights(encoder, saved({"state_dict": theirs}, tmp_path))
    same_features(encoder, truth)


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_convnext", "test_efficientnet", "test_vit", "test_vit2", "test_byobnet"]
)
def test_timms_own_files_with_their_classifier(tmp_path, name):
    with seeded(1):
        theirs = stirred(timm.create_model(name), 1)
    encoder = create_encoder(name, image_size=160)
    report = load_weights(encoder, saved(theirs.state_dict(), tmp_path))
    assert report.heads and not report.unused and not report.others
    theirs.reset_classifier(0)
    same_features(encoder, theirs, 160)


# --- what transformers wrote, and the features that it computed --------------------------------------------------------

FILES = Path(__file__).parents[1] / "fixtures" / "transformers"


def norm(eps):
    return partial(nn.LayerNorm, eps=eps)


def small(**options):
    return vit(0, **{"img_size": 8, "patch_size": 4, "embed_dim": 16, "mlp_ratio": 2} | options), 8


def convnext(**options):
    return ConvNeXt(depths=(1, 2, 1, 1), dims=(4, 4, 8, 8), num_classes=0, **options), 32


def swin():
    options = {"img_size": 32, "patch_size": 4, "embed_dim": 8, "depths": (1, 1), "num_heads": (2, 2), "window_size": 4}
    return SwinTransformer(**options, num_classes=0), 32


TRANSFORMERS = {
    "vit": lambda: small(norm_layer=norm(1e-12)),
    "dinov2": lambda: small(norm_layer=norm(1e-6), init_values=1.0, reg_tokens=4, no_embed_class=True),
    "ijepa": lambda: small(norm_layer=norm(1e-12), class_token=False, global_pool="avg", fc_norm=False),
    "clip": lambda: small(norm_layer=norm(1e-5), pre_norm=True),
    "convnext": convnext,
    "convnextv2": lambda: convnext(use_grn=True, ls_init_value=None),
    "swin": swin,
}


@pytest.mark.parametrize("file", sorted(path.stem for path in FILES.glob("*.safetensors") if path.stem != "features"))
@torch.no_grad()
def test_transformers(file):
    name, truth = file.split("_")[0], load_file(FILES / "features.safetensors")
    with seeded(0):
        model, size = TRANSFORMERS[name]()
    encoder = wrapped(model, size)
    report = load_weights(encoder, FILES / f"{file}.safetensors")
    torch.testing.assert_close(encoder.eval()(truth[f"pictures{size}"]), truth[name], atol=2e-5, rtol=1e-4)
    assert "transformers" in report.converted_by and not report.unused


def test_a_resnet_in_the_names_of_transformers(tmp_path):
    def net(seed):
        with seeded(seed):
            return stirred(ResNet(BasicBlock, (1, 2, 1, 1), num_classes=0), seed)

    truth, encoder = net(1), wrapped(net(0))
    names = {r"^conv1": "embedder.embedder.convolution", r"^bn1": "embedder.embedder.normalization"}
    names |= {r"conv(\d)$": r"layer.\1.convolution", r"bn(\d)$": r"layer.\1.normalization"}
    names |= {r"downsample\.0$": "shortcut.convolution", r"downsample\.1$": "shortcut.normalization"}
    theirs = {}
    for name, tensor in truth.state_dict().items():
        name, last = name.rsplit(".", 1)
        for ours, hf in names.items():
            name = re.sub(ours, hf, name)
        name = re.sub(r"^layer(\d)\.(\d)", lambda m: f"encoder.stages.{int(m[1]) - 1}.layers.{m[2]}", name)
        name = re.sub(r"layer\.(\d)\.", lambda m: f"layer.{int(m[1]) - 1}.", name)
        theirs[f"resnet.{name}.{last}"] = tensor
    load_weights(encoder, saved(theirs, tmp_path))
    same_features(encoder, truth)
