"""How does a page leave the house?  One HTML file with figures, that needs no network and is readable in light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sslviz.figures.parts import theme

WIDTH = 760  # pixels of the column that figures are made for


@dataclass(frozen=True)
class Section:
    """One question of a page: its title, what is said first (HTML), and the figures, each with its caption."""

    title: str
    lead: str = ""
    figures: Sequence[go.Figure] = ()


def page(title: str, lead: str, sections: Iterable[Section], *, contents: bool = False) -> str:
    """A whole HTML page: `title` (text), `lead` (HTML), the `contents` as links if asked for, and the sections.

    Plotly lies in the page once; the figures take the light or the dark theme from the reader's system, and change with
    it.  Every figure has its alt text, and its caption below.
    """
    figures: list[str] = []
    sections = list(sections)
    body = _contents(sections) if contents else ""
    body += "".join(_section(section, figures, f"section{i}") for i, section in enumerate(sections))
    templates = {dark: theme.TEMPLATES[dark].to_plotly_json() for dark in (False, True)}
    data = f"[{','.join(figures)}]"
    return PAGE.format(
        title=escape(title), lead=lead, body=body, style=_style(), plotly=get_plotlyjs(), figures=data.replace("</", "<\\/"),
        light=_json(templates[False]), dark=_json(templates[True]),
    )  # fmt: skip


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts as HTML; they are escaped here."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _contents(sections: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#section{i}">{escape(one.title)}</a></li>' for i, one in enumerate(sections))
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _section(section: Section, figures: list[str], id_: str) -> str:
    parts = [f'<section aria-labelledby="{id_}"><h2 id="{id_}">{escape(section.title)}</h2>{section.lead}']
    for fig in section.figures:
        bare = go.Figure(fig)
        bare.layout.template = None
        meta = fig.layout.meta or {}
        said, caption = escape(meta.get("alt", "")), escape(meta.get("caption", ""))
        height = int(fig.layout.height or 450)
        parts.append(
            f'<figure><div class="plot" id="figure{len(figures)}" role="img" aria-label="{said}" '
            f'style="height:{height}px"></div><figcaption>{caption}</figcaption></figure>'
        )
        figures.append(bare.to_json())
    return "".join([*parts, "</section>"])


def _json(value: object) -> str:
    return json.dumps(value, default=lambda one: one.to_plotly_json()).replace("</", "<\\/")


def _style() -> str:
    """Colours of the theme as CSS, light, and dark where the reader's system is."""
    sets = []
    for dark in (False, True):
        ink = theme.ink(dark)
        sets.append("".join(f"--{name}:{color};" for name, color in ink.items()))
    return f":root{{{sets[0]}}}@media (prefers-color-scheme:dark){{:root{{{sets[1]}}}}}" + STYLE.format(
        width=WIDTH, font=theme.FONT
    )


STYLE = """
:root{{color-scheme:light dark}}
body{{margin:0;background:var(--paper);color:var(--text);font:15px/1.5 {font}}}
main{{max-width:{width}px;margin:0 auto;padding:24px 16px 48px}}
h1{{font-size:26px;line-height:1.25;margin:0 0 12px}}
h2{{font-size:19px;margin:40px 0 8px;padding-top:12px;border-top:1px solid var(--grid)}}
ul{{padding-left:20px}} li{{margin:4px 0}}
p.small,figcaption{{color:var(--muted);font-size:13px}}
figure{{margin:12px 0 20px}} .plot{{width:100%}}
.wide{{overflow-x:auto}} table{{border-collapse:collapse;font-size:13px;width:100%}}
td{{overflow-wrap:anywhere}}
th,td{{text-align:left;vertical-align:top;padding:4px 12px 4px 0;border-bottom:1px solid var(--grid)}}
nav ol{{columns:2;padding-left:24px;margin:16px 0;font-size:14px}} a{{color:inherit}}
.findings>li{{margin:0 0 18px}} .evidence{{display:flex;gap:8px;align-items:center;font-size:13px;flex-wrap:wrap}}
.examples{{display:flex;gap:4px;margin:6px 0}} .examples img{{width:48px;height:48px;image-rendering:pixelated}}
.findings p.small{{margin:4px 0 0}} summary{{cursor:pointer;margin:8px 0}}
@media print{{nav{{display:none}} figure,.findings>li,tr{{break-inside:avoid}} h2{{break-after:avoid}}}}
th{{color:var(--muted);font-weight:600}} code{{font-size:13px;overflow-wrap:anywhere}}
"""
SCRIPT = """
const figures={figures},templates={{false:{light},true:{dark}}},dark=matchMedia('(prefers-color-scheme: dark)');
function draw(){{figures.forEach((f,i)=>Plotly.react('figure'+i,f.data,{{...f.layout,template:templates[dark.matches]}},
{{responsive:true,displaylogo:false,modeBarButtonsToRemove:['select2d','lasso2d','autoScale2d']}}))}}
draw();dark.addEventListener('change',draw);
"""
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1>{lead}{body}"
    "<noscript><p>The figures need JavaScript; what is said of them is written in words.</p></noscript></main>"
    "<script>{plotly}</script><script>" + SCRIPT + "</script></body></html>\n"
)
