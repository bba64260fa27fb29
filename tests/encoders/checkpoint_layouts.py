"""Files of weights as other libraries lay them out: {whose: how to write one from a state dict}."""

import argparse
import datetime
import json
import pathlib
from collections import OrderedDict, defaultdict

import numpy as np
import torch
from safetensors.torch import save_file

OTHER = 0.01  # what is added to the weights of a network that must not be taken


class AttributeDict(dict):
    """As Lightning keeps hyperparameters: a class of dictionaries that we do not know."""


class Schedule:
    """As people keep beside their weights: an object of a class of their own."""

    def __init__(self):
        self.best, self.history = np.float64(0.7), np.zeros(3)


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def other(state):
    return {name: t + OTHER if t.is_floating_point() else t for name, t in state.items()}


def inside(wrapper, state):
    """The wrapper's name behind the second part of each path, as where blocks are wrapped one by one."""
    return {
        ".".join([*k.split(".")[:2], wrapper, *k.split(".")[2:]]) if k.count(".") > 2 else k: t
        for k, t in state.items()
    }


def head(prefix):
    return {f"{prefix}mlp.0.weight": torch.zeros(8, 8), f"{prefix}last_layer.weight": torch.zeros(4, 8)}


OPTIMIZER = {
    "state": {0: {"exp_avg": torch.zeros(3), "step": torch.zeros(())}},
    "param_groups": [{"lr": 0.1, "params": [0]}],
}
ARGS = argparse.Namespace(
    arch="vit", data=pathlib.PosixPath("/data"), started=datetime.datetime(2024, 1, 1), dtype=torch.half
)

TREES = {  # of any encoder: {whose layout: state dict -> what torch.save is given}
    "plain": lambda s: s,
    "OrderedDict": lambda s: OrderedDict(s),
    "parameters": lambda s: {k: torch.nn.Parameter(t, False) for k, t in s.items()},
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "DINO": lambda s: {
        "student": under("module.backbone.", other(s)) | head("module.head."),
        "teacher": under("backbone.", s) | head("head."),
        "optimizer": OPTIMIZER,
        "epoch": 100,
        "args": ARGS,
        "dino_loss": {"center": torch.zeros(1, 8)},
        "fp16_scaler": {"scale": 65536.0},
    },
    "iBOT": lambda s: {
        "student": under("module.backbone.", other(s)) | {"module.backbone.masked_embed": torch.zeros(1, 8)},
        "teacher": under("module.backbone.", s) | {"module.backbone.masked_embed": torch.zeros(1, 8)},
        "args": ARGS,
    },
    "DINOv2 training": lambda s: {"model": under("student.backbone.", other(s)) | under("teacher.backbone.", s)},
    "DINOv2 teacher": lambda s: {"teacher": under("backbone.", s) | head("dino_head.") | head("ibot_head.")},
    "timm": lambda s: {
        "epoch": 9,
        "arch": "vit",
        "state_dict": other(s) | {"head.weight": torch.zeros(10, 8)},
        "state_dict_ema": s | {"head.weight": torch.zeros(10, 8)},
        "optimizer": OPTIMIZER,
        "version": 2,
        "args": ARGS,
        "metric": np.float64(71.2),
    },
    "Facebook EMA": lambda s: {"model": other(s), "model_ema": s, "optimizer": OPTIMIZER, "args": ARGS},
    "OpenMMLab EMA": lambda s: {
        "meta": {"seed": 1, "time": datetime.datetime(2024, 1, 1)},
        "state_dict": under("backbone.", other(s)),
        "ema_state_dict": under("module.backbone.", s) | {"steps": torch.zeros(())},
    },
    "MAE": lambda s: {
        "model": s
        | {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 8)}
        | {"decoder_blocks.0.norm1.weight": torch.zeros(8), "decoder_pred.bias": torch.zeros(8)},
        "optimizer": OPTIMIZER,
        "scaler": {"scale": 1.0},
        "args": ARGS,
    },
    "Lightning": lambda s: {
        "epoch": 1,
        "pytorch-lightning_version": "2.1.0",
        "state_dict": under("model.", s) | {"criterion.queue": torch.zeros(8, 4)},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "best": pathlib.PosixPath("/x")}},
        "hyper_parameters": AttributeDict(lr=0.1, schedule=Schedule(), size=torch.Size([3, 4]), on=torch.device("cpu")),
    },
    "lightly SimCLR": lambda s: {"state_dict": under("backbone.", s) | under("projection_head.layers.", head("0."))},
    "lightly DINO": lambda s: {"state_dict": under("student_backbone.", other(s)) | under("backbone.", s)},
    "lightly BYOL": lambda s: {"state_dict": under("backbone.", s) | under("backbone_momentum.", other(s))},
    "solo-learn": lambda s: {
        "state_dict": under("momentum_backbone.", other(s)) | under("backbone.", s) | head("momentum_projector."),
        "hyper_parameters": defaultdict(dict, method="byol"),
    },
    "MoCo": lambda s: {
        "state_dict": {"module.queue": torch.zeros(8, 4), "module.queue_ptr": torch.zeros(1).long()}
        | under("module.encoder_k.", other(s) | {"fc.0.weight": torch.zeros(8, 8)})
        | under("module.encoder_q.", s | {"fc.0.weight": torch.zeros(8, 8), "fc.2.bias": torch.zeros(8)}),
        "optimizer": OPTIMIZER,
    },
    "MoCo v3": lambda s: {
        "state_dict": under("module.momentum_encoder.", other(s))
        | under("module.base_encoder.", s | {"head.0.weight": torch.zeros(8, 8)})
        | {"module.predictor.0.weight": torch.zeros(8, 8)}
    },
    "BYOL (lucidrains)": lambda s: (
        under("target_encoder.net.", other(s)) | under("online_encoder.net.", s) | head("online_predictor.")
    ),
    "BYOL (OpenMMLab)": lambda s: {"state_dict": under("target_net.0.", other(s)) | under("online_net.0.", s)},
    "I-JEPA": lambda s: {
        "encoder": under("module.", other(s)),
        "predictor": head("module.predictor_blocks."),
        "opt": OPTIMIZER,
        "scaler": None,
        "target_encoder": under("module.", s),
        "epoch": 300,
        "lr": 1e-3,
    },
    "MSN": lambda s: {"target_encoder": under("module.", s), "prototypes": torch.zeros(4, 8), "encoder": other(s)},
    "PixPro": lambda s: {"model": under("module.encoder_k.", other(s)) | under("module.encoder.", s), "opt": ARGS},
    "SwAV": lambda s: (
        under("module.", s)
        | {"module.projection_head.0.weight": torch.zeros(8), "module.prototypes.weight": torch.zeros(8)}
    ),
    "SimSiam": lambda s: {
        "state_dict": under("module.encoder.", s | {"fc.0.weight": torch.zeros(8, 8)}) | head("module.predictor.")
    },
    "VICReg": lambda s: {"model": under("module.backbone.", s) | head("module.projector."), "args": ARGS},
    "VISSL": lambda s: {
        "classy_state_dict": {
            "base_model": {"model": {"trunk": under("_feature_blocks.", s), "heads": head("0.")}, "meters": {}},
            "train": True,
        },
        "phase_idx": 3,
    },
    "OpenCLIP with a timm trunk": lambda s: {
        "state_dict": under("module.visual.trunk.", s)
        | {"module.logit_scale": torch.zeros(()), "module.visual.head.proj.weight": torch.zeros(8, 8)}
    },
    "torch.compile": lambda s: under("_orig_mod.", s),
    "compiled, then DDP": lambda s: {"model": under("module._orig_mod.", s)},
    "DDP, then compiled": lambda s: {"model": under("_orig_mod.module.", s)},
    "Fabric": lambda s: {"model": under("_forward_module.encoder.", s), "step": 3},
    "recomputed blocks": lambda s: inside("_checkpoint_wrapped_module", s),
    "FSDP, gathered": lambda s: under(
        "_fsdp_wrapped_module.", inside("_fsdp_wrapped_module._checkpoint_wrapped_module", s)
    ),
    "compiled blocks": lambda s: {"model": inside("_orig_mod", s)},
    "parallel blocks": lambda s: inside("module", s),
    "bfloat16": lambda s: {k: t.bfloat16() if t.is_floating_point() else t for k, t in s.items()},
    "float16": lambda s: {k: t.half() if t.is_floating_point() else t for k, t in s.items()},
    "float64": lambda s: {k: t.double() if t.is_floating_point() else t for k, t in s.items()},
    "twice the same": lambda s: {"model": s, "state_dict": s},
    "deep": lambda s: {"trainer": {"nets": [{"encoder": {"net": s}}]}},
    "one storage": lambda s: _in_one_storage(s),
}


def _in_one_storage(state):
    """As after flattening: every tensor is a view into one long one."""
    long = torch.cat([t.flatten().float() for t in state.values()])
    at, views = 0, {}
    for name, t in state.items():
        views[name] = long[at : at + t.numel()].view(t.shape)
        at += t.numel()
    return views


def _shards(state, folder, write, suffix, index):
    names = list(state)
    files = [f"{index.split('.')[0]}-0000{i + 1}-of-00003.{suffix}" for i in range(3)]
    for i, file in enumerate(files):
        write({name: state[name].clone() for name in names[i::3]}, folder / file)
    (folder / index).write_text(
        json.dumps({"metadata": {}, "weight_map": {n: files[j % 3] for j, n in enumerate(names)}})
    )
    return folder / index


def _saved(state, path, **options):
    torch.save(state, path, **options)
    return path


def _safetensors(state, path):
    save_file({name: tensor.clone() for name, tensor in state.items()}, path)
    return path


CONTAINERS = {  # {container: (state dict, folder) -> the path that a user names}
    "safetensors": lambda s, d: _safetensors(under("encoder.", s), d / "model.safetensors"),
    "safetensors called .bin": lambda s, d: _safetensors(s, d / "weights.bin"),
    "sharded safetensors": lambda s, d: _shards(s, d, _safetensors, "safetensors", "model.safetensors.index.json"),
    "sharded bin": lambda s, d: _shards(s, d, _saved, "bin", "pytorch_model.bin.index.json"),
    "folder of shards": lambda s, d: _shards(s, d, _safetensors, "safetensors", "model.safetensors.index.json").parent,
    "folder of a file": lambda s, d: _saved(s, d / "pytorch_model.bin").parent,
    "folder of any name": lambda s, d: _saved(s, d / "best.ckpt").parent,
    "folder of both": lambda s, d: (
        (_saved(other(s), d / "pytorch_model.bin"), _safetensors(s, d / "model.safetensors"))[1].parent
    ),
    "old format": lambda s, d: _saved(TREES["timm"](s), d / "model.pth", _use_new_zipfile_serialization=False),
    "old format, pth.tar": lambda s, d: _saved(
        TREES["MoCo"](s), d / "model.pth.tar", _use_new_zipfile_serialization=False
    ),
    "protocol 4": lambda s, d: _saved(TREES["Lightning"](s), d / "model.ckpt", pickle_protocol=4),
    "protocol 5": lambda s, d: _saved(TREES["DINO"](s), d / "model.ckpt", pickle_protocol=5),
}
