"""ViewPolicy: a batch of uint8 images becomes augmented views, on the device where it lies.

Cropping, antialiased resizing, flipping and blurring are linear along each axis.  Every view has one matrix for its
rows and one for its columns, and two batched products make all views at once.  Brightness, contrast, saturation, hue
and grey are together one 3x4 matrix per view.  Nothing here waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Generator, Tensor

from sslviz.views.crops import Range, between, crop_boxes, least_overlapping
from sslviz.views.parameters import ViewParameters
from sslviz.views.rendering import CACHED, blur_matrices, color_matrices, constant_tensor, resampling_matrices

SCALED = ("brightness", "contrast", "saturation", "hue", "gray_prob", "blur_prob", "solarize_prob")  # by the strength


@dataclass(frozen=True)
class ViewPolicy:
    """Which views of an image shall the encoder find alike?  By default SimCLR's, at 32 px (arXiv 2002.05709).

    `policy(batch, generator)` turns uint8 images (b, h, w, 3) or (b, 3, h, w) into normalised float32 views on the batch's
    device.  They come as a list of tensors (views, b, 3, s, s): the global views, then the local ones if there are any.
    Every view of every image draws its own parameters from the generator, and the same state gives the same views.  The
    generator may be on the CPU, or on the batch's device, so that the host need not wait.

    - size, views: pixels and number of the global views
    - scale: share of the image's area that their crops have, uniform between the two
    - local_size, local_views, local_scale: the same of the local views (DINO, arXiv 2104.14294)
    - ratio: width by height of the crops, log-uniform over the part that fits the image
    - flip_prob: how often left and right are exchanged
    - jitter_prob: how often brightness, contrast, saturation and hue are changed, all four together
    - brightness, contrast, saturation: a strength x, whose factor comes from [max(0, 1-x), 1+x]
    - hue: the hue turns by up to this share of a full turn, either way
    - gray_prob: how often colour is taken out
    - blur_prob: how often a view is blurred; one number, or one for each view (BYOL, arXiv 2006.07733)
    - blur_sigma: in pixels of the view, uniform between the two
    - solarize_prob: how often pixels of at least `solarize_threshold` are inverted; one number, or one for each view
    - strength: how strong all but flips is at the beginning and at the end of a training, from 0 to 1 and linear
      between.  1 is as said here, 0 the whole picture in its own colours; the second may be the smaller one
    - crop_draws: so many sets of global crops are drawn of each image, and the one whose crops overlap least is taken;
      hard pairs are those that share little (arXiv 2310.03940)
    - mean, std: what the views are normalised with; the encoder's

    Crop, flip and blur are torchvision's `resized_crop(antialias=True)`, `hflip`, and `gaussian_blur` with a radius of 4
    times the largest sigma.  The steps of colour commute, so no order is drawn.  ValueError for numbers that make no sense.

    Example:
        >>> import sslviz, torch
        >>> pixels = torch.from_numpy(sslviz.shapes(n=5, seed=0).pixels)
        >>> [x.shape for x in sslviz.ViewPolicy(local_views=4)(pixels, torch.Generator().manual_seed(0))]
        [torch.Size([2, 5, 3, 32, 32]), torch.Size([4, 5, 3, 16, 16])]

    Caveat: Colours differ from torchvision's.  They are clamped to [0, 1] once, at the end.  Hue turns the chroma plane
    (YUV), which keeps the luma; torchvision turns HSV, which keeps the largest channel.
    """

    size: int = 32
    views: int = 2
    scale: Range = (0.08, 1.0)
    local_size: int = 16
    local_views: int = 0
    local_scale: Range = (0.05, 0.4)
    ratio: Range = (3 / 4, 4 / 3)
    flip_prob: float = 0.5
    jitter_prob: float = 0.8
    brightness: float = 0.8
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = 0.2
    gray_prob: float = 0.2
    blur_prob: float | tuple[float, ...] = 0.0
    blur_sigma: Range = (0.1, 2.0)
    solarize_prob: float | tuple[float, ...] = 0.0
    solarize_threshold: float = 0.5
    strength: Range = (1.0, 1.0)
    crop_draws: int = 1
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        _check(self)

    def without_color(self) -> ViewPolicy:
        """The same crops, flips and blurs, but every view keeps the colours of its image."""
        return replace(self, jitter_prob=0.0, gray_prob=0.0, solarize_prob=0.0)

    def at(self, progress: float) -> ViewPolicy:
        """The policy when this share of a training is done: crops and colours as strong as `strength` says."""
        begin, end = self.strength
        if begin == end == 1:
            return self
        # A hundred steps at most, so that the constants made of them stay few.
        strength = begin + (end - begin) * round(progress, 2)

        def scaled(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
            return tuple(strength * x for x in value) if isinstance(value, tuple) else strength * value

        colors: dict[str, Any] = {name: scaled(getattr(self, name)) for name in SCALED}
        crops: dict[str, Any] = {
            name: tuple(strength * x + (1 - strength) for x in getattr(self, name)) for name in ("scale", "local_scale")
        }
        return replace(self, strength=(1.0, 1.0), **colors, **crops)

    def __call__(self, batch: Tensor, generator: Generator) -> list[Tensor]:
        """New views of a batch; to know how they were made, `draw` the parameters and `render` them."""
        return self.render(batch, self.draw(batch, generator))

    def draw(self, batch: Tensor, generator: Generator) -> list[ViewParameters]:
        """Draws the parameters of the next views of this batch: one `ViewParameters` per size, nothing rendered."""
        groups = [self._draw(self.size, self.scale, range(self.views), self.crop_draws, batch, generator)]
        if self.local_views:
            which = range(self.views, self.views + self.local_views)
            groups.append(self._draw(self.local_size, self.local_scale, which, 1, batch, generator))
        return groups

    def _draw(
        self, size: int, scale: Range, which: range, draws: int, batch: Tensor, generator: Generator
    ) -> ViewParameters:
        b, _, height, width = _channels_first(batch).shape
        uniform = torch.rand(14, len(which), b, generator=generator, device=generator.device)
        uniform = uniform.to(batch.device, non_blocking=True)
        area, *place, flip, jitter, bright, contrast, saturation, hue, gray, blur, sigma, solar = uniform
        jittered = jitter < self.jitter_prob

        def factor(u: Tensor, strength: float) -> Tensor:
            return torch.where(jittered, between(u, (max(0.0, 1 - strength), 1 + strength)), 1.0)

        def happens(u: Tensor, prob: float | tuple[float, ...]) -> Tensor | None:
            each = tuple(prob[i] for i in which) if isinstance(prob, tuple) else (prob,)
            return u < constant_tensor(each, u.device)[:, None] if any(each) else None

        box = crop_boxes(between(area, scale), place, self.ratio, height, width)
        if draws > 1:
            again = torch.rand(draws - 1, 4, len(which), b, generator=generator, device=generator.device)
            area, *place = again.to(batch.device, non_blocking=True).unbind(1)
            more = crop_boxes(between(area, scale), place, self.ratio, height, width)
            box = least_overlapping(torch.cat([box[None], more]))

        blurred = happens(blur, self.blur_prob)
        return ViewParameters(
            size=size,
            box=box,
            flip=flip < self.flip_prob,
            brightness=factor(bright, self.brightness),
            contrast=factor(contrast, self.contrast),
            saturation=factor(saturation, self.saturation),
            hue=torch.where(jittered, between(hue, (-self.hue, self.hue)), 0.0),
            gray=gray < self.gray_prob,
            sigma=None if blurred is None else torch.where(blurred, between(sigma, self.blur_sigma), 0.0),
            solarize=happens(solar, self.solarize_prob),
        )

    def render(self, batch: Tensor, parameters: Sequence[ViewParameters]) -> list[Tensor]:
        """The views with these parameters: one tensor (views, b, 3, size, size) per entry; nothing is drawn."""
        batch = _channels_first(batch)
        results = []
        for p in parameters:
            if p.flip.shape[1] != len(batch):
                raise ValueError(f"These parameters are for {p.flip.shape[1]} images; got a batch of {len(batch)}.")
            views = torch.empty(*p.flip.shape, 3, p.size, p.size, device=batch.device)
            # On a CPU a few images at a time, so that what passes between the steps stays in the cache: twice as fast.
            few = max(1, CACHED // views[:, 0].numel()) if batch.device.type == "cpu" else len(batch)
            for i in range(0, len(batch), few):
                some = slice(i, i + few)
                self._render(batch[some], p.of(some), views[:, some])
            results.append(views)
        return results

    def _render(self, batch: Tensor, p: ViewParameters, out: Tensor) -> None:
        # (b, h, 3, w): with the channels inside, both products are plain batched ones on what lies in memory.
        pixels = batch.permute(0, 2, 1, 3).to(torch.float32, memory_format=torch.contiguous_format)
        b, h, _, w = pixels.shape
        v, s = p.flip.shape[0], p.size
        top, left, height, width = p.box.permute(2, 1, 0).contiguous()  # (b, v): an image's views are one product
        rows = resampling_matrices(h, top, height, s)  # (b, v, s, h)
        columns = resampling_matrices(w, left, width, s, p.flip.T)  # (b, v, s, w)
        # The crop's mean colour, before any blur: contrast turns about its grey.
        mean = (rows.mean(2) @ pixels.view(b, h, 3 * w)).view(b, v, 3, w)
        mean = (mean * columns.mean(2)[:, :, None]).sum(3)  # (b, v, 3)
        if p.sigma is not None:
            reach = min(s - 1, math.ceil(4 * self.blur_sigma[1]))
            blur = blur_matrices(s, reach, p.sigma.T)  # (b, v, s, s)
            rows, columns = blur @ rows, blur @ columns
        x = rows.reshape(b, v * s, h) @ pixels.view(b, h, 3 * w)  # (b, v*s, 3*w)
        x = x.view(b * v, s * 3, w) @ columns.reshape(b * v, s, w).mT  # (b*v, s*3, s)
        x = x.view(b, v, s, 3, s).permute(1, 0, 3, 2, 4).reshape(v * b, 3, s * s)
        matrix, offset = color_matrices(p, mean.transpose(0, 1))
        x = torch.baddbmm(offset.reshape(v * b, 1, 1), matrix.reshape(v * b, 3, 3), x).clamp_(0, 1)
        x = x.view(v, b, 3, s, s)
        if p.solarize is not None:
            threshold = torch.where(p.solarize, self.solarize_threshold, torch.inf)[..., None, None, None]
            inverted = torch.ge(x, threshold, out=torch.empty_like(x))  # 0.0 or 1.0: a bool mask is ten times slower
            x.addcmul_(inverted, 1 - 2 * x)
        mean, std = (constant_tensor(values, x.device)[:, None, None] for values in (self.mean, self.std))
        torch.div(x.sub_(mean), std, out=out)


def _channels_first(batch: Tensor) -> Tensor:
    """The batch seen as (b, 3, h, w); ValueError if it is none of uint8 images."""
    if batch.dtype == torch.uint8 and batch.ndim == 4 and batch.numel():
        if batch.shape[3] == 3:
            return batch.permute(0, 3, 1, 2)
        if batch.shape[1] == 3:
            return batch
    raise ValueError(
        "Views are made of uint8 images (b, h, w, 3) or (b, 3, h, w), at least one; "
        f"got {batch.dtype} {tuple(batch.shape)}. Pass the pixels as they are stored, 0 to 255."
    )


_BOUNDS = {
    "strength": (0, 1),
    "crop_draws": (1, math.inf),
    **dict.fromkeys(["size", "views", "local_size"], (1, math.inf)),
    **dict.fromkeys(["scale", "local_scale"], (1e-6, 1)),
    **dict.fromkeys(["ratio", "blur_sigma", "std"], (1e-6, math.inf)),
    **dict.fromkeys(["flip_prob", "jitter_prob", "gray_prob", "blur_prob", "solarize_prob"], (0, 1)),
    **dict.fromkeys(["local_views", "brightness", "contrast", "saturation"], (0, math.inf)),
    "hue": (0, 0.5),
}


def _check(p: ViewPolicy) -> None:
    """Every field is of its default's kind and within its bounds, or a ValueError says what it is to be."""
    for field in fields(p):
        value: Any = getattr(p, field.name)
        default: Any = field.default
        kind, count = (float, len(default)) if isinstance(default, tuple) else (type(default), 1)
        if isinstance(value, tuple) and field.name in ("blur_prob", "solarize_prob"):
            count = p.views + p.local_views
        numbers = value if isinstance(value, tuple) else (value,)
        low, high = _BOUNDS.get(field.name, (-math.inf, math.inf))
        right = len(numbers) == count and all(isinstance(x, int | kind) and low <= x <= high for x in numbers)
        is_range = isinstance(default, tuple) and count == 2
        ascending = is_range and field.name != "strength"  # which may rise or fall
        if not right or (ascending and numbers[0] > numbers[1]):
            what = "two ascending numbers" if ascending else f"{count} numbers" if count > 1 else f"one {kind.__name__}"
            raise ValueError(f"The {field.name} of views is {what} from {low:g} to {high:g}; got {value!r}.")
    if p.crop_draws > 1 and p.views < 2:
        raise ValueError("The crop_draws of views compare the crops of an image; they need views of at least 2.")
    if p.local_views and p.local_size > p.size:
        raise ValueError(f"Local views are the smaller ones; got local_size {p.local_size} for size {p.size}.")
