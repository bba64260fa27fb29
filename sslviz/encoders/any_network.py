"""How a network of no known library is read: what its parts give is taken by hooks, which are removed after each pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.encoders.outputs import Output, are_finite, read_output
from sslviz.encoders.stages import find_last_grid, find_stages, parts_with_weights, place_of, placed, watching
from sslviz.encoders.timm_model import cut_at, first_line
from sslviz.runtime.random_state import seeded


class AnyNetwork:
    """The face of any module that gives (b, d), (b, d, rows, columns) or tokens (b, n, d), or has `forward_features`.

    It is tried once when it is made: ValueError for one that does not take such pictures, gives anything else, NaN, or
    other features at a second call.
    """

    def __init__(self, model: nn.Module, name: str, image_size: int) -> None:
        self.model, self.name = model, name
        self.notes: tuple[str, ...] = ()
        self._uses_pooler = not _dense_pooler(model)
        with _evaluating(model), torch.no_grad(), seeded(0):
            x = torch.randn(2, 3, image_size, image_size).to(next(_weights(model, name)))
            seen: dict[str, Any] = {}
            with watching(dict(model.named_modules(remove_duplicate=False)), seen):
                output = self._tried(x)
            self._of_output = place_of(output.main)
            self.dim = self._check(output, x)
        self._stages = find_stages(model, seen)
        # Its own output is the last grid, unless it was pooled to one cell.
        self._own = bool(self._of_output and (self._of_output.cells > 1 or not self._stages))
        self._last = find_last_grid(seen, self._stages)
        self._cut = self._where_to_cut(output)
        first = next(iter(self._stages.values()), None)
        self.patch_size = round(image_size / first.cells**0.5) if first and first.tokens else 0
        self.notes = self._said(output)

    @property
    def grid_names(self) -> list[str]:
        """The parts that follow each other and give a grid, as the network calls them."""
        return list(self._stages)

    def features(self, x: Tensor) -> Tensor:
        """The network's own where it gives (b, d); else the class token, or the mean over the grid."""
        return self._pooled(self._run(x))

    def tokens(self, x: Tensor) -> Tensor:
        """The last grid: the network's own output, or that of the last part that has one."""
        return self.tokens_and_features(x)[0]

    def tokens_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last grid and the features, of one pass."""
        if self._own and self._of_output:
            output = self._run(x)
            return placed(output.main, self._of_output, x), self._pooled(output)
        if self._last is None:
            raise ValueError(f"{self.name} shows no grid of features; only its pooled ones can be read.")
        (name, place), seen = self._last, dict[str, Tensor]()
        with watching({name: self.model.get_submodule(name)}, seen):
            pooled = self.features(x)
        return placed(seen[name], place, x), pooled

    def grid(self, x: Tensor, layer: str) -> Tensor:
        """The grid that this part gives."""
        seen: dict[str, Tensor] = {}
        with watching({layer: self.model.get_submodule(layer)}, seen):
            self._run(x)
        return placed(seen[layer], self._stages[layer], x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """The mean over the grid of each part, and the features."""
        seen: dict[str, Tensor] = {}
        with watching({name: self.model.get_submodule(name) for name in self._stages}, seen):
            pooled = self.features(x)
        means = {name: placed(seen[name], at, x).mean((2, 3)) for name, at in self._stages.items()}
        return means | {"pooled": pooled}

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """At the last grid; behind the last block but one where a class token is read out, as patches matter until then."""
        if self._cut:
            return cut_at(self.model.get_submodule(self._cut), x, self.features)
        if not self._own:
            raise ValueError(f"{self.name} shows no grid of features; only its pooled ones can be read.")
        with torch.no_grad():
            held = self._run(x).main.detach()
        return held.requires_grad_(), self._pooled(Output(held))

    def on_grid(self, held: Tensor, grid: tuple[int, int]) -> Tensor:
        """Tokens, or channels last, as channels first."""
        if held.ndim == 3 and held.shape[1] >= grid[0] * grid[1]:
            return held[:, -grid[0] * grid[1] :].mT.unflatten(2, grid)  # class and register tokens come first
        if held.ndim == 4 and tuple(held.shape[2:]) == grid:
            return held
        if held.ndim == 4 and tuple(held.shape[1:3]) == grid:
            return held.movedim(-1, 1)
        raise ValueError(f"{self.name} ends in {tuple(held.shape)}, which is no grid of {grid[0]} x {grid[1]}.")

    def layer_numbers(self) -> Mapping[str, int]:
        """What comes before the first stage, each stage, and what comes behind the last."""
        stages, numbers, reached = list(self._stages), dict[str, int](), 0
        for name, _ in self.model.named_parameters():
            at = next((i + 1 for i, stage in enumerate(stages) if name.startswith(f"{stage}.")), None)
            reached = at or (len(stages) + 1 if reached == len(stages) and stages else reached)
            numbers[name] = reached
        return numbers

    # --- one pass -----------------------------------------------------------------------------------------------------

    def _run(self, x: Tensor) -> Output:
        model: Any = self.model
        call = model.forward_features if _has_forward_features(model) else model
        output = read_output(call(x), self.name, len(x))
        return output if self._uses_pooler else Output(output.main)

    def _pooled(self, output: Output) -> Tensor:
        main = output.main
        if output.pooled is not None:
            return output.pooled
        if main.ndim == 2:
            return main
        place = self._of_output
        if main.ndim == 4:
            return main.mean((1, 2) if place and place.last else (2, 3))
        return main[:, 0] if place and place.prefix else main.mean(1)

    # --- when it is made ----------------------------------------------------------------------------------------------

    def _tried(self, x: Tensor) -> Output:
        try:
            return self._run(x)
        except (AssertionError, RuntimeError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(_refusal(self.model, self.name, x, error)) from error

    def _check(self, output: Output, x: Tensor) -> int:
        features, again = self._pooled(output), self._pooled(self._run(x))
        are_finite(features, self.name)
        if not torch.allclose(features, again, rtol=1e-3, atol=1e-5 * float(features.abs().max())):
            raise ValueError(
                f"{self.name} gives other features for the same pictures at a second call in evaluation mode: something "
                "in it is drawn anew, such as a dropout left on."
            )
        return features.shape[1]

    def _where_to_cut(self, output: Output) -> str:
        """The part whose output Grad-CAM weighs; "" for the network's own output, if that is a grid."""
        stages = list(self._stages)
        if len(stages) > 1 and self._stages[stages[-1]].prefix:
            return stages[-2]
        if self._own and output.pooled is None:
            return ""
        return self._last[0] if self._last else ""

    def _said(self, output: Output) -> tuple[str, ...]:
        """What is assumed of the shape of its output."""
        main, place, notes = output.main, self._of_output, list[str]()
        if main.ndim == 3 and place:
            side = round(place.cells**0.5)
            read = "its features are the first of these" if place.prefix else "its features are their mean"
            read = "its features are its own pooler_output" if output.pooled is not None else read
            notes.append(
                f"{self.name} gives {main.shape[1]} tokens: taken for {place.prefix} before a grid of {side} x {side}, "
                f"because what remains is a square; {read}"
            )
        elif main.ndim == 3:
            notes.append(f"{self.name} gives {main.shape[1]} tokens, which make no square: its features are their mean")
        elif main.ndim == 4 and place and place.last:
            notes.append(f"{self.name} gives {tuple(main.shape[1:])}: its channels are taken for the last")
        name, head = next(reversed(list(parts_with_weights(self.model).items())))
        taken_off = getattr(self.model, "pretrained_cfg", None)  # by us, of a network whose library is known
        if (
            not taken_off
            and main.ndim == 2
            and isinstance(head, nn.Linear)
            and head.out_features == main.shape[1] >= 10
        ):
            notes.append(
                f"Its features are the {self.dim} numbers that its last linear layer, {name}, gives: if those are scores "
                "of classes, give the network without it"
            )
        if not self._uses_pooler:
            notes.append("Its pooler, a dense layer behind the class token, is passed by")
        return tuple(notes)


# --- what is tried -----------------------------------------------------------------------------------------------------


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _weights(model: nn.Module, name: str) -> Iterator[Tensor]:
    if not any(True for _ in model.parameters()):
        raise ValueError(
            f"{name} has no weights, so that there is nothing to look at; expected a network with parameters."
        )
    return model.parameters()


def _has_forward_features(model: Any) -> bool:
    return callable(getattr(model, "forward_features", None))


def _dense_pooler(model: Any) -> bool:
    """Whether a linear layer stands behind the class token, which transformers adds untrained."""
    pooler = getattr(model, "pooler", None)
    return isinstance(pooler, nn.Module) and any(isinstance(part, nn.Linear) for part in pooler.modules())


def _refusal(model: nn.Module, name: str, x: Tensor, error: Exception) -> str:
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if first is not None and first.in_channels != 3:
        many = f"{first.in_channels} channel{'s' * (first.in_channels > 1)}"
        return (
            f"{name} takes pictures of {many}, and encoders here see (b, 3, h, w), RGB; give a network that makes its "
            "input of three channels."
        )
    shape = ", ".join(map(str, x.shape[1:]))
    return f"{name} does not take {x.shape[-1]}-pixel images (b, {shape}): {first_line(error)}"
