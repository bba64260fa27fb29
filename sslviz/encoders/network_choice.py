"""Which of several networks in a file is meant: the one that its paper evaluates."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from sslviz.encoders.networks import Network

TEACHER, STUDENT = r"(^|[._])teacher", r"(^|[._])student"
MOMENTUM = r"(^|[._])(momentum|target|encoder_k|key_encoder|k_encoder|moving_average)"
BOTH = r"(^|[._])"
PREFERENCES = (  # of two networks that fit: which is taken, which is left, only if the file has this, why
    (
        r"",
        r"(^|[._])target_(encoder|network|net|backbone)",
        r"online_|target_proj",
        "BYOL evaluates the online network",
    ),
    (r"(^|[._])target_encoder", r"", r"", "I-JEPA and MSN evaluate the target encoder"),
    (TEACHER, r"", r"", "DINO, iBOT and DINOv2 evaluate the teacher"),
    (r"", STUDENT, r"", "the network beside a student is its teacher, which DINO evaluates"),
    (r"", MOMENTUM, r"", "MoCo and BYOL evaluate the trained network, not the one that follows it"),
    (r"(^|[._])ema(?![a-z])", r"", r"", "timm evaluates the moving average of the weights"),
)


def choose(networks: Sequence[Network], names: Sequence[str]) -> tuple[Network | None, str]:
    """Of several networks that fit: (the one that its paper evaluates, why); (None, "") if no paper says so."""
    ahead, why = list(networks), list[str]()
    for taken, left, condition, reason in PREFERENCES:
        if condition and not any(re.search(condition, name) for name in names):
            continue
        wanted = [n for n in ahead if _matches(n, taken, left)]
        if wanted and len(wanted) < len(ahead):
            ahead, why = wanted, [*why, reason]
    if len(ahead) > 1 and all(_equal(ahead[0], other) for other in ahead[1:]):
        ahead, why = ahead[:1], [*why, "the others hold the same numbers"]
    return (ahead[0], "; ".join(why)) if len(ahead) == 1 else (None, "")


def _matches(network: Network, taken: str, left: str) -> bool:
    prefix = network.prefix.lower()
    return bool(re.search(taken, prefix)) and not (left and re.search(left, prefix))


def _equal(a: Network, b: Network) -> bool:
    return all(torch.equal(tensor, b.tensors[name]) for name, tensor in a.tensors.items())
