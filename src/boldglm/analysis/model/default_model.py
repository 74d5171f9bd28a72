"""The default model, built as a BIDS Stats Model if the user gives no model file."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.model import MODEL_VERSION
from boldglm.analysis.model.modulation import Modulator, parse_modulation, refuse_clashes
from boldglm.analysis.model.orthogonalized_contrasts import unmixed_contrasts
from boldglm.errors import BadDataError, UsageError
from boldglm.glm import default_fir_delays, hrf_basis, parse_contrast, parse_orthogonalization
from boldglm.glm.first_level.contrasts import split_named_contrast
from boldglm.io.outputs.names import clashing_labels
from boldglm.notices import Notice
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import (
    DRIFT,
    DRIFT_MODEL,
    DUMMY_SCANS,
    FD_THRESHOLD,
    HIGH_PASS,
    HRF_MODEL,
    LITERAL_CONDITIONS,
    MOST_PAIRED,
    NOISE_MODEL,
    SIGNAL_SCALING,
    SMOOTHING_TYPE,
    TRIAL_TYPE,
    TRIAL_TYPE_COLUMN,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DefaultModelOptions:
    """Options of the default model.

    Parameters
    ----------
    conditions : tuple of str, optional
        Trial types to model; by default all.
    trial_type_column : str
        Column of the events that names conditions.
    hrf_model : str
        One of `boldglm.glm.HRF_MODELS`.
    fir_delays : tuple of float, optional
        Delays of the HRF model ``"fir"`` in seconds.
    modulate, orthogonalize : tuple of str
        Rules such as ``"rt @ go"`` and ``"houses ~ faces"``.
    contrasts : tuple of str, optional
        Expressions; by default each condition, all pairs of a few conditions, and an F test of
        all conditions.
    confounds : ConfoundSettings
        Confounds, with columns from `choose_confounds`.
    high_pass : float or None
        Cut-off period of the cosine drift in seconds; None for no cosines.
    noise_model, signal_scaling, smoothing, smoothing_type
        As for `boldglm.analysis.first_level.settings.FitSettings`.
    drift : str
        As for `boldglm.glm.build_design`.
    """

    conditions: tuple[str, ...] | None = None
    trial_type_column: str = TRIAL_TYPE
    hrf_model: str = HRF_MODEL
    fir_delays: tuple[float, ...] | None = None
    modulate: tuple[str, ...] = ()
    orthogonalize: tuple[str, ...] = ()
    contrasts: tuple[str, ...] | None = None
    confounds: ConfoundSettings = field(default_factory=ConfoundSettings)
    high_pass: float | None = HIGH_PASS
    noise_model: str = NOISE_MODEL
    signal_scaling: str = SIGNAL_SCALING
    smoothing: float | None = None
    smoothing_type: str = SMOOTHING_TYPE
    drift: str = DRIFT

    @property
    def prefix(self) -> str:
        """What precedes a condition in the name of its variable."""
        return f"{self.trial_type_column}."


def default_model(
    task: str,
    found_conditions: Sequence[str],
    repetition_time: float,
    options: DefaultModelOptions,
    *,
    name: str = "default",
    runs: Sequence[Collection[str]] | None = None,
    event_columns: Sequence[str] = (),
) -> dict[str, Any]:
    """Build the default model of one task; `default_model_with_notices` without its notices.

    Examples
    --------
    >>> content = default_model("faces", ["face", "house"], 2.0, DefaultModelOptions())
    >>> [contrast["Name"] for contrast in content["Nodes"][0]["Contrasts"]]
    ['face', 'house', 'face - house', 'any condition']
    """
    return default_model_with_notices(
        task,
        found_conditions,
        repetition_time,
        options,
        name=name,
        runs=runs,
        event_columns=event_columns,
    )[0]


def default_model_with_notices(
    task: str,
    found_conditions: Sequence[str],
    repetition_time: float,
    options: DefaultModelOptions,
    *,
    name: str = "default",
    runs: Sequence[Collection[str]] | None = None,
    event_columns: Sequence[str] = (),
) -> tuple[dict[str, Any], tuple[Notice, ...]]:
    """Build the default model of one task.

    Parameters
    ----------
    task : str
        Label of the task.
    found_conditions : sequence of str
        Trial types that occur in any selected run.
    repetition_time : float
        Seconds between volumes, for the default FIR delays.
    options : DefaultModelOptions
        Options given by the user.
    name : str
        Name of the model, and of its file.
    runs : sequence of collection of str, optional
        Trial types of each selected run. By default, contrasts of conditions that no run has
        together are excluded; without `runs`, every run is taken to have all conditions.
    event_columns : sequence of str, optional
        Columns of the events, which modulators may name.

    Returns
    -------
    content : dict
        Content of a BIDS Stats Model file, whose description lists excluded contrasts.
    notices : tuple of Notice
        Default contrasts that were excluded because they mix an orthogonalized regressor with
        one that it was orthogonalized against.

    Raises
    ------
    BadDataError
        If a condition, contrast or rule names a condition that no run has.

    Examples
    --------
    >>> options = DefaultModelOptions(orthogonalize=("house ~ face",))
    >>> content, notices = default_model_with_notices("faces", ["face", "house"], 2.0, options)
    >>> [contrast["Name"] for contrast in content["Nodes"][0]["Contrasts"]]
    ['face', 'house', 'any condition']
    >>> notices[0].text.partition(",")[0]
    "default contrast 'face - house': house was orthogonalized against face"
    """
    conditions = _chosen_conditions(found_conditions, options, task)
    variables = [options.prefix + condition for condition in conditions]
    delays = _delays(options, repetition_time)
    suffixes = hrf_basis(options.hrf_model, delays).suffixes
    modulators = _modulators(options, conditions, event_columns)
    modulating = [options.prefix + modulator.name for modulator in modulators]
    columns = [name + suffix for name in variables + modulating for suffix in suffixes]
    contrasts = _contrasts(variables, modulating, suffixes, columns, options)
    contrasts, excluded = _estimable_contrasts(contrasts, conditions, options, runs)
    software = _software(options, modulators, [*variables, *modulating, *columns])
    notices: list[Notice] = []
    if options.contrasts is None:
        of = {name: [name + suffix for suffix in suffixes] for name in variables + modulating}
        contrasts, notices = unmixed_contrasts(contrasts, of, software.get("Orthogonalize", []))
    period = options.high_pass if options.drift == DRIFT else None
    filters = {"HighPassFilterCutoffHz": 1 / period} if period else {}
    run = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "session", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [
                {"Name": "Factor", "Input": [options.trial_type_column]},
                _convolve(variables, options.hrf_model, delays),
            ],
        },
        "Model": {
            "Type": "glm",
            "X": [*columns, *options.confounds.columns, 1],
            "Options": filters,
            "Software": {"boldglm": software},
        },
        "Contrasts": contrasts,
    }
    content = {
        "Name": name,
        "BIDSModelVersion": MODEL_VERSION,
        "Description": f"Default model of boldglm for task {task}: one regressor for each trial "
        "type, fixed effects over runs, one-sample t test over participants."
        + _exclusion_text(excluded)
        + "".join(f" Excluded {notice}." for notice in notices),
        "Input": {"task": [task]},
        "Nodes": [run, _higher_level_node("Subject", ["subject", "contrast"], "meta"), _dataset()],
    }
    return content, tuple(notices)


def _software(
    options: DefaultModelOptions, modulators: list[Modulator], known: list[str]
) -> dict[str, Any]:
    """Return options that are not in the specification; `known` are conditions and columns."""
    content: dict[str, Any] = {
        "NoiseModel": options.noise_model,
        "SignalScaling": options.signal_scaling,
    }
    if options.drift.startswith("polynomial"):
        content[DRIFT_MODEL] = options.drift
    if options.trial_type_column != TRIAL_TYPE:
        content[TRIAL_TYPE_COLUMN] = options.trial_type_column
    if any(set(name) & set("*?") for name in known):
        content[LITERAL_CONDITIONS] = True
    if options.smoothing is not None:
        content["SmoothingFWHM"] = options.smoothing
        content["SmoothingType"] = options.smoothing_type
    if modulators:
        content["Modulators"] = [modulator.to_dict() for modulator in modulators]
    if options.orthogonalize:
        rules = [_rule(text, list(dict.fromkeys(known))) for text in options.orthogonalize]
        content["Orthogonalize"] = rules
    if options.confounds.fd_threshold is not None:
        content[FD_THRESHOLD] = options.confounds.fd_threshold
    if options.confounds.dummy_scans:
        content[DUMMY_SCANS] = options.confounds.dummy_scans
    return content


def _estimable_contrasts(
    contrasts: list[dict[str, Any]],
    conditions: list[str],
    options: DefaultModelOptions,
    runs: Sequence[Collection[str]] | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the default contrasts that some run can estimate, and the names of the others."""
    if options.contrasts is not None or runs is None:
        return contrasts, []
    estimable, excluded = [], []
    for contrast in contrasts:
        # A column is named by its condition and perhaps a suffix: the longest match is right.
        needed = {
            max((name for name in conditions if column.startswith(options.prefix + name)), key=len)
            for column in contrast["ConditionList"]
        }
        if any(needed <= set(run) for run in runs):
            estimable.append(contrast)
        else:
            excluded.append(contrast["Name"])
    return estimable, excluded


def _exclusion_text(names: Sequence[str]) -> str:
    if not names:
        return ""
    text = f"Excluded contrasts, because no run has all their conditions: {', '.join(names)}."
    logger.warning("%s", text)
    return f" {text}"


def _higher_level_node(level: str, group_by: list[str], kind: str) -> dict[str, Any]:
    return {
        "Level": level,
        "Name": level.lower(),
        "GroupBy": group_by,
        "Model": {"Type": kind, "X": [1]},
        "DummyContrasts": {"Test": "t"},
    }


def _dataset() -> dict[str, Any]:
    return _higher_level_node("Dataset", ["contrast"], "glm")


def _chosen_conditions(known: Sequence[str], options: DefaultModelOptions, task: str) -> list[str]:
    requested, prefix = options.conditions, options.prefix
    if requested is None:
        return sorted(known)
    for condition in requested:
        if _short(condition, prefix, known) not in known:
            raise BadDataError(
                f"--conditions {condition}: no run of task {task} has that "
                f"{options.trial_type_column}."
                f"{did_you_mean(condition, known)} Found: {', '.join(sorted(known))}."
            )
    return list(dict.fromkeys(_short(condition, prefix, known) for condition in requested))


def _short(condition: str, prefix: str, known: Sequence[str]) -> str:
    """Return the trial type of a condition that may be written with its prefix."""
    return condition if condition in known else condition.removeprefix(prefix)


def _delays(options: DefaultModelOptions, repetition_time: float) -> tuple[float, ...] | None:
    if options.hrf_model != "fir":
        return None
    if options.fir_delays:
        return _checked_delays(options.fir_delays)
    return default_fir_delays(repetition_time)


def _checked_delays(delays: tuple[float, ...]) -> tuple[float, ...]:
    """Return delays in ascending order, or refuse delays that give a bin no width."""
    written = f"--fir-delays {' '.join(f'{delay:g}' for delay in delays)}"
    if not np.isfinite(delays).all():
        raise UsageError(f"{written}: every delay must be a finite number of seconds.")
    if len(delays) == 1:
        raise UsageError(
            f"{written}: a bin lasts until the next delay, so a single delay gives no bin. Give "
            "two or more, in seconds."
        )
    if len(set(delays)) < len(delays):
        raise UsageError(
            f"{written}: two delays are the same, so the bin between them has no width."
        )
    return tuple(sorted(delays))


def _modulators(
    options: DefaultModelOptions, conditions: list[str], event_columns: Sequence[str]
) -> list[Modulator]:
    modulators = [
        modulator
        for text in options.modulate
        for modulator in parse_modulation(text, conditions, event_columns)
    ]
    refuse_clashes(modulators, conditions)
    return list(dict.fromkeys(modulators))


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
        raise BadDataError(
            f"--orthogonalize '{text}': a regressor cannot be orthogonalized against itself."
        )
    return {"Regressor": regressor, "Against": list(against), "Stage": "design"}


def _contrasts(
    variables: list[str],
    modulating: list[str],
    suffixes: Sequence[str],
    columns: list[str],
    options: DefaultModelOptions,
) -> list[dict[str, Any]]:
    if options.contrasts is not None:
        return [_requested_contrast(text, columns) for text in options.contrasts]
    short = {name: name.removeprefix(options.prefix) for name in variables + modulating}
    main = [suffix for suffix in suffixes if suffix == ""] or list(suffixes)
    test = "t" if len(main) == 1 else "F"
    each = {name: [name + suffix for suffix in main] for name in variables + modulating}
    contrasts = [
        _contrast(short[variable], names, np.eye(len(names)), test)
        for variable, names in each.items()
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
    """Number contrasts that would have the same file names, such as 'go left' and 'go_left'."""
    names: list[str] = []
    for contrast in contrasts:
        name, number = contrast["Name"], 1
        while name in names or clashing_labels([*names, name]):
            number += 1
            name = f"{contrast['Name']} ({number})"
        names.append(name)
    return [{**contrast, "Name": name} for contrast, name in zip(contrasts, names, strict=True)]


def _requested_contrast(text: str, columns: list[str]) -> dict[str, Any]:
    try:
        name, expression = split_named_contrast(text)
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
