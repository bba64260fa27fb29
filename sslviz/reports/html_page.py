"""HTML pages to keep: one file with its figures, which needs no network and is readable in light and dark.

What a page says stands in templates/ (jinja2); there every value is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sslviz.figures.parts import theme

if TYPE_CHECKING:
    from jinja2 import Environment

WIDTH = 760  # pixels of the column that figures are made for
PRINTED = 730, 860  # pixels of a figure on paper at most: a page of A4 or Letter cuts none, at its side or at its end


@dataclass(frozen=True)
class Section:
    """One section of a page.

    - title: text.
    - lead: what stands before the figures, HTML as `fragment` returns it; any other text is escaped.
    - figures: plotly figures, with their alt text and caption in `layout.meta`.
    - before: what stands before each of them, HTML as that of `lead`; empty: nothing before any.
    """

    title: str
    lead: str = ""
    figures: Sequence[go.Figure] = ()
    before: Sequence[str] = ()


def page(title: str, lead: str, sections: Iterable[Section], *, contents: bool = False) -> str:
    """A whole HTML page: `title` (text), `lead` (as that of a `Section`), `contents` as links if asked for, and the sections.

    Plotly lies in the page once.  The figures take the light or the dark theme from the reader's system, and change with
    it.  Every figure has its alt text, and its caption below.
    """
    parts: list[dict[str, Any]] = []
    plots: list[str] = []
    for section in sections:
        first = len(plots)
        before = section.before or [""] * len(section.figures)
        figures = [
            {**_described(figure, first + i), "before": said}
            for i, (figure, said) in enumerate(zip(section.figures, before, strict=True))
        ]
        parts.append({"title": section.title, "lead": section.lead, "figures": figures})
        plots += [_without_template(figure).to_json() for figure in section.figures]
    scripts = {
        "plotly": get_plotlyjs(),
        "figures": _in_script(f"[{','.join(plots)}]"),
        "light": _in_script(_template_json(dark=False)),
        "dark": _in_script(_template_json(dark=True)),
    }
    look = {"width": WIDTH, "font": theme.FONT, "ink": {dark: theme.ink(dark) for dark in (False, True)}}
    text = {"title": title, "lead": lead, "sections": parts, "contents": contents}
    return _templates().get_template("page.html").render(**text, **look, **scripts)


def fragment(template: str, macro: str, *values: Any) -> str:
    """What a macro of templates/TEMPLATE.html makes of these values: HTML in which each of them is escaped."""
    return getattr(_templates().get_template(f"{template}.html").module, macro)(*values)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts as HTML."""
    return fragment("fragments", "table", headings, rows)


def embedded(content: str) -> str:
    """HTML as `fragment` returns it, with the style it needs inside a page of another make, such as the app's."""
    return fragment("fragments", "embedded", content)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("sslviz.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _described(figure: go.Figure, number: int) -> dict[str, Any]:
    meta = figure.layout.meta or {}
    height = int(figure.layout.height or 450)
    said = {"alt": meta.get("alt", ""), "caption": meta.get("caption", "")}
    fit = min(PRINTED[0] / WIDTH, PRINTED[1] / height)
    return {"number": number, **said, "height": height, "fit": f"{fit:.3f}"}


def _without_template(figure: go.Figure) -> go.Figure:
    """A copy that takes its colours from the page."""
    bare = go.Figure(figure)
    bare.layout.template = None
    return bare


def _template_json(dark: bool) -> str:
    return json.dumps(theme.TEMPLATES[dark].to_plotly_json(), default=lambda part: part.to_plotly_json())


def _in_script(text: str) -> str:
    """JSON that cannot end the script it stands in, nor begin a comment: "<" occurs in its strings only."""
    return text.replace("<", "\\u003c")
