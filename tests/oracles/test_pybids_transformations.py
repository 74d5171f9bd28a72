"""Transformations against those of pybids 0.22, where these are right; and where they are not."""

import warnings

import numpy as np
import pandas as pd
import pytest

from boldglm.stats_model.transformations import TRANSFORMATIONS, apply_instructions
from boldglm.stats_model.variables import run_variables

ONSETS = np.array([2.0, 7.0, 13.5, 20.0, 26.0, 33.0])
DURATIONS = np.full(6, 2.0)
EVENTS = {
    "rt": [1.0, 2.0, 4.0, 3.0, 2.5, 0.5],
    "gain": [0.0, -3.0, 5.0, 0.0, 2.0, 1.0],
    "trial_type": ["go", "stop", "go", "rest", "stop", "go"],
    "side": ["l", "l", "r", "r", "l", "r"],
}
N_SCANS, REPETITION_TIME = 40, 2.0


@pytest.fixture
def pybids():
    """Return a collection of pybids with the events, and its module of transformations."""
    variables = pytest.importorskip("bids.variables")
    transformations = pytest.importorskip("bids.modeling.transformations")
    entities = pytest.importorskip("bids.variables.entities")
    info = entities.RunInfo(
        {"subject": "01", "run": 1}, N_SCANS * REPETITION_TIME, REPETITION_TIME, None, N_SCANS
    )
    made = []
    for name, values in EVENTS.items():
        table = pd.DataFrame({"onset": ONSETS, "duration": DURATIONS, "amplitude": values})
        made.append(variables.SparseRunVariable(name, table, info, "events"))
    return variables.BIDSRunVariableCollection(made, sampling_rate=10), transformations


def ours(*instructions):
    frame_times = np.arange(N_SCANS) * REPETITION_TIME
    events = {"onset": ONSETS, "duration": DURATIONS, **EVENTS}
    variables = run_variables(events, {}, frame_times, N_SCANS * REPETITION_TIME)
    return apply_instructions(variables, instructions, "$")[0]


SAME = [  # (instruction, what it makes)
    ({"Name": "Demean", "Input": ["rt"], "Output": ["x"]}, ["x"]),
    ({"Name": "Scale", "Input": ["rt"], "Output": ["x"]}, ["x"]),
    ({"Name": "Scale", "Input": ["rt"], "Demean": False, "Output": ["x"]}, ["x"]),
    ({"Name": "Scale", "Input": ["rt"], "Rescale": False, "Output": ["x"]}, ["x"]),
    ({"Name": "Threshold", "Input": ["gain"], "Threshold": 1, "Output": ["x"]}, ["x"]),
    (
        {"Name": "Threshold", "Input": ["gain"], "Threshold": 2, "Binarize": True,
         "Output": ["x"]},
        ["x"],
    ),
    (
        {"Name": "Threshold", "Input": ["gain"], "Threshold": 2, "Above": False, "Output": ["x"]},
        ["x"],
    ),
    (
        {"Name": "Threshold", "Input": ["gain"], "Threshold": -2, "Signed": False,
         "Output": ["x"]},
        ["x"],
    ),
    ({"Name": "Product", "Input": ["rt", "gain"], "Output": "x"}, ["x"]),
    ({"Name": "Sum", "Input": ["rt", "gain"], "Output": "x"}, ["x"]),
    ({"Name": "Sum", "Input": ["rt", "gain"], "Weights": [1, -0.5], "Output": "x"}, ["x"]),
    ({"Name": "And", "Input": ["rt", "gain"], "Output": "x"}, ["x"]),
    ({"Name": "Or", "Input": ["rt", "gain"], "Output": "x"}, ["x"]),
    ({"Name": "Not", "Input": ["gain"], "Output": ["x"]}, ["x"]),
    ({"Name": "Copy", "Input": ["rt"], "Output": ["x"]}, ["x"]),
    ({"Name": "Rename", "Input": ["rt"], "Output": ["x"]}, ["x"]),
    ({"Name": "Replace", "Input": ["rt"], "Replace": {2.0: 9.0}, "Output": ["x"]}, ["x"]),
    ({"Name": "Factor", "Input": ["trial_type"]},
     ["trial_type.go", "trial_type.rest", "trial_type.stop"]),
    ({"Name": "Factor", "Input": ["trial_type"], "Constraint": "drop_one"},
     ["trial_type.rest", "trial_type.stop"]),
    ({"Name": "Factor", "Input": ["trial_type"], "Constraint": "mean_zero", "RefLevel": "rest"},
     ["trial_type.go", "trial_type.stop"]),
    ({"Name": "Filter", "Input": ["rt"], "Query": "rt > 2", "Output": ["x"]}, ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("instruction", "made"), SAME)
def test_what_pybids_makes_of_events_is_made_here(instruction, made, pybids):
    collection, transformations = pybids
    words = {
        "Input": "variables", "Output": "output", "RefLevel": "ref_level"
    }  # fmt: skip
    given = {
        words.get(key, key.lower()): value for key, value in instruction.items() if key != "Name"
    }
    given = {key: value for key, value in given.items() if key != "variables"}
    name = {"And": "And", "Or": "Or"}.get(instruction["Name"], instruction["Name"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(transformations, name)(collection, instruction["Input"], **given)
    found = ours(instruction)
    for column in made:
        expected = collection[column]
        np.testing.assert_allclose(
            found[column].values, expected.values.to_numpy(dtype=float).ravel(), rtol=1e-12
        )
        np.testing.assert_allclose(found[column].onset, expected.onset)
    if instruction["Name"] in ("Rename", "Factor"):
        assert instruction["Input"][0] not in found


def test_a_duration_is_assigned_as_pybids_assigns_it(pybids):
    collection, transformations = pybids
    transformations.Assign(
        collection, ["rt"], target=["gain"], target_attr="duration", output=["gain"]
    )
    found = ours({"Name": "Assign", "Input": ["rt"], "Target": ["gain"], "TargetAttr": "duration"})
    np.testing.assert_allclose(found["gain"].duration, EVENTS["rt"])
    np.testing.assert_allclose(
        np.asarray(collection["gain"].duration, dtype=float), found["gain"].duration
    )


def test_a_convolved_variable_is_that_of_pybids_before_it_resamples(pybids):
    collection, transformations = pybids
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformations.Convolve(collection, ["rt"], model="spm", output=["x"])
    expected = collection["x"].values.to_numpy().ravel()[:: int(REPETITION_TIME * 10)]
    found = ours({"Name": "Convolve", "Input": ["rt"], "Model": "spm", "Output": ["x"]})["x"]
    # its time grid is .1 s and its kernel another rounding of SPM's; the shape is the same
    assert np.corrcoef(found.values, expected)[0, 1] > 0.9999


def test_resampling_to_scans_does_not_stretch_time_as_pybids_does(pybids):
    # a regressor that pybids resamples to scans lags by up to a repetition time at the end
    collection, transformations = pybids
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformations.Convolve(collection, ["rt"], model="spm", output=["x"])
        late = collection.resample(1 / REPETITION_TIME, force_dense=True)["x"]
    exact = ours({"Name": "Convolve", "Input": ["rt"], "Model": "spm", "Output": ["x"]})[
        "x"
    ].values
    stretched = late.values.to_numpy(dtype=float).ravel()[:N_SCANS]
    assert np.corrcoef(exact, stretched)[0, 1] < 0.999


def test_orthogonalization_after_convolution_is_exact_unlike_that_of_pybids():
    names = [{"Name": "Factor", "Input": ["trial_type"]}]
    inputs = ["trial_type.go", "trial_type.stop"]
    convolve = {"Name": "Convolve", "Input": inputs, "Model": "spm"}
    rule = {"Name": "Orthogonalize", "Input": [inputs[1]], "Other": [inputs[0]]}
    found = ours(*names, convolve, rule)
    one, other = (found[name].values for name in inputs)
    assert abs(np.corrcoef(one, other)[0, 1]) < 1e-12


def test_fir_columns_take_the_place_of_their_variable_which_pybids_keeps():
    fir = {"Name": "Convolve", "Input": ["rt"], "Model": "fir", "FirDelays": [0, 2, 4]}
    found = ours(fir)
    assert "rt" not in found
    assert [name for name in found.names if name.startswith("rt")] == [
        "rt_delay_0", "rt_delay_2", "rt_delay_4"
    ]  # fmt: skip


def test_every_transformation_of_pybids_is_known(pybids):
    _, transformations = pybids
    theirs = {
        name.rstrip("_")
        for name in transformations.__all__
        if name[0].isupper() and name != "TransformerManager"
    }
    assert theirs <= set(TRANSFORMATIONS)
