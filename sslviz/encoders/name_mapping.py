"""Names of weights: what other libraries call them, and what timm calls them.

Each layout turns {name in the file: tensor} into {timm's name: tensor}.  Where a tensor came from stays known through
every conversion, also where three were joined into one, so that nothing can be dropped unseen.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import timm
import torch
from timm.models import model_entrypoint
from torch import Tensor, nn

Tensors = dict[str, Tensor]

# Wrappers put their name into the path of what they wrap: compilation, data parallelism, recomputation, Fabric.
WRAPPERS = {
    "module",
    "_orig_mod",
    "_checkpoint_wrapped_module",
    "_fsdp_wrapped_module",
    "_forward_module",
    "_ddp_module",
    "_dp_module",
    "_original_module",
}
LAYER = r"(?:encoder\.)?layers?\.(\d+)\."
BLOCK = r"blocks.\1."
# transformers, before its version 5 and since, whose names in memory are others than in files.
TRANSFORMERS_VIT = {  # ViT, DeiT, DINOv2 with and without registers, ViT-MAE, ViT-MSN, I-JEPA
    r"embeddings\.(cls_token|mask_token|register_tokens)": r"\1",
    r"embeddings\.distillation_token": "dist_token",
    r"embeddings\.position_embeddings": "pos_embed",
    r"embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    LAYER + r"attention\.attention\.(query|key|value)\.": BLOCK + r"attn.\2.",
    LAYER + r"attention\.([qkv])_proj\.": BLOCK + r"attn.\2.",
    LAYER + r"attention\.(output\.dense|o_proj)\.": BLOCK + "attn.proj.",
    LAYER + r"intermediate\.dense\.": BLOCK + "mlp.fc1.",
    LAYER + r"output\.dense\.": BLOCK + "mlp.fc2.",
    LAYER + r"layernorm_before\.": BLOCK + "norm1.",
    LAYER + r"layernorm_after\.": BLOCK + "norm2.",
    LAYER + r"layer_scale(\d)\.lambda1": BLOCK + r"ls\2.gamma",
    LAYER + r"mlp\.weights_in\.": BLOCK + "mlp.w12.",
    LAYER + r"mlp\.weights_out\.": BLOCK + "mlp.w3.",
    LAYER + r"(norm1|norm2|mlp\.fc1|mlp\.fc2)\.": BLOCK + r"\2.",
    r"layernorm\.": "norm.",
}
TRANSFORMERS_CLIP = {
    r"embeddings\.class_embedding": "cls_token",
    r"embeddings\.patch_embedding\.": "patch_embed.proj.",
    r"embeddings\.position_embedding\.weight": "pos_embed",
    r"pre_layrnorm\.": "norm_pre.",  # their spelling
    r"post_layernorm\.": "norm.",
    LAYER + r"self_attn\.([qkv])_proj\.": BLOCK + r"attn.\2.",
    LAYER + r"self_attn\.out_proj\.": BLOCK + "attn.proj.",
    LAYER + r"layer_norm([12])\.": BLOCK + r"norm\2.",
    LAYER + r"mlp\.(fc1|fc2)\.": BLOCK + r"mlp.\2.",
}
STAGE, ITS_LAYER = r"encoder\.(?:stages|layers)\.(\d+)\.", r"(?:layers|blocks)\.(\d+)\."
TRANSFORMERS_SWIN = {
    r"embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    r"embeddings\.norm\.": "patch_embed.norm.",
    STAGE + ITS_LAYER + r"attention\.self\.(query|key|value)\.": r"layers.\1.blocks.\2.attn.\3.",
    STAGE + ITS_LAYER + r"attention\.([qkv])_proj\.": r"layers.\1.blocks.\2.attn.\3.",
    STAGE + ITS_LAYER + r"attention\.(?:self|relative_position_bias)\.(relative_\w+)": r"layers.\1.blocks.\2.attn.\3",
    STAGE + ITS_LAYER + r"attention\.(output\.dense|o_proj)\.": r"layers.\1.blocks.\2.attn.proj.",
    STAGE + ITS_LAYER + r"mlp\.(fc1|fc2)\.": r"layers.\1.blocks.\2.mlp.\3.",
    STAGE + ITS_LAYER + r"intermediate\.dense\.": r"layers.\1.blocks.\2.mlp.fc1.",
    STAGE + ITS_LAYER + r"output\.dense\.": r"layers.\1.blocks.\2.mlp.fc2.",
    STAGE + ITS_LAYER + r"layernorm_before\.": r"layers.\1.blocks.\2.norm1.",
    STAGE + ITS_LAYER + r"layernorm_after\.": r"layers.\1.blocks.\2.norm2.",
    STAGE + r"downsample\.": r"layers.\1.downsample.",
    r"layernorm\.": "norm.",
}
TRANSFORMERS_CONVNEXT = {
    r"embeddings\.patch_embeddings\.": "stem.0.",
    r"embeddings\.layernorm\.": "stem.1.",
    STAGE + r"downsampling_layer\.(\d)\.": r"stages.\1.downsample.\2.",
    STAGE + ITS_LAYER + r"dwconv\.": r"stages.\1.blocks.\2.conv_dw.",
    STAGE + ITS_LAYER + r"layernorm\.": r"stages.\1.blocks.\2.norm.",
    STAGE + ITS_LAYER + r"pwconv([12])\.": r"stages.\1.blocks.\2.mlp.fc\3.",
    STAGE + ITS_LAYER + r"layer_scale_parameter": r"stages.\1.blocks.\2.gamma",
    STAGE + ITS_LAYER + r"grn\.": r"stages.\1.blocks.\2.mlp.grn.",
    r"layernorm\.": "head.norm.",
}
TRANSFORMERS_RESNET = {  # N+1 stands for the number after N
    r"embedder\.embedder\.convolution\.": "conv1.",
    r"embedder\.embedder\.normalization\.": "bn1.",
    STAGE + ITS_LAYER + r"shortcut\.convolution\.": r"layer\1+1.\2.downsample.0.",
    STAGE + ITS_LAYER + r"shortcut\.normalization\.": r"layer\1+1.\2.downsample.1.",
    STAGE + ITS_LAYER + r"layer\.(\d)\.convolution\.": r"layer\1+1.\2.conv\3+1.",
    STAGE + ITS_LAYER + r"layer\.(\d)\.normalization\.": r"layer\1+1.\2.bn\3+1.",
}
TORCHVISION_LAYER = r"encoder\.layers\.encoder_layer_(\d+)\."
TORCHVISION_VIT = {
    r"class_token": "cls_token",
    r"conv_proj\.": "patch_embed.proj.",
    r"encoder\.pos_embedding": "pos_embed",
    r"encoder\.ln\.": "norm.",
    TORCHVISION_LAYER + r"ln_([12])\.": BLOCK + r"norm\2.",
    TORCHVISION_LAYER + r"self_attention\.in_proj_": BLOCK + "attn.qkv.",
    TORCHVISION_LAYER + r"self_attention\.out_proj\.": BLOCK + "attn.proj.",
    TORCHVISION_LAYER + r"mlp\.(?:linear_1|0)\.": BLOCK + "mlp.fc1.",
    TORCHVISION_LAYER + r"mlp\.(?:linear_2|3)\.": BLOCK + "mlp.fc2.",
    r"heads\.(?:head\.)?": "head.",
}
OPENMMLAB_VIT = {
    r"patch_embed\.projection\.": "patch_embed.proj.",
    r"layers\.(\d+)\.ln([12])\.": BLOCK + r"norm\2.",
    r"layers\.(\d+)\.attn\.": BLOCK + "attn.",
    r"layers\.(\d+)\.ffn\.layers\.0\.0\.": BLOCK + "mlp.fc1.",
    r"layers\.(\d+)\.ffn\.layers\.1\.": BLOCK + "mlp.fc2.",
    r"ln1\.": "norm.",
}
CHUNKS = {
    r"blocks\.\d+\.(\d+)\.": BLOCK
}  # DINOv2 keeps its blocks in groups for FSDP; the second number is the block's
TABLES = {  # a name that tells the layout: whose names, and the table
    r"embeddings\.patch_embeddings\.projection\.weight": (
        ("transformers (ViT)", TRANSFORMERS_VIT),
        ("transformers (Swin)", TRANSFORMERS_SWIN),
    ),
    r"embeddings\.patch_embeddings\.weight": (("transformers (ConvNeXt)", TRANSFORMERS_CONVNEXT),),
    r"embeddings\.(cls_token|position_embeddings)": (("transformers (ViT)", TRANSFORMERS_VIT),),
    r"embeddings\.patch_embedding\.weight": (("transformers (CLIP)", TRANSFORMERS_CLIP),),
    r"embedder\.embedder\.convolution\.weight": (("transformers (ResNet)", TRANSFORMERS_RESNET),),
    r"conv_proj\.weight": (("torchvision (ViT)", TORCHVISION_VIT),),
    r"patch_embed\.projection\.weight": (("OpenMMLab (ViT)", OPENMMLAB_VIT),),
    r"blocks\.\d+\.\d+\.norm1\.weight": (("DINOv2 (blocks in groups)", CHUNKS),),
}


class Traced(Tensor):
    """A tensor that knows which tensors of the file it was made of, through whatever is computed from it."""

    sources: frozenset[str] = frozenset()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            made = func(*args, **kwargs)
        return _marked(made, frozenset().union(*_sources([*args, *kwargs.values()])))


def traced(tensors: Mapping[str, Tensor]) -> Tensors:
    """The same tensors, each with its name for a source; nothing is copied."""
    return {name: _marked(tensor, frozenset({name})) for name, tensor in tensors.items()}


def sources(tensor: Tensor) -> frozenset[str]:
    """Which tensors of the file this one was made of."""
    return tensor.sources if isinstance(tensor, Traced) else frozenset()


def _marked(made: Any, names: frozenset[str]) -> Any:
    if isinstance(made, tuple | list):
        return type(made)(_marked(one, names) for one in made) if type(made) in (tuple, list) else made
    if not isinstance(made, Tensor):
        return made
    with torch._C.DisableTorchFunctionSubclass():
        marked = made.as_subclass(Traced)
    marked.sources = names
    return marked


def _sources(values: Iterable[Any]) -> Iterator[frozenset[str]]:
    for value in values:
        if isinstance(value, Traced):
            yield value.sources
        elif isinstance(value, tuple | list):
            yield from _sources(value)


def without_wrappers(names: Iterable[str], ours: Iterable[str]) -> dict[str, str]:
    """{name in the file: the same without the names of wrappers}; none is taken off that would make two names one."""
    wrappers = WRAPPERS - {part for name in ours for part in name.split(".")}
    clean = {name: ".".join(part for part in name.split(".") if part not in wrappers) for name in names}
    taken = {name for name, short in clean.items() if name == short}
    result = {}
    for name, short in clean.items():
        result[name] = name if name != short and short in taken else short
        taken.add(result[name])
    return result


def layouts(tensors: Tensors, model: nn.Module) -> Iterator[tuple[str, Tensors]]:
    """(whose names these are, {timm's name: tensor}) for every library whose names they may be; "" for timm's own."""
    yield "", tensors
    numbered = {number: name for name, number in _numbers(model).items()}
    if any(name.split(".")[0] in numbered for name in tensors):
        yield "torch.nn.Sequential (numbers)", {_first_replaced(name, numbered): t for name, t in tensors.items()}
    if "class_embedding" in tensors and "positional_embedding" in tensors:  # timm's filter knows them with a prefix
        yield "OpenCLIP", {f"visual.{name}": tensor for name, tensor in tensors.items()}
    for anchor, tables in TABLES.items():
        if any(re.fullmatch(anchor, name) for name in tensors):
            for whose, table in tables:
                yield whose, _joined(_renamed(tensors, table))


def _numbers(model: nn.Module) -> dict[str, str]:
    return {child: str(i) for i, (child, _) in enumerate(model.named_children())}


def _first_replaced(name: str, names: Mapping[str, str]) -> str:
    first, *rest = name.split(".")
    return ".".join([names.get(first, first), *rest])


def _renamed(tensors: Tensors, table: Mapping[str, str]) -> Tensors:
    """The tensors under the names of a table; what the table does not know, or would make two of, stays as it is."""
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        found = ((re.match(pattern, name), new) for pattern, new in table.items())
        match, new = next(((match, new) for match, new in found if match), (None, ""))
        new_name = match.expand(new) + name[match.end() :] if match else name
        new_name = re.sub(r"(\d)\+1", lambda digit: str(int(digit[1]) + 1), new_name)
        renamed[name if new_name in renamed else new_name] = tensor
    return renamed


def _joined(tensors: Tensors) -> Tensors:
    """Query, key and value as one; and the shapes that timm gives to class token, positions and scales."""
    joined = dict(tensors)
    for name in tensors:
        if match := re.fullmatch(r"(.*\.attn\.)(query|q)\.(weight|bias)", name):
            parts = [
                f"{match[1]}{part}.{match[3]}" for part in (("query", "key", "value") if match[2] == "query" else "qkv")
            ]
            if all(part in joined for part in parts):
                joined[f"{match[1]}qkv.{match[3]}"] = torch.cat([joined.pop(part) for part in parts])
        elif name in {"cls_token", "pos_embed"} and tensors[name].ndim < 3:
            joined[name] = tensors[name].reshape(1, -1, tensors[name].shape[-1])
        elif ".mlp.grn." in name:
            joined[name] = tensors[name].flatten()
    return joined


# --- timm's own conversion ---------------------------------------------------------------------------------------------

FILTERS = ("checkpoint_filter_fn", "_filter_fn", "pretrained_filter_fn", "_filter_torchvision_pretrained")


def timms_filter(model: nn.Module, name: str) -> tuple[str, Callable[[Tensors], Tensors]] | None:
    """(module, function) by which timm converts published weights of this model; None where it has none.

    The function resizes position embeddings too.  None is what it gives for names that it cannot convert.
    """
    modules = [type(model).__module__]
    if timm.is_model(name):
        modules.insert(0, model_entrypoint(name).__module__)
    for module in modules:
        for function in FILTERS:
            found = getattr(sys.modules.get(module), function, None)
            if found is not None and module.startswith("timm."):
                return module.removeprefix("timm.models."), partial(_filtered, found, model)
    return None


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in {torch.float16, torch.bfloat16}


def _filtered(function: Callable[..., Any], model: nn.Module, tensors: Tensors) -> Tensors:
    """What timm's function makes of the tensors; nothing where it fails, as it does on names that it was not written for."""
    known = inspect.signature(function).parameters
    options: dict[str, Any] = {"model": model} if "model" in known else {}
    options |= {"adapt_layer_scale": True} if "adapt_layer_scale" in known else {}
    if "register_tokens" in tensors:
        tensors = {"mask_token": torch.zeros(1)} | tensors  # by which timm knows DINOv2's layout
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, on what timm's interpolation does
            # tokens and positions are added to each other or interpolated: not in half precision
            made = function(
                {name: t.float() if _is_half(t) and t.ndim == 3 else t for name, t in tensors.items()}, **options
            )
        return {name: tensor for name, tensor in made.items() if isinstance(tensor, Tensor)}
    except Exception:  # written for one file each, they fail in any way on others
        return {}
