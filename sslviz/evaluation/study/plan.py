"""The plan of a study: its arms, how many steps each may take, and the file that holds both."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sslviz.runtime.files import atomic_write, check_folder

PLAN = "study.json"
# Arguments of `pretrain` that may be varied, or set, like a setting of the method.
TRAINING: dict[str, Any] = {
    "batch_size": int,
    "learning_rate": int | float,
    "weight_decay": int | float,
    "optimizer": str,
}


@dataclass(frozen=True)
class Arm:
    """One of the ways of training that stand side by side.

    - name: what sets it apart, "simclr-vit_nano" or "temperature=0.1"
    - method, encoder, settings: as `pretrain` takes them
    - training: further arguments of `pretrain`
    - views: how many views of a picture are rendered in a step, large and local ones
    - steps: how many it takes; None as long as its rate is not measured
    - reason: why it cannot be; empty where it can
    """

    name: str
    method: str
    encoder: str
    settings: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    views: int = 0
    steps: int | None = None
    reason: str = ""

    @property
    def batch_size(self) -> int:
        """Pictures of a step."""
        return int(self.training["batch_size"])

    @property
    def rendered(self) -> int:
        """Views rendered in all its steps."""
        return self.views * self.batch_size * (self.steps or 0)

    def run(self, seed: int) -> str:
        """What the run with this seed is called."""
        return f"{self.name}-seed{seed}"

    def with_budget(self, views: float) -> Arm:
        """The arm with as many whole steps as so many views are enough for; ValueError where that is none."""
        of_step = self.views * self.batch_size
        if views < of_step:
            raise ValueError(
                f"A step of {self.name} renders {of_step:,} views, {self.views} of each of {self.batch_size} pictures: "
                f"more than the {views:,.0f} that --views allows."
            )
        return replace(self, steps=int(views // of_step))


def combined_arms(
    methods: Sequence[str],
    encoders: Sequence[str],
    vary: Mapping[str, Sequence[Any]],
    settings: Mapping[str, Any],
    training: Mapping[str, Any],
) -> list[Arm]:
    """Every method with every encoder and every combination of the varied values; nothing is built yet."""
    arms = []
    for method, encoder, *values in itertools.product(methods, encoders, *vary.values()):
        varied = dict(zip(vary, values, strict=True))
        told_apart = [method] * (len(methods) > 1) + [encoder] * (len(encoders) > 1)
        name = "-".join([*told_apart, *(f"{key}={_word(value)}" for key, value in varied.items())]) or method
        given = {**training, **settings, **varied}
        own = {key: value for key, value in given.items() if key not in TRAINING}
        arms.append(Arm(name, method, encoder, own, {key: given[key] for key in TRAINING if key in given}))
    if len({arm.name for arm in arms}) < len(arms):
        raise ValueError(f"Two arms of the study would be called the same: {', '.join(arm.name for arm in arms)}.")
    return arms


def built_arms(arms: Sequence[Arm], image_size: int) -> list[Arm]:
    """The arms with their views counted; those that cannot be built with the reason why.

    ValueError for a method or an encoder that nobody knows, and where no arm can be.
    """
    from sslviz.encoders import create_encoder
    from sslviz.methods import METHODS, build_method

    if unknown := sorted({arm.method for arm in arms} - set(METHODS)):
        raise ValueError(f"There is no method {unknown[0]!r}; the methods are: {', '.join(METHODS)}.")
    for arm in arms:
        _check_training(arm)
    built = []
    for name in {arm.encoder: None for arm in arms}:
        create_encoder(name, image_size=image_size)
    for arm in arms:
        try:
            encoder = create_encoder(arm.encoder, image_size=image_size)
            policy = build_method(arm.method, encoder, arm.settings)[1]
        except ValueError as error:
            built.append(replace(arm, reason=str(error)))
        else:
            built.append(replace(arm, views=policy.views + policy.local_views))
    if all(arm.reason for arm in built):
        raise ValueError(built[0].reason)
    return built


def _check_training(arm: Arm) -> None:
    from sslviz.training.optimizers import OPTIMIZERS

    value: Any
    for key, value in arm.training.items():
        if not isinstance(value, TRAINING[key]) or isinstance(value, bool):
            raise ValueError(f"{key} cannot be {value!r}.")
        if key == "optimizer":
            if value not in OPTIMIZERS:
                raise ValueError(f"There is no optimizer {value!r}; the optimizers are: {', '.join(OPTIMIZERS)}.")
        elif not value > 0 and not (key == "weight_decay" and value == 0):
            raise ValueError(f"{key} must be above 0; got {value}.")
    if arm.batch_size < 2:
        raise ValueError(f"batch_size must be at least 2; got {arm.batch_size}.")


def texts(names: str | Sequence[str]) -> list[str]:
    """Names from a text with commas between them, or from several; each once."""
    several = names.split(",") if isinstance(names, str) else names
    return list(dict.fromkeys(name.strip() for name in several if name.strip()))


def _word(value: Any) -> str:
    """A value as part of a folder's name."""
    return re.sub(r"[^\w.+-]+", "_", str(value)).strip("_")


# --- the file -----------------------------------------------------------------------------------------------------------


def open_folder(out: Path) -> None:
    """Makes the folder of a study; ValueError where something else lies there, or nothing can be written."""
    if out.exists() and not (out / PLAN).exists():
        if not out.is_dir() or any(not path.name.startswith(".") for path in out.iterdir()):
            raise ValueError(f"{out} already exists and is no study; choose another --out.")
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)


def read_plan(out: Path, arguments: Mapping[str, Any]) -> list[Arm] | None:
    """The arms of the study in this folder, None where none was begun; ValueError where it has other arguments."""
    if not (out / PLAN).exists():
        return None
    try:
        plan = json.loads((out / PLAN).read_text())
        before, arms = plan["arguments"], [Arm(**arm) for arm in plan["arms"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{out / PLAN} cannot be read ({error}); choose another --out.") from None
    for name, now in _written(arguments).items():
        if before.get(name) != now:
            raise ValueError(
                f"{out} holds a study with {name}={before.get(name)!r}, not {now!r}; go on with the same arguments, or "
                "choose another --out."
            )
    return arms


def write_plan(out: Path, arguments: Mapping[str, Any], arms: Sequence[Arm]) -> None:
    """Writes every argument and every arm with its steps."""
    with atomic_write(out / PLAN) as file:
        plan = {"format": 1, "arguments": dict(arguments), "arms": [asdict(arm) for arm in arms]}
        file.write(json.dumps(plan, indent=1).encode())


def _written(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the file gives them back."""
    return dict(json.loads(json.dumps(arguments)))


def runs_of(arms: Sequence[Arm], seeds: int) -> Iterator[tuple[Arm, int]]:
    """(arm, seed) of all runs, every arm once before any arm twice, so that an interrupted study shows all of them."""
    for seed in range(seeds):
        yield from ((arm, seed) for arm in arms if not arm.reason)
