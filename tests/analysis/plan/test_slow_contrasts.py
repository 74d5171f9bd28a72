"""Contrasts near the cut-off of the high-pass filter are warned of, others are not."""

import numpy as np
import pytest

from boldglm.analysis.model.model import Model, parse_model
from boldglm.analysis.plan.slow_contrasts import slow_contrast_warning
from boldglm.glm import build_design

TIMES = np.arange(300) * 2.0
FILE = {
    "Name": "m",
    "BIDSModelVersion": "1.0.0",
    "Nodes": [
        {
            "Level": "Run",
            "Name": "run",
            "GroupBy": ["run", "subject"],
            "Model": {
                "Type": "glm",
                "X": ["trial_type.on", 1],
                "Options": {"HighPassFilterCutoffHz": 1 / 128},
            },
            "DummyContrasts": {"Test": "t"},
        }
    ],
}


def warned(length, high_pass=128.0):
    onsets = np.arange(0, TIMES[-1] - length, 2.0 * length)
    events = {
        "onset": onsets, "duration": np.full(onsets.size, length),
        "trial_type": ["on"] * onsets.size,
    }  # fmt: skip
    design = build_design(events, TIMES, high_pass=high_pass)
    model = parse_model(FILE)
    assert isinstance(model, Model)
    weights = np.zeros(design.n_regressors)
    weights[0] = 1.0
    return slow_contrast_warning(design, [("on", weights)], model)


@pytest.mark.parametrize("length", [2.0, 8.0, 15.0, 20.0, 30.0])
def test_events_and_short_blocks_are_not_warned_of(length):
    assert warned(length) is None


@pytest.mark.parametrize("length", [50.0, 60.0])
def test_long_blocks_are_warned_of_with_the_cut_off_that_would_do(length):
    text = str(warned(length))
    assert "most of the variance of the contrast 'on' lies near the high-pass cut-off" in text
    assert "--high-pass" in text


def test_the_share_is_that_of_noise_at_these_frequencies():
    """Sum the variance that sines and cosines of each slow frequency add, one by one."""
    from boldglm.glm.design.low_frequencies import share_below

    rng = np.random.default_rng(4)
    matrix = np.column_stack([np.cumsum(rng.normal(size=64)), np.ones(64)])
    times = np.arange(64) * 1.5
    row = np.array([1.0, 0.0])
    estimate = np.linalg.pinv(matrix)[0]
    added = []
    for harmonic in range(4 * 64 // 2 + 1):
        angle = 2 * np.pi * harmonic / (4 * 64 * 1.5) * times
        added.append((estimate @ np.cos(angle)) ** 2 + (estimate @ np.sin(angle)) ** 2)
    added = np.array(added)
    slow = np.arange(added.size) / (4 * 64 * 1.5) < 0.02

    found = share_below(matrix, row, times, 0.02)

    assert found == pytest.approx(added[slow].sum() / added.sum(), rel=1e-10)
    uneven = times + np.where(np.arange(64) % 2, 0.3, 0.0)
    assert 0 < share_below(matrix, row, uneven, 0.02) < 1
