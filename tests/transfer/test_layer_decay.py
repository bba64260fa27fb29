"""Layer-wise learning rates that the optimiser really uses: read off its groups, and off how far the weights moved."""

import numpy as np
import pytest
import torch

import sslviz
from sslviz.transfer.descent import Classifier, Recipe, descend
from sslviz.transfer.layer_decay import layers_of, parameter_groups, set_rate, thaw

DECAY, RATE = 0.65, 1e-3


def network(name, classes=3):
    encoder = sslviz.create_encoder(name, seed=0)
    return Classifier(
        encoder,
        0.1 * torch.randn(classes, encoder.dim, generator=torch.Generator().manual_seed(0)),
        torch.zeros(classes),
    )


def optimizer_of(net, **options):
    settings = {"layer_decay": DECAY, "encoder_decay": 0.05, "head_decay": 0.05} | options
    return torch.optim.AdamW(parameter_groups(net.encoder, net.head, **settings))


def layer_by_hand(name):
    """The layer of a weight, read off its name as a person would: (layer, layers in all)."""
    if name.startswith("stages."):
        return 1 + int(name.split(".")[1])
    if name.startswith("blocks."):
        return 1 + int(name.split(".")[1])
    return 6 if name.startswith("norm.") else 0


@pytest.mark.parametrize(("name", "layers"), [("conv_nano", 3), ("vit_nano", 6)])
def test_each_weight_has_the_rate_of_its_layer_after_a_schedulers_step(name, layers):
    net = network(name)
    optimizer = optimizer_of(net)
    for step in range(3):
        rate = RATE * (step + 1)
        set_rate(optimizer, rate)
        realised = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        assert len(realised) == len(list(net.parameters()))
        for weight, p in net.encoder.model.named_parameters():
            assert realised[id(p)] == pytest.approx(rate * DECAY ** (layers + 1 - layer_by_hand(weight))), weight
        assert realised[id(net.head.weight)] == realised[id(net.head.bias)] == pytest.approx(rate)


@pytest.mark.parametrize("name", ["conv_nano", "vit_nano"])
def test_weights_move_as_their_rates_say(name):
    """Adam's first step has the size of the rate, whatever the gradient: biases and norms do not decay, so they show it."""
    net = network(name)
    before = {weight: p.detach().clone() for weight, p in net.encoder.model.named_parameters()}
    x, y = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
    recipe = Recipe(steps=1, layer_decay=DECAY)
    descend(net, lambda rows, progress, generator: x[rows], y, recipe, RATE, seed=0, precision="32-true")
    layers = max(map(layer_by_hand, before))
    seen = set()
    for weight, p in net.encoder.model.named_parameters():
        if p.ndim == 1:
            step = float((p - before[weight]).detach().abs().max())
            assert step == pytest.approx(RATE * DECAY ** (layers + 1 - layer_by_hand(weight)), rel=2e-2), weight
            seen.add(layer_by_hand(weight))
    assert seen == set(range(layers + 1))


def test_layers_follow_the_network_and_the_head_is_last():
    net = network("conv_nano")
    groups = parameter_groups(net.encoder, net.head, layer_decay=DECAY, encoder_decay=0.1, head_decay=0.2)
    assert [group["layer"] for group in groups] == sorted(group["layer"] for group in groups)
    head = [group for group in groups if any(p is net.head.weight for p in group["params"])]
    assert head[0]["layer"] == max(group["layer"] for group in groups) and head[0]["lr_scale"] == 1
    assert head[0]["weight_decay"] == 0.2
    for group in groups:
        kernels = {p.ndim > 1 for p in group["params"]}
        assert len(kernels) == 1 and (group["weight_decay"] > 0) == kernels.pop()


def test_positions_and_class_tokens_do_not_decay():
    net = network("vit_nano")
    optimizer = optimizer_of(net)
    free = {id(p) for group in optimizer.param_groups if group["weight_decay"] == 0 for p in group["params"]}
    assert {id(net.encoder.model.pos_embed), id(net.encoder.model.cls_token)} <= free
    assert id(net.encoder.model.patch_embed.proj.weight) not in free


def test_thawing_opens_one_layer_more_in_each_phase():
    net = network("conv_nano")
    optimizer = optimizer_of(net)
    found = []
    for step in range(20):
        thaw(optimizer, step / 20)
        moving = {group["layer"] for group in optimizer.param_groups if group["params"][0].requires_grad}
        found.append(sorted(moving, reverse=True))
    assert found == [list(range(4, 4 - (1 + step // 4), -1)) for step in range(20)]  # 5 layers, 4 steps a phase


def test_what_is_frozen_does_not_move_and_all_of_it_moves_in_the_end():
    def moved(steps):
        net = network("conv_nano")
        before = {name: p.detach().clone() for name, p in net.named_parameters()}
        x, y = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
        shown = []

        def inputs(rows, progress, generator):
            shown.append({name: not torch.equal(p, before[name]) for name, p in net.named_parameters()})
            return x[rows]

        descend(net, inputs, y, Recipe(steps, gradual=True), RATE, seed=0)
        assert all(p.requires_grad for p in net.parameters())
        return [*shown, {name: not torch.equal(p, before[name]) for name, p in net.named_parameters()}]

    shown = moved(10)  # two steps a phase
    assert not any(now for name, now in shown[2].items() if name.startswith("encoder"))
    assert shown[2]["head.weight"] and not shown[8]["encoder.model.stem.conv.weight"]
    assert shown[4]["encoder.model.stages.2.0.conv1_kxk.conv.weight"]
    assert all(shown[-1].values())


def test_a_model_without_layers_is_one_sentence():
    with pytest.raises(ValueError, match="does not say .* layer_decay=1"):
        layers_of(sslviz.color_encoder())


def test_every_layer_of_a_resnet_is_found():
    encoder = sslviz.create_encoder("resnet18")
    layers = layers_of(encoder)
    assert set(layers) == {name for name, _ in encoder.model.named_parameters()}
    assert (
        sorted(set(layers.values())) == list(range(9)) and np.ptp([layers[n] for n in layers if "layer3.0" in n]) == 0
    )
