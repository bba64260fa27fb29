"""What every method keeps to, as checks of a class: for those in METHODS, and for one that a test makes up."""

import copy
import inspect
import io
from pathlib import Path

import torch
from torch import Tensor

from sslviz.encoders import create_encoder
from sslviz.methods import Batch
from sslviz.views import ViewPolicy


def draw_batch(policy, n=8, seed=0):
    """A batch of n pictures of noise at 32 px, of which a third has no label."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return Batch(policy(pixels, generator), pixels, torch.arange(n), torch.arange(n) % 3 - 1, progress=0.5)


def terms_of(loss):
    return loss if isinstance(loss, dict) else {"loss": loss}


def total(loss):
    return sum(terms_of(loss).values())


def trained(cls, steps):
    """A method after some steps on one batch, and what the loss was at each."""
    method = cls(create_encoder("conv_nano"))
    batch = draw_batch(cls.views)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = total(method.loss(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return method, losses


def targets_of(method):
    return [getattr(method, target) for target in getattr(method, "ema", {})]


# --- the checks -------------------------------------------------------------------------------------------------------


def its_file_is_short_and_names_its_paper(cls):
    assert len(Path(inspect.getfile(cls)).read_text().splitlines()) <= 90
    assert "https://arxiv.org/abs/" in inspect.getmodule(cls).__doc__


def it_is_built_from_an_encoder_and_keywords_with_defaults(cls):
    assert isinstance(cls.views, ViewPolicy)
    encoder, *settings = inspect.signature(cls).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in settings)
    assert "seed" in {p.name for p in settings}
    network = create_encoder("conv_nano")
    assert cls(network).encoder is network


def its_heads_depend_on_the_seed_alone(cls):
    one, again, other = (cls(create_encoder("conv_nano"), seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def all_views_of_a_size_go_through_the_encoder_in_one_call(cls):
    method, calls = cls(create_encoder("conv_nano")), []
    batch = draw_batch(cls.views, n=6)
    with method.encoder.register_forward_pre_hook(lambda _, args: calls.append(args[0].shape)):
        method.loss(batch)
    assert calls == [views.flatten(0, 1).shape for views in batch.views]


def its_loss_falls_and_reaches_every_weight(cls):
    method, losses = trained(cls, 30)
    assert all(loss.shape == () and loss.isfinite() for loss in losses)
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in method.parameters() if p.requires_grad)


def gradients_reach_the_encoder_and_no_target(cls):
    method, _ = trained(cls, 1)
    assert any(p.grad.abs().max() > 0 for p in method.encoder.parameters())
    for (target, online), module in zip(getattr(method, "ema", {}).items(), targets_of(method), strict=True):
        assert module.state_dict().keys() == getattr(method, online).state_dict().keys(), target
        assert all(p.grad is None and not p.requires_grad for p in module.parameters())


def its_loss_is_finite_in_bfloat16(cls):
    method, batch = cls(create_encoder("conv_nano")), draw_batch(cls.views)
    with torch.autocast("cpu", torch.bfloat16):
        terms = terms_of(method.loss(batch))
    assert all(term.isfinite() and term.dtype == torch.float32 for term in terms.values())
    total(terms).backward()
    assert all(p.grad.isfinite().all() for p in method.encoder.parameters())


def the_order_of_the_batch_does_not_matter(cls):
    method, batch = cls(create_encoder("conv_nano")), draw_batch(cls.views)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    views = [x[:, order] for x in batch.views]
    mixed = Batch(views, batch.pixels[order], batch.rows[order], batch.labels[order], batch.progress)
    one, other = (terms_of(copy.deepcopy(method).loss(b)) for b in (batch, mixed))
    torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def a_batch_of_two_is_enough(cls):
    method = cls(create_encoder("conv_nano"))
    loss = total(method.loss(draw_batch(cls.views, n=2)))
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in method.encoder.parameters())


def its_state_survives_a_round_trip(cls):
    """Through the file that a run is resumed from, into a method that began elsewhere."""
    method, _ = trained(cls, 3)
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = cls(create_encoder("conv_nano", seed=5), seed=6)
    other.load_state_dict(torch.load(file, weights_only=True))
    batch = draw_batch(cls.views, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(method.buffers(), other.buffers(), strict=True))
    assert terms_of(other.loss(batch)) == terms_of(method.loss(batch))
    assert all(torch.equal(a, b) for a, b in zip(method.buffers(), other.buffers(), strict=True))


def it_keeps_no_tensor_outside_its_state(cls):
    method, _ = trained(cls, 1)
    assert {name for name, _ in method.named_buffers()} <= method.state_dict().keys()
    for name, module in method.named_modules():
        assert not [key for key, value in vars(module).items() if isinstance(value, Tensor)], name


CHECKS = [
    its_file_is_short_and_names_its_paper,
    it_is_built_from_an_encoder_and_keywords_with_defaults,
    its_heads_depend_on_the_seed_alone,
    all_views_of_a_size_go_through_the_encoder_in_one_call,
    its_loss_falls_and_reaches_every_weight,
    gradients_reach_the_encoder_and_no_target,
    its_loss_is_finite_in_bfloat16,
    the_order_of_the_batch_does_not_matter,
    a_batch_of_two_is_enough,
    its_state_survives_a_round_trip,
    it_keeps_no_tensor_outside_its_state,
]
