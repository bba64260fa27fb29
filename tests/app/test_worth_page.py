"""The page of what runs are worth: in words first, then each question of its group, and a button where it trains."""

from sslviz.catalog import entries_on


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
        asked = [entry.question for entry in entries_on("worth") if entry.group == group]
        assert set(asked) <= {heading.value for heading in app.subheader}, group


def test_what_is_computed_on_demand_waits_for_its_button_and_is_then_shown(trained, open_app):
    app = open_app(trained, "worth", worth="Cost")
    (button,) = [button for button in app.button if button.label == "Compute it"]
    button.click().run(timeout=120)
    assert not app.exception
    assert not [button for button in app.button if button.label == "Compute it"]
    assert "On the machine that measured it" in texts(app)
