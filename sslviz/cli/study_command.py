"""The command `study`: several ways of training side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import UseAppendAction, arg

from sslviz.cli.arguments import Settings, Spec
from sslviz.cli.options import options_of, parse_settings, parse_varied

Varied = Annotated[
    UseAppendAction[list[str]],
    arg(
        metavar="NAME=V1,V2",
        help="Values of a setting that stand side by side, e.g. temperature=0.1,0.2; may be repeated.",
    ),
]
Json = Annotated[Path | None, arg(metavar="PATH", help="Also write the table, with every argument, to this file.")]


@dataclass
class Study:
    """Train several methods, encoders or settings at equal budgets and print what each learnt, side by side."""

    @classmethod
    def with_options(cls) -> type[Study]:
        """The command with its options, those of `study`."""
        from sslviz.evaluation.study.study import study

        own: list[Any] = [
            ("images", Spec),
            *options_of(study),
            ("vary", Varied, field(default_factory=list)),
            ("set", Settings, field(default_factory=list)),
            ("json", Json, None),
        ]
        return make_dataclass("Study", own, bases=(cls,), namespace={"__doc__": cls.__doc__}, kw_only=True)

    def __call__(self) -> None:
        from sslviz.cli.tables import print_study
        from sslviz.data import load_images
        from sslviz.evaluation.study.study import study
        from sslviz.runtime.files import atomic_write, check_file

        options = dict(vars(self))
        path, spec = options.pop("json"), options.pop("images")
        if path:
            check_file(path)
        options["settings"], options["vary"] = parse_settings(options.pop("set")), parse_varied(options["vary"])
        images = load_images(spec)
        if images.reading is not None:
            print("\n".join(images.reading.lines), flush=True)
        result = study(images, **options)
        print_study(result)
        if path:
            with atomic_write(path) as file:
                file.write(json.dumps(result.to_dict(), indent=1).encode())
