"""Networks of Hugging Face's transformers: `transformers/NAME` or `transformers/./FOLDER`; no code of theirs is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sslviz.encoders.foreign_files import few
from sslviz.encoders.library import Library
from sslviz.encoders.stated import Stated, transformers_values
from sslviz.encoders.timm_model import first_line

# What a config may name that would fetch or run somebody's code, or needs another loader.
NEVER_READ = (
    "auto_map",
    "attn_implementation",
    "_attn_implementation",
    "quantization_config",
    "experts_implementation",
)


def open_model(name: str, settings: Mapping[str, Any] | None) -> Library:
    """The model of this name on the hub, or in this folder; ValueError where it cannot be had or needs code of its own.

    - settings: its configuration, from a run folder; else it is read from the folder, or the hub
    """
    transformers = _transformers()
    folder = Path(name) if name.startswith((".", "/", "~")) or Path(name).is_dir() else None
    said = (
        dict(settings)
        if settings
        else _read(transformers.PretrainedConfig.get_config_dict, name, folder, "config.json")
    )
    config = _config(transformers, name, said)

    def build(image_size: int, pretrained: bool) -> tuple[nn.Module, str]:
        if pretrained:
            return _pretrained(transformers, name, config)
        return _fresh(transformers, name, config, None if settings else image_size), ""

    stated = Stated() if settings else _stated(transformers, name, folder, config)
    return Library(build, stated, at_hand=folder is not None, settings=_settings)


def _settings(network: Any) -> dict[str, Any]:
    """The configuration that a network was built from, for run.json: no paths, and nothing that names code."""
    said = network.config.to_diff_dict()
    return {key: value for key, value in said.items() if not key.startswith("_") and key not in NEVER_READ}


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ValueError("Networks of Hugging Face need transformers: `pip install sslviz[transformers]`.") from error
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _read(get: Any, name: str, folder: Path | None, file: str) -> dict[str, Any]:
    if folder and not (folder / file).is_file():
        raise ValueError(f"There is no {file} in {folder}; expected a folder that save_pretrained wrote.")
    try:
        return dict(get(str(folder or name), local_files_only=folder is not None, trust_remote_code=False)[0])
    except Exception as error:  # the hub's, the network's or the file's: there is no common class
        raise ValueError(f"The {file} of {name} could not be had (are you online?): {first_line(error)}") from error


def _config(transformers: Any, name: str, said: Mapping[str, Any]) -> Any:
    kind = said.get("model_type", "")
    if kind not in transformers.CONFIG_MAPPING:
        own = "needs code of its own, which is never run" if said.get("auto_map") else "is of no kind that it knows"
        raise ValueError(
            f"transformers {transformers.__version__} cannot build {name}: model_type {kind!r} {own}; build it in a function "
            "of yours, and name that as package.module:function."
        )
    config = transformers.AutoConfig.for_model(**{key: value for key, value in said.items() if key not in NEVER_READ})
    return getattr(config, "vision_config", config)  # of CLIP and its like, the half that sees


def _stated(transformers: Any, name: str, folder: Path | None, config: Any) -> Stated:
    """How its pictures are fed: preprocessor_config.json, and the size in its configuration."""
    size = getattr(config, "image_size", None)
    known = {"image_size": int(size)} if isinstance(size, int) else {}
    try:
        found = _read(
            transformers.ImageProcessingMixin.get_image_processor_dict, name, folder, "preprocessor_config.json"
        )
        values = known | transformers_values(found)
    except (ValueError, KeyError) as error:
        return Stated(known, f"the config.json of {name}", (f"No mean and std are stated: {first_line(error)}",))
    return Stated(values, f"the preprocessor_config.json of {name}")


def _fresh(transformers: Any, name: str, config: Any, image_size: int | None) -> nn.Module:
    """With random weights, for pictures of this size where the configuration names one."""
    if image_size and isinstance(getattr(config, "image_size", None), int):
        config.image_size = image_size
    try:
        for attention in ("sdpa", "eager"):  # not every model has the first
            try:
                return transformers.AutoModel.from_config(
                    config, trust_remote_code=False, attn_implementation=attention
                )
            except ValueError:
                if attention == "eager":
                    raise
    except Exception as error:  # each kind of network refuses a size in its own way
        raise ValueError(f"transformers knows {name}, but could not build it: {first_line(error)}") from error
    raise AssertionError


def _pretrained(transformers: Any, name: str, config: Any) -> tuple[nn.Module, str]:
    """With the weights beside its configuration, from .safetensors alone; ValueError where some are missing."""
    folder, level = Path(name).is_dir(), transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()  # its report of what is left is said here
    try:
        model, found = transformers.AutoModel.from_pretrained(
            name,
            config=config,
            local_files_only=folder,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # the hub's, the network's or the file's: there is no common class
        raise ValueError(f"The weights of {name} could not be taken: {first_line(error)}") from error
    finally:
        transformers.utils.logging.set_verbosity(level)
    missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
    if missing or found["mismatched_keys"]:
        raise ValueError(
            f"The weights of {name} lack {len(missing)} tensors of its network ({', '.join(missing[:3])}), and "
            f"{len(found['mismatched_keys'])} have another shape; take the file that belongs to its config.json."
        )
    left = sorted(found["unexpected_keys"])
    return model.float(), f"the weights of {name}{f'; left out as heads: {few(left)}' if left else ''}"
