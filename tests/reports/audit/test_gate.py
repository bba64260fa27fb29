import json

import pytest

from sslviz.reports.audit.difference import difference
from sslviz.reports.audit.gate import failures, read_gate, read_report


def score(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def report(**changes):
    made = {
        "schema": 1,
        "plan": {"digest": "p"},
        "tests": 5,
        "images": {"digest": "i"},
        "runs": {"one": {"verdict": "healthy", "scores": {"linear_probe:shape": {"accuracy": score(0.8, 0.7, 0.9)}}}},
        "findings": [{"run": "one", "diagnostic": "groups", "columns": ["shape", "color"], "said": "It is so."}],
    }
    return made | changes


def gate(tmp_path, text):
    (tmp_path / "gate.toml").write_text(text)
    return read_gate(tmp_path / "gate.toml")


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        (">= 0.8", True),
        ("> 0.8", False),
        ("low >= 0.8", False),
        ("low > 0.6", True),
        ("high <= .9", True),
        ("< 0.8", False),
    ],
)
def test_a_condition_looks_at_the_value_or_at_an_end_of_its_interval(tmp_path, condition, passes):
    conditions = gate(tmp_path, f'[scores]\n"linear_probe:shape.accuracy" = "{condition}"')
    assert (failures(report(), conditions) == []) == passes


def test_what_fails_is_said_with_its_number(tmp_path):
    text = 'verdict = "fine"\nfindings = "<= 0"\n[scores]\n"linear_probe:shape.accuracy" = "low >= 0.8"\n"a.b" = "> 0"'
    failed = failures(report(), gate(tmp_path, text))
    assert failed == [
        "one: the verdict is 'healthy', not 'fine'.",
        "one: linear_probe:shape.accuracy was to be low >= 0.8; its low is 0.7.",
        "one: a.b was to be > 0, but it was not measured.",
        "There are 1 findings; there were to be <= 0.",
    ]


STOPPED = {"verdict": "complete collapse", "stopped": "complete collapse", "scores": {}, "tests": 0}


@pytest.mark.parametrize("condition", ['findings = "<= 3"', 'verdict = "complete collapse"', 'findings = ">= 0"'])
def test_a_stopped_audit_fails_every_gate(tmp_path, condition):
    stopped = report(runs={"dead": STOPPED}, findings=[], tests=0)
    failed = failures(stopped, gate(tmp_path, condition))
    assert failed[0] == "dead: the audit stopped (complete collapse), so that nothing else was asked."


def test_a_gate_may_allow_it_but_none_of_none_is_no_pass(tmp_path):
    stopped = report(runs={"dead": STOPPED}, findings=[], tests=0)
    allowed = gate(tmp_path, 'verdict = "complete collapse"\nallow_stopped = true')
    assert failures(stopped, allowed) == []
    allowed = gate(tmp_path, 'findings = "<= 3"\nallow_stopped = true')
    assert failures(stopped, allowed) == ["dead: nothing was tested, so that having no findings proves nothing."]


def test_of_two_runs_the_one_of_which_nothing_was_tested_does_not_pass(tmp_path):
    both = report(runs={"one": {**report()["runs"]["one"], "tests": 5}, "dead": STOPPED})
    failed = failures(both, gate(tmp_path, 'findings = "<= 3"'))
    assert [sentence.partition(":")[0] for sentence in failed] == ["dead", "dead"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("allow_stopped = true", "holds no condition"),
        ('findings = "<= 3"\nallow_stopped = "yes"', "is true or false; got 'yes'"),
        ("verdict = ", "is no TOML"),
        ("", "holds no condition"),
        ("verdikt = 'healthy'", "has no 'verdikt'"),
        ('[scores]\n"a.b" = "about 3"', "condition on a.b is 'about 3'; write e.g."),
        ("findings = 3", "condition on findings is 3"),
        ('[scores]\n"a.b" = "< 1.2.3"', "condition on a.b"),
    ],
)
def test_a_gate_nobody_can_check_is_refused(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        gate(tmp_path, text)


def test_files_that_are_no_reports_are_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_report(tmp_path / "none.json")
    for text in ("not json", "[]", '{"schema": 1}'):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(ValueError, match="is not a report of `sslviz audit`"):
            read_report(tmp_path / "other.json")
    (tmp_path / "new.json").write_text(json.dumps(report(schema=99)))
    with pytest.raises(ValueError, match="written by a newer sslviz"):
        read_report(tmp_path / "new.json")


def test_of_two_reports_only_what_differs_beyond_its_intervals_is_said():
    assert difference(report(), report()) == []
    a_little = {"one": {"verdict": "healthy", "scores": {"linear_probe:shape": {"accuracy": score(0.85, 0.75, 0.95)}}}}
    assert difference(report(), report(runs=a_little)) == []
    a_lot = {"one": {"verdict": "collapsed", "scores": {"linear_probe:shape": {"accuracy": score(0.3, 0.2, 0.4)}}}}
    other = {"run": "one", "diagnostic": "reliance", "columns": ["shape", "color"], "said": "It is used."}
    changed = report(runs=a_lot | {"two": {}}, findings=[other], images={"digest": "j"})
    assert difference(report(), changed) == [
        "The images are not the same: what differs below may come from that.",
        "New: one: It is used.",
        "No longer found: one: It is so.",
        "one: the verdict was 'healthy' and is 'collapsed'.",
        "one: linear_probe:shape.accuracy was 0.8 [0.7, 0.9] and is 0.3 [0.2, 0.4].",
        "two is only in the second report.",
    ]
