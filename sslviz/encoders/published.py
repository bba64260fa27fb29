"""How timm's authors fed their models, and what the names in a file say of who trained it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import timm
from timm.data import constants
from timm.models import PretrainedCfg

from sslviz.encoders.presets import PRESETS

FORMS = (  # how an encoder is named
    "any timm name, torchvision/NAME, transformers/NAME or transformers/./FOLDER, hf_hub:NAME, "
    "or package.module:function of your own"
)

Triple = tuple[float, ...]

# What mean and std are called where they are published; ImageNet's are the default of torchvision and of most papers.
NORMALIZATIONS: dict[str, tuple[Triple, Triple]] = {
    "imagenet": (constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD),
    "inception": (constants.IMAGENET_INCEPTION_MEAN, constants.IMAGENET_INCEPTION_STD),
    "clip": (constants.OPENAI_CLIP_MEAN, constants.OPENAI_CLIP_STD),
}


@dataclass(frozen=True)
class Hint:
    """What a name in a file says of who trained it.

    - who: the method or library
    - names: what stands between two dots of a name (a regular expression)
    - normalization: what they normalise with, a key of NORMALIZATIONS
    - tags: what timm's tags of theirs begin with
    - also, without: another name that has to be there, or must not
    """

    who: str
    names: str
    normalization: str = "imagenet"
    tags: tuple[str, ...] = ()
    also: str = ""
    without: str = ""


# Each from the code that writes such files; the first that fits is taken.
HINTS = (
    Hint("DINO", "teacher|student", tags=("dino",)),  # main_dino.py saves both, iBOT and DINOv2 too
    Hint(
        "MAE", "decoder_(embed|blocks|pred|norm|pos_embed)", tags=("mae",)
    ),  # models_mae.py; ImageNet's in its transform
    Hint("MoCo", "momentum_encoder|base_encoder|encoder_[qk]", tags=("moco",)),  # v3 and v1/v2
    Hint("DINOv2", "register_tokens", tags=("lvd142m", "dinov2")),
    Hint("DINOv2", "mask_token", tags=("lvd142m", "dinov2"), also="ls1"),
    Hint("I-JEPA", "target_encoder|context_encoder"),
    Hint("iBOT", "masked_embed"),
    # BEiT has a mask token too, but relative positions, and 0.5; SimMIM and MAE have ImageNet's.
    Hint("masked image modelling", "mask_token", tags=("mae",), without="relative_position_bias_table|rel_pos_bias"),
    # SigLIP, which alone has a bias beside the scale, normalises with 0.5.
    Hint("CLIP", "visual", "clip", ("openai", "laion", "metaclip"), also="logit_scale", without="logit_bias"),
    Hint("torchvision", r"encoder_layer_\d+|conv_proj", tags=("tv",)),
    Hint(
        "a library of self-supervised methods (lightly, solo-learn, ...)",
        r"(online|target)_(network|net|encoder|backbone|projector|predictor)|momentum_backbone|backbone_momentum|projection_head|prediction_head|projector|predictor|prototypes|queue",
    ),
)


@dataclass(frozen=True)
class Hinted:
    """What is hinted at, and by which part of which name."""

    hint: Hint
    part: str


def hint_of(names: Iterable[str]) -> Hinted | None:
    """Who trained a file with these names of tensors, as far as they say; None where they say nothing."""
    parts = dict.fromkeys(part for name in names for part in name.split("."))
    for hint in HINTS:
        part = _first(hint.names, parts)
        if part and (not hint.also or _first(hint.also, parts)) and not (hint.without and _first(hint.without, parts)):
            return Hinted(hint, part)
    return None


def _first(pattern: str, parts: Iterable[str]) -> str:
    return next((part for part in parts if re.fullmatch(pattern, part)), "")


def published(name: str) -> PretrainedCfg:
    """How timm's authors fed this model: image size, mean and std; ValueError, with close names, for an unknown one."""
    try:
        if timm.is_model(name) and (config := timm.get_pretrained_cfg(name)):
            return config
        # A model without a configuration is one that timm has renamed: to a tag, as vit_small_patch16_224_dino.
        known = timm.list_pretrained() if timm.is_model(name) else [*PRESETS, *timm.list_models()]
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    except RuntimeError:  # the model is known, the tag after the dot is not
        close = timm.list_pretrained(f"{name.split('.')[0]}.*")[:3]
    hint = f"did you mean {' or '.join(close)}?" if close else "see `sslviz list encoders`."
    raise ValueError(f"There is no encoder {name!r}; {hint} An encoder is {FORMS}.")


def full_name(name: str) -> str:
    """The model with the tag that timm takes where none is named: "resnet18" -> "resnet18.a1_in1k"."""
    tag = published(name).tag
    return f"{name.split('.')[0]}.{tag}" if tag and tag != "untrained" else name.split(".")[0]


@cache
def normalizations(architecture: str) -> Mapping[tuple[Triple, Triple], tuple[str, ...]]:
    """{(mean, std): the tags of this architecture that were trained with it}, of all that timm has weights of."""
    found: dict[tuple[Triple, Triple], list[str]] = {}
    for name in timm.list_pretrained(f"{architecture}.*"):
        config = published(name)
        found.setdefault((tuple(config.mean), tuple(config.std)), []).append(name.partition(".")[2])
    return {pair: tuple(tags) for pair, tags in found.items()}
