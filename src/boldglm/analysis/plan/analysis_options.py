"""The options of a call that change numbers, as the identity of its analysis keeps them."""

from pathlib import Path
from typing import Any

from boldglm.analysis.model.identity import MODEL
from boldglm.analysis.plan.dataset_model import ModelChoice
from boldglm.io.files.checksums import checksum
from boldglm.vocabulary import DUMMY_SCANS, FD_THRESHOLD, SLICE_TIME_REFERENCE


def analysis_options(choice: ModelChoice) -> dict[str, Any]:
    """Return the options that change numbers, by their names on the command line.

    An option that was not given has the value that holds without it, so that giving it or not
    makes no difference.

    Parameters
    ----------
    choice : ModelChoice
        What the user chose.

    Returns
    -------
    dict
        Values that JSON has. For a model file: those that the file has no place for, and those
        that override it.
    """
    timing = choice.timing
    reference = timing.slice_time_reference
    options: dict[str, Any] = {
        MODEL: "default" if choice.file is None else choice.file.name,
        "--derivatives": list(choice.derivatives),
        "--mask": None if choice.mask is None else _file(choice.mask),
        "--mesh": [_file(path) for path in choice.meshes],
        "--repetition-time": timing.repetition_time or "sidecar",
        "--slice-time-reference": SLICE_TIME_REFERENCE if reference is None else reference,
        "--slice-times": timing.slice_times,
        "--missing-conditions": choice.missing_conditions,
        "--missing-times": choice.missing_times,
    }
    return options | (_of_default_model(choice) if choice.file is None else _of_file(choice))


def _of_default_model(choice: ModelChoice) -> dict[str, Any]:
    options, confounds = choice.options, choice.confounds
    requested = confounds.drift_is_requested
    high_pass = options.high_pass if requested else "by default"
    return {
        "--conditions": _list(options.conditions),
        "--trial-type-column": options.trial_type_column,
        "--hrf-model": options.hrf_model,
        "--fir-delays": _list(options.fir_delays),
        "--modulate": list(options.modulate),
        "--orthogonalize": list(options.orthogonalize),
        "--contrast": _list(options.contrasts),
        "--confounds": _list(confounds.strategies),
        "--high-pass": "none" if high_pass is None else high_pass,
        "--drift": options.drift if requested else "by default",
        "--fd-threshold": confounds.fd_threshold,
        "--dummy-scans": "auto" if confounds.dummy_scans is None else confounds.dummy_scans,
        "--noise-model": options.noise_model,
        "--signal-scaling": options.signal_scaling,
        "--smoothing": _smoothing(choice, options.smoothing, options.smoothing_type),
    }


def _of_file(choice: ModelChoice) -> dict[str, Any]:
    given = choice.fit_options
    words = {
        "--noise-model": given.get("NoiseModel"),
        "--signal-scaling": given.get("SignalScaling"),
        "--smoothing": _smoothing(
            choice, given.get("SmoothingFWHM"), given.get("SmoothingType", "iso")
        ),
        "--fd-threshold": given.get(FD_THRESHOLD),
        "--dummy-scans": given.get(DUMMY_SCANS),
    }
    return {name: value for name, value in words.items() if value is not None}


def _smoothing(choice: ModelChoice, fwhm: float | None, kind: str) -> str | None:
    words = [] if fwhm is None else [f"{fwhm:g}" if kind == "iso" else f"{fwhm:g}:run:{kind}"]
    words += [
        f"{options['SmoothingFWHM']:g}:{level}"
        for level, options in choice.level_options.items()
        if "SmoothingFWHM" in options
    ]
    return " ".join(words) or None


def _file(path: Path) -> str:
    return f"{path.name} ({checksum(path)})"


def _list(values: tuple | None) -> list | None:
    return None if values is None else list(values)
