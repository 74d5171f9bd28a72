"""Variables are aligned event by event, also after some events were removed."""

import numpy as np
import pytest

from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.variables import run_variables

FRAME_TIMES = np.arange(60) * 2.0


def events(duration=0.0, **columns):
    size = len(next(iter(columns.values())))
    return run_variables(
        {"onset": 4.0 + 13 * np.arange(size), "duration": [duration] * size, **columns},
        {},
        FRAME_TIMES,
        120.0,
    )


def run(start, *instructions):
    return apply_instructions(start, instructions, "$.I")


COLUMNS = {"cue": list("abab"), "rt": ["0.5", "0.7", "n/a", "0.9"], "gain": list("1234")}
FACTOR = {"Name": "Factor", "Input": "cue"}
DROP = {"Name": "DropNA", "Input": "rt"}


def test_a_product_is_the_same_whether_events_without_a_value_were_dropped_or_not():
    product = {"Name": "Product", "Input": ["cue.b", "rt"], "Output": "x"}
    convolve = {"Name": "Convolve", "Input": "x", "Model": "spm"}
    kept, _ = run(events(**COLUMNS), FACTOR, product, convolve)
    dropped, _ = run(events(**COLUMNS), FACTOR, DROP, product, convolve)
    np.testing.assert_allclose(dropped["x"].values, kept["x"].values, rtol=1e-12)
    assert dropped["x"].values.max() > 0.1  # impulses have unit area, not that of a grid's step


def test_a_missing_event_adds_nothing_to_a_sum():
    total = {"Name": "Sum", "Input": ["gain", "rt"], "Output": "x"}
    found, _ = run(events(**COLUMNS), DROP, total)
    assert found["x"].is_sparse
    np.testing.assert_allclose(found["x"].values, [1.5, 2.7, 3, 4.9])


def test_removed_events_stay_removed():
    query = {"Name": "Filter", "Input": "rt", "By": "gain", "Query": "gain > 1"}
    found, _ = run(events(**COLUMNS), DROP, query)
    np.testing.assert_array_equal(found["rt"].values, [0.7, 0.9])
    split = {"Name": "Split", "Input": "rt", "By": "cue"}
    found, _ = run(events(**COLUMNS), DROP, split)
    np.testing.assert_array_equal(found["rt.cue[a]"].values, [0.5])
    np.testing.assert_array_equal(found["rt.cue[b]"].values, [0.7, 0.9])


def test_orthogonalization_excludes_events_that_either_variable_lacks():
    other = {"Name": "Orthogonalize", "Input": "rt", "Other": "gain"}
    found, _ = run(events(**COLUMNS), DROP, other)
    slope = np.polyfit([1, 2, 4], [0.5, 0.7, 0.9], 1)[0]
    np.testing.assert_allclose(found["rt"].values, [0.5 - slope, 0.7 - 2 * slope, 0.9 - 4 * slope])


def test_events_with_the_same_onset_are_distinguished_by_duration():
    start = run_variables(
        {"onset": [4, 4, 30], "duration": [1, 9, 1], "x": ["1", "n/a", "3"], "y": list("567")},
        {},
        FRAME_TIMES,
        120.0,
    )
    product = {"Name": "Product", "Input": ["x", "y"], "Output": "z"}
    found, _ = run(start, {"Name": "DropNA", "Input": "x"}, product)
    np.testing.assert_array_equal(found["z"].values, [5, 0, 21])


def test_events_of_different_lists_are_aligned_in_time():
    block = run_variables(
        {"onset": [0.0, 60.0], "duration": [30.0, 30.0], "block": ["1", "1"]},
        {},
        FRAME_TIMES,
        120.0,
    )
    both = events(2.0, **COLUMNS).with_variables([block["block"]])
    found, _ = run(both, {"Name": "Product", "Input": ["gain", "block"], "Output": "x"})
    assert not found["x"].is_sparse
    at = np.searchsorted(found["x"].times, [5.0, 18.0, 31.0, 44.0])
    np.testing.assert_allclose(found["x"].values[at], [1, 2, 0, 0])


@pytest.mark.parametrize("differ", [True, False])
def test_different_durations_give_a_warning(differ):
    assign = {"Name": "Assign", "Input": "rt", "Target": "gain", "TargetAttr": "duration"}
    product = {"Name": "Product", "Input": ["gain", "cue.b"], "Output": "x"}
    steps = [FACTOR, assign, product] if differ else [FACTOR, product]
    found, notes = run(events(1.0, **COLUMNS), *steps)
    assert any("has the durations of 'gain'" in note.text for note in notes) is differ
    assert found["x"].duration[0] == (0.5 if differ else 1.0)
