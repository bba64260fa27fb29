import numpy as np
import pandas as pd
import pytest

from sslviz import Features


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": list("abcde"), "size": range(5)})
    return Features.from_array(rng.normal(size=(5, 3)), table=table, name="mine")


def test_from_array_takes_any_float_and_leaves_the_callers_array_alone():
    x = np.eye(3)
    features = Features.from_array(x, table={"label": [0, 1, 1]}, name="mine")
    assert features.x.dtype == np.float32 and features.name == "mine" and list(features.ids) == ["0", "1", "2"]
    x[0, 0] = 7  # writable still, and not shared
    assert features.x[0, 0] == 1


def test_nothing_can_be_written_into_features(features):
    with pytest.raises(ValueError, match="read-only"):
        features.x[0, 0] = 1


def test_the_digest_changes_with_every_part(features):
    same = Features(features.x.copy(), features.ids, features.table, {"run": "other name"})
    assert same.digest == features.digest
    x = features.x.copy()
    x[3, 1] = np.nextafter(x[3, 1], 9)
    changed = [
        Features(x, features.ids, features.table),
        Features(features.x, features.ids[::-1], features.table),
        Features(features.x, features.ids, features.table.assign(label=list("abcdx"))),
        Features(features.x, features.ids, features.table.rename(columns={"size": "radius"})),
    ]
    assert len({f.digest for f in [features, *changed]}) == 5


def test_saved_features_come_back_as_a_memory_map(features, tmp_path):
    features.save(tmp_path / "features" / "000001-abc-pooled")
    back = Features.load(tmp_path / "features" / "000001-abc-pooled")
    assert isinstance(back.x.base, np.memmap) and back.digest == features.digest
    np.testing.assert_array_equal(back.x, features.x)
    pd.testing.assert_frame_equal(back.table, features.table)
    assert dict(back.source) == dict(features.source)
    fresh = Features(np.array(back.x), back.ids, back.table, back.source)
    assert fresh.digest == features.digest  # the stored digest is the true one


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".json"])
def test_half_stored_features_do_not_count(features, tmp_path, suffix):
    features.save(tmp_path / "f")
    file = tmp_path / f"f{suffix}"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match="cannot be read .* embed again"):
        Features.load(tmp_path / "f")
    file.unlink()
    with pytest.raises(ValueError, match="embed again"):
        Features.load(tmp_path / "f")


def test_select_follows_the_ids_asked_for(features):
    some = features.select(["4", "0"])
    assert list(some.column("label")) == ["e", "a"]
    np.testing.assert_array_equal(some.x, features.x[[4, 0]])
    np.testing.assert_array_equal(features.rows(np.array([1, 0, 0, 0, 1], bool)).ids, ["0", "4"])
    with pytest.raises(ValueError, match="1 ids are not among these features, the first of them '9'"):
        features.select(["0", "9"])


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(poison):
    x = np.ones((4, 2))
    x[2, 1] = poison
    with pytest.raises(ValueError, match="NaN or infinite values in 1 of 4 rows"):
        Features.from_array(x)


def test_large_but_finite_values_are_not_mistaken_for_infinite_ones():
    assert len(Features.from_array(np.full((4, 2), 3e38))) == 4


def test_bad_shapes_and_lengths_are_one_sentence():
    with pytest.raises(ValueError, match=r"matrix \(images, dimensions\); got shape \(3,\)"):
        Features.from_array(np.ones(3))
    with pytest.raises(ValueError, match="4 rows, but there are 4 ids and 3 table rows"):
        Features.from_array(np.ones((4, 2)), table={"label": [1, 2, 3]})
    with pytest.raises(ValueError, match="some ids are repeated"):
        Features.from_array(np.ones((2, 2)), ids=["a", "a"])
    with pytest.raises(ValueError, match="no column 'color'; its columns are: label"):
        Features.from_array(np.ones((1, 2)), table={"label": [1]}).column("color")
