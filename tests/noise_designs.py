"""Designs that tests of noise models share."""

import numpy as np


def a_design(n_scans=160, seed=0):
    """Return blocks of ten scans, random events, slow and motion-like regressors, a constant."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_scans)
    blocks = np.convolve(time % 20 >= 10, np.hanning(9), mode="same")
    events = np.convolve(rng.uniform(size=n_scans) < 0.1, np.hanning(7), mode="same")
    slow = [np.cos(np.pi * k * (time + 0.5) / n_scans) for k in range(1, 6)]
    motion = np.cumsum(rng.normal(size=(n_scans, 6)), axis=0)
    return np.column_stack([blocks, events, *slow, motion, np.ones(n_scans)])
