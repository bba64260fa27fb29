"""Work under way: one task after another, the page drawn in between, and nothing lost but the task that was interrupted."""

from streamlit.testing.v1 import AppTest


def script():
    import streamlit as st
    from components import work

    log = st.session_state.setdefault("log", [])

    def note(name, error=None, clicked=False):
        log.append(name)
        if clicked and log.count(name) == 1:
            st.rerun()  # what a click of somebody does, who looks at something else meanwhile
        if error:
            raise error

    bar = work.under_way()
    log.append("drawn")
    failing = work.Task("b", lambda: note("b", ValueError("There is no b.")))
    if st.button("All"):
        work.begin([work.Task("a", lambda: note("a")), failing, work.Task("c", lambda: note("c"))])
    if st.button("Needed"):
        needed = work.Task("load", lambda: note("load", OSError("The disk is gone.")), needed=True)
        work.begin([needed, work.Task("a", lambda: note("a"))])
    if st.button("Interrupted"):
        tasks = [("a", {}), ("b", {"clicked": True}), ("c", {})]
        work.begin([work.Task(name, lambda name=name, how=how: note(name, **how)) for name, how in tasks])
    st.caption(f"b: {work.why_not('b')} busy: {work.busy()}")
    work.go_on(bar)


def press(label):
    app = AppTest.from_function(script, default_timeout=60).run()
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app, [name for name in app.session_state["log"] if name != "drawn"]


def test_all_are_done_in_their_order_and_what_fails_is_said_where_it_was_asked():
    app, done = press("All")
    assert done == ["a", "b", "c"]
    assert app.caption[-1].value == "b: There is no b. busy: False" and not app.status
    assert "Stop" not in [button.label for button in app.button]


def test_the_page_is_drawn_before_the_first_task_and_after_the_last():
    app, _ = press("All")
    log = app.session_state["log"]
    assert log.index("a") > 2 and log[-1] == "drawn"


def test_nothing_is_tried_without_what_it_needs():
    app, done = press("Needed")
    assert done == ["load"]
    (status,) = app.status
    assert status.state == "error" and status.label == "The disk is gone."
    assert app.caption[-1].value.endswith("busy: False")


def test_a_click_costs_the_task_under_way_and_no_other():
    _, done = press("Interrupted")
    assert done == ["a", "b", "b", "c"]
