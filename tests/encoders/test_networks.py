"""Which network of a file is taken, and that every tensor of it is loaded, a head, another's, or an error.  8 s in all."""

import copy
import json

import pytest
import torch
from checkpoint_layouts import OPTIMIZER, other, under
from hypothesis import assume, given
from hypothesis import strategies as st
from timm.models.vision_transformer import VisionTransformer

from sslviz.encoders import Encoder, create_encoder, inspect_weights, load_weights
from sslviz.runs import Checkpoint
from sslviz.runtime.random_state import seeded


@pytest.fixture(scope="module")
def state():
    return create_encoder("conv_nano", seed=1).model.state_dict()


@pytest.fixture(scope="module")
def built():
    return create_encoder("conv_nano", seed=0)


@pytest.fixture
def encoder(built):
    return copy.deepcopy(built)  # takes a fifth of the time of building it


def saved(tree, folder, name="weights.pt"):
    torch.save(tree, folder / name)
    return folder / name


def has(encoder, state):
    return all(torch.equal(tensor, state[name]) for name, tensor in encoder.model.state_dict().items())


# --- which network -----------------------------------------------------------------------------------------------------

PAIRS = [  # the one that its paper evaluates, the other, what else tells the method
    ("teacher", "student", {}),
    ("teacher.backbone", "student.backbone", {}),
    ("backbone", "student_backbone", {}),
    ("teacher_backbone", "student_backbone", {}),
    ("model_ema", "model", {}),
    ("state_dict_ema", "state_dict", {}),
    ("ema_state_dict", "state_dict", {}),
    ("ema", "model", {}),
    ("ema_model", "online_model", {}),
    ("target_encoder", "encoder", {}),
    ("target_encoder", "context_encoder", {}),
    ("encoder", "target_encoder", {"target_projector.0.weight": torch.zeros(2)}),
    ("online_encoder", "target_encoder", {}),
    ("online_network", "target_network", {}),
    ("online_net.0", "target_net.0", {}),
    ("encoder_q", "encoder_k", {}),
    ("encoder", "encoder_k", {}),
    ("base_encoder", "momentum_encoder", {}),
    ("backbone", "momentum_backbone", {}),
    ("backbone", "backbone_momentum", {}),
]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("root", ["", "state_dict.module."])
@pytest.mark.parametrize(("taken", "left", "beside"), PAIRS, ids=lambda v: v if isinstance(v, str) else "")
def test_the_network_that_its_paper_evaluates_is_taken(state, encoder, tmp_path, taken, left, beside, root, first):
    parts = [under(f"{root}{taken}.", state), under(f"{root}{left}.", other(state))]
    tree = {} | parts[not first] | parts[first] | under(root, beside)
    report = load_weights(encoder, saved(tree, tmp_path))
    assert has(encoder, state)
    assert set(report.candidates) == {f"{root}{taken}", f"{root}{left}"} and report.chosen_by
    assert f"Taken: {root}{taken}; {report.chosen_by}. `--from KEY`" in str(report)
    load_weights(encoder, tmp_path / "weights.pt", key=f"{root}{left}")
    assert has(encoder, other(state))


def test_of_teacher_and_its_average_the_average_of_the_teacher(state, encoder, tmp_path):
    worse = other(state)
    tree = {
        "model": under("student.", worse) | under("teacher.", worse),
        "model_ema": under("student.", worse) | under("teacher.", state),
    }
    report = load_weights(encoder, saved(tree, tmp_path))
    assert has(encoder, state) and report.prefix == "model_ema.teacher." and len(report.candidates) == 4


def test_a_network_that_does_not_fit_is_no_candidate(state, encoder, tmp_path):
    with seeded(0):
        teacher = {name: torch.zeros(3, *tensor.shape) for name, tensor in state.items()}
    report = load_weights(encoder, saved({"teacher": teacher, "student": state}, tmp_path))
    assert has(encoder, state) and report.prefix == "student." and list(report.candidates) == ["student"]
    assert "networks in the file" not in str(report)
    with pytest.raises(ValueError, match="have another shape"):
        load_weights(encoder, tmp_path / "weights.pt", key="teacher")


def test_where_no_paper_says_which_the_user_is_asked(state, encoder, tmp_path):
    path = saved({"left": {"net": state}, "right": {"net": other(state)}}, tmp_path)
    with pytest.raises(ValueError, match=r"2 networks that fit \(left\.net, right\.net\).*--from left\.net"):
        load_weights(encoder, path)
    for key in ("right", "right.net", "right.net."):
        assert "asked for by --from" in str(load_weights(encoder, path, key=key))
        assert has(encoder, other(state))
    with pytest.raises(ValueError, match=r"no network under 'middle'; networks that fit: left\.net, right\.net"):
        load_weights(encoder, path, key="middle")
    with pytest.raises(ValueError, match=r"2 networks that fit"):
        load_weights(encoder, path, key="net")
    load_weights(encoder, saved({"model": state, "ema": {"model": other(state)}}, tmp_path), key="model")
    assert has(encoder, state), "the whole name goes before a part of another"


def test_equal_networks_are_no_choice(state, encoder, tmp_path):
    report = load_weights(encoder, saved({"left": state, "right": {k: t.clone() for k, t in state.items()}}, tmp_path))
    assert "the others hold the same numbers" in str(report)


# --- what is not used --------------------------------------------------------------------------------------------------


def vit(**options):
    with seeded(0):
        model = VisionTransformer(
            img_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_classes=0, **options
        )
    return Encoder(model, {"name": "theirs", "image_size": 16}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


STRANGE = [
    "register_tokens",
    "reg_token",
    "blocks.1.norm1.weight",
    "blocks.0.ls1.gamma",
    "blocks.0.attn.head.fc.weight",
]
STRANGE += [
    "norm.fc.weight",
    "blocks.0.mlp.fc3.weight",
    "patch_embed.head.weight",
    "unheard_of",
    "fc_norm.weight",
    "adapter.x",
]
HEADS = [
    "head.weight",
    "head.fc.bias",
    "fc.0.weight",
    "head.mlp.0.weight",
    "mask_token",
    "decoder_blocks.0.norm.weight",
]
HEADS += ["projector.0.weight", "predictor.2.bias", "prototypes.weight", "decoder_pos_embed", "queue_ptr", "n_averaged"]
HEADS += ["classifier.weight", "blocks.0.attn.relative_position_index"]


@pytest.mark.parametrize("prefix", ["", "module.", "teacher.backbone."])
@pytest.mark.parametrize("name", STRANGE)
def test_what_lies_inside_the_encoder_and_is_not_used_is_an_error(tmp_path, prefix, name):
    encoder = vit()
    path = saved(under(prefix, encoder.model.state_dict() | {name: torch.zeros(2)}), tmp_path)
    with pytest.raises(ValueError, match=rf"1 in the file have no place in it \({name}\)\..*--allow-unused"):
        load_weights(encoder, path)
    seen = inspect_weights(encoder, path)
    assert seen.problems and seen.unused == (prefix + name,) and seen.lines[0] == seen.problems[0]
    report = load_weights(encoder, path, allow_unused=True)
    assert report.unused == (prefix + name,) and report.to_dict()["unused"] == [prefix + name]
    assert f"although it lies inside the encoder, as you allowed: {prefix}{name}" in str(report)


@pytest.mark.parametrize("prefix", ["", "module.", "teacher.backbone."])
@pytest.mark.parametrize("name", HEADS)
def test_heads_by_position_are_left_out_and_said(tmp_path, prefix, name):
    encoder = vit()
    report = load_weights(encoder, saved(under(prefix, encoder.model.state_dict() | {name: torch.zeros(2)}), tmp_path))
    assert report.heads == (prefix + name,) and f"for training only: {prefix}{name}" in str(report)


@given(
    prefix=st.sampled_from(["", "module.", "state_dict.", "model.module.encoder.", "teacher.backbone."]),
    heads=st.sets(st.sampled_from(HEADS)),
    strange=st.sets(st.sampled_from(STRANGE), max_size=2),
    second=st.sampled_from([None, "student.backbone.", "momentum_encoder."]),
    optimizer=st.booleans(),
    dropped=st.integers(0, 3),
)
def test_every_tensor_is_loaded_a_head_another_s_or_an_error(
    tmp_path_factory, prefix, heads, strange, second, optimizer, dropped
):
    encoder = vit()
    own = encoder.model.state_dict()
    assume(not (second and prefix.startswith(second)))
    tree = under(prefix, own | dict.fromkeys([*sorted(heads), *sorted(strange)], torch.zeros(2)))
    tree |= under(second, other(own)) if second else {}
    for name in list(own)[:dropped]:
        del tree[prefix + name]
    tree |= {"optimizer.state.0.exp_avg": torch.zeros(3)} if optimizer and prefix else {}
    path = saved(tree, tmp_path_factory.getbasetemp(), "property.pt")
    seen = inspect_weights(encoder, path)
    if dropped and not second:
        assert seen.problems
    elif not dropped:
        assert seen.prefix == prefix
        used = {prefix + name for name in seen.matched}
        parts = [used, set(seen.heads), set(seen.unused), set(seen.others)]
        assert set(tree) == set.union(*parts) and len(tree) == sum(map(len, parts))
        assert set(seen.heads) == {prefix + name for name in heads}
        assert set(seen.unused) == {prefix + name for name in strange} and bool(seen.problems) == bool(strange)


# --- the report --------------------------------------------------------------------------------------------------------


def test_looking_changes_nothing_and_says_the_same(state, encoder, tmp_path):
    path = saved({"student": other(state), "teacher": state, "optimizer": OPTIMIZER}, tmp_path)
    seen = inspect_weights(encoder, path)
    assert not has(encoder, state) and "54 weights would be loaded" in str(seen)
    report = load_weights(encoder, path)
    assert seen.to_dict() == report.to_dict() and seen.lines[1:] == report.lines[1:]
    kept = json.loads(json.dumps(report.to_dict()))
    assert kept["candidates"] == {"student": 54, "teacher": 54} and kept["others"] == {"student": 54, "optimizer": 2}


def test_our_own_checkpoints_are_read_without_looking_around(state, tmp_path, capsys, monkeypatch):
    from safetensors.torch import save_file

    from sslviz.encoders import weights

    tensors = under("target_encoder.model.", other(state)) | under("encoder.model.", state)
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, tmp_path / "000001.safetensors")
    monkeypatch.setattr(weights, "read_weights", lambda path: pytest.fail("looked around"))
    encoder = Checkpoint("mine", 1, {"name": "conv_nano"}, tmp_path / "000001.safetensors").encoder()
    assert has(encoder, state) and capsys.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_our_own_checkpoints_when_truncated(state, tmp_path, share):
    from safetensors.torch import save

    whole = save({name: tensor.clone() for name, tensor in under("encoder.model.", state).items()})
    (tmp_path / "000001.safetensors").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="truncated"):
        Checkpoint("mine", 1, {"name": "conv_nano"}, tmp_path / "000001.safetensors").encoder()


def test_our_own_checkpoints_of_another_encoder_are_an_error(state, tmp_path):
    from safetensors.torch import save_file

    more = under("encoder.model.", state | {"stages.3.weight": torch.zeros(2)})
    save_file({name: tensor.clone() for name, tensor in more.items()}, tmp_path / "000001.safetensors")
    with pytest.raises(ValueError, match=r"no place in it \(stages\.3\.weight\)"):
        Checkpoint("mine", 1, {"name": "conv_nano"}, tmp_path / "000001.safetensors").encoder()


@pytest.mark.parametrize("size", [16, 32])
def test_patches_of_another_size_are_another_architecture(tmp_path, size):
    """timm would resample them; but then nobody trained the encoder that is looked at."""
    path = saved(create_encoder("vit_nano", image_size=64).model.state_dict(), tmp_path)
    side = size // 8
    with pytest.raises(
        ValueError, match=rf"patch_embed\.proj\.weight \(128, 3, 8, 8\) instead of \(128, 3, {side}, {side}\)"
    ):
        load_weights(create_encoder("vit_nano", image_size=size), path)


def test_heads_are_said_once(state, encoder, tmp_path):
    head = {"fc.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)}
    torch.save(state | head, tmp_path / "a.pt")
    (line,) = load_weights(encoder, tmp_path / "a.pt").lines
    assert line.endswith("2 others in the file were not used, as heads or for training only: fc.weight, fc.bias.")
    torch.save({"model": state | head, "optimizer": {"exp_avg": torch.zeros(2)}}, tmp_path / "b.pt")
    first, second = load_weights(encoder, tmp_path / "b.pt").lines
    assert "3 others in the file were not used (optimizer.exp_avg)" in first
    assert second == "Left out, as heads or for training only: model.fc.weight, model.fc.bias."
