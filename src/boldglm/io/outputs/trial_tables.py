"""The tables of single-trial estimates, read again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.io.bids.events import read_table


@dataclass(frozen=True)
class TrialTable:
    """What `write_trials` wrote of each trial and of pairs of them, read again."""

    trial_type: tuple[str, ...]
    variance_factor: np.ndarray  # (n_trials,)
    correlations: np.ndarray  # (n_trials, n_trials), of t maps over voxels


def read_trials(maps: Mapping[str, Path]) -> TrialTable:
    """Read the tables among the files that `write_trials` returned."""
    table = read_table(maps["trials"])
    n_trials = len(table)
    correlations = np.loadtxt(
        maps["trialcorrelation"],
        delimiter="\t",
        skiprows=1,
        usecols=range(1, n_trials + 1),
        ndmin=2,
    )
    return TrialTable(
        tuple(table["trial_type"]), table["variance_factor"].to_numpy(dtype=float), correlations
    )
