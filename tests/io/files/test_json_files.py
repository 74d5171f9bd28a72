"""What JSON of others may hold: it becomes values that can be used, or one kind of error."""

import json
import math
import os

import pytest

from boldglm.io.files.json_files import MAX_DEPTH, load_json


@pytest.fixture
def written(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "x.json"
        path.write_text(text, encoding=encoding)
        return path

    return write


def nested(levels):
    return "[" * levels + "]" * levels


def test_plain_content_comes_back(written):
    content = {"a": [1, -2, 0.5, "été 面孔", None, True], "b": {"\\ud": 10**17}}

    assert load_json(written(json.dumps(content))) == content


def test_a_byte_order_mark_does_no_harm(written):
    assert load_json(written('{"a": 1}', "utf-8-sig")) == {"a": 1}


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 5000, 200_000])
def test_what_is_nested_too_deep_is_refused(written, levels):
    assert load_json(written(nested(MAX_DEPTH))) is not None

    with pytest.raises(ValueError, match="nested more than 100 levels"):
        load_json(written(nested(levels)))


def test_an_integer_of_any_length_is_a_number(written):
    found = load_json(written(f"[{10**20}, 1{'0' * 9000}, -1{'0' * 400}]"))

    assert found == [1e20, math.inf, -math.inf]


def test_halves_of_surrogate_pairs_become_text_that_can_be_written(written):
    found = load_json(written(r'{"\udfff": ["\ud800x", "\ud83d\ude00", "\\ud800"]}'))

    assert found == {"\ufffd": ["\ufffdx", "😀", "\\ud800"]}


def test_two_values_of_one_key_are_refused_and_equal_ones_are_not(written):
    assert load_json(written('{"a": {"b": [1], "b": [1]}, "c": NaN, "c": NaN}'))["a"] == {"b": [1]}

    with pytest.raises(ValueError, match=r"key 'b' twice, with different values \[1, 2\]"):
        load_json(written('{"a": {"b": 1, "b": 2}}'))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.json")

    with pytest.raises(OSError, match="not a regular file"):
        load_json(tmp_path / "x.json")
