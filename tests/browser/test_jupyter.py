"""The explorers where they live: JupyterLab, with its network cut, is run, drawn in, moved and read."""

import json
import re

import nbformat
import pytest
from exercises import answers_are_told_apart, code_cells, said
from lab import ROOT, Lab, served_notebooks, write_lesson, write_notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LIVE = "application/vnd.jupyter.widget-view+json"

SETUP, MAP, VIEWS, POINTER, COUNT = CELLS = [
    """
import numpy as np, sslviz, ipywidgets
from ipywidgets.widgets.widget import _instances
from sslviz.widgets.parts.pointed_picture import PointedPicture
images = sslviz.shapes(n=48, seed=0)
noise = 0.02 * np.random.default_rng(0).normal(size=(48, 8))
groups = {"one": np.eye(8)[np.arange(48) // 6] + noise, "other": np.eye(8)[np.arange(48) % 8] + noise}
""",
    """
explorer = sslviz.explore_map(groups, images, color="shape")
explorer
""",
    """
untrained = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
player = sslviz.play_views(images, "simclr", untrained)
player
""",
    """
picture, text = PointedPicture.of(images.pixels[0], rows=4, columns=8), ipywidgets.HTML()
picture.observe(lambda change: text.set_trait("value", f"patch {change.new}"), "patch")
ipywidgets.VBox([picture, text])
""",
    """
print("widgets:", len(_instances))
""",
]
# The points of the first map: ids, and where they are on the screen.
POINTS = """plot => {
    const {xaxis, yaxis} = plot._fullLayout, at = plot.getBoundingClientRect();
    return plot._fullData.filter(t => t.customdata && t.xaxis === "x").flatMap(t => Array.from(t.x, (x, i) => ({
        id: t.customdata[i][0],
        x: at.left + xaxis._offset + xaxis.l2p(x),
        y: at.top + yaxis._offset + yaxis.l2p(t.y[i]),
    })));
}"""
# The ids that stand out in the first and in the second map.
STAND_OUT = """plot => ["x", "x2"].map(axis => plot._fullData.filter(t => t.customdata && t.xaxis === axis).flatMap(
    t => Array.from(t.selectedpoints || [], i => t.customdata[i][0])).sort())"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The folder of a notebook of explorers, and the address of JupyterLab on it."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_notebook(folder / "explorers.ipynb", [cell.strip() for cell in CELLS])
    with served_notebooks(folder) as address:
        yield folder, address


@pytest.mark.slow  # a server, a kernel that imports torch, and a browser for each picture that is kept
def test_explorers_are_drawn_in_moved_and_kept_as_pictures(page, server):
    folder, address = server
    lab = Lab(page, address).open("explorers.ipynb")
    lab.run_all()
    widgets = lab.output(COUNTING).inner_text()
    a_lasso_in_one_map_stands_out_in_both(lab, lab.output(1))
    a_slider_changes_the_views(lab, lab.output(2))
    the_pointer_finds_its_patch(lab, lab.output(3))
    for cell in (1, COUNTING):
        lab.run(cell)
    expect(lab.output(COUNTING)).to_have_text(widgets)  # the explorer that was there is gone, whole
    assert not lab.outside and not lab.console

    lab.save()
    book = json.loads((folder / "explorers.ipynb").read_text())
    assert "widgets" not in book["metadata"]
    assert ["image/png" in output["data"] for cell in book["cells"][1:3] for output in cell["outputs"]] == [True, True]
    assert all(output.get("name") != "stderr" for cell in book["cells"] for output in cell["outputs"])
    book["cells"].pop()  # another notebook than the one that was run here, as one from elsewhere is
    (folder / "elsewhere.ipynb").write_text(json.dumps(book))
    lab.open("elsewhere.ipynb")
    for cell in (1, 2):
        expect(lab.output(cell).locator("img")).to_be_visible()


def drawn_around(lab, output):
    """Draws around half of a map; returns the plot, and the ids that stand out in both maps once all is said."""
    plot = output.locator(".js-plotly-plot")
    lab.reach(plot)
    points = plot.evaluate(POINTS)
    surely, perhaps = lasso(lab.page, points)
    chosen = output.get_by_text("pictures chosen")
    expect(chosen).to_be_visible()
    count = int(re.search(r"(\d+) pictures chosen", chosen.inner_text())[1])
    first = stand_out(lab, plot, count)
    assert 2 < len(surely) <= count < len(points) and surely <= first <= perhaps
    return plot


def stand_out(lab, plot, count):
    """Waits until so many ids stand out in both maps, and returns them, who are the same."""
    check = f"([plot, count]) => ({STAND_OUT})(plot).every(ids => ids.length === count)"
    lab.page.wait_for_function(check, arg=[plot.element_handle(), count])
    first, second = plot.evaluate(STAND_OUT)
    assert first == second
    return set(first)


def a_patch_is_pointed_at(lab, output):
    before = output.evaluate("e => e.textContent")
    area = lab.reach(output.get_by_role("img").first)
    lab.page.mouse.move(area["x"] + 5, area["y"] + 5)
    lab.page.wait_for_function("([e, text]) => e.textContent !== text", arg=[output.element_handle(), before])


@pytest.mark.slow  # each a lesson on few pictures, in a kernel of its own
@pytest.mark.parametrize(
    ("name", "call", "touch"),
    [("05_geometry", "explore_map", drawn_around), ("07_attention", "browse_attention", a_patch_is_pointed_at)],
)
def test_a_lesson_is_run_and_touched_and_its_solutions_are_right(page, server, name, call, touch):
    folder, address = server
    path = ROOT / "notebooks" / f"{name}.ipynb"
    cells = write_lesson(path, folder / name)
    lab = Lab(page, address).open(f"{name}/{path.name}")
    lab.run_all()
    explorer = next(number for source, number in cells.items() if f"sslviz.{call}(" in source)
    touch(lab, lab.output(explorer))
    assert not lab.outside and not lab.console

    lab.save()
    assert (folder / name / "runs").exists()
    kept = code_cells(nbformat.read(folder / name / path.name, as_version=4))
    assert any({"image/png", LIVE} <= set(output.get("data", {})) for output in kept[explorer].outputs)
    answers_are_told_apart(path, list(map(said, kept)))


COUNTING = CELLS.index(COUNT)


def a_lasso_in_one_map_stands_out_in_both(lab, output):
    plot = drawn_around(lab, output)
    assert output.locator("table").inner_text().count("chance") == 4  # two checkpoints, each among and shared
    output.get_by_role("button", name="Clear the selection").click()
    expect(output.get_by_text("Until then all 48 count")).to_be_visible()
    assert stand_out(lab, plot, 0) == set()
    drawn_around(lab, output)  # a line that is still there would add to this one


def a_slider_changes_the_views(lab, output):
    sheet = output.get_by_role("img", name="4 pictures, each followed by 8 views of it")
    expect(sheet).to_be_visible()
    before, said = sheet.get_attribute("src"), output.locator("table").inner_text()
    handle = output.get_by_text("hue up to").locator("..").locator(".noUi-handle")
    lab.reach(handle)
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight")
    expect(output.get_by_text("settings=dict(hue=0.15)")).to_be_visible()
    assert sheet.get_attribute("src") != before
    assert output.locator("table").inner_text() != said


def the_pointer_finds_its_patch(lab, output):
    area, page = lab.reach(output.get_by_role("img")), lab.page
    page.mouse.move(area["x"] + 0.44 * area["width"], area["y"] + 0.6 * area["height"])
    expect(output.get_by_text("patch 19", exact=True)).to_be_visible()  # third row of eight, fourth column
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(area["x"] + 4, area["y"] + 4)
    page.keyboard.press("ArrowUp")
    expect(output.get_by_text("patch 11", exact=True)).to_be_visible()  # kept by the click, moved by the key


def lasso(page, points):
    """Draws around the left part of the cloud; returns the ids surely inside, and those perhaps inside."""
    xs, ys = sorted(p["x"] for p in points), sorted(p["y"] for p in points)
    left, right, top, bottom = xs[0] - 6, xs[len(xs) // 2], ys[0] - 6, ys[-1] + 6
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=5)
    page.mouse.up()
    return tuple({p["id"] for p in points if p["x"] < right + slack} for slack in (-3, 3))
