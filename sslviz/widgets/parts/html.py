"""Small pieces of HTML, whose colours are those of the page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence


def dot(color: str) -> str:
    """A checkpoint's colour."""
    round_ = "display:inline-block;width:11px;height:11px;border-radius:50%"
    return f'<span style="{round_};margin-right:7px;background:{color}"></span>'


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the first of them the heading; cells are HTML already."""
    if not lines:
        return ""
    cell = "padding:1px 18px 1px 0;text-align:left;white-space:nowrap"
    head, *rows = (
        "".join(f'<{tag} style="{cell}">{one}</{tag}>' for one in line)
        for tag, line in zip(["th"] + ["td"] * (len(lines) - 1), lines, strict=True)
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def note(text: str) -> str:
    """A caption in small print; `text` is HTML already."""
    return f'<div style="font-size:12px;line-height:1.4;max-width:900px">{text}</div>'
