"""The attention weights that a transformer used, layer by layer, from any timm vision transformer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder

# Classes whose unfused path hands softmax(q k / sqrt(d) + bias), (b, heads, n, n), to `attn_drop`; a list, because one
# that merely looks like it (differential attention, talking heads, windows) would be read wrongly without an error.
READABLE_CLASSES = frozenset(
    {
        "timm.layers.attention.Attention",
        "timm.layers.attention.AttentionRope",
        "timm.models.beit.Attention",
        "timm.models.eva.EvaAttention",
        "timm.models.vision_transformer.Attention",
        "timm.models.vision_transformer.ParallelScalingBlock",
        "timm.models.vision_transformer_relpos.RelPosAttention",
    }
)
OTHER_MAPS = "activation_energy, eigen_cam and effective_receptive_field read any encoder with a grid"

Reduce = Callable[[int, Tensor], Any]


class Tokens(NamedTuple):
    """Which tokens are patches, and whose attention becomes the features.

    - prefix: how many tokens come before the patches
    - registers: how many of these, the last ones, are no class tokens
    - queries: the rows whose mean is the map of a layer
    - query: in words, which tokens these rows are
    """

    prefix: int
    registers: int
    queries: slice
    query: str

    def read(self, weights: Tensor) -> Tensor:
        """The map of these queries: (..., n, n) -> (..., patches), as shares of their whole attention."""
        return weights[..., self.queries, self.prefix :].mean(-2)


class Captured:
    """What was attended to in the last forward pass.

    - model: the timm model itself; of a compiled one, the one inside
    - names: the layers in order, as the model calls them
    - tokens: which tokens are patches, and whose attention becomes the features
    - layers: what was captured of each layer
    """

    def __init__(self, model: nn.Module, modules: dict[str, nn.Module], reduce: Reduce | None) -> None:
        self.model, self.names, self.tokens = model, list(modules), token_layout(model)
        self._reduce = reduce
        self._by_layer: dict[str, Any] = {}

    @property
    def layers(self) -> list[Any]:
        """One entry a layer, in order: weights (b, heads, n, n), or what `reduce` made of them.

        ValueError where there has been no forward pass yet, or not all layers took part in it.
        """
        if missing := [name for name in self.names if name not in self._by_layer]:
            raise ValueError(
                f"{len(missing)} of {len(self.names)} attention layers have not run ({missing[0]}); pass a batch "
                "through the model inside `with capture_attention(model)`, and read the layers after it."
            )
        return [self._by_layer[name] for name in self.names]

    def _take(self, name: str, weights: Tensor) -> None:
        if name in self._by_layer:  # the first layer of another forward pass
            self._by_layer.clear()
        if weights.ndim != 4 or weights.shape[-1] != weights.shape[-2]:
            raise ValueError(
                f"{name} should weigh tokens against tokens, (b, heads, n, n), but gave {tuple(weights.shape)}."
            )
        self._by_layer[name] = weights if self._reduce is None else self._reduce(self.names.index(name), weights)


@contextmanager
def capture_attention(model: nn.Module, *, reduce: Reduce | None = None) -> Iterator[Captured]:
    """Which attention weights does this transformer use?

    `model` is a timm vision transformer or an `Encoder`.  Inside the `with`, every forward pass leaves its weights in
    `Captured.layers`, (b, heads, n, n) each.  They are softmax(q k^T / sqrt(d) + bias) before dropout, rows summing to
    one, and part of the graph where gradients are on.  `reduce(layer number, weights)` is applied to each layer's weights
    at once, and only what it returns is held.

    Fused attention is switched off meanwhile, which moves the outputs by rounding (about 1e-6); compiled models run
    uncompiled.  Afterwards, also after an exception, the model is as it was.  ValueError for models without attention,
    and by name for attention of another kind (windows, pooling heads, channels).

    Example:
        >>> import sslviz, torch
        >>> encoder = sslviz.create_encoder("vit_nano")
        >>> with torch.no_grad(), sslviz.capture_attention(encoder) as captured:
        ...     features = encoder(torch.zeros(2, 3, 32, 32))
        >>> len(captured.layers), tuple(captured.layers[0].shape)
        (6, (2, 4, 65, 65))

    Caveat: Weights say from where a layer reads, not what the features depend on: values, residuals and later layers
    decide that.
    """
    inner = _unwrapped(model)
    modules = _attention_modules(inner)
    captured = Captured(inner, modules, reduce)
    with ExitStack() as stack:
        if _compiled(model):  # hooks set after the first call of a compiled model would never run
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        for module in inner.modules():
            if getattr(module, "grad_checkpointing", False):  # would run each layer again, without its graph
                _set_until(stack, module, "grad_checkpointing", False)
        for name, module in modules.items():
            _set_until(stack, module, "fused_attn", False)
            stack.callback(cast(nn.Module, module.attn_drop).register_forward_pre_hook(_hook(captured, name)).remove)
        yield captured


def token_layout(model: Any) -> Tokens:
    """Which tokens are patches, and whose attention becomes the features, as the model pools them."""
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    classes = sum(getattr(model, name, None) is not None for name in ("cls_token", "dist_token"))
    registers = prefix - classes
    if classes and getattr(model, "global_pool", "token") in ("token", ""):
        return Tokens(prefix, registers, slice(0, classes), "class token" if classes == 1 else "class tokens")
    if getattr(model, "pool_include_prefix", False):
        return Tokens(prefix, registers, slice(None), "mean of all tokens")
    return Tokens(prefix, registers, slice(prefix, None), "mean of the patches")


def _hook(captured: Captured, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    return lambda _, inputs: captured._take(name, inputs[0])


def _set_until(stack: ExitStack, module: Any, name: str, value: bool) -> None:
    stack.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)


def _unwrapped(model: Any) -> nn.Module:
    model = getattr(model, "_orig_mod", model)
    model = model.model if isinstance(model, Encoder) else model
    return getattr(model, "_orig_mod", model)


def _compiled(model: nn.Module) -> bool:
    return any(
        hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        for module in model.modules()
    )


def _attention_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The attention layers in order, or a ValueError that names what stands in the way."""
    found = {name: m for name, m in model.named_modules() if _class_path(m) in READABLE_CLASSES}
    unknown = {name: m for name, m in model.named_modules() if name not in found and _seems_attention(m)}
    # Only the innermost count: a block that holds a readable layer is no attention of its own.
    inner = [
        type(m).__name__
        for name, m in unknown.items()
        if not any(other.startswith(f"{name}.") for other in (*found, *unknown))
    ]
    kind = type(model).__name__
    if inner:
        raise ValueError(
            f"This {kind} attends with {', '.join(sorted(set(inner)))}, which does not weigh every token against "
            f"every token in a way that is known here; take a plain vision transformer, or other maps: {OTHER_MAPS}."
        )
    if not found:
        raise ValueError(f"This {kind} holds no attention; take a vision transformer, or other maps: {OTHER_MAPS}.")
    if not (hasattr(model, "num_prefix_tokens") and hasattr(model, "blocks")):  # stages of other tokens, as in PiT
        raise ValueError(
            f"This {kind} does not keep one grid of tokens through all its blocks; take a plain vision transformer, or "
            f"other maps: {OTHER_MAPS}."
        )
    return found


def _class_path(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _seems_attention(module: nn.Module) -> bool:
    if type(module).__module__.startswith("timm.layers.pos_embed"):  # biases that know the number of heads
        return False
    name = type(module).__name__.lower()
    return "attention" in name or "attn" in name or hasattr(module, "fused_attn") or hasattr(module, "num_heads")
