"""Can it be read, by everyone, in light and dark?"""

import numpy as np
import plotly.graph_objects as go
import pytest

from sslviz.figures.parts import theme
from sslviz.figures.probes.probe import FULL_OPACITY

# Machado, Oliveira and Fernandes (2009), severity 1: what full dichromats see, in linear RGB.
VISION = {
    "usual": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}


def linear(color: str) -> np.ndarray:
    c = np.array([int(color.lstrip("#")[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, contrast ratio."""
    dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (light + 0.05) / (dark + 0.05)


def difference(a: str, b: str, vision: str = "usual") -> float:
    """Distance in OKLab, times 100; about 2 is just noticed."""

    def oklab(color):
        rgb = np.clip(np.asarray(VISION[vision]) @ linear(color), 0, 1)
        lms = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]) @ rgb
        to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
        return to_lab @ np.cbrt(lms)

    return 100 * float(np.linalg.norm(oklab(a) - oklab(b)))


@pytest.mark.parametrize("dark", [False, True])
def test_text_reads_and_the_control_shows(dark):
    layout = theme.TEMPLATES[dark].layout
    paper = layout.paper_bgcolor
    for text in (
        layout.font.color,
        layout.xaxis.tickfont.color,
        layout.yaxis.tickfont.color,
        layout.hoverlabel.font.color,
        theme.ink(dark)["muted"],
    ):
        assert contrast(text, paper) >= 4.5
    assert contrast(theme.CONTROL, paper) >= 3  # WCAG 1.4.11, graphical objects


def test_light_and_dark_have_one_layout():
    def without_colors(value):
        if isinstance(value, dict):
            return {k: without_colors(v) for k, v in value.items() if "color" not in k}
        return value

    light, dark = (theme.TEMPLATES[d].layout.to_plotly_json() for d in (False, True))
    assert without_colors(light) == without_colors(dark)
    assert light["font"]["color"] != dark["font"]["color"]


def test_dark_changes_the_template_only():
    fig = go.Figure(go.Scatter(x=[1], y=[1]))
    before = theme.apply(fig).to_plotly_json()
    after = theme.apply(fig, dark=True).to_plotly_json()
    assert before["layout"].pop("template") != after["layout"].pop("template")
    assert str(before) == str(after)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", [theme.CHECKPOINT_COLORS[:7], theme.CLASS_COLORS[:5]])
def test_palettes_stay_apart_for_all_eyes(palette, vision):
    pairs = [difference(a, b, vision) for i, a in enumerate(palette) for b in palette[:i]]
    assert min(pairs) > 5  # Okabe and Ito's own two closest are at 7.6


def test_every_colour_is_a_colour_of_its_own():
    everything = [*theme.CHECKPOINT_COLORS, *theme.CLASS_COLORS, *theme.COLOR_WORDS.values(), theme.CONTROL]
    assert min(difference(a, b) for i, a in enumerate(everything) for b in everything[:i]) > 2
    for color in (*theme.CHECKPOINT_COLORS, *theme.CLASS_COLORS, *theme.COLOR_WORDS.values()):
        assert np.ptp(linear(color)) > 0.05, "grey is only ever a control"
    assert len(set(linear(theme.CONTROL))) == 1


def test_first_classes_do_not_look_like_first_checkpoints():
    assert min(difference(a, b) for a in theme.CLASS_COLORS[:3] for b in theme.CHECKPOINT_COLORS[:3]) > 10


def test_a_checkpoint_keeps_its_colour_when_another_goes():
    names = [f"run {i}" for i in range(10)]
    everyone = theme.colors(names)
    assert len(set(everyone.values())) == 10
    assert theme.colors(names[3:], everyone) == {name: everyone[name] for name in names[3:]}
    newcomer = theme.colors([*names[:2], "new"], {name: everyone[name] for name in names[:2]})
    assert newcomer["new"] not in {everyone[name] for name in names[:2]}


def test_more_checkpoints_than_colours():
    many = theme.colors(f"run {i}" for i in range(40))
    assert len(many) == 40 and set(many.values()) == set(theme.CHECKPOINT_COLORS)


def test_classes_named_after_colours_have_them():
    assert theme.class_colors(["green", "blue"]) == {name: theme.COLOR_WORDS[name] for name in ("green", "blue")}
    assert theme.class_colors(["green", "cat"]) == dict(zip(("green", "cat"), theme.CLASS_COLORS, strict=False))


def test_one_result_or_many():
    assert theme.as_dict(3) == {"": 3}
    assert theme.as_dict({"a": 3, "b": 4}) == {"a": 3, "b": 4}
    with pytest.raises(ValueError, match="at least one result"):
        theme.as_dict({})


def test_short_names_show_where_long_ones_differ():
    names = [f"a-long-name-of-a-run-with-temperature-0.{i}-and-some-seed-and-so-on" for i in range(10)]
    short = theme.short_names(names, 26)
    assert len(set(short.values())) == 10 and all(len(s) <= 26 for s in short.values())
    assert all(f"0.{i}" in short[name] for i, name in enumerate(names))
    assert theme.short_names(["a", "b"]) == {"a": "a", "b": "b"}
    alone = theme.short_names(["x" * 30 + "end"], 20)["x" * 30 + "end"]
    assert len(alone) <= 20 and alone.startswith("xx") and alone.endswith("end")
    mixed = theme.short_names(["simclr", "y" * 60], 26)
    assert mixed["simclr"] == "simclr" and len(mixed["y" * 60]) <= 26


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("color", theme.CHECKPOINT_COLORS)
def test_text_on_a_full_confusion_cell_reads(color, dark):
    ink = theme.ink(dark)
    mixed = [
        round(FULL_OPACITY * int(color[i : i + 2], 16) + (1 - FULL_OPACITY) * int(ink["paper"][i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    assert contrast(ink["text"], "#" + "".join(f"{v:02x}" for v in mixed)) >= 4.5


def test_of_more_runs_than_colours_those_of_a_group_share_one_and_lines_still_differ():
    groups = {f"{recipe}/seed{seed}": recipe for recipe in "abcde" for seed in range(4)}
    palette = theme.colors(groups, groups=groups)
    of_group = {recipe: {palette[name] for name in groups if groups[name] == recipe} for recipe in "abcde"}
    assert all(len(colors) == 1 for colors in of_group.values()) and len(set().union(*of_group.values())) == 5
    lines = theme.line_styles(palette)
    assert len({(line["color"], line["dash"]) for line in lines.values()}) == 20
    assert {line["width"] for line in lines.values()} < {1.4} | {2.5} and theme.CONTROL not in palette.values()


def test_few_runs_have_a_colour_each_whatever_their_groups():
    groups = dict.fromkeys([f"run{i}" for i in range(14)], "one")
    assert theme.colors(groups, groups=groups) == theme.colors(groups) and len(set(theme.colors(groups).values())) == 14


def test_twenty_runs_without_groups_have_lines_that_differ():
    names = [f"run{i}" for i in range(20)]
    lines = theme.line_styles(theme.colors(names, groups={name: name for name in names}))
    assert len({(line["color"], line["dash"]) for line in lines.values()}) == 20


def test_two_runs_beside_each_other_are_told_apart():
    palette = {"a": "#E69F00", "b": "#E69F00", "c": "#56B4E9"}
    apart = theme.told_apart(palette, ["a", "b"])
    assert apart["a"] == palette["a"] and apart["b"] not in {palette["a"], theme.CONTROL}
    assert theme.told_apart(palette, ["b", "c"]) == {"b": palette["b"], "c": palette["c"]}
