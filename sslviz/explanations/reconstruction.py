"""Pictures that a generative method makes of what it was shown, beside what anybody could guess."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sslviz.data import Images
from sslviz.diagnostics.result import OfRun
from sslviz.explanations.mean_interval import FEWEST_IMAGES, mean_draws, mean_interval
from sslviz.explanations.pictures import as_pictures, input_batches, require_pictures
from sslviz.features.embed import batch_size, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.random_state import seeded
from sslviz.statistics import Score, percentile_interval

if TYPE_CHECKING:
    from sslviz.encoders import Encoder


@dataclass(frozen=True, eq=False)
class Reconstruction(OfRun):
    """What a checkpoint's method made of n pictures, at the size of its encoder's input.

    - run: the run it comes from
    - method: the method that it was trained by
    - ids: the images' ids (n,)
    - shown: what it was given, as a person sees it, uint8 (n, s, s, 3)
    - predicted: the pictures that it made, uint8 (n, s, s, 3)
    - true: the pictures as they are, uint8 (n, s, s, 3)
    - hidden: the pixels that it had to predict, bool (n, s, s); all where none was shown as it is
    - untrained: the pictures that the same method made before any training, uint8 (n, s, s, 3)
    - seed: of what is drawn, and of intervals
    """

    run: str
    method: str
    ids: np.ndarray
    shown: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    hidden: np.ndarray
    untrained: np.ndarray
    seed: int = 0

    @cached_property
    def control_pictures(self) -> dict[str, np.ndarray]:
        """{control: uint8 (n, s, s, 3)}: the pictures that need no training to be made.

        - "mean colour": one colour, the mean of what is shown
        - "nearest pixel": each pixel as the nearest one that is shown, where some are
        - "what is shown": the input itself, where no pixel is shown as it is
        - "untrained": the same method before any training
        """
        mean = np.stack([_mean_color(*pair) for pair in zip(self.shown, self.hidden, strict=True)])
        if self.hidden.all():
            guess = {"what is shown": self.shown}
        else:
            nearest = [_nearest_shown(*pair) for pair in zip(self.shown, self.hidden, strict=True)]
            guess = {"nearest pixel": np.stack(nearest)}
        return {"mean colour": mean, **guess, "untrained": self.untrained}

    def completed(self, pictures: np.ndarray) -> np.ndarray:
        """These pictures where pixels were hidden, and what was shown elsewhere, uint8 (n, s, s, 3)."""
        return np.where(self.hidden[..., None], pictures, self.shown)

    def error_of(self, pictures: np.ndarray) -> np.ndarray:
        """The mean squared error of the hidden pixels, colours from 0 to 1, of each picture (n,)."""
        return self._mean_of_hidden(_colors(pictures) - _colors(self.true))

    def per_image(self) -> dict[str, np.ndarray]:
        """The error of each picture, for pairing two checkpoints over the same pictures."""
        return {"error": self.error_of(self.predicted)}

    def scores(self) -> dict[str, Score]:
        """How far off are the pictures, and how much of what was hidden is in them?

        - error: mean squared error of the hidden pixels, colours from 0 to 1; lower is better
        - explained: the share of the hidden pixels' variance within each picture that is predicted (R²), 1 at best;
          below 0: worse than one colour, the right one

        Bootstrap intervals over pictures, from 8 on.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        own = self.error_of(self.predicted)
        others = {name: self.error_of(pictures) for name, pictures in self.control_pictures.items()}
        variance = self._mean_of_hidden(_colors(self.true) - self._mean_of_true())
        low, high = mean_interval(own, self.seed)
        error = Score(float(own.mean()), low, high, {k: float(v.mean()) for k, v in others.items()}, False)
        if not variance.any():
            why = "the hidden pixels of each picture are of one colour"
            return {"error": error, "explained": Score.unknown(why, dict.fromkeys(others, 0.0), True)}
        explained = {name: 1 - float(e.mean() / variance.mean()) for name, e in {"": own, **others}.items()}
        low = high = None
        if len(own) >= FEWEST_IMAGES:
            draws = mean_draws(np.stack([own, variance]), self.seed)  # (draws, 2)
            low, high = percentile_interval(1 - draws[:, 0] / np.maximum(draws[:, 1], 1e-12))
        return {"error": error, "explained": Score(explained.pop(""), low, high, explained)}

    def _mean_of_true(self) -> np.ndarray:
        """The mean colour of each picture's hidden pixels, (n, 1, 1, 3)."""
        weights = self.hidden[..., None] / self.hidden.sum((1, 2)).clip(1)[:, None, None, None]
        return (_colors(self.true) * weights).sum((1, 2), keepdims=True)

    def _mean_of_hidden(self, difference: np.ndarray) -> np.ndarray:
        squares = np.square(difference).mean(-1) * self.hidden
        return squares.sum((1, 2)) / self.hidden.sum((1, 2)).clip(1)


def reconstruct(checkpoint: Checkpoint, images: Images, *, seed: int = 0, progress: bool = True) -> Reconstruction:
    """What does it make of what it was not shown?

    The method that the checkpoint was trained by is built with its decoder, and makes its pictures once: masked pixels
    filled in, grey ones coloured, noise taken away.  What is hidden or drawn depends on `seed` alone.

    Controls: the mean colour of what is shown; the nearest pixel that is shown; and the same method with fresh random
    weights.  Where no pixel is shown as it is, the input itself stands for the second.

    ValueError for no images, for clips, for imported encoders, for methods that make no pictures, and for checkpoints
    whose file does not hold the decoder.

    Example:
        >>> import sslviz
        >>> head = {"method": "denoising", "settings": {}}
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 32}, None, 1, head)
        >>> list(sslviz.reconstruct(checkpoint, sslviz.shapes(n=4), progress=False).scores()["error"].controls)
        ['mean colour', 'what is shown', 'untrained']

    Caveat: A sharp picture is no proof of good features, nor is a blurred one of bad ones: the decoder has its share in both.
    """
    require_pictures(images, "A reconstruction needs pictures (n, h, w, 3), at least one")
    control = checkpoint.untrained(seed=int(checkpoint.path is None and checkpoint.seed == 0))
    parts = _made(checkpoint, images, seed, checkpoint.run if progress else "")
    untrained = _made(control, images, seed, "the control" if progress else "")["predicted"]
    method = (checkpoint.head or {})["method"]
    return Reconstruction(checkpoint.run, method, images.ids, **parts, untrained=untrained, seed=seed)


def methods_with_pictures() -> list[str]:
    """The names of the methods that make pictures."""
    from sslviz.methods import METHODS

    return [name for name, cls in METHODS.items() if hasattr(cls, "reconstruct")]


def load_method(checkpoint: Checkpoint) -> tuple[Any, Encoder]:
    """The method that a checkpoint was trained by, in evaluation mode, and its encoder; ValueError where there is none."""
    from safetensors.torch import load_file

    from sslviz.methods import METHODS, build_method

    if checkpoint.head is None:
        raise ValueError(
            f"{checkpoint.run} was not pretrained here, so there is no decoder that could make pictures of it."
        )
    name, settings = checkpoint.head["method"], checkpoint.head.get("settings", {})
    if name in METHODS and name not in methods_with_pictures():
        able = ", ".join(methods_with_pictures())
        raise ValueError(f"{checkpoint.run} was trained by {name}, which makes no pictures; those that do: {able}.")
    encoder = checkpoint.encoder()
    method, _ = build_method(name, encoder, settings, checkpoint.seed)
    if checkpoint.path is not None:
        targets = tuple(f"{target}." for target in getattr(method, "ema", {}))
        tensors = load_file(checkpoint.path)
        wanted = {key: value for key, value in method.state_dict().items() if not key.startswith(targets)}
        if lost := [key for key, value in wanted.items() if key not in tensors or tensors[key].shape != value.shape]:
            raise ValueError(
                f"{checkpoint.path} does not hold all weights of {name} ({lost[0]} is missing or of another shape), so that "
                "it cannot make pictures; train again."
            )
        method.load_state_dict({key: tensors[key] for key in wanted}, strict=False)
    return method.eval(), encoder


def _made(checkpoint: Checkpoint, images: Images, seed: int, title: str) -> dict[str, np.ndarray]:
    """What is shown, predicted, true and hidden, as arrays."""
    method, encoder = load_method(checkpoint)
    to_device(method)
    parts: dict[str, list[np.ndarray]] = {"shown": [], "predicted": [], "true": [], "hidden": []}
    with torch.inference_mode(), seeded(seed):
        for x in input_batches(encoder, images, batch_size(encoder), title):
            made = method.reconstruct(x)
            for name in ("shown", "predicted", "true"):
                parts[name].append(as_pictures(getattr(made, name).float().cpu(), encoder))
            parts["hidden"].append(made.hidden[:, 0].cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _colors(pictures: np.ndarray) -> np.ndarray:
    return pictures.astype(np.float32) / 255


def _mean_color(shown: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """A picture (s, s, 3) of the mean colour of what is shown; of all of it where no pixel is shown as it is."""
    seen = shown[~hidden] if not hidden.all() else shown.reshape(-1, 3)
    return np.broadcast_to(seen.mean(0).round().astype(np.uint8), shown.shape)


def _nearest_shown(shown: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """A picture (s, s, 3) in which each hidden pixel is as the nearest shown one."""
    from scipy.ndimage import distance_transform_edt

    if hidden.all():
        return shown
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return shown[rows, columns]
