"""The page of what runs are worth: in words first, then each question of its group, and a button where it trains."""

import re
import shutil

from sslviz.catalog import entries_on
from sslviz.data import load_images
from sslviz.runs import Run


def texts(app):
    return " ".join(element.value for element in [*app.markdown, *app.caption, *app.subheader])


def test_it_says_which_to_take_and_shows_the_questions_of_a_group(planted, open_app):
    app = open_app(planted, "worth")
    assert app.title[0].value == "What is it worth?"
    assert "**Few labels.** With 10 labels a class" in texts(app)
    asked = [entry.question for entry in entries_on("worth") if entry.group == "Few labels"]
    assert [heading.value for heading in app.subheader] == asked


def test_every_group_opens(planted, open_app):
    for group in dict.fromkeys(entry.group for entry in entries_on("worth")):
        app = open_app(planted, "worth", worth=group)
        asked = [e.question for e in entries_on("worth") if e.group == group and not e.needs_target]
        assert set(asked) <= {heading.value for heading in app.subheader}, group


def test_what_is_computed_on_demand_waits_for_its_button_and_is_then_shown(trained, open_app):
    app = open_app(trained, "worth", worth="Cost")
    (button,) = [button for button in app.button if button.label == "Compute it"]
    button.click().run(timeout=120)
    assert not app.exception
    assert not [button for button in app.button if button.label == "Compute it"]
    assert "On the machine that measured it" in texts(app)


def target_box(app):
    return app.text_input(key="target")


def press(app, label):
    (button,) = [button for button in app.button if button.label == label]
    return button.click().run(timeout=120)


def test_images_of_another_domain_are_named_in_the_page_and_a_bad_name_is_one_sentence(planted, open_app):
    app = open_app(planted, "worth", worth="Another domain")
    assert "Name pictures with the same labels that come from elsewhere" in texts(app)
    for spec, said in (
        ("shapes:n=ten", "shapes takes a whole number for n"),
        ("nowhere", "There are no images called 'nowhere'"),
        ("shapes:style=loud", "loud"),
    ):
        app = target_box(app).set_value(spec).run(timeout=120)
        assert not app.exception and said in texts(app)
        assert "Diagnose there" not in [button.label for button in app.button]


def test_a_target_is_diagnosed_from_the_page_and_stays_in_the_url(trained, open_app, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "runs")
    app = open_app(folder, "worth", worth="Another domain", target="shapes:n=400,seed=1", runs="first")
    assert "What does a readout lose in another domain?" not in texts(app)
    app = press(app, "Diagnose there")
    assert not app.exception and "Diagnose there" not in [button.label for button in app.button]
    diagnosed = next(iter(Run(folder / "first").info["diagnosed"].values()))
    assert diagnosed["target_spec"] == load_images("shapes:n=400,seed=1").split("test").spec
    assert "What does a readout lose in another domain?" in texts(app) and "In the other domain\\: first" in texts(app)
    assert "Does it help to go on pretraining there, without labels?" in texts(app)
    assert "Not computed yet for **first**: about" in texts(app)  # what trains waits for its button


def test_what_trains_says_how_long_it_will_take(trained, open_app):
    app = open_app(trained, "worth", worth="Few labels", runs="first")
    assert re.search(r"Not computed yet for \*\*first\*\*: about \d+ (s|min) here", texts(app))
