"""What every method keeps to, as checks of a class: for those in METHODS, and for one that a test makes up."""

import copy
import dataclasses
import inspect
import io
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from sslviz.encoders import create_encoder
from sslviz.methods import Batch, Recipe, TrainingImages
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

from .pretended_gpu import host_work
from .small_transformer import small_transformer


def draw_batch(policy, n=8, seed=0):
    """A batch of n pictures of noise at 32 px, of which a third has no label."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return Batch(policy(pixels, generator), pixels, torch.arange(n), torch.arange(n) % 3 - 1, progress=0.5)


@cache
def needs_a_transformer(cls):
    """Whether a method says that the convolutional encoder is none for it."""
    try:
        cls(create_encoder("conv_nano"))
        return False
    except ValueError as error:
        assert "transformer" in str(error) and "transformer" in cls.__doc__
        return True


def an_encoder(cls, seed=0):
    """The convolutional encoder, or the transformer for methods that say that they need one."""
    return small_transformer(seed) if needs_a_transformer(cls) else create_encoder("conv_nano", seed=seed)


def begin(method, batch):
    """What the training loop does before an epoch: the batch's pictures are all there are."""
    if hasattr(method, "epoch_begins"):
        images = TrainingImages(batch.pixels.numpy(), lambda: method.encoder(batch.views[0][0]).detach())
        with seeded(0):
            method.epoch_begins(1, images)
    return method


def loss_of(method, batch, seed=0):
    """The loss with the random numbers of this seed, as terms."""
    with seeded(seed):
        return terms_of(method.loss(batch))


def built(cls, batch=None, **settings):
    """The method around its usual encoder, its first epoch begun."""
    method = cls(an_encoder(cls), **settings)
    return begin(method, batch or draw_batch(cls.views))


def terms_of(loss):
    return loss if isinstance(loss, dict) else {"loss": loss}


def total(loss):
    return sum(terms_of(loss).values())


def trained(cls, steps):
    """A method after some steps on one batch, and what the loss was at each."""
    batch = draw_batch(cls.views)
    method = built(cls, batch)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = total(loss_of(method, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return method, losses


def targets_of(method):
    return [getattr(method, target) for target in getattr(method, "ema", {})]


# --- the checks -------------------------------------------------------------------------------------------------------


def its_file_is_short_and_names_its_paper(cls):
    assert len(Path(inspect.getfile(cls)).read_text().splitlines()) <= 120
    assert "https://arxiv.org/abs/" in inspect.getmodule(cls).__doc__


def it_is_built_from_an_encoder_and_keywords_with_defaults(cls):
    assert isinstance(cls.views, ViewPolicy) and isinstance(cls.family, str)
    assert isinstance(getattr(cls, "recipe", Recipe()), Recipe)
    encoder, *settings = inspect.signature(cls).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in settings)
    names = {p.name for p in settings}
    assert "seed" in names
    assert not names & {field.name for field in dataclasses.fields(ViewPolicy)}  # `build` would set both
    network = an_encoder(cls)
    assert cls(network).encoder is network


def its_safeguards_can_be_switched_off(cls):
    for off in getattr(cls, "safeguards", {}).values():
        assert total(loss_of(built(cls, **off), draw_batch(cls.views))).isfinite()


def its_heads_depend_on_the_seed_alone(cls):
    one, again, other = (cls(an_encoder(cls), seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def no_size_goes_through_the_encoder_twice(cls):
    """Many views in one call are faster than a few in each of many."""
    batch, calls = draw_batch(cls.views, n=6), []
    method = built(cls, batch)
    with method.encoder.register_forward_pre_hook(lambda _, args: calls.append(args[0].shape[-2:])):
        loss_of(method, batch)
    assert len(calls) == len(set(calls))


def its_loss_falls_and_reaches_every_weight(cls):
    method, losses = trained(cls, 15)
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
    batch = draw_batch(cls.views)
    method = built(cls, batch)
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss_of(method, batch)
    assert all(term.isfinite() and term.dtype == torch.float32 for term in terms.values())
    total(terms).backward()
    assert all(p.grad.isfinite().all() for p in method.encoder.parameters() if p.grad is not None)


def the_order_of_the_batch_does_not_matter(cls):
    batch = draw_batch(cls.views)
    method = built(cls, batch)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    views = [x[:, order] for x in batch.views]
    mixed = Batch(views, batch.pixels[order], batch.rows[order], batch.labels[order], batch.progress)
    one, other = (loss_of(copy.deepcopy(method), b) for b in (batch, mixed))
    torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def a_batch_of_two_is_enough_or_refused_in_words(cls):
    batch = draw_batch(cls.views, n=2)
    method = built(cls)
    try:
        loss = total(loss_of(method, batch))
    except ValueError as error:
        assert "batch" in str(error)
        return
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in method.encoder.parameters() if p.grad is not None)


def its_state_survives_a_round_trip(cls):
    """Through the file that a run is resumed from, into a method that began elsewhere."""
    method, _ = trained(cls, 3)
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = cls(an_encoder(cls, seed=5), seed=6)
    other.load_state_dict(torch.load(file, weights_only=True))
    batch = draw_batch(cls.views, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(method.buffers(), other.buffers(), strict=True))
    assert loss_of(other, batch) == loss_of(method, batch)
    assert all(torch.equal(a, b) for a, b in zip(method.buffers(), other.buffers(), strict=True))


def it_keeps_no_tensor_outside_its_state(cls):
    method, _ = trained(cls, 1)
    assert {name for name, _ in method.named_buffers()} <= method.state_dict().keys()
    for name, module in method.named_modules():
        assert not [key for key, value in vars(module).items() if isinstance(value, Tensor)], name


def no_step_waits_for_the_device(cls):
    """No number is read from a GPU or copied to it, and all tensors of a step are on the same device."""
    batch = draw_batch(cls.views)
    assert not host_work(built(cls, batch), batch)


def what_it_makes_has_the_size_of_the_pictures(cls):
    """Of methods that make pictures: shown, predicted, true and hidden, and nothing else than `true` decides `true`."""
    if not hasattr(cls, "reconstruct"):
        return
    batch = draw_batch(cls.views)
    method = built(cls, batch).eval()
    x = batch.views[0][0]
    with torch.no_grad(), seeded(0):
        made = method.reconstruct(x)
    torch.testing.assert_close(made.true, x)
    assert made.shown.shape == made.predicted.shape == x.shape and made.predicted.isfinite().all()
    assert made.hidden.shape == (len(x), 1, *x.shape[2:]) and made.hidden.dtype == torch.bool and made.hidden.any()


CHECKS = [
    its_file_is_short_and_names_its_paper,
    it_is_built_from_an_encoder_and_keywords_with_defaults,
    its_safeguards_can_be_switched_off,
    its_heads_depend_on_the_seed_alone,
    no_size_goes_through_the_encoder_twice,
    its_loss_falls_and_reaches_every_weight,
    gradients_reach_the_encoder_and_no_target,
    its_loss_is_finite_in_bfloat16,
    the_order_of_the_batch_does_not_matter,
    a_batch_of_two_is_enough_or_refused_in_words,
    its_state_survives_a_round_trip,
    it_keeps_no_tensor_outside_its_state,
    no_step_waits_for_the_device,
    what_it_makes_has_the_size_of_the_pictures,
]
