"""The theme of the page: figures of explorers become dark where the page is, which the kernel does not know."""

from __future__ import annotations

from sslviz.figures import theme

EXPLORER = "sslviz-explorer"  # the class of every explorer on the page
# How a page says that it is dark: JupyterLab and Notebook, then VS Code.
DARK_PAGES = ('[data-jp-theme-light="false"]', ".vscode-dark", ".vscode-high-contrast:not(.vscode-high-contrast-light)")


def style() -> str:
    """Rules of style, as HTML: on a dark page each light colour of a figure's text and lines is its dark counterpart.

    A figure's paper lets the page through.  Colours of data are none of the theme's, and stay.
    """
    light, dark = theme.ink(False), theme.ink(True)
    figure = f":is({', '.join(DARK_PAGES)}) .{EXPLORER} .js-plotly-plot"
    paper = _rgb(light["paper"])
    rules = [
        f'{figure} .main-svg[style*="background: {paper}"] {{ background: transparent !important }}',
        f'{figure} .bg[style*="fill: {paper}"] {{ fill: transparent !important }}',
        f'{figure} .hoverlayer path[style*="fill: {paper}"] {{ fill: {dark["paper"]} !important }}',
    ]
    for name in light.keys() - {"paper"}:
        for part in ("fill", "stroke"):
            rules.append(f'{figure} [style*="{part}: {_rgb(light[name])}"] {{ {part}: {dark[name]} !important }}')
    return f"<style>{chr(10).join(sorted(rules))}</style>"


def _rgb(color: str) -> str:
    """ "#rrggbb" as a browser writes it."""
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"
