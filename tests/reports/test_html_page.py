"""Pages to keep: the templates are part of the package, and nothing that a page is given can break out of its place."""

from html.parser import HTMLParser
from importlib.resources import files

import plotly.graph_objects as go
import pytest

from sslviz.reports.audit.page import audit_page, findings_html, not_found_html, summary_html
from sslviz.reports.html_page import Section, embedded, fragment, page, table
from sslviz.statistics import Score

# As names of columns, runs and images may be.
NASTY = """<script>alert(1)</script>"onload="alert(2)' onerror='alert(3)</style><!--<script>{{ 7 * 7 }}&lt;"""
TAGS = {
    *"html head meta title style body main nav section figure figcaption noscript script".split(),
    *"h1 h2 p b br ul ol li div span img code details summary table thead tbody tr th td a svg path rect circle".split(),
}
ATTRIBUTES = {
    *"lang charset name content class id href src alt title role style width height".split(),
    *"aria-label aria-labelledby".split(),
    *"xmlns viewbox d stroke stroke-width stroke-linecap fill opacity x y cx cy r".split(),
}
EFFECT = Score(0.5, 0.4, 0.6, {NASTY: 0.1}).to_dict()
TEST = {
    **dict.fromkeys(["run", "question", "score"], NASTY),
    "diagnostic": "groups",
    "columns": [NASTY, "color"],
    "effect": EFFECT,
    "p": 0.01,
    "p_corrected": 0.04,
    "n": 1234,
    "detectable": None,
}
RUN = {
    **dict.fromkeys(["verdict", "said", "stopped"], NASTY),
    "checkpoint": {
        "encoder": {"name": NASTY},
        "step": 1,
        "sha256": NASTY,
        "arguments": {"method": NASTY},
        "kind": NASTY,
    },
    "reasons": [NASTY, NASTY],
    "scores": {NASTY: {NASTY: EFFECT}},
    "skipped": [{"what": NASTY, "why": NASTY}],
}
FIGURE = {"data": [{"type": "scatter", "name": NASTY}], "layout": {"meta": {"alt": NASTY, "caption": NASTY}}}
REPORT = {
    "schema": 1,
    "plan": {
        **dict.fromkeys(["label", "details", "intended_use", "not_for", "digest"], NASTY),
        "attributes": [NASTY],
        "partners": {NASTY: {NASTY: NASTY}},
    },
    "made": {
        **dict.fromkeys(["date", "python", "machine", "seeds", "command"], NASTY),
        "versions": {NASTY: NASTY},
        "seconds": 1.5,
    },
    "images": {"spec": NASTY, "digest": NASTY, "n": 9, "size": [8, 8], "counts": {NASTY: {NASTY: 9}}, "fit": None},
    "runs": {NASTY: RUN},
    "tests": 2,
    "findings": [TEST | {"said": NASTY, "does_not_mean": NASTY, "examples": [{"id": NASTY, "picture": NASTY}]}],
    "not_found": [TEST | {"follow_up": True}],
    "figures": [{"diagnostic": "spectrum", "of": NASTY, "figure": FIGURE}],
}


class Reader(HTMLParser):
    """The tags, attributes, texts and scripts of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.values, self.text, self.scripts = set(), set(), [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        (self.scripts if self.lasttag == "script" and self.cdata_elem else self.text).append(data)


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(lambda: audit_page(REPORT), id="audit"),
        pytest.param(lambda: summary_html(REPORT), id="summary"),
        pytest.param(lambda: embedded(findings_html(REPORT, {NASTY: "#000000"})), id="findings"),
        pytest.param(lambda: embedded(not_found_html(REPORT)), id="not found"),
        pytest.param(lambda: table([NASTY], [[NASTY]]), id="table"),
        pytest.param(
            lambda: page(NASTY, NASTY, [Section(NASTY, NASTY, [go.Figure(FIGURE)])], contents=True), id="page"
        ),
        pytest.param(lambda: fragment("explain", "summary", [{"sentence": NASTY, "bars": {NASTY: ""}}]), id="explain"),
        pytest.param(lambda: fragment("explain", "looks", [NASTY], {NASTY: NASTY}), id="looks"),
        pytest.param(lambda: fragment("explain", "heads", {NASTY: NASTY}, NASTY), id="heads"),
        pytest.param(lambda: fragment("explain", "numbers", NASTY, [[NASTY]]), id="numbers"),
    ],
)
def test_nothing_can_break_out_of_its_place(html):
    read = Reader(html())
    assert read.tags <= TAGS and read.attributes <= ATTRIBUTES, "a text became a tag or an attribute"
    assert NASTY in "".join(read.text)  # as it was written, and not 7 * 7
    drawn = "".join(read.scripts).partition("const figures =")[2]  # after plotly itself
    assert "<!--" not in drawn and "<script" not in drawn


def test_a_text_in_an_attribute_stays_there():
    values = Reader(findings_html(REPORT, {})).values
    assert NASTY in values and f"image {NASTY}" in values  # the picture's address, its id, and its alt text


def test_html_is_kept_only_where_a_template_made_it():
    html = page("t", fragment("explain", "caveat", "lead"), [Section("s", "<p>lead</p>")])
    assert "<p>lead</p>\n" in html and "&lt;p&gt;lead&lt;/p&gt;" in html


def test_the_templates_are_part_of_the_package():
    folder = files("sslviz.reports") / "templates"
    names = {path.name for path in folder.iterdir()}
    assert names == {"page.html", "fragments.html", "audit.html", "explain.html", "page.css", "report.css", "page.js"}
    for name in names:
        text = (folder / name).read_text()
        assert text.strip() and "http" not in text  # what they make needs no network


def test_the_app_and_the_page_share_one_style():
    rules = (files("sslviz.reports") / "templates" / "report.css").read_text().strip()
    assert rules in page("t", "", []) and rules in embedded("")
    assert all(line.startswith((".report", " ", "}", "/*")) for line in rules.splitlines() if line)


def test_a_value_that_is_wanting_is_an_error():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        fragment("audit", "summary", "", [], [], [{"said": "fine"}], 1, 0, 1)
