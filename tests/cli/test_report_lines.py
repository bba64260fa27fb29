"""What an audit skips is said in the terminal, once for each reason."""

from sslviz.cli.report_commands import _skipped_lines


def run(*skipped, stopped=""):
    return {"stopped": stopped, "skipped": [{"what": what, "why": why} for what, why in skipped]}


def test_what_all_runs_skip_stands_there_once_and_what_one_skips_names_it():
    runs = {"a": run(("maps", "None."), ("drift", "Too few.")), "b": run(("maps", "None."), ("groups", "None."))}
    assert _skipped_lines(runs) == ["Not asked: None. (maps, b: groups)", "Not asked: Too few. (a: drift)"]


def test_a_stopped_run_says_so_in_a_line_of_its_own_and_not_again():
    runs = {"a": run(("groups", "It shows a collapse."), stopped="collapse"), "b": run(("maps", "None."))}
    assert _skipped_lines(runs) == ["Not asked: None. (b: maps)"]
