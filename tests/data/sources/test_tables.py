"""Whatever is written in a table: it is read as it was written, or answered in one sentence.  Three seconds."""

import json

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sslviz.data.sources.split_names import with_split_column
from sslviz.data.sources.tables import file_columns, read_table, with_label

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=9)


def is_word(text):
    """Whether no reader would take it for a number, a truth value or a gap."""
    try:
        float(text)
    except ValueError:
        return text.casefold() not in ("true", "false", "nan") and not text.startswith("\ufeff")
    return False


@given(labels=st.lists(WORDS.filter(is_word), min_size=1, max_size=6), separator=st.sampled_from(",;\t|"))
def test_words_are_read_as_they_were_written(tmp_path, labels, separator):
    table = pd.DataFrame({"file_name": [f"{i}.png" for i in range(len(labels))], "label": labels})
    table.to_csv(tmp_path / "metadata.csv", index=False, sep=separator)
    read, _ = read_table(tmp_path / "metadata.csv")
    assert read["label"].tolist() == labels and file_columns(read) == ["file_name"]


@given(values=st.lists(st.one_of(st.floats(-1e9, 1e9), st.none()), min_size=1, max_size=6))
def test_numbers_are_read_as_pandas_writes_them(tmp_path, values):
    pd.DataFrame({"file_name": range(len(values)), "x": values}, dtype=object).to_csv(tmp_path / "m.csv", index=False)
    read, _ = read_table(tmp_path / "m.csv")
    assert [None if pd.isna(v) else float(v) for v in read["x"]] == values


SIGNS = 'a,;\t"\n\r 01.|=\ufeffé{}[]:\\'
CONTENT = st.one_of(st.text(st.sampled_from(SIGNS), max_size=40).map(str.encode), st.binary(max_size=30))


@settings(max_examples=150)
@given(content=CONTENT)
@example(content=b"")
@example(content=b"\xff\xfe")
@example(content=b"\xff\xfea")
@example(content=b"sep=;")
@example(content=b"\n\n\n")
@example(content=b'"')
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.parquet"])
def test_anything_is_read_or_answered(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    try:
        table, notes = read_table(tmp_path / name)
        with_split_column(with_label(table)[0])
        file_columns(table)
    except ValueError as error:
        assert "\n" not in str(error) and name in str(error)
    else:
        assert all(isinstance(note, str) for note in notes)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), WORDS, st.lists(st.integers(), max_size=2)
)


@given(rows=st.lists(st.dictionaries(st.sampled_from(["file_name", "label", "x"]), VALUES), min_size=1, max_size=5))
def test_every_column_of_json_lines_is_read_or_left_out_with_a_word(tmp_path, rows):
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table, notes = read_table(tmp_path / "m.jsonl")
    for column in set().union(*rows):
        values = [row.get(column) for row in rows]
        assert (column in table) != any(isinstance(value, list) for value in values)
        assert column in table or any(f"{column} is left out" in note for note in notes)
        if column in table and all(isinstance(value, str) for value in values):
            assert table[column].tolist() == values
    pd.util.hash_pandas_object(table)
