"""Single-trial estimates on disk: 4-D maps with one volume per trial, and tables about trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.first_level.single_trials import (
    SingleTrials,
    pattern_correlations,
    spread_within_conditions,
)
from boldglm.io.bids.events import Events
from boldglm.io.bids.tables import read_table
from boldglm.io.files.atomic import write_bytes
from boldglm.io.images.bold_series import MaskedRun
from boldglm.io.outputs.design_files import write_correlations
from boldglm.io.outputs.names import TRIAL_ENDINGS


@dataclass(frozen=True)
class TrialTable:
    """What `read_trials` returns: numbers of each trial, and of pairs of trials."""

    trial_type: tuple[str, ...]
    variance_factor: np.ndarray  # (n_trials,)
    correlations: np.ndarray  # (n_trials, n_trials), between t maps, over voxels


def write_trials(
    folder: Path, run: MaskedRun, trials: Events, estimates: SingleTrials
) -> dict[str, Path]:
    """Write maps of effects and t, a table of the trials, and how trials vary and correlate.

    Parameters
    ----------
    folder : Path
        Where the files are written.
    run : MaskedRun
        The run: its geometry, and the scale of the effects.
    trials : Events
        The estimated trials, in the order of the estimates.
    estimates : SingleTrials
        Effects and t of each trial.

    Returns
    -------
    dict of str to Path
        ``"trialeffect"``, ``"trialt"``, ``"trials"`` (the table), ``"trialspread"`` and
        ``"trialcorrelation"``.
    """
    conditions = trials.trial_type.tolist()
    spread = spread_within_conditions(estimates.effect, conditions) * run.scale
    volumes = {"trialeffect": estimates.effect * run.scale, "trialt": estimates.t}
    paths = {
        label: run.geometry.write_series(folder, TRIAL_ENDINGS[label], values)
        for label, values in volumes.items()
    }
    paths["trialspread"] = run.geometry.write_map(folder, TRIAL_ENDINGS["trialspread"], spread)
    for label in ("trials", "trialcorrelation"):
        paths[label] = folder / f"{TRIAL_ENDINGS[label]}.tsv"
    numbered = [f"trial{number}" for number in range(1, len(conditions) + 1)]  # rows of the table
    write_correlations(pattern_correlations(estimates.t), numbered, paths["trialcorrelation"])
    _write_table(paths["trials"], trials, estimates)
    return paths


def _write_table(path: Path, trials: Events, estimates: SingleTrials) -> None:
    dof = estimates.dof if estimates.dof.ndim == 1 else np.median(estimates.dof, axis=1)
    columns = {
        "onset": [f"{value:.10g}" for value in trials.onset],
        "duration": [f"{value:.10g}" for value in trials.duration],
        "trial_type": trials.trial_type.tolist(),
        "variance_factor": [f"{value:.6g}" for value in estimates.variance_factor],
        "dof": [f"{value:.6g}" for value in dof],
    }
    rows = [tuple(columns), *zip(*columns.values(), strict=True)]
    write_bytes(path, "".join("\t".join(row) + "\n" for row in rows).encode())


def read_trials(files: Mapping[str, Path]) -> TrialTable:
    """Read the tables among the files that `write_trials` returned."""
    table = read_table(files["trials"])
    n_trials = len(table)
    correlations = np.loadtxt(
        files["trialcorrelation"],
        delimiter="\t",
        skiprows=1,
        usecols=range(1, n_trials + 1),
        ndmin=2,
    )
    return TrialTable(
        tuple(table["trial_type"]), table["variance_factor"].to_numpy(dtype=float), correlations
    )
