"""Small pieces of HTML and Markdown."""

from __future__ import annotations

import re


def dot(color: str) -> str:
    """A run's colour, as HTML."""
    return (
        f'<span style="display:inline-block;flex:none;width:11px;height:11px;border-radius:50%;margin-right:8px;'
        f'background:{color}"></span>'
    )


def literal(text: str) -> str:
    """A name that Markdown shows as it is written."""
    return re.sub(r"([\\`*_\[\]<>#$:~|])", r"\\\1", text)
