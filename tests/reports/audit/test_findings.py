import numpy as np
import pytest

from sslviz.diagnostics.bias.association import association
from sslviz.diagnostics.bias.cooccurrence import cooccurrence
from sslviz.diagnostics.bias.groups import groups
from sslviz.diagnostics.bias.reliance import reliance
from sslviz.diagnostics.bias.retrieval import retrieval
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.probes.mlp import mlp_probe
from sslviz.features import Features
from sslviz.reports.audit.findings import IMAGES, HypothesisTest, hypothesis_tests, judged
from sslviz.statistics import Score

COLUMNS = ("label", "cue")


def space(seed, n=240, *, kept=4.0, cue=0.0, agree=0.5):
    """Features in which two classes lie `kept` apart and the cue's two values `cue`; they agree in a share of images."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    other = np.where(rng.random(n) < agree, label, 1 - label)
    x = rng.standard_normal((n, 6))
    x[:, 0] += kept * label
    x[:, 1] += cue * other
    table = {"label": np.array(["a", "b"])[label], "cue": np.array(["red", "blue"])[other]}
    return Features.from_array(x, table=table, name="planted")


def asked(features, *, of=(association, cooccurrence, groups, retrieval)):
    results = {f"{compute.__name__}:label~cue": compute(features, *COLUMNS) for compute in of}
    return results | {"linear_probe:cue": linear_probe(features, label="cue")}


@pytest.mark.slow  # seven questions of each of a hundred audits
def test_where_nothing_is_planted_nothing_is_found(monkeypatch):
    """At most 5 in 100 audits may find anything, of all that is asked of any images."""
    monkeypatch.setattr("sslviz.diagnostics.probes.mlp.EPOCHS", 10)
    # A claim is made of the even fit alone; the largest bias decides with how many images, and those between nothing.
    monkeypatch.setattr("sslviz.diagnostics.bias.contrasting_images.BIASES", (1.0,))
    alarms = []
    for seed in range(100):
        nothing = space(seed, n=120)
        results = asked(nothing) | {
            "mlp_probe:cue": mlp_probe(nothing, label="cue"),
            "reliance:label~cue": reliance(nothing, *COLUMNS, expected_pairs={"a": "red", "b": "blue"}),
        }
        found, _ = judged(hypothesis_tests("run", results))
        alarms += [(seed, one["diagnostic"]) for one in found[:1]]
    print(f"{len(alarms)} of 100 audits of nothing found something: {alarms}")
    assert len(alarms) <= 5


def test_what_is_planted_is_found_with_its_sign_and_what_is_not_has_a_least_effect():
    results = asked(space(0, kept=1.0, cue=5.0, agree=0.9))
    results["reliance:label~cue"] = reliance(space(1, kept=1.0, cue=5.0), *COLUMNS, fit=space(2, kept=1.0, cue=5.0))
    found, wanting = judged(hypothesis_tests("run", results))
    by_name = {one["diagnostic"]: one for one in found}
    assert {"association", "retrieval", "linear_probe", "cooccurrence"} <= set(by_name)
    assert by_name["cooccurrence"]["run"] == IMAGES and by_name["cooccurrence"]["effect"]["value"] == pytest.approx(
        0.8, abs=0.1
    )
    assert all(one["p_corrected"] < 0.05 and one["does_not_mean"] and one["said"] for one in found)
    assert [one["diagnostic"] for one in found][-1] == "cooccurrence"  # the images' own come last
    quiet, wanting = judged(hypothesis_tests("run", asked(space(0))))
    assert {one["diagnostic"] for one in quiet + wanting} == {
        "association",
        "cooccurrence",
        "groups",
        "retrieval",
        "linear_probe",
    }
    assert all(one["detectable"] > 0 for one in wanting if one["diagnostic"] != "groups")


def test_who_is_served_worse_is_named_and_shown():
    """The classes lie apart where the cue is red, and on one heap where it is blue."""
    rng = np.random.default_rng(0)
    label, cue = np.arange(400) % 2, np.arange(400) // 2 % 2
    x = (
        rng.standard_normal((400, 4))
        + 5 * np.eye(4)[0] * (label * (1 - cue))[:, None]
        + 9 * np.eye(4)[1] * cue[:, None]
    )
    table = {"label": np.array(["a", "b"])[label], "cue": np.array(["red", "blue"])[cue]}
    features = Features.from_array(x, table=table, name="planted")
    (test,) = hypothesis_tests("run", {"groups:label~cue": groups(features, *COLUMNS)})
    found, _ = judged([test])
    assert found and "with cue blue" in test.said and found[0]["effect"]["value"] > 0.2
    at = {id_: row for row, id_ in enumerate(features.ids)}
    assert test.examples and all(cue[at[id_]] == 1 for id_ in test.examples)


def test_p_is_corrected_over_all_tests_and_the_gravest_comes_first():
    def one(diagnostic, p, value):
        return HypothesisTest(
            "run", diagnostic, COLUMNS, "It is so.", ("x", Score(value, value - 0.1, value + 0.1)), p, 0.1, 100
        )

    tests = [
        one("linear_probe", 0.001, 0.9),
        one("groups", 0.002, 0.1),
        one("groups", 0.003, 0.3),
        one("retrieval", 0.02, 0.5),
    ]
    found, wanting = judged([*tests, *[one("association", 0.5, 0.1)] * 6])
    assert [(f["diagnostic"], f["effect"]["value"]) for f in found] == [
        ("groups", 0.3),
        ("groups", 0.1),
        ("linear_probe", 0.9),
    ]
    assert [f["p_corrected"] for f in found] == pytest.approx([0.003 * 8, 0.002 * 9, 0.001 * 10])
    assert "retrieval" in {w["diagnostic"] for w in wanting}  # 0.02 alone would have been enough
    assert judged([]) == ([], [])


def test_what_only_exploring_would_claim_is_a_hint():
    def one(p):
        return HypothesisTest("run", "retrieval", COLUMNS, "It is so.", ("x", Score(0.1, 0.0, 0.2)), p, 0.1, 100)

    found, wanting = judged([one(p) for p in (0.001, 0.02, 0.03, 0.6)])
    # Holm: 0.004, 0.06, 0.06, 0.6; Benjamini and Hochberg: 0.004, 0.04, 0.04, 0.6
    assert [f["p"] for f in found] == [0.001]
    assert [w["follow_up"] for w in wanting] == [True, True, False]
