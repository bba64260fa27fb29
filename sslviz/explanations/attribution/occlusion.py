"""Attribution methods that cover parts of the image: they need answers only, no gradients, and ask in full batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attribution.baselines import patch_masks, patches, window_masks, windows_a_side
from sslviz.explanations.attribution.question import Answer, Question, read_mixes
from sslviz.explanations.passes import Passes
from sslviz.runtime.progress import progress_bar
from sslviz.runtime.random_state import seeded

SAMPLES_PER_PATCH = 8  # for a regression whose coefficients are not mostly luck: 512 for 8 x 8 patches


def occlusion(question: Question, *, window: int | None = None, stride: int | None = None) -> Answer:
    """How far does s fall when a window is covered by the baseline?  At each pixel, the mean over windows covering it.

    `window` pixels a side (default: an eighth of the picture, or a patch of the encoder if that is larger), moved by
    `stride` (default: half a window).  A pixel shows the effect of whole windows (arXiv:1311.2901).

    Caveat: What a window hides depends on its size, and what it shows instead is itself something to see.
    """
    return _covered(question, window_masks(question.x.shape[-1], *_window(question.encoder, window, stride)))


def _window(encoder: Encoder, window: int | None, stride: int | None) -> tuple[int, int]:
    """Side and stride of the window, in pixels, where they were not given."""
    window = window or max(2, encoder.image_size // 8, encoder.face.patch_size)
    return window, stride or max(1, window // 2)


def passes_of_occlusion(
    encoder: Encoder, images: Images, baselines: int, *, window: int | None = None, stride: int | None = None
) -> Passes:
    """Each picture as it is, and with the window at every place, showing every baseline."""
    places = windows_a_side(encoder.image_size, *_window(encoder, window, stride)) ** 2
    return len(images) * Passes(1 + baselines * places)


def feature_ablation(question: Question, *, grid: int = 8, groups: Literal["patches", "masks"] = "patches") -> Answer:
    """How far does s fall when a part is replaced by the baseline?  Every pixel shows the effect of its whole part.

    Parts are grid x grid patches, or with `groups="masks"` the images' own masks.  Then `extra` has the fall for each,
    "fall: name" (k, n), which is what an object as a whole is worth.  Pixels in no part are 0, in several their mean.

    Caveat: Parts are taken away one at a time; of two that say the same, neither seems to matter.
    """
    if groups == "patches":
        return _covered(question, patch_masks(question.x.shape[-1], grid))
    if groups != "masks" or not question.masks:
        raise ValueError(f"groups is 'patches', or 'masks' for images that have masks; got {groups!r}.")
    covers = torch.from_numpy(np.stack(list(question.masks.values()), axis=1))  # (n, m, s, s)
    answer = _covered(question, covers)
    falls = answer.extra.pop("falls")
    return Answer(answer.maps, extra={f"fall: {name}": falls[..., j] for j, name in enumerate(question.masks)})


def passes_of_ablation(
    encoder: Encoder, images: Images, baselines: int, *, grid: int = 8, groups: str = "patches"
) -> Passes:
    """Each picture as it is, and without each of its parts, showing every baseline."""
    return len(images) * Passes(1 + baselines * (len(images.masks) if groups == "masks" else grid**2))


def _covered(question: Question, covers: Tensor) -> Answer:
    """The fall of s with each part covered, spread over the part; (k, n, s, s), and "falls" (k, n, m)."""
    maps, falls = [], []
    whole = read_mixes(question, question.x, torch.ones(1, *covers.shape[-2:]))  # (n, 1)
    with _bar(question, len(question.baselines) * covers.shape[-3]) as advance:
        for baseline in question.baselines:
            fall = whole - read_mixes(question, baseline, 1 - covers.float(), advance=advance)  # (n, m)
            maps.append(_spread(fall, covers.float()))
            falls.append(fall)
    return Answer(torch.stack(maps), extra={"falls": torch.stack(falls).numpy()})


def _spread(fall: Tensor, covers: Tensor) -> Tensor:
    """Each pixel's mean of `fall` (n, m) over the parts that hold it, (m, s, s) or (n, m, s, s); 0 where none does."""
    if covers.ndim == 3:
        total = (fall @ covers.flatten(1)).unflatten(1, covers.shape[-2:])
        return total / covers.sum(0).clamp_min(1)
    return (fall[..., None, None] * covers).sum(1) / covers.sum(1).clamp_min(1)


def kernel_shap(question: Question, *, grid: int = 8, samples: int | None = None) -> Answer:
    """What is each patch's fair share of s(x) - s(b)?  Shapley values of grid x grid patches; each pixel shows its patch's.

    Estimated by regression on `samples` random subsets of patches, in which the missing ones are replaced by the
    baseline (arXiv:1705.07874; default and least: 8 samples for each patch).  The patches' values sum to s(x) - s(b).

    Caveat: An estimate; two runs with other seeds show how sure it is.
    """
    from captum.attr import KernelShap

    least = SAMPLES_PER_PATCH * grid**2
    if (samples or least) < least:
        raise ValueError(
            f"KernelShap of {grid} x {grid} patches needs at least {least} samples; got {samples}. Take a coarser grid."
        )
    if grid < 2:
        raise ValueError("KernelShap needs at least 2 x 2 patches to share s among.")
    method, device = KernelShap(question.score), question.device
    groups = patches(question.x.shape[-1], grid).expand(1, 3, -1, -1).to(device)
    maps = torch.empty(len(question.baselines), len(question.x), *groups.shape[-2:])
    with _bar(question, len(question.baselines)) as advance, seeded(question.seed):
        for k, baseline in enumerate(question.baselines):
            for i in range(len(question.x)):
                row = slice(i, i + 1)
                with torch.no_grad():
                    shares = method.attribute(
                        question.x[row].to(device),
                        baselines=baseline[row].to(device),
                        feature_mask=groups,
                        n_samples=samples or least,
                        perturbations_per_eval=question.batch,
                        additional_forward_args=question.references(row) or None,
                    )
                maps[k, i] = shares[0, 0].float().cpu()
                advance(1)
    return Answer(maps)


def passes_of_shap(
    encoder: Encoder, images: Images, baselines: int, *, grid: int = 8, samples: int | None = None
) -> Passes:
    """Every sample of patches, showing every baseline."""
    return len(images) * Passes(baselines * (samples or SAMPLES_PER_PATCH * grid**2))


def relax(question: Question, *, samples: int = 1000, grid: int = 8, keep: float = 0.5, smooth: bool = True) -> Answer:
    """How high is s on average when a pixel is shown?  Mean of s over random masks, weighted by the mask at the pixel.

    R = sum M s / sum M, with its uncertainty sum M (s - R)^2 / sum M, a variance (arXiv:2112.10161, whose code leaves the
    last division out).  Masks show each of grid x grid cells with probability `keep`; the baseline is seen elsewhere.
    They are enlarged smoothly and shifted at random (`smooth`), or stay whole cells.  `extra` has "uncertainty" (n, s, s).

    Caveat: R has a large constant part: look at differences within a map, not at its level.
    """
    size, m = question.x.shape[-1], samples
    if samples < 2 or not 0 < keep < 1:
        raise ValueError(f"RELAX needs samples >= 2 and 0 < keep < 1; got {samples} and {keep}.")
    patches(size, grid)  # ValueError where there are not so many cells
    generator = torch.Generator().manual_seed(question.seed)
    sums = torch.zeros(2, len(question.baselines), 3, len(question.x), size * size, dtype=torch.float64)
    with _bar(question, len(question.baselines) * m) as advance:
        for start in range(0, m, block := max(1, 2**22 // size**2)):
            masks = random_masks(min(block, m - start), size, grid, keep, smooth, generator)
            flat = masks.flatten(1).double()
            half = (torch.arange(start, start + len(masks)) % 2).bool()
            for k, baseline in enumerate(question.baselines):
                s = read_mixes(question, baseline, masks, advance=advance).double()  # (n, m)
                for h, rows in enumerate((~half, half)):
                    moments = torch.stack([torch.ones_like(s), s, s**2])[..., rows]
                    sums[h, k] += moments @ flat[rows]
    mean, variance = _weighted(sums.sum(0))
    halves = torch.stack([_weighted(half)[0].mean(0) for half in sums])
    shaped = [t.float().unflatten(-1, (size, size)) for t in (mean, variance.mean(0), halves)]
    return Answer(shaped[0], shaped[2], {"uncertainty": shaped[1].numpy()})


def passes_of_relax(encoder: Encoder, images: Images, baselines: int, *, samples: int = 1000, **_: Any) -> Passes:
    """Every mask, showing every baseline."""
    return len(images) * Passes(baselines * samples)


def _weighted(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (k, n, p) from the sums (k, 3, n, p) of the weights, and of s and s^2 under them."""
    weight = sums[:, 0].clamp_min(1e-12)
    mean = sums[:, 1] / weight
    return mean, (sums[:, 2] / weight - mean**2).clamp_min(0)


def random_masks(m: int, size: int, grid: int, keep: float, smooth: bool, generator: torch.Generator) -> Tensor:
    """m random masks, float32 (m, size, size): 1 where the image is shown, 0 where not, `keep` on average."""
    if not smooth:
        cells = torch.rand(m, grid**2, generator=generator) < keep
        return cells[:, patches(size, grid)].float()
    cells = (torch.rand(m, 1, grid + 1, grid + 1, generator=generator) < keep).float()
    cell = -(-size // grid)
    large = F.interpolate(cells, (grid + 1) * cell, mode="bilinear", align_corners=False)[:, 0]
    shift = torch.randint(cell, (m, 2), generator=generator)
    at = torch.arange(size)
    rows, columns = ((shift[:, i, None] + at) for i in range(2))
    return large[torch.arange(m)[:, None, None], rows[:, :, None], columns[:, None, :]]


@contextmanager
def _bar(question: Question, per_image: int) -> Iterator[Any]:
    total = per_image * len(question.x)
    with progress_bar(question.title, total, "answers", shown=bool(question.title)) as advance:
        yield advance
