"""Designs of runs from a model file: which names are mistakes, and which other runs have."""

import numpy as np
import pytest

from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.first_level.model_design import (
    RunTables,
    design_from_model,
    names_in_any_run,
)
from boldglm.analysis.model.model import parse_model
from boldglm.errors import BadDataError


def model_of(x, *instructions):
    return parse_model({
        "Name": "m",
        "BIDSModelVersion": "1.0.0",
        "Nodes": [{
            "Level": "Run",
            "Name": "run",
            "GroupBy": ["run", "subject"],
            "Transformations": {
                "Transformer": "pybids-transforms-v1",
                "Instructions": list(instructions),
            },
            "Model": {"Type": "glm", "X": x},
            "DummyContrasts": {"Test": "t"},
        }],
    })  # fmt: skip


def tables_of(name="run-1", **columns):
    size = len(next(iter(columns.values())))
    events = {"onset": 5.0 + 9 * np.arange(size), "duration": np.ones(size)}
    events |= {key: np.array(values, dtype=object) for key, values in columns.items()}
    return RunTables(events, None, RunTiming(60, 2.0, 0.0), f"{name}_events.tsv", name)


FACTOR_BOTH = (
    {"Name": "Concatenate", "Input": ["hand", "cue"], "Output": "both"},
    {"Name": "Factor", "Input": "both"},
    {"Name": "Convolve", "Input": ["both.left_b"], "Model": "spm"},
)


def test_a_combination_of_levels_is_known_wherever_it_occurs():
    first = tables_of(hand=["left", "right", "left"], cue=["a", "b", "b"])
    second = tables_of("run-2", hand=["left", "right"], cue=["a", "b"])
    model = model_of(["both.left_b", "both.right_b", 1], *FACTOR_BOTH)

    known = names_in_any_run(model, [second, first])

    assert design_from_model(model, first, known).design.names[0] == "both.left_b"
    made = design_from_model(model, second, known)
    assert made.design.names == ("both.right_b", "constant", *made.design.names[2:])
    assert any("'both.left_b' of X: it has no event" in note.text for note in made.notices)


def test_levels_that_a_filter_leaves_are_known():
    first = tables_of(cue=["a", "b", "a", "b"], correct=["0", "1", "1", "0"])
    instructions = (
        {"Name": "Filter", "Input": "cue", "By": "correct", "Query": "correct == 1"},
        {"Name": "Factor", "Input": "cue"},
    )
    model = model_of(["cue.a", "cue.b", 1], *instructions)
    found = design_from_model(model, first, names_in_any_run(model, [first]))
    assert found.design.names[:2] == ("cue.a", "cue.b")


def test_what_no_run_has_is_refused_with_the_nearest_name_of_any_run():
    runs = [tables_of(cue=["a", "b"]), tables_of("run-2", cue=["a", "cherry"])]
    model = model_of(["cue.a", "cue.chery", 1], {"Name": "Factor", "Input": "cue"})
    known = names_in_any_run(model, runs)
    with pytest.raises(BadDataError, match=r"X\[1\].*'cue.chery'.*Did you mean 'cue.cherry'") as e:
        design_from_model(model, runs[0], known)
    assert "run-1_events.tsv" in str(e.value)


@pytest.mark.parametrize("more", [{}, {"RefLevel": "a"}])
@pytest.mark.parametrize(("constraint", "at_reference"), [("drop_one", 0.0), ("mean_zero", -0.5)])
def test_the_reference_of_a_factor_is_one_level_in_all_runs(constraint, at_reference, more):
    first = tables_of(cue=["c", "b", "a", "c"])
    second = tables_of("run-2", cue=["c", "b", "b", "c"])  # has no a
    factor = {"Name": "Factor", "Input": "cue", "Constraint": constraint, **more}
    model = model_of(["cue.b", "cue.c", 1], factor)
    known = names_in_any_run(model, [second, first])

    designs = [design_from_model(model, one, known).design for one in (first, second)]

    assert [one.names[:2] for one in designs] == [("cue.b", "cue.c")] * 2
    at_scans = [[0, 1, at_reference, 0], [0, 1, 1, 0]]
    for design, heights in zip(designs, at_scans, strict=True):
        scans = np.searchsorted(design.frame_times, 5.0 + 9 * np.arange(4))
        np.testing.assert_array_equal(design.matrix[scans, 0], heights)


def test_levels_with_many_digits_keep_their_names_apart():
    run = tables_of(stimulus=["1000001", "1000002", "1000001", "0.1234567"])
    model = model_of(["stimulus.*", 1], {"Name": "Factor", "Input": "stimulus"})
    found = design_from_model(model, run, names_in_any_run(model, [run]))
    expected = ("stimulus.0.1234567", "stimulus.1000001", "stimulus.1000002")
    assert found.design.names[:3] == expected
