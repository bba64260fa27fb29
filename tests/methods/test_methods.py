import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.methods import BYOL, METHODS, Batch, SimCLR, SimSiam
from sslviz.methods.byol import byol_loss
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.momentum import update_ema
from sslviz.methods.simclr import nt_xent
from sslviz.methods.simsiam import simsiam_loss
from sslviz.methods.vicreg import vicreg_terms
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

LIGHTLY = np.load(Path(__file__).parents[1] / "fixtures" / "losses.npz", allow_pickle=False)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seen(policy, n=8):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return Batch(policy(pixels, generator), pixels, torch.arange(n), torch.arange(n) % 3 - 1, progress=0.5)


def of_views(*views):
    """A batch of which only the views matter."""
    b = views[0].shape[1]
    return Batch(list(views), torch.zeros(b, 1, 1, 3, dtype=torch.uint8), torch.arange(b), torch.full((b,), -1), 0.0)


def total(loss):
    return sum(loss.values()) if isinstance(loss, dict) else loss


# --- what every method keeps to ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_contract(name):
    cls = METHODS[name]
    assert isinstance(cls.views, ViewPolicy)
    assert all(p.kind is p.KEYWORD_ONLY for p in list(inspect.signature(cls).parameters.values())[1:])
    assert len(Path(inspect.getfile(cls)).read_text().splitlines()) <= 90
    assert "https://arxiv.org/abs/" in inspect.getmodule(cls).__doc__

    method, batch = cls(create_encoder("conv_nano")), seen(cls.views)
    for target, online in getattr(method, "ema", {}).items():
        assert getattr(method, target).state_dict().keys() == getattr(method, online).state_dict().keys()

    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(30):
        losses.append(total(method.loss(batch)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0].shape == () and all(loss.isfinite() for loss in losses)
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in method.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", METHODS)
def test_all_views_go_through_the_encoder_in_one_call(name):
    method, calls = METHODS[name](create_encoder("conv_nano")), []
    with method.encoder.register_forward_pre_hook(lambda _, args: calls.append(args[0].shape)):
        method.loss(seen(method.views, n=6))
    assert calls == [(12, 3, 32, 32)]


@pytest.mark.parametrize("name", METHODS)
def test_heads_depend_on_the_seed_alone(name):
    one, again, other = (METHODS[name](create_encoder("conv_nano"), seed=s).projector.state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


# --- the losses -------------------------------------------------------------------------------------------------------


def test_losses_are_lightlys():
    p, z = torch.from_numpy(LIGHTLY["p"]), torch.from_numpy(LIGHTLY["z"])
    ours = {f"nt_xent_{t}": nt_xent(z, t) for t in (0.07, 0.5)}
    ours |= dict(zip(("vicreg_invariance", "vicreg_variance", "vicreg_covariance"), vicreg_terms(z), strict=True))
    ours |= {"simsiam": simsiam_loss(p, z), "byol": byol_loss(p, z)}
    ours["vicreg"] = 25 * ours["vicreg_invariance"] + 25 * ours["vicreg_variance"] + ours["vicreg_covariance"]
    assert ours.keys() == set(LIGHTLY.files) - {"p", "z"}
    for name, value in ours.items():
        torch.testing.assert_close(value, torch.tensor(LIGHTLY[name]), rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_nt_xent_in_closed_form(temperature):
    b = 5
    orthonormal = torch.eye(b).expand(2, b, b)  # each image has a direction of its own, lengths do not matter
    expected = math.log(math.exp(1 / temperature) + 2 * b - 2) - 1 / temperature
    assert nt_xent(3 * orthonormal, temperature).item() == pytest.approx(expected, abs=1e-5)
    assert nt_xent(torch.ones(2, b, 4), temperature).item() == pytest.approx(math.log(2 * b - 1), abs=1e-5)


def test_vicreg_terms_in_closed_form():
    b, d = 16, 4
    x = normal(b, d).double()
    white = torch.linalg.qr(x - x.mean(0)).Q * (b - 1) ** 0.5  # mean 0, covariance exactly 1
    assert vicreg_terms(white.expand(2, b, d)) == pytest.approx((0, 0, 0), abs=1e-12)
    assert vicreg_terms(torch.stack([white, white + 2]))[0].item() == pytest.approx(4)
    # Half the spread: the standard deviation, with the code's epsilon, misses 1 by this much in every dimension.
    assert vicreg_terms(white.expand(2, b, d) / 2)[1].item() == pytest.approx(1 - (0.25 + 1e-4) ** 0.5)
    # One dimension repeated d times: d (d - 1) covariances of 1 in each of two views, divided by d.
    same = white[:, :1].expand(2, b, d)
    assert vicreg_terms(same)[2].item() == pytest.approx(2 * (d - 1))


def test_cosine_losses_in_closed_form():
    z = normal(2, 6, 5)
    assert simsiam_loss(3 * z.flip(0), z).item() == pytest.approx(-1)
    assert byol_loss(3 * z.flip(0), z).item() == pytest.approx(0, abs=1e-6)
    assert byol_loss(-z.flip(0), z).item() == pytest.approx(4)
    angle = torch.tensor(0.7)
    p, z = torch.stack([angle.cos(), angle.sin()]).expand(2, 1, 2), torch.tensor([1.0, 0.0]).expand(2, 1, 2)
    assert byol_loss(p, z).item() == pytest.approx(2 - 2 * math.cos(0.7))


@pytest.mark.parametrize(
    "objective",
    [lambda p, z: nt_xent(p, 0.05), lambda p, z: torch.stack(vicreg_terms(p)), byol_loss, simsiam_loss],
    ids=["simclr", "vicreg", "byol", "simsiam"],
)
def test_in_half_precision_the_objective_keeps_all_its_digits(objective):
    p, z = (normal(2, 32, 64, seed=s).bfloat16() for s in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        value = objective(p, z)
    torch.testing.assert_close(value.double(), objective(p.double(), z.double()), rtol=1e-5, atol=1e-5)


# --- where gradients flow ---------------------------------------------------------------------------------------------


class Constant(nn.Module):
    """A predictor that ignores what it is given: gradients reach the encoder only through the targets."""

    def __init__(self, width):
        super().__init__()
        self.value = nn.Parameter(normal(width))

    def forward(self, x):
        return self.value.expand(len(x), -1)


def encoder_gets_gradient(method, width):
    method.predictor = Constant(width)
    total(method.loss(seen(method.views))).backward()
    gradients = [p.grad for p in method.encoder.parameters()]
    return any(g is not None and g.abs().max() > 0 for g in gradients)


def test_simsiams_target_has_a_gradient_only_when_asked():
    assert not encoder_gets_gradient(SimSiam(create_encoder("conv_nano"), out=8), 8)
    assert encoder_gets_gradient(SimSiam(create_encoder("conv_nano"), out=8, stop_gradient=False), 8)


def test_byols_target_starts_as_the_online_network_and_gets_no_gradient():
    method = BYOL(create_encoder("conv_nano"), out=8)
    for target, online in method.ema.items():
        target, online = getattr(method, target), getattr(method, online)
        assert all(torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True))
        assert not any(p.requires_grad for p in target.parameters())
    assert not encoder_gets_gradient(method, 8)
    assert all(p.grad is None for target in method.ema for p in getattr(method, target).parameters())


class Tiny(nn.Module):
    dim = 16

    def __init__(self):
        super().__init__()
        with seeded(0):
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        return self.net(x)


def trained_on_noise(method):
    """Loss and share of the first principal component after training on "views" that have nothing in common."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    for _ in range(150):
        loss = method.loss(of_views(torch.randn(2, 64, 3, 4, 4, generator=generator)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_ema(method, 0)
    z = method.projector(method.encoder(torch.randn(256, 3, 4, 4, generator=generator)))
    energy = torch.linalg.svdvals(z - z.mean(0)).square()
    return loss.item(), (energy[0] / energy.sum()).item()


def test_without_stop_gradient_nothing_is_learned_and_the_loss_looks_good():
    (honest, spread), (perfect, collapsed) = (
        trained_on_noise(SimSiam(Tiny(), stop_gradient=stop, hidden=32, out=32)) for stop in (True, False)
    )
    assert honest > -0.3 and spread < 0.7  # there is nothing to predict
    assert perfect < -0.7 and collapsed > 0.95


def test_without_its_predictor_byol_agrees_on_nothing():
    (honest, spread), (perfect, collapsed) = (
        trained_on_noise(BYOL(Tiny(), predictor=predictor, momentum=0.9, hidden=32, out=32))
        for predictor in (True, False)
    )
    assert honest > 0.5 and spread < 0.7
    assert perfect < 0.05 and collapsed > 0.95


# --- more than one process --------------------------------------------------------------------------------------------


def linear_map(weight):
    linear = nn.utils.skip_init(nn.Linear, *weight.T.shape, bias=False)
    linear.weight.data.copy_(weight)
    return linear


def whole_batch_loss(z):
    return nt_xent(z, 0.2) + sum(vicreg_terms(z))


def one_of_two(rank, folder, x, weight, loss, gradient):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    linear = linear_map(weight)
    model = nn.parallel.DistributedDataParallel(linear)
    mine = whole_batch_loss(gather(model(x.chunk(2, dim=1)[rank])))
    mine.backward()
    torch.testing.assert_close(mine.detach(), loss)
    torch.testing.assert_close(linear.weight.grad, gradient)
    dist.destroy_process_group()


def test_two_processes_see_the_loss_and_gradient_of_one(tmp_path):
    x, linear = normal(2, 8, 6), linear_map(normal(5, 6, seed=1))
    loss = whole_batch_loss(gather(linear(x)))
    loss.backward()
    arguments = (str(tmp_path), x, linear.weight.detach(), loss.detach(), linear.weight.grad)
    mp.spawn(one_of_two, arguments, nprocs=2)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_keywords_reach_the_loss(temperature):
    method = SimCLR(create_encoder("conv_nano"), temperature=temperature).eval()
    batch = seen(method.views)
    z = method.projector(method.encoder(batch.views[0].flatten(0, 1))).unflatten(0, (2, -1))
    torch.testing.assert_close(method.loss(batch), nt_xent(z, temperature))
