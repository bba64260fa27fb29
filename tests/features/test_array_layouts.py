"""Arrays and tables that are odd and legal read what they should; others are refused in one sentence, and nothing is guessed.

70 layouts, every diagnostic on few and on equal images, and a property test: 12 s on one core.
"""

import decimal
import fractions
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sslviz
from sslviz import Features, Images
from sslviz.catalog import diagnostics
from sslviz.evaluation.answers import compute_entry
from sslviz.features.columns import coded, in_order
from sslviz.features.evidence import Evidence

RNG = np.random.default_rng(0)
Y = np.arange(80) % 2
X = (8 * np.eye(2, 6)[Y] + RNG.integers(-2, 3, size=(80, 6))).astype(
    np.float32
)  # small whole numbers: exact in any type
RIGHT = 1.0  # read linearly: the classes lie eight apart


def read_rightly(x, y=Y, column="label"):
    return sslviz.linear_probe(Features.from_array(x, table={column: y}), column).accuracy


def memory_map(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


LEGAL = {
    "float64": lambda p: X.astype(np.float64),
    "float16": lambda p: X.astype(np.float16),
    "int8": lambda p: X.astype(np.int8),
    "uint8": lambda p: (X - X.min()).astype(np.uint8),
    "int64": lambda p: X.astype(np.int64),
    "bool": lambda p: X > 4,
    "longdouble": lambda p: X.astype(np.longdouble),
    "big-endian": lambda p: X.astype(">f4"),
    "column by column": lambda p: np.asfortranarray(X),
    "backwards": lambda p: X[::-1][::-1],
    "every other of twice as many": lambda p: np.repeat(X, 2, axis=1)[:, ::2],
    "a memory map": memory_map,
    "a list of lists": lambda p: X.tolist(),
    "a list of arrays": lambda p: list(X),
    "objects": lambda p: X.astype(object),
    "decimals": lambda p: [[decimal.Decimal(int(v)) for v in row] for row in X],
    "fractions": lambda p: [[fractions.Fraction(int(v), 3) for v in row] for row in X],
    "a data frame": lambda p: pd.DataFrame(X, columns=list("abcdef"), index=range(80, 0, -1)),
    "a nullable data frame": lambda p: pd.DataFrame(X.astype(int)).astype("Int64"),
    "a sparse matrix": lambda p: scipy.sparse.csr_array(X),
    "a masked array without gaps": lambda p: np.ma.masked_array(X, mask=False),
    "a tensor": lambda p: torch.tensor(X),
    "a tensor with a gradient": lambda p: torch.tensor(X, requires_grad=True) * 2,
    "a bfloat16 tensor": lambda p: torch.tensor(X).bfloat16(),
    "a half tensor": lambda p: torch.tensor(X).half(),
    "an int tensor": lambda p: torch.tensor(X).int(),
    "a transposed tensor": lambda p: torch.tensor(X.T).T,
    "one dimension": lambda p: X[:, :1],
    "more dimensions than images": lambda p: np.tile(X, (1, 20)),
    "columns on scales of their own": lambda p: X * np.logspace(-30, 30, 6, dtype=np.float32),
    "values times 1e20": lambda p: X * np.float32(1e20),
    "values times 1e-25": lambda p: X * np.float32(1e-25),
    "values times 1e30": lambda p: X * np.float32(1e30),
    "values times 1e-36": lambda p: X * np.float32(1e-36),
    "values near the largest": lambda p: X * np.float32(2.5e37),
    "a constant column": lambda p: np.c_[X, np.full(80, 0.1)],
    "repeated rows": lambda p: X[Y],
}


@pytest.mark.parametrize("name", LEGAL)
def test_an_odd_array_is_read_as_it_is(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_rightly(LEGAL[name](tmp_path)) == RIGHT


def test_features_that_are_all_the_same_read_chance():
    assert read_rightly(np.zeros((80, 6))) == read_rightly(np.full((80, 6), 0.1)) == 0.5


REFUSED = {
    "complex numbers": (X + 1j, "real numbers; got complex numbers"),
    "text": (X.astype(str), "real numbers; got text"),
    "text among objects": ([["1", 2.0]] * 80, "real numbers; got text"),
    "dates": (X.astype("datetime64[s]"), "real numbers; got dates"),
    "dicts": (np.array([[{}]] * 80), "real numbers; got dict"),
    "rows of several lengths": ([[1.0], [1.0, 2.0]] * 40, "rows of one length"),
    "a gap": ([[None, 1.0]] * 80, "NaN or infinite values in 80 of 80"),
    "a masked array with gaps": (np.ma.masked_array(X, mask=X > 8), "NaN or infinite"),
    "beyond float32": (X.astype(float) * 1e60, "largest number is 3e\\+38, but values reach 1e\\+61; divide"),
    "below float32": (X.astype(float) * 1e-60, "lost the digits of numbers below 1e-38"),
    "denormal": (X * np.float32(1e-40), "lost the digits"),
    "no image": (X[:0], r"at least one image and one dimension; got shape \(0, 6\)"),
    "no dimension": (X[:, :0], r"got shape \(80, 0\)"),
    "one axis": (X[0], r"got shape \(6,\)"),
    "a number": (3.0, r"got shape \(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_matrix_of_numbers_is_one_sentence(name):
    x, words = REFUSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=words):
            Features.from_array(x)


TEXT = np.array(["a", "b"])[Y]
COLUMNS = {  # a column of two classes, and what they are called
    "text": (TEXT, ["a", "b"]),
    "bytes-free numpy text": (list(TEXT), ["a", "b"]),  # of numpy's own type str_
    "whole numbers": (Y, ["0", "1"]),
    "a tensor": (torch.tensor(Y), ["0", "1"]),
    "truth values": (Y == 1, ["False", "True"]),
    "an unordered category": (pd.Categorical(TEXT, categories=["c", "b", "a"]), ["a", "b"]),
    "nullable whole numbers": (pd.array(Y, dtype="Int64"), ["0", "1"]),
    "nullable truth values": (pd.array(Y == 1, dtype="boolean"), ["False", "True"]),
    "pandas' own text": (pd.array(TEXT, dtype="string"), ["a", "b"]),
    "a series with an index of its own": (pd.Series(TEXT, index=range(80)[::-1]), ["a", "b"]),
    "dates": (pd.to_datetime(np.array(["2020-01-01", "2021-01-01"])[Y]), None),
    "a digit that is no number": (np.array(["1", "²"])[Y], ["1", "²"]),
    "other people's digits": (np.array(["٣", "٢"])[Y], ["٢", "٣"]),
    "numbers below zero": (np.array(["-1", "10"])[Y], ["-1", "10"]),
    "several kinds": ([(1, "b")[y] for y in Y], ["1", "b"]),
    "one written in several ways": ([("1" if i % 4 else 1, True)[y] for i, y in enumerate(Y)], ["1", "True"]),
    "lists": ([[1, 2] if y else [3] for y in Y], ["[1, 2]", "[3]"]),
    "arrays": ([np.arange(y + 1) for y in Y], ["[0, 1]", "[0]"]),
    "dicts": ([{"b": 1, "a": 2} if y else {"a": 2} for y in Y], ['{"a": 2, "b": 1}', '{"a": 2}']),
    "pairs": ([(1, 2) if y else (3, 4) for y in Y], ["[1, 2]", "[3, 4]"]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_an_odd_column_tells_its_classes_and_comes_back_from_a_file(name, tmp_path):
    values, names = COLUMNS[name]
    features = Features.from_array(X, table={"label": values, "coin": RNG.integers(2, size=80)})
    found = coded(features, "label")[0]
    assert len(found) == 2 and (names is None or found.tolist() == names)
    assert sslviz.linear_probe(features).accuracy == RIGHT
    assert sslviz.selectivity(features, "coin").scores()  # looks at every other column
    features.save(tmp_path / "f")
    back = Features.load(tmp_path / "f")
    assert coded(back, "label")[0].tolist() == found.tolist() and back.digest == features.digest
    images = Images(np.zeros((80, 2, 2, 3), np.uint8), features.ids, pd.DataFrame({"label": pd.Series(values)}))
    assert len(images.digest) == 16


def test_gaps_stay_gaps_whatever_the_column_holds(tmp_path):
    table = {
        "numbers": [1, None] * 40,
        "truth": [True, None] * 40,
        "lists": [[1], None] * 40,
        "kinds": [1, "x", np.nan, pd.NA] * 20,
        "text": ["a", None] * 40,
    }
    features = Features.from_array(X, table=table)
    features.save(tmp_path / "f")
    back = Features.load(tmp_path / "f")
    for column in table:
        for one in (features, back):
            assert one.table[column].isna().sum() == 40, column
    assert [str(v) for v in features.column("numbers")[:1]] == [str(v) for v in back.column("numbers")[:1]]


def test_names_of_columns_are_text_and_each_is_there_once():
    assert Features.from_array(X, table=pd.DataFrame({0: Y})).column("0").tolist() == Y.tolist()
    assert read_rightly(X, column=7) == RIGHT
    twice = pd.DataFrame(np.c_[Y, Y], columns=["label", "label"])
    for make in (
        lambda: Features.from_array(X, table=twice),
        lambda: Images(np.zeros((80, 2, 2, 3), np.uint8), range(80), twice),
        lambda: Features.from_array(X, table=pd.DataFrame({0: Y, "0": Y})),
    ):
        with pytest.raises(ValueError, match="more than one column called"):
            make()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"label": "a"}, "'label' is to hold one value an image; got str"),
        ({"label": np.eye(2)}, "one value an image; got ndarray"),
        ({"label": [1], "size": [1, 2]}, "of one length; got"),
        ([1, 2], "a dict of columns by name; got a list"),
    ],
)
def test_what_is_no_table_is_one_sentence(table, words):
    with pytest.raises(ValueError, match=words):
        Features.from_array(X, table=table)


def test_numbered_classes_come_in_the_order_of_their_numbers():
    assert in_order(["10", "9", "1"]) == ["1", "9", "10"] and in_order(["10.5", "-2", "3"]) == ["-2", "3", "10.5"]
    assert in_order(["nan", "2", "10"]) == ["10", "2", "nan"] and in_order(["01", "1"]) == ["01", "1"]
    twelve = Features.from_array(X, table={"label": np.arange(80) % 12})
    numbered = [str(number) for number in range(12)]
    assert sslviz.neural_collapse(twelve).classes.tolist() == numbered
    assert sslviz.linear_probe(twelve).classes.tolist() == numbered
    assert list(sslviz.changed(twelve, twelve).by_class) == numbered
    uneven = np.r_[np.repeat(np.arange(12), 2), np.full(56, 10)]
    counts = sslviz.neural_collapse(Features.from_array(X, table={"label": uneven})).counts
    assert counts.tolist() == [2] * 10 + [58, 2]


# --- every diagnostic ------------------------------------------------------------------------------------------------

COLUMNS_OF = {"label": ("label",), "attribute": ("coin",), "columns": ("label", "coin")}
LEAST = {"lidar"}  # whose delta is a number in the features' own unit, as its caveat says


def answer(entry, evidence, other):
    columns = COLUMNS_OF.get(entry.scope, ())
    return compute_entry(entry, evidence, columns, other=other if entry.scope == "pair" else None)


def each(evidence, change):
    shown = {stimulus: {name: change(x) for name, x in seen.items()} for stimulus, seen in evidence.shown.items()}
    return Evidence(shown, evidence.expected_pairs)


def rows_of(number):
    return lambda features: features.rows(np.arange(min(number, len(features))))


def times(factor):
    return lambda f: Features((f.x * np.float32(factor)).astype(np.float32), f.ids, f.table, f.source)


def all_equal_to(value):
    return lambda f: Features(np.full_like(f.x, value), f.ids, f.table, f.source)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("entry", diagnostics(), ids=lambda e: e.name)
def test_a_handful_of_images_is_answered_or_refused_in_one_sentence(entry, number, planted_evidence):
    evidence = each(planted_evidence(), rows_of(number))
    try:
        scores = answer(entry, evidence, evidence).scores()
        assert all(np.isfinite(score.value) for score in scores.values())
    except ValueError as error:
        assert_one_sentence(error)


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("entry", diagnostics(), ids=lambda e: e.name)
def test_features_without_any_difference_are_answered_or_refused_in_one_sentence(entry, value, planted_evidence):
    evidence = each(planted_evidence(n=90), all_equal_to(value))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            scores = answer(entry, evidence, evidence).scores()
            assert all(np.isfinite(score.value) for score in scores.values())
        except ValueError as error:
            assert_one_sentence(error)


def assert_one_sentence(error):
    text = str(error)
    assert "\n" not in text and text.endswith((".", "?")) and "NaN" not in text and "zero-size" not in text, text


CHEAP = [e for e in diagnostics() if e.name not in {"projection", "mlp_probe", "selectivity", "association", *LEAST}]


@pytest.fixture(scope="module")
def plain(planted_evidence):
    evidence, other = planted_evidence(n=90, d=8), planted_evidence(n=90, d=8, seed=1)
    return evidence, other, {entry.name: texts(answer(entry, evidence, other)) for entry in CHEAP}


def texts(result):
    return {name: str(score) for name, score in result.scores().items()}


@settings(max_examples=40)
@example(entry=next(e for e in CHEAP if e.name == "linear_probe"), exponent=-115, dtype="float32")
@given(st.sampled_from(CHEAP), st.integers(-115, 115), st.sampled_from(["float32", "float64", ">f4", "longdouble"]))
def test_the_scale_and_the_type_of_features_change_no_score(plain, entry, exponent, dtype):
    evidence, other, before = plain

    def change(features):
        x = np.ldexp(features.x, exponent).astype(dtype)  # by a power of two, which rounds nothing
        return Features(x, features.ids, features.table, features.source)

    assert texts(answer(entry, each(evidence, change), each(other, change))) == before[entry.name]


@pytest.mark.parametrize("name", ["projection", "mlp_probe", "selectivity", "association"])
@pytest.mark.parametrize("exponent", [-100, 100])
def test_the_scale_changes_no_score_of_what_takes_longer(name, exponent, planted_evidence):
    entry, evidence = next(e for e in diagnostics() if e.name == name), planted_evidence(n=60, d=6)
    scaled = each(evidence, times(2.0**exponent))
    assert texts(answer(entry, scaled, scaled)) == texts(answer(entry, evidence, evidence))


def test_lidar_says_where_its_delta_is_all_there_is(planted_evidence):
    views = planted_evidence().of("views")
    with pytest.raises(ValueError, match="lost beside LiDAR's delta of 0.0001; multiply"):
        sslviz.lidar(times(1e-10)(views))
    small = sslviz.lidar(times(2.0**-40)(views), delta=1e-4 * 2.0**-80)
    assert texts(small) == texts(sslviz.lidar(views))


@pytest.mark.filterwarnings("ignore")  # of torch, on its quantised tensors
def test_tensors_of_types_that_numpy_has_not():
    x = torch.arange(24.0).reshape(6, 4) / 24
    quantised = torch.quantize_per_tensor(x, 1 / 64, 0, torch.qint8)
    np.testing.assert_array_equal(Features.from_array(quantised).x, quantised.dequantize().numpy())
    for other, said in ((x.to("meta"), "on meta"), (x.to(torch.complex32), "complex32")):
        with pytest.raises(ValueError, match=f"real numbers; got a tensor of .*{said}"):
            Features.from_array(other)
