"""The record of a training: what run.json says that it was asked for, and what it was made of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.training.balance import Balance
from sslviz.views import ViewPolicy


def pictures_said(images: Images, held_out: Images) -> dict[str, str]:
    """Which images were trained on and which were held out, as the arguments say it."""
    return {
        "images": images.spec,
        "images_digest": images.digest,
        "held_out": held_out.spec,
        "held_out_digest": held_out.digest,
    }


def training_record(
    kind: str,
    arguments: Mapping[str, Any],
    origins: Mapping[str, str],
    drawn: Balance | None,
    net: Encoder,
    policy: ViewPolicy,
    fabric: Fabric,
    precision: str,
) -> dict[str, Any]:
    """All that run.json says when a training begins, as it will be read back."""
    record = {
        "kind": kind,
        "arguments": arguments,
        "origins": origins,
        **({"balance": drawn.to_dict()} if drawn else {}),
        "encoder": net.spec,
        "preprocessing": net.preprocessing.with_origins(image_size="the pictures it was trained on").to_dict(),
        "views": dataclasses.asdict(policy),
        "device": torch.cuda.get_device_name() if fabric.device.type == "cuda" else "cpu",
        "precision": precision,
        "world_size": fabric.world_size,
        "finished": False,
    }
    return json.loads(json.dumps(record))
