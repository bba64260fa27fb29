"""What only a browser can do: draw around points, follow links, and see that nothing sticks out."""

import pytest
from menu import PAGES
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# For one map or scatter: the id of each point that has one, and where it is on the screen.
POINTS = """plot => {
    const {xaxis, yaxis} = plot._fullLayout, at = plot.getBoundingClientRect();
    return plot._fullData.filter(trace => trace.customdata).flatMap(trace => Array.from(trace.x, (x, i) => ({
        id: trace.customdata[i]?.[0],
        x: at.left + xaxis._offset + xaxis.d2p(x),
        y: at.top + yaxis._offset + yaxis.d2p(trace.y[i]),
    })));
}"""
# The patches of a picture that can be clicked, and where they are on the screen.
PATCHES = """plot => {
    const {xaxis, yaxis} = plot._fullLayout, at = plot.getBoundingClientRect();
    const trace = plot._fullData.find(t => t.name === "patches");
    return Array.from(trace.x, (x, i) => ({
        id: trace.customdata[i][1],
        x: at.left + xaxis._offset + xaxis.l2p(x),
        y: at.top + yaxis._offset + yaxis.l2p(trace.y[i]),
    }));
}"""
# Whether in the map of one run exactly these ids stand out.
STAND_OUT = """([name, ids]) => {
    const figures = Array.from(document.querySelectorAll("[role=figure]"));
    const plot = figures.find(f => f.ariaLabel.includes(`. ${name}:`))?.querySelector(".js-plotly-plot");
    const found = plot?._fullData?.flatMap(t => Array.from(t.selectedpoints || [], i => t.customdata[i][0]));
    return found?.sort().join() === ids.join();
}"""
# Whether in the map of one run at least these ids stand out, and no others than those.
STAND_OUT_AMONG = """([name, surely, perhaps]) => {
    const figures = Array.from(document.querySelectorAll("[role=figure]"));
    const plot = figures.find(f => f.ariaLabel.includes(`. ${name}:`))?.querySelector(".js-plotly-plot");
    const found = plot?._fullData?.flatMap(t => Array.from(t.selectedpoints || [], i => t.customdata[i][0])) || [];
    return surely.every(id => found.includes(id)) && found.every(id => perhaps.includes(id));
}"""


def opened(page, address):
    page.goto(address)
    settle(page)
    return page


def settle(page):
    """Waits until the script has run and every chart is drawn."""
    page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)


def map_of(page, name):
    plot = page.get_by_role("figure", name=f". {name}:").locator(".js-plotly-plot")
    plot.scroll_into_view_if_needed()
    expect(plot.locator(".scatterlayer .point, .gl-canvas-focus").first).to_be_visible()
    return plot


def lasso(page, plot, share):
    """Draws a rectangle around the upper left of the cloud; returns the ids surely inside, and those perhaps inside.

    Plotly straightens what was drawn by up to 1.5 px, so 3 px on either side of the line decide nothing.
    """
    points = plot.evaluate(POINTS)
    xs, ys = sorted(p["x"] for p in points), sorted(p["y"] for p in points)
    cut = int(share * len(points))
    left, right, top, bottom = xs[0] - 6, xs[cut], ys[0] - 6, ys[cut]
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=5)
    page.mouse.up()
    return tuple({p["id"] for p in points if p["x"] < right + slack and p["y"] < bottom + slack} for slack in (-3, 3))


def gallery(page):
    return page.locator(".st-key-selected img")


def test_a_lasso_shows_its_images_and_where_they_are_in_the_other_maps(page, app):
    opened(page, f"{app}/map")
    surely, perhaps = lasso(page, map_of(page, "keeps-shape"), 0.4)
    expect(page.get_by_role("heading", name="images selected")).to_be_visible()
    expect(gallery(page).first).to_be_visible()
    settle(page)
    shown = {image.get_attribute("alt") for image in gallery(page).all()}
    assert 2 < len(surely) and surely <= shown <= perhaps
    expect(page.get_by_role("heading", name=f"{len(shown)} images selected")).to_be_visible()
    for other in ("keeps-color", "collapsed"):
        page.wait_for_function(STAND_OUT, arg=[other, sorted(shown)])
    assert (
        map_of(page, "keeps-shape").evaluate("plot => plot.layout.selections.length") == 1
    )  # its lasso is still there

    lasso(page, map_of(page, "keeps-color"), 0.7)  # another map, in which images stand out already
    expect(page.get_by_role("heading", name=f"{len(shown)} images selected")).to_have_count(0)
    page.get_by_role("button", name="Clear the selection").click()
    expect(gallery(page)).to_have_count(0)
    for name in ("keeps-shape", "keeps-color", "collapsed"):
        page.wait_for_function(STAND_OUT, arg=[name, []])


def test_a_lasso_around_points_that_webgl_draws_selects_them_too(page, large_app):
    opened(page, f"{large_app}/map?layout=PCA")
    plot = map_of(page, "shape")
    assert plot.evaluate("plot => plot._fullData.every(trace => trace.type == 'scattergl')")
    surely, perhaps = lasso(page, plot, 0.3)
    expect(gallery(page).first).to_be_visible()
    shown = {image.get_attribute("alt") for image in gallery(page).all()}
    assert len(shown) == 84 < len(surely) and shown <= perhaps
    said = page.get_by_role("heading", name="images selected").inner_text()
    assert len(surely) <= int(said.split()[0].replace(",", "")) <= len(perhaps)
    page.wait_for_function(STAND_OUT_AMONG, arg=["color", sorted(surely), sorted(perhaps)])
    page.get_by_role("button", name="Clear the selection").click()
    expect(gallery(page)).to_have_count(0)
    for name in ("shape", "color"):
        page.wait_for_function(STAND_OUT, arg=[name, []])


def test_from_which_is_better_to_the_images_that_changed_on_a_real_folder(page, folder_app):
    opened(page, f"{folder_app}/similarity?from=untuned&to=tuned")
    expect(page.get_by_role("heading", name="Which is better, untuned or tuned?")).to_be_visible()
    expect(page.get_by_text("tuned is better in").first).to_be_visible()  # as was planted
    changed = page.locator(".changed .one")
    expect(changed).to_have_count(20)
    # Each: its own picture, and the seven nearest in either space, as pictures from the folder's files.
    assert changed.first.locator("img").count() == 15
    first = changed.first.locator(":scope > img")
    name, _, share = first.get_attribute("alt").partition(": changed by ")
    assert name.endswith(".png") and 0 < int(share.rstrip("%")) <= 100
    assert first.evaluate("image => image.naturalWidth") > 0
    # The same pair is told from the other side.
    before = [one.get_attribute("alt") for one in changed.first.locator(".near").first.locator("img").all()]
    opened(page, f"{folder_app}/similarity?from=tuned&to=untuned")
    expect(page.get_by_role("heading", name="Which is better, tuned or untuned?")).to_be_visible()
    same = page.locator(".changed .one").filter(has=page.locator(f':scope > img[alt^="{name}:"]'))
    after = [one.get_attribute("alt") for one in same.locator(".near").last.locator("img").all()]
    assert after == before
    # And on the map of the same folder, what is drawn around is shown by its file.
    opened(page, f"{folder_app}/map?layout=PCA")
    lasso(page, map_of(page, "tuned"), 0.3)
    expect(gallery(page).first).to_be_visible()
    assert all(".png" in image.get_attribute("alt") for image in gallery(page).all())


def test_a_link_brings_back_page_runs_and_colour(page, app):
    opened(page, f"{app}/map?runs=collapsed&runs=keeps-shape&color=texture")
    expect(page.get_by_role("heading", name="What is near what?")).to_be_visible()
    expect(page.get_by_role("figure", name="A map of images, coloured by texture")).to_have_count(2)
    page.get_by_role("link", name="Probes").click()
    expect(page.get_by_role("heading", name="What can be decoded?")).to_be_visible()
    settle(page)
    assert "runs=collapsed&runs=keeps-shape" in page.url and "/probes" in page.url


def test_a_verdict_leads_to_the_page_that_shows_why(page, app):
    opened(page, f"{app}/?runs=collapsed&runs=keeps-shape")
    page.get_by_role("link", name="complete collapse").click()
    expect(page.get_by_role("heading", name="Has it collapsed?")).to_be_visible()
    expect(page.get_by_text("collapsed: complete collapse")).to_be_visible()
    expect(page.get_by_text("keeps-color")).to_have_count(0)


def test_a_click_on_a_dot_lets_its_run_stand_out(page, app):
    opened(page, app)
    plot = page.locator(".st-key-scatter .js-plotly-plot")
    plot.scroll_into_view_if_needed()
    settle(page)
    dot = next(
        point for point in plot.evaluate(POINTS) if point["id"] == "collapsed"
    )  # the two others lie on each other
    page.mouse.click(dot["x"], dot["y"])
    expect(page.get_by_role("button", name="Let none stand out")).to_be_visible()
    settle(page)
    assert "run=collapsed" in page.url  # the link says it too
    page.get_by_role("button", name="Let none stand out").click()
    expect(page.get_by_role("button", name="Let none stand out")).to_have_count(0)


def test_without_runs_there_is_a_page_that_offers_the_demo(page, empty_app):
    opened(page, f"{empty_app}/map")
    expect(page.get_by_role("heading", name="Nothing to compare yet")).to_be_visible()
    expect(page.get_by_role("button", name="Make the demo")).to_be_enabled()


@pytest.fixture(scope="module")
def dark_page(context, app):
    """One page on a dark screen, from whose menu the others are reached: they are drawn, but no script is read again."""
    page = context.new_page()
    page.emulate_media(color_scheme="dark")
    yield opened(page, f"{app}/training")
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out(dark_page, name):
    page = dark_page
    page.set_viewport_size({"width": 1280, "height": 900})  # in which the menu shows all of them
    page.get_by_test_id("stTopNavLink").get_by_text(name.capitalize(), exact=True).click()
    expect(page.get_by_role("heading", name=PAGES[name][0], level=1)).to_be_visible()
    settle(page)
    main = page.get_by_test_id("stMain")
    for width in (1280, 700):  # the window is made narrower, as a user does
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)  # charts are laid out anew
        settle(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert main.evaluate("e => e.scrollWidth <= e.clientWidth"), f"{name} must be scrolled sideways at {width} px"


def test_the_list_of_runs_and_its_scatter_fill_the_page(page, app):
    opened(page, app)
    parts = [page.locator(f".st-key-ranking_{name}") for name in ("list", "scatter")]
    for width, beside in ((1280, True), (700, False)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        settle(page)
        boxes = [part.bounding_box() for part in parts]
        assert (boxes[0]["y"] == boxes[1]["y"]) == beside
        inside = page.get_by_test_id("stMainBlockContainer").get_by_test_id("stVerticalBlock").first
        room = inside.bounding_box()["width"]
        filled = sum(box["width"] for box in boxes) if beside else min(box["width"] for box in boxes)
        assert room - 20 <= filled <= room  # but the gap between them


def test_an_imported_transformer_and_a_resnet_pass_through_both_pages(page, foreign_app):
    opened(page, f"{foreign_app}/attention?attention_count=4")
    for what in (
        "(rollout): 4 pictures by their-vit",
        "last grid answers, beside the encoder untrained: 4 pictures by their-resnet",
    ):
        expect(page.get_by_role("figure", name=what)).to_be_visible()
    expect(page.get_by_text("This ResNet holds no attention")).to_be_visible()
    query = page.get_by_role("figure", name="Attention of the patch").locator(".js-plotly-plot")
    query.scroll_into_view_if_needed()
    first = next(p for p in query.evaluate(PATCHES) if p["id"] == 1)  # of four by four
    page.mouse.click(first["x"], first["y"])
    expect(page.get_by_role("figure", name="Attention of the patch in row 1, column 2")).to_be_visible()

    opened(page, f"{foreign_app}/attribution?attribution_count=2&method=Saliency")
    expect(page.get_by_role("heading", name="Why are these near each other?")).to_be_visible()
    maps = page.get_by_role("figure", name="Attribution maps")
    expect(maps).to_be_visible()
    assert all(name in maps.get_attribute("aria-label") for name in ("their-vit: saliency", "their-resnet: saliency"))
    measure = page.get_by_role("button", name="Measure whether these maps are true")
    truth = page.get_by_role("figure", name="Deletion and insertion")
    expect(measure.or_(truth)).to_be_visible()
    if measure.is_visible():
        measure.click()
    expect(truth).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_what_was_drawn_around_on_the_map_is_explained(page, foreign_app):
    opened(page, f"{foreign_app}/map?layout=PCA&runs=their-resnet")
    surely, perhaps = lasso(page, map_of(page, "their-resnet"), 0.5)
    expect(gallery(page).first).to_be_visible()
    page.get_by_role("link", name="Why are these near each other?").click()
    expect(page.get_by_role("heading", name="Why are these near each other?")).to_be_visible()
    maps, ask = page.get_by_role("figure", name="Attribution maps"), page.get_by_role("button", name="Make the maps")
    expect(maps.or_(ask).first).to_be_visible()
    if ask.is_visible():  # maps that a busy machine would take long for wait to be asked for
        ask.click()
    expect(maps).to_be_visible()
    assert "near drawn around on the Map and not the others" in maps.get_attribute("aria-label")
    shown = maps.locator(".js-plotly-plot").evaluate("p => p._fullData.flatMap(t => t.customdata?.[0]?.[0] ?? [])")
    assert shown and set(shown) <= perhaps and surely
