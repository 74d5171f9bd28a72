"""The model that is built when the user gives none, as a valid BIDS Stats Model."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.model import MODEL_VERSION
from boldglm.analysis.model.modulation import Modulator, parse_modulation, refuse_clashes
from boldglm.errors import BadDataError, UsageError
from boldglm.glm import default_fir_delays, hrf_basis, parse_contrast, parse_orthogonalization
from boldglm.glm.first_level.contrasts import split_named_contrast
from boldglm.io.bids.events import PREFIX
from boldglm.io.outputs.names import clashing_labels
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import (
    DUMMY_SCANS,
    FD_THRESHOLD,
    HIGH_PASS,
    HRF_MODEL,
    MOST_PAIRED,
    NOISE_MODEL,
    SIGNAL_SCALING,
    SMOOTHING_TYPE,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DefaultModelOptions:
    """What the command line may say about the default model; None means the default."""

    conditions: tuple[str, ...] | None = None
    hrf_model: str = HRF_MODEL
    fir_delays: tuple[float, ...] | None = None
    modulate: tuple[str, ...] = ()
    orthogonalize: tuple[str, ...] = ()
    contrasts: tuple[str, ...] | None = None
    # columns as `choose_confounds` found them
    confounds: ConfoundSettings = field(default_factory=ConfoundSettings)
    high_pass: float | None = HIGH_PASS
    noise_model: str = NOISE_MODEL
    signal_scaling: str = SIGNAL_SCALING
    smoothing: float | None = None  # FWHM in mm
    smoothing_type: str = SMOOTHING_TYPE


def default_model(
    task: str,
    found_conditions: Sequence[str],
    repetition_time: float,
    options: DefaultModelOptions,
    *,
    name: str = "default",
    runs: Sequence[Collection[str]] | None = None,
) -> dict[str, Any]:
    """Build the default model of one task.

    Parameters
    ----------
    task : str
        Label of the task.
    found_conditions : sequence of str
        Trial types that occur in any selected run.
    repetition_time : float
        In seconds; default FIR delays are multiples of it.
    options : DefaultModelOptions
        What the user chose.
    name : str
        Name of the model, and of its file.
    runs : sequence of collection of str, optional
        Trial types of each selected run: conditions that no run has together are not compared
        unless `options` say so. By default every run has all.

    Returns
    -------
    dict
        Content of a BIDS Stats Model file; its description names what is not compared.

    Raises
    ------
    BadDataError
        If a condition, contrast or orthogonalization names what the events do not have.
    """
    conditions = _chosen(found_conditions, options.conditions, task)
    variables = [PREFIX + condition for condition in conditions]
    delays = _delays(options, repetition_time)
    suffixes = hrf_basis(options.hrf_model, delays).suffixes
    modulators = _modulators(options, conditions)
    modulating = [PREFIX + one.name for one in modulators]
    columns = [name + suffix for name in variables + modulating for suffix in suffixes]
    contrasts = _contrasts(variables, modulating, suffixes, columns, options)
    contrasts, apart = _of_one_run(contrasts, conditions, options, runs)
    filters = {"HighPassFilterCutoffHz": 1 / options.high_pass} if options.high_pass else {}
    run = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "session", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [
                {"Name": "Factor", "Input": ["trial_type"]},
                _convolve(variables, options.hrf_model, delays),
            ],
        },
        "Model": {
            "Type": "glm",
            "X": [*columns, *options.confounds.columns, 1],
            "Options": filters,
            "Software": {
                "boldglm": _software(options, modulators, [*variables, *modulating, *columns])
            },
        },
        "Contrasts": contrasts,
    }
    return {
        "Name": name,
        "BIDSModelVersion": MODEL_VERSION,
        "Description": f"Default model of boldglm for task {task}: one regressor per trial_type, "
        "fixed effects over runs, one-sample t over subjects." + _not_compared(apart),
        "Input": {"task": [task]},
        "Nodes": [run, _upper("Subject", ["subject", "contrast"], "meta"), _dataset()],
    }


def _software(
    options: DefaultModelOptions, modulators: list[Modulator], known: list[str]
) -> dict[str, Any]:
    """Return what the specification has no place for; `known` are conditions and columns."""
    own: dict[str, Any] = {
        "NoiseModel": options.noise_model,
        "SignalScaling": options.signal_scaling,
    }
    if options.smoothing is not None:
        own["SmoothingFWHM"] = options.smoothing
        own["SmoothingType"] = options.smoothing_type
    if modulators:
        own["Modulators"] = [one.to_dict() for one in modulators]
    if options.orthogonalize:
        rules = [_rule(text, list(dict.fromkeys(known))) for text in options.orthogonalize]
        own["Orthogonalize"] = rules
    if options.confounds.fd_threshold is not None:
        own[FD_THRESHOLD] = options.confounds.fd_threshold
    if options.confounds.dummy_scans:
        own[DUMMY_SCANS] = options.confounds.dummy_scans
    return own


def _of_one_run(
    contrasts: list[dict[str, Any]],
    conditions: list[str],
    options: DefaultModelOptions,
    runs: Sequence[Collection[str]] | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Take out what nobody asked for and no run can estimate; return what is left, and names."""
    if options.contrasts is not None or runs is None:
        return contrasts, []
    kept, apart = [], []
    for one in contrasts:
        # a column is its condition, or that and a suffix or modulator: the longest name fits
        own = {
            max((c for c in conditions if column.startswith(PREFIX + c)), key=len)
            for column in one["ConditionList"]
        }
        if any(own <= set(run) for run in runs):
            kept.append(one)
        else:
            apart.append(one["Name"])
    return kept, apart


def _not_compared(apart: Sequence[str]) -> str:
    if not apart:
        return ""
    text = f"No run has all that these would need, so they are left out: {', '.join(apart)}."
    logger.warning("%s", text)
    return f" {text}"


def _upper(level: str, group_by: list[str], kind: str) -> dict[str, Any]:
    return {
        "Level": level,
        "Name": level.lower(),
        "GroupBy": group_by,
        "Model": {"Type": kind, "X": [1]},
        "DummyContrasts": {"Test": "t"},
    }


def _dataset() -> dict[str, Any]:
    return _upper("Dataset", ["contrast"], "glm")


def _chosen(found: Sequence[str], asked: tuple[str, ...] | None, task: str) -> list[str]:
    if asked is None:
        return sorted(found)
    for condition in asked:
        if condition.removeprefix(PREFIX) not in found:
            raise BadDataError(
                f"--conditions {condition}: no run of task {task} has that trial_type."
                f"{did_you_mean(condition, found)} Found: {', '.join(sorted(found))}."
            )
    return list(dict.fromkeys(condition.removeprefix(PREFIX) for condition in asked))


def _delays(options: DefaultModelOptions, repetition_time: float) -> tuple[float, ...] | None:
    if options.hrf_model != "fir":
        return None
    if options.fir_delays:
        return _checked_delays(options.fir_delays)
    return default_fir_delays(repetition_time)


def _checked_delays(delays: tuple[float, ...]) -> tuple[float, ...]:
    """Return delays in order, or refuse what would leave a bin without a width."""
    written = f"--fir-delays {' '.join(f'{delay:g}' for delay in delays)}"
    if not np.isfinite(delays).all():
        raise UsageError(f"{written}: every delay is a number of seconds.")
    if len(delays) == 1:
        raise UsageError(
            f"{written}: each bin lasts until the next delay, so a single one has no end. Give "
            "two or more, in seconds."
        )
    if len(set(delays)) < len(delays):
        raise UsageError(f"{written}: two are the same, and the bin between them has no width.")
    return tuple(sorted(delays))


def _modulators(options: DefaultModelOptions, conditions: list[str]) -> list[Modulator]:
    found = [one for text in options.modulate for one in parse_modulation(text, conditions)]
    refuse_clashes(found, conditions)
    return list(dict.fromkeys(found))


def _convolve(
    variables: list[str], hrf_model: str, delays: tuple[float, ...] | None
) -> dict[str, Any]:
    kind, *extras = hrf_model.split(" + ")
    instruction: dict[str, Any] = {"Name": "Convolve", "Input": variables, "Model": kind}
    for extra in extras:
        instruction[extra.capitalize()] = True
    if delays:
        instruction["FirDelays"] = list(delays)
    return instruction


def _rule(text: str, known: list[str]) -> dict[str, Any]:
    try:
        regressor, against = parse_orthogonalization(text, known)
    except ValueError as error:
        raise BadDataError(f"--orthogonalize '{text}': {error}") from error
    if regressor in against:
        raise BadDataError(f"--orthogonalize '{text}': a regressor cannot be its own reference.")
    return {"Regressor": regressor, "Against": list(against), "Stage": "design"}


def _contrasts(
    variables: list[str],
    modulating: list[str],
    suffixes: Sequence[str],
    columns: list[str],
    options: DefaultModelOptions,
) -> list[dict[str, Any]]:
    if options.contrasts is not None:
        return [_asked(text, columns) for text in options.contrasts]
    short = {name: name.removeprefix(PREFIX) for name in variables + modulating}
    main = [suffix for suffix in suffixes if suffix == ""] or list(suffixes)
    test = "t" if len(main) == 1 else "F"
    each = {name: [name + suffix for suffix in main] for name in variables + modulating}
    contrasts = [
        _contrast(short[variable], own, np.eye(len(own)), test) for variable, own in each.items()
    ]
    if len(variables) <= MOST_PAIRED:
        for first, second in combinations(variables, 2):
            weights = np.hstack([np.eye(len(main)), -np.eye(len(main))])
            name = f"{short[first]} - {short[second]}"
            contrasts.append(_contrast(name, each[first] + each[second], weights, test))
    if len(variables) > 1:
        every = [column for name in variables for column in each[name]]
        contrasts.append(_contrast("any condition", every, np.eye(len(every)), "F"))
    return _with_distinct_labels(contrasts)


def _with_distinct_labels(contrasts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number contrasts whose files would have the same name, of 'go left' and 'go_left', say."""
    names: list[str] = []
    for one in contrasts:
        name, number = one["Name"], 1
        while name in names or clashing_labels([*names, name]):
            number += 1
            name = f"{one['Name']} ({number})"
        names.append(name)
    return [{**one, "Name": name} for one, name in zip(contrasts, names, strict=True)]


def _asked(text: str, columns: list[str]) -> dict[str, Any]:
    name, expression = split_named_contrast(text)
    try:
        weights = np.atleast_2d(parse_contrast(expression, columns))
    except ValueError as error:
        raise BadDataError(f"--contrast '{text}': {error}") from error
    used = [index for index in range(len(columns)) if np.any(weights[:, index] != 0)]
    test = "F" if "," in expression else "t"
    return _contrast(
        name or expression.strip(), [columns[index] for index in used], weights[:, used], test
    )


def _contrast(name: str, columns: list[str], weights: np.ndarray, test: str) -> dict[str, Any]:
    rows = [[float(value) for value in row] for row in np.atleast_2d(weights)]
    return {
        "Name": name,
        "ConditionList": columns,
        "Weights": rows[0] if test == "t" else rows,
        "Test": test,
    }
