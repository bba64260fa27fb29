import torch

from sslviz.encoders import create_encoder
from sslviz.methods import build_method
from sslviz.methods.parts.momentum import update_ema


def test_the_target_network_follows_slowly_and_in_the_end_not_at_all():
    model, _ = build_method("byol", create_encoder("conv_nano"), {})
    target, online = next(iter(model.ema.items()))
    with torch.no_grad():
        for p in getattr(model, online).parameters():
            p.fill_(1.0)
        for p in getattr(model, target).parameters():
            p.zero_()
    update_ema(model, 0.0)
    for p in getattr(model, target).parameters():
        torch.testing.assert_close(p, torch.full_like(p, 1 - model.momentum))
    before = [p.clone() for p in getattr(model, target).parameters()]
    update_ema(model, 1.0)
    torch.testing.assert_close(before, list(getattr(model, target).parameters()))
