"""Views against torchvision's functional ops image by image, against closed forms, and against the promised odds."""

import colorsys
import itertools
import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import kstest
from torch.testing import assert_close
from torchvision.transforms.v2 import functional as tv

from sslviz.views import ViewParameters, ViewPolicy
from sslviz.views.crops import least_overlapping, overlap

RAW = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}  # views in [0, 1]
LUMA = torch.tensor([0.299, 0.587, 0.114])
# torchvision's luma weights are rounded and sum to 0.9999: twice that, on the values of a view, is as near as one gets.
NEAR = {"atol": 2e-4, "rtol": 0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n, height=32, width=None, low=0, high=256, seed=0):
    return torch.randint(low, high, (n, height, width or height, 3), dtype=torch.uint8, generator=seeded(seed))


def mild(n, **kwargs):
    """Colours so close to the middle that no step below leaves [0, 1]."""
    return pictures(n, low=102, high=154, **kwargs)


def as_torchvision(image):
    return image.permute(2, 0, 1).float() / 255


def untouched(batch, size=None, **changes):
    """One view of each image with the whole of it in the frame and nothing changed but `changes`."""
    b, h, w, _ = batch.shape
    one, no = torch.ones(1, b), torch.zeros(1, b, dtype=torch.bool)
    box = torch.tensor([0.0, 0.0, h, w]).expand(1, b, 4)
    return replace(ViewParameters(size or h, box, no, one, one, one, 0 * one, no), **changes)


def rendered(batch, policy=None, **changes):
    """The first view (b, 3, size, size) in [0, 1]."""
    return (policy or ViewPolicy(**RAW)).render(batch, [untouched(batch, **changes)])[0][0]


def numbers(b, low, high, seed=1):
    return low + (high - low) * torch.rand(1, b, generator=seeded(seed))


def blank(b, height, width):
    """A batch of this shape that takes no memory: drawing looks at the shape only."""
    return torch.zeros(1, 1, 1, 3, dtype=torch.uint8).expand(b, height, width, 3)


# --- geometry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("height, width, size", [(32, 32, 32), (224, 224, 32), (40, 72, 24), (9, 7, 32), (128, 96, 97)])
def test_crop_resize_and_flip_are_torchvisions_with_antialias(height, width, size):
    batch = pictures(6, height, width)
    policy = ViewPolicy(size=size, **RAW).without_color()
    (p,) = policy.draw(batch, seeded())
    (views,) = policy.render(batch, [p])
    assert p.flip.any() and not p.flip.all()
    for v, i in itertools.product(range(2), range(6)):
        top, left, h, w = p.box[v, i].int().tolist()
        expected = tv.resized_crop(as_torchvision(batch[i]), top, left, h, w, [size, size], antialias=True)
        expected = tv.horizontal_flip(expected) if p.flip[v, i] else expected
        assert_close(views[v, i], expected, atol=2e-5, rtol=0)


def test_a_checkerboard_shrinks_to_grey():
    squares = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    batch = (255 * squares).to(torch.uint8)[None, :, :, None].expand(1, 64, 64, 3)
    view = rendered(batch, size=8)
    assert_close(view, torch.full_like(view, 0.5), atol=0.01, rtol=0)


def test_an_image_that_keeps_its_size_is_kept_to_the_bit_of_its_pixels():
    batch = pictures(4)
    assert ((rendered(batch) * 255).round().to(torch.uint8) == batch.permute(0, 3, 1, 2)).all()


# --- colour ----------------------------------------------------------------------------------------------------------

OPS = {"brightness": tv.adjust_brightness, "contrast": tv.adjust_contrast, "saturation": tv.adjust_saturation}


@pytest.mark.parametrize("name", OPS)
def test_each_factor_is_torchvisions(name):
    batch, factors = mild(16), numbers(16, 0.2, 1.6)
    views = rendered(batch, **{name: factors})
    for i, image in enumerate(batch):
        assert_close(views[i], OPS[name](as_torchvision(image), factors[0, i].item()), **NEAR)


def test_grey_is_torchvisions_and_overrules_saturation_and_hue():
    batch = pictures(8)
    gray = torch.arange(8)[None] % 2 == 0
    views = rendered(batch, gray=gray, saturation=torch.where(gray, 1.7, 1.0), hue=torch.where(gray, 0.3, 0.0))
    for i, image in enumerate(map(as_torchvision, batch)):
        assert_close(views[i], tv.rgb_to_grayscale(image, 3) if gray[0, i] else image, **NEAR)


def test_the_steps_commute_so_every_order_of_torchvisions_jitter_is_ours():
    batch = mild(6)
    drawn = {name: numbers(6, 0.6, 1.3, seed) for seed, name in enumerate(OPS)}
    views = rendered(batch, **drawn)
    for order in itertools.permutations(OPS):
        for i, image in enumerate(map(as_torchvision, batch)):
            for name in order:
                image = OPS[name](image, drawn[name][0, i].item())
            assert_close(views[i], image, atol=4e-4, rtol=0)


def test_clamping_once_differs_from_clamping_each_step_by_no_more_than_was_cut_off():
    """What one step cuts off, the next stretch by at most the sum of their weights; where nothing is cut, all agree."""
    batch = pictures(24)
    batch[::2] = mild(12)
    (p,) = ViewPolicy(views=1, jitter_prob=1.0).draw(batch, seeded())
    drawn = {name: getattr(p, name) for name in OPS}
    views = rendered(batch, **drawn)
    exact, differences = 0, []
    for i, image in enumerate(map(as_torchvision, batch)):
        bound = 0.0
        for name in OPS:
            factor = drawn[name][0, i].item()
            gray = tv.rgb_to_grayscale(image, 1)
            toward = {"brightness": torch.zeros(()), "contrast": gray.mean(), "saturation": gray}[name]
            free = factor * image + (1 - factor) * toward  # torchvision's step, were it not for its clamp
            image = OPS[name](image, factor)
            assert_close(image, free.clamp(0, 1))
            stretch = factor if name == "brightness" else factor + abs(1 - factor)
            cut = (free - image).abs().max().item() if name != "saturation" else 0.0  # the last clamp is ours too
            bound = bound * stretch + cut
        difference = (views[i] - image).abs()
        assert difference.max() <= bound + 1e-3
        exact += bound == 0
        differences.append(difference.mean())
    assert 0 < exact < 24
    assert torch.stack(differences).mean() < 0.05
    assert views.min() >= 0 and views.max() <= 1


def test_hue_turns_the_chroma_plane_as_in_the_yiq_of_the_standard_library():
    batch, hues = mild(8, height=4), numbers(8, -0.5, 0.5)
    views = rendered(batch, hue=hues)
    for i, image in enumerate(batch):
        for y, x in itertools.product(range(4), range(4)):
            luma, in_phase, quadrature = colorsys.rgb_to_yiq(*(image[y, x] / 255).tolist())
            chroma = complex(quadrature, in_phase) * math.e ** (2j * math.pi * hues[0, i].item())
            expected = torch.tensor(colorsys.yiq_to_rgb(luma, chroma.imag, chroma.real))
            # colorsys rounds its coefficients to two digits; the colours lie within 0.1 of grey.
            assert_close(views[i, :, y, x], expected, atol=0.006, rtol=0)


def test_half_a_turn_of_hue_mirrors_colours_at_their_grey_and_every_turn_keeps_the_grey():
    batch = mild(8)
    images = batch.permute(0, 3, 1, 2) / 255
    luma = torch.einsum("c,bchw->bhw", LUMA, images)
    assert_close(rendered(batch, hue=torch.full((1, 8), 0.5)), 2 * luma[:, None] - images, atol=1e-5, rtol=0)
    turned = rendered(batch, hue=numbers(8, -0.5, 0.5))
    assert_close(torch.einsum("c,bchw->bhw", LUMA, turned), luma, atol=1e-5, rtol=0)


@pytest.mark.parametrize("hue", [-0.1, -0.03, 0.03, 0.1])
def test_hue_turns_the_same_way_as_torchvisions(hue):
    batch = mild(8)
    ours = rendered(batch, hue=torch.full((1, 8), hue)) - rendered(batch)
    theirs = torch.stack([tv.adjust_hue(as_torchvision(x), hue) - as_torchvision(x) for x in batch])
    # Not the same colours (HSV keeps the largest channel, not the luma), but the same way: red, yellow, green.
    assert torch.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.5


# --- blur, solarization, normalisation -------------------------------------------------------------------------------


@pytest.mark.parametrize("size, reach", [(32, 8), (5, 4)])
def test_blur_is_torchvisions_and_comes_after_the_contrast(size, reach):
    batch = mild(6, height=size)
    sigma, contrast = numbers(6, 0.1, 2.0), numbers(6, 0.5, 1.5, seed=2)
    sigma[0, 0] = 0.0  # not blurred
    policy = ViewPolicy(blur_prob=0.5, blur_sigma=(0.1, 2.0), **RAW)
    views = rendered(batch, policy, sigma=sigma, contrast=contrast)
    for i, image in enumerate(batch):
        expected = tv.adjust_contrast(as_torchvision(image), contrast[0, i].item())
        if i:
            expected = tv.gaussian_blur(expected, [2 * reach + 1] * 2, sigma[0, i].item())
        assert_close(views[i], expected, **NEAR)


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_solarization_is_torchvisions_where_it_is_drawn(threshold):
    batch = pictures(6)
    solarize = torch.tensor([[True, False, True, False, False, True]])
    views = rendered(batch, ViewPolicy(solarize_threshold=threshold, **RAW), solarize=solarize)
    for i, image in enumerate(map(as_torchvision, batch)):
        assert_close(views[i], tv.solarize(image, threshold) if solarize[0, i] else image, atol=1e-5, rtol=0)


def test_the_whole_policy_is_torchvisions_chain_with_the_drawn_parameters():
    policy = ViewPolicy(
        brightness=0.1,
        contrast=0.3,
        saturation=0.3,
        hue=0.0,
        blur_prob=(1.0, 0.3),
        solarize_prob=(0.0, 0.5),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    batch = mild(12, height=48)
    (p,) = policy.draw(batch, seeded())
    (views,) = policy.render(batch, [p])
    for v, i in itertools.product(range(2), range(12)):
        image = tv.resized_crop(as_torchvision(batch[i]), *p.box[v, i].int().tolist(), [32, 32], antialias=True)
        image = tv.horizontal_flip(image) if p.flip[v, i] else image
        for name, op in OPS.items():
            image = op(image, getattr(p, name)[v, i].item())
        image = tv.rgb_to_grayscale(image, 3) if p.gray[v, i] else image
        image = tv.gaussian_blur(image, [17, 17], p.sigma[v, i].item()) if p.sigma[v, i] else image
        if p.solarize[v, i]:  # a pixel within rounding of the threshold may fall on either side: leave those out
            sure = (image - 0.5).abs() > 1e-3
            image = torch.where(sure, tv.solarize(image, 0.5), torch.nan)
        expected = tv.normalize(image, list(policy.mean), list(policy.std))
        known = expected.isfinite()
        assert known.float().mean() > 0.9
        assert_close(views[v, i][known], expected[known], atol=2e-3, rtol=0)  # NEAR, divided by the std


# --- what is drawn ---------------------------------------------------------------------------------------------------

MANY, FOUR_SIGMA = 20_000, 6e-5


def odds(events, prob):
    """Within four sigma of the binomial."""
    assert abs(events.double().mean() - prob) <= 4 * math.sqrt(prob * (1 - prob) / events.numel())


def test_the_area_of_crops_is_uniform_up_to_the_whole_image():
    (p,) = ViewPolicy(views=1, scale=(0.08, 1.0)).draw(blank(MANY, 1000, 1000), seeded())
    area = p.box[..., 2:].double().prod(-1).flatten() / 1000**2
    assert kstest((area - 0.08) / 0.92, "uniform").pvalue > FOUR_SIGMA


def test_crops_have_a_log_uniform_ratio_and_lie_anywhere():
    policy = ViewPolicy(views=1, scale=(0.1, 0.7))  # at most 0.7: every ratio fits
    (p,) = policy.draw(blank(MANY, 1000, 1000), seeded())
    top, left, h, w = p.box[0].double().unbind(-1)
    span = math.log(4 / 3) - math.log(3 / 4)
    assert kstest(((w / h).log() - math.log(3 / 4)) / span, "uniform").pvalue > FOUR_SIGMA
    assert kstest(top / (1000 - h), "uniform").pvalue > FOUR_SIGMA
    assert kstest(left / (1000 - w), "uniform").pvalue > FOUR_SIGMA
    assert abs(torch.corrcoef(torch.stack([top / (1000 - h), left / (1000 - w)]))[0, 1]) < 4 / math.sqrt(MANY)
    (p,) = ViewPolicy(views=1, scale=(0.25, 0.25), ratio=(1.0, 1.0)).draw(blank(MANY, 4, 4), seeded())
    for place in range(3):  # a crop of 2 in an image of 4
        odds(p.box[..., 0] == place, 1 / 3)
        odds(p.box[..., 1] == place, 1 / 3)


@pytest.mark.parametrize("height, width", [(1, 1), (1, 50), (2, 3), (32, 32), (30, 300), (300, 30), (224, 160)])
def test_crops_are_whole_pixels_inside_the_image_and_keep_their_shape(height, width):
    (p,) = ViewPolicy(views=2).draw(blank(2000, height, width), seeded())
    top, left, h, w = p.box.unbind(-1)
    assert (p.box == p.box.round()).all()
    assert (top >= 0).all() and (left >= 0).all() and (h >= 1).all() and (w >= 1).all()
    assert (top + h <= height).all() and (left + w <= width).all()
    if min(height, width) >= 30:  # shape is kept, up to rounding, however long the image is
        ratio = (w / h).double()
        assert ratio.min() > 0.75 * 0.8 and ratio.max() < 4 / 3 * 1.25


def test_odds_and_ranges_are_as_promised():
    policy = ViewPolicy(
        flip_prob=0.3,
        jitter_prob=0.7,
        brightness=0.4,
        contrast=1.5,
        saturation=0.2,
        hue=0.1,
        gray_prob=0.25,
        blur_prob=(1.0, 0.1),
        solarize_prob=(0.0, 0.2),
    )
    (p,) = policy.draw(blank(MANY, 32, 32), seeded())
    jittered = p.brightness != 1

    odds(p.flip, 0.3)
    odds(jittered, 0.7)
    odds(p.gray, 0.25)
    odds(p.sigma[0] > 0, 1.0)
    odds(p.sigma[1] > 0, 0.1)
    odds(p.solarize[0], 0.0)
    odds(p.solarize[1], 0.2)
    odds(p.flip & p.gray, 0.3 * 0.25)  # independently of one another
    ranges = {"brightness": (0.6, 1.4), "contrast": (0.0, 2.5), "saturation": (0.8, 1.2), "hue": (-0.1, 0.1)}
    for name, (low, high) in ranges.items():
        drawn = getattr(p, name)
        assert kstest((drawn[jittered].double() - low) / (high - low), "uniform").pvalue > FOUR_SIGMA
        assert (drawn[~jittered] == (0 if name == "hue" else 1)).all()
    assert kstest((p.sigma[p.sigma > 0].double() - 0.1) / 1.9, "uniform").pvalue > FOUR_SIGMA


def test_every_view_of_every_image_draws_its_own():
    (p,) = ViewPolicy(jitter_prob=1.0).draw(blank(100, 224, 224), seeded())
    for name in ["brightness", "contrast", "saturation", "hue"]:
        assert len(getattr(p, name).unique()) == 200
    assert len(p.box.flatten(0, 1).unique(dim=0)) == 200


def test_the_same_seed_gives_the_same_views_and_the_next_call_others():
    batch, generator = pictures(4), seeded()
    first, second = ViewPolicy()(batch, generator)[0], ViewPolicy()(batch, generator)[0]
    assert torch.equal(first, ViewPolicy()(batch, seeded())[0])
    assert not torch.isclose(first, second).all(dim=(2, 3, 4)).any()


def test_drawn_parameters_render_to_the_very_views():
    policy, batch = ViewPolicy(local_views=2, blur_prob=0.5, solarize_prob=0.2), pictures(4)
    for view, again in zip(policy(batch, seeded()), policy.render(batch, policy.draw(batch, seeded())), strict=True):
        assert torch.equal(view, again)


@pytest.mark.parametrize("cached", [1, 40_000, 10**9])
def test_a_batch_at_once_is_each_image_alone(cached, monkeypatch):
    """However many images are in work at a time."""
    monkeypatch.setattr("sslviz.views.rendering.CACHED", cached)
    policy = ViewPolicy(local_views=2, blur_prob=0.5, solarize_prob=0.3)
    batch = pictures(13, 40, 56)
    drawn = policy.draw(batch, seeded())
    at_once = policy.render(batch, drawn)
    for i in range(13):
        alone = policy.render(batch[i : i + 1], [p.of(slice(i, i + 1)) for p in drawn])
        for views, single in zip(at_once, alone, strict=True):
            assert_close(views[:, i : i + 1], single, atol=1e-5, rtol=0)


def test_without_color_changes_nothing_but_place():
    (p,) = ViewPolicy(solarize_prob=0.5, blur_prob=0.5).without_color().draw(blank(50, 32, 32), seeded())
    for name in OPS:
        assert (getattr(p, name) == 1).all()
    assert not p.hue.any() and not p.gray.any() and p.solarize is None and p.sigma.any() and p.flip.any()


# --- shapes and devices ----------------------------------------------------------------------------------------------


def test_globals_come_first_and_locals_second():
    batch = pictures(3, 40)
    views = ViewPolicy(size=32, views=2, local_size=16, local_views=4)(batch, seeded())
    assert [tuple(v.shape) for v in views] == [(2, 3, 3, 32, 32), (4, 3, 3, 16, 16)]
    assert all(v.dtype == torch.float32 and v.is_contiguous() for v in views)
    (only,) = ViewPolicy(views=3)(batch, seeded())
    assert only.shape == (3, 3, 3, 32, 32)


def test_both_layouts_give_the_same_views_and_the_batch_stays_as_it_is():
    batch = pictures(4, 24, 40)
    before = batch.clone()
    last = ViewPolicy()(batch, seeded())[0]
    assert torch.equal(last, ViewPolicy()(batch.permute(0, 3, 1, 2).contiguous(), seeded())[0])
    assert torch.equal(batch, before)


def test_nothing_waits_for_the_device():
    """On the meta device there are no values: whatever asked for one (`.item()`, a boolean index) would raise."""
    policy = ViewPolicy(local_views=2, blur_prob=(1.0, 0.1, 0.5, 0.5), solarize_prob=0.2)
    views = policy(pictures(4).to("meta"), seeded())
    assert [v.device.type for v in views] == ["meta", "meta"]
    assert [tuple(v.shape) for v in views] == [(2, 4, 3, 32, 32), (2, 4, 3, 16, 16)]


# --- bad input -------------------------------------------------------------------------------------------------------


def test_an_image_of_one_pixel_gives_views_of_one_colour():
    batch = torch.tensor([10, 200, 90], dtype=torch.uint8).expand(2, 1, 1, 3)
    (views,) = ViewPolicy(blur_prob=1.0, **RAW).without_color()(batch, seeded())
    assert_close(views, (batch[0, 0, 0] / 255)[:, None, None].expand(2, 2, 3, 32, 32), atol=1e-5, rtol=0)
    assert ViewPolicy(size=1, blur_prob=1.0)(batch, seeded())[0].isfinite().all()


@pytest.mark.parametrize(
    "batch, said",
    [
        (torch.zeros(2, 8, 8, 3), "float32"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), r"\(8, 8, 3\)"),
        (torch.zeros(2, 8, 8, 1, dtype=torch.uint8), r"\(2, 8, 8, 1\)"),
        (torch.zeros(0, 8, 8, 3, dtype=torch.uint8), r"at least one"),
        (torch.zeros(2, 4, 8, 8, 3, dtype=torch.uint8), r"\(2, 4, 8, 8, 3\)"),
    ],
)
def test_a_batch_of_anything_else_is_refused(batch, said):
    with pytest.raises(ValueError, match=said):
        ViewPolicy()(batch, seeded())


def test_parameters_of_another_batch_are_refused():
    drawn = ViewPolicy().draw(pictures(4), seeded())
    with pytest.raises(ValueError, match="for 4 images; got a batch of 3"):
        ViewPolicy().render(pictures(3), drawn)


@pytest.mark.parametrize(
    "field, value",
    [
        ("size", 0),
        ("size", 32.5),
        ("views", 0),
        ("local_views", -1),
        ("scale", (0.5, 0.2)),
        ("scale", (0.0, 1.0)),
        ("scale", (0.5, 1.5)),
        ("scale", 0.5),
        ("scale", [0.2, 1.0]),
        ("ratio", (-1.0, 1.0)),
        ("flip_prob", 1.2),
        ("brightness", -0.1),
        ("hue", 0.6),
        ("hue", math.nan),
        ("hue", "wide"),
        ("blur_prob", (0.5, 0.5, 0.5)),
        ("blur_prob", (0.5, 2.0)),
        ("blur_sigma", (0.0, 1.0)),
        ("strength", (0.5, 1.5)),
        ("strength", 0.5),
        ("crop_draws", 0),
        ("crop_draws", 1.5),
        ("mean", (0.5,)),
        ("std", (0.0, 1.0, 1.0)),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"The {field} of views"):
        ViewPolicy(**{field: value})


def test_local_views_larger_than_global_ones_are_refused():
    with pytest.raises(ValueError, match="local_size 48 for size 32"):
        ViewPolicy(local_views=1, local_size=48)
    assert ViewPolicy(size=8).local_views == 0  # the local size does not matter where there are none


# --- strength over a training, and hard crops ------------------------------------------------------------------------


def test_strength_scales_colours_and_crops_between_its_ends():
    policy = ViewPolicy(
        strength=(0.0, 1.0), blur_prob=(1.0, 0.1), solarize_prob=0.2, scale=(0.2, 0.8), local_scale=(0.1, 0.4)
    )
    assert policy.at(1.0) == replace(policy, strength=(1.0, 1.0))
    half = policy.at(0.5)
    assert (half.brightness, half.contrast, half.saturation, half.hue) == (0.4, 0.4, 0.4, 0.1)
    assert (half.gray_prob, half.blur_prob, half.solarize_prob) == (0.1, (0.5, 0.05), 0.1)
    assert half.scale == pytest.approx((0.6, 0.9)) and half.local_scale == pytest.approx((0.55, 0.7))
    assert (half.flip_prob, half.jitter_prob, half.size) == (policy.flip_prob, policy.jitter_prob, policy.size)
    falling = replace(policy, strength=(1.0, 0.0))
    assert falling.at(0.25) == policy.at(0.75) and falling.at(1.0) == policy.at(0.0)
    assert len({policy.at(i / 5000) for i in range(5001)}) <= 101  # so that constants on the device stay few


@pytest.mark.parametrize("height, width", [(32, 32), (40, 48)])
def test_without_strength_a_view_is_the_picture_and_with_all_of_it_the_views_of_always(height, width):
    batch = pictures(6, height, width)
    policy = ViewPolicy(strength=(0.0, 1.0), blur_prob=0.5, solarize_prob=0.5, flip_prob=0.0, **RAW)
    for view in policy.at(0.0)(batch, seeded())[0]:
        assert_close(view, rendered(batch, size=32), atol=1e-5, rtol=0)
    assert torch.equal(policy.at(1.0)(batch, seeded())[0], replace(policy, strength=(1.0, 1.0))(batch, seeded())[0])


def test_at_full_strength_nothing_is_drawn_otherwise_than_before():
    policy = ViewPolicy(local_views=2)
    assert policy.at(0.3) is policy
    generator, before = seeded(), seeded()
    policy.draw(pictures(5), generator)
    torch.rand(14, 2, 5, generator=before), torch.rand(14, 2, 5, generator=before)  # a number a step, view and image
    assert torch.equal(generator.get_state(), before.get_state())


def plain_overlap(one, other, side=1000):
    """By counting pixels."""
    masks = torch.zeros(2, side, side, dtype=torch.bool)
    for mask, (top, left, h, w) in zip(masks, (one.int().tolist(), other.int().tolist()), strict=True):
        mask[top : top + h, left : left + w] = True
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def test_overlap_is_the_share_of_common_pixels():
    (p,) = ViewPolicy(scale=(0.05, 0.6)).draw(blank(30, 1000, 1000), seeded())
    expected = torch.stack([plain_overlap(*p.box[:, i]) for i in range(30)])
    assert expected.min() == 0 and expected.max() > 0.3
    assert_close(overlap(*p.box), expected, atol=1e-6, rtol=0)


def test_of_more_drawn_crops_the_pair_that_shares_least_is_taken_and_nothing_else_changes():
    batch = blank(MANY, 1000, 1000)
    draws = {k: ViewPolicy(crop_draws=k).draw(batch, seeded())[0] for k in (1, 2, 8)}
    means = [overlap(*p.box).mean().item() for p in draws.values()]
    assert means[0] > 1.3 * means[1] > 1.3 * means[2]
    for name in ("flip", "brightness", "contrast", "saturation", "hue", "gray"):
        assert torch.equal(getattr(draws[1], name), getattr(draws[8], name))
    # The least of two independent draws: P(min > x) = P(X > x)^2.
    for x in (0.1, 0.3, 0.5):
        odds(overlap(*draws[2].box) > x, (overlap(*draws[1].box) > x).double().mean().item() ** 2)


def test_of_three_views_the_mean_of_all_pairs_counts():
    boxes = ViewPolicy(views=3).draw(blank(50, 64, 64), seeded())[0].box.reshape(1, 3, 50, 4)
    boxes = torch.cat([boxes, boxes.flip(2)])  # the second draw of an image is another image's first
    chosen = least_overlapping(boxes)
    for i in range(50):
        sums = [sum(overlap(d[a, i], d[b, i]) for a, b in ((0, 1), (0, 2), (1, 2))) for d in boxes]
        assert torch.equal(chosen[:, i], boxes[int(sums[1] < sums[0]), :, i])


def test_hard_crops_need_two_large_views_and_wait_for_nothing():
    with pytest.raises(
        ValueError, match="crop_draws of views compare the crops of an image; they need views of at least"
    ):
        ViewPolicy(views=1, crop_draws=2)
    policy = ViewPolicy(crop_draws=4, local_views=2, strength=(0.5, 0.2)).at(0.5)
    assert [tuple(v.shape) for v in policy(pictures(4).to("meta"), seeded())] == [(2, 4, 3, 32, 32), (2, 4, 3, 16, 16)]


def test_in_pictures_with_something_in_a_corner_hard_crops_show_it_to_one_view_only_more_often():
    """A planted world: one quarter is white.  Weak views both show it, hard pairs seldom do."""
    batch = torch.zeros(400, 32, 32, 3, dtype=torch.uint8)
    batch[:, :16, :16] = 255
    alike = {}
    for name, policy in {
        "weak": ViewPolicy(strength=(0.0, 1.0), flip_prob=0.0, **RAW).at(0.1),
        "usual": ViewPolicy(flip_prob=0.0, **RAW).without_color(),
        "hard": ViewPolicy(flip_prob=0.0, crop_draws=8, **RAW).without_color(),
    }.items():
        (views,) = policy(batch, seeded())
        white = views.mean((2, 3, 4))  # how much of it each view shows
        alike[name] = (white[0] - white[1]).abs().mean().item()
    assert alike["weak"] < 0.5 * alike["usual"] and alike["usual"] < 0.8 * alike["hard"]
