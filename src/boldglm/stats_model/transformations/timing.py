"""Transformations in time: Convolve, Lag, ToDense and Resample."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from boldglm.errors import BadDataError, StopRequestedError
from boldglm.glm import DoubleGamma, HRFBasis, convolve_events, hrf_basis
from boldglm.notices import exclusion
from boldglm.stats_model.transformations.instructions import Instruction
from boldglm.stats_model.variables import Variable, Variables, sampled
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import MISSING_TIMES_POLICY

MODELS = ("spm", "glover", "fir", "textbook", "doublegamma")
NO_TIME_SERIES = (
    "the inputs of a higher level are not time series",
    "Move the instruction to the Run node.",
)
FASTEST = 1000.0  # samples per second
GAMMA_PARAMETERS = {
    "peakdelay": "peak",
    "peakdispersion": "peak_dispersion",
    "undershootdelay": "undershoot",
    "undershootdispersion": "undershoot_dispersion",
    "peakundershootratio": "ratio",
}


def convolve(variables: Variables, instruction: Instruction) -> Variables:
    """Convolve variables with an HRF in continuous time, at the exact time of every volume."""
    basis = basis_of(instruction)
    for name in instruction.inputs:
        variables = convolved(variables, name, instruction.output_of(name), basis, instruction)
    return variables


def basis_of(instruction: Instruction) -> HRFBasis:
    """Return the kernels of a Convolve instruction or of `Model.HRF`."""
    text = str(instruction.value("Model", "spm")).lower()
    model, *extras = [part.strip() for part in text.split("+")]
    if model not in MODELS:
        instruction.refuse(
            "Model",
            f"found {instruction.value('Model', None)!r}",
            "Known HRF models: spm, glover, fir, textbook, DoubleGamma."
            f"{did_you_mean(model, MODELS)}",
        )
    if instruction.flag("Derivative", default=False) and "derivative" not in extras:
        extras.append("derivative")
    if instruction.flag("Dispersion", default=False) and "dispersion" not in extras:
        extras.append("dispersion")
    delays = instruction.value("FirDelays", None)
    if model == "doublegamma":
        return _double_gamma(instruction)
    if instruction.value("Parameters", None):
        instruction.refuse(
            "Parameters",
            f"the HRF {model!r} has no parameters, but found "
            f"{instruction.value('Parameters', None)}",
            "Remove Parameters, or write Model 'DoubleGamma'.",
        )
    if model == "fir" and not delays:
        instruction.refuse(
            "FirDelays", "FirDelays is missing", "Add it, with a list of delays in seconds."
        )
    try:
        derivatives = [name for name in ("derivative", "dispersion") if name in extras]
        if derivatives == ["dispersion"]:
            full = hrf_basis(f"{model} + derivative + dispersion")
            return HRFBasis(
                (full.suffixes[0], full.suffixes[2]), (full.kernels[0], full.kernels[2])
            )
        return hrf_basis(
            " + ".join([model, *derivatives]),
            [float(delay) for delay in delays] if delays else None,
        )
    except (TypeError, ValueError) as error:
        instruction.refuse("Model", str(error).rstrip("."), "Correct the instruction.")


def _double_gamma(instruction: Instruction) -> HRFBasis:
    """Return the double gamma function with the given parameters."""
    parameters = instruction.value("Parameters", {}) or {}
    if not isinstance(parameters, Mapping):
        instruction.refuse(
            "Parameters", f"found {parameters!r}", "Write an object, such as {'PeakDelay': 5}."
        )
    values = {}
    for name, value in parameters.items():
        key = str(name).replace("_", "").lower()
        if key not in GAMMA_PARAMETERS:
            instruction.refuse(
                f"Parameters.{name}",
                "the parameter is unknown",
                f"Known parameters: {', '.join(GAMMA_PARAMETERS)}."
                f"{did_you_mean(key, GAMMA_PARAMETERS)}",
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            instruction.refuse(f"Parameters.{name}", f"found {value!r}", "Write a number.")
        values[GAMMA_PARAMETERS[key]] = float(value)
    try:
        return HRFBasis(("",), (DoubleGamma(**values),))
    except ValueError as error:
        instruction.refuse("Parameters", str(error).rstrip("."), "Change the parameters.")


def convolved(
    variables: Variables, name: str, output: str, basis: HRFBasis, instruction: Instruction
) -> Variables:
    """Replace a variable by its convolved responses, one for each kernel of the basis.

    A variable without events in the time of the run, or whose events are all 0, gets no response:
    it is missing in this run from then on.
    """
    if variables.frame_times is None:
        instruction.refuse("", *NO_TIME_SERIES)
    variable = instruction.numeric(variables[name])
    onset, duration, amplitude = _as_events(variable)
    used = np.isfinite(amplitude) & (amplitude != 0)
    used &= ~_without_times(variables, name, used, (onset, duration), instruction)
    if (duration[used] < 0).any():
        instruction.refuse(
            "Input",
            f"{name!r} has events with a negative duration",
            "Correct the durations in the events file.",
        )
    names = [output + suffix for suffix in basis.suffixes]
    if not used.any():
        instruction.notes.append(exclusion(f"{name!r}: all of its events in this run are 0"))
        missing = variables.missing | {name, *names}
        return replace(variables.without([name]), missing=missing)
    n_missing = int((~np.isfinite(amplitude)).sum())
    if n_missing:
        instruction.notes.append(exclusion(f"{n_missing} events of {name!r}, which have no value"))
    responses = [
        Variable(
            label,
            convolve_events(
                onset[used], duration[used], amplitude[used], kernel, variables.frame_times
            ),
            times=variables.frame_times,
        )
        for label, kernel in zip(names, basis.kernels, strict=True)
    ]
    if not any(response.values.any() for response in responses):
        first, last = onset[used].min(), onset[used].max()
        instruction.notes.append(
            exclusion(
                f"{name!r}: all {int(used.sum())} events (onsets {first:g} to {last:g}) lie "
                f"outside of the run, which lasts from 0 to {variables.end:g} s"
            )
        )
        missing = variables.missing | {name, *names}
        return replace(variables.without([name]), missing=missing)
    kept = variables if output != name else variables.without([name])
    return kept.with_variables(responses)


def _without_times(
    variables: Variables,
    name: str,
    used: np.ndarray,
    times: tuple[np.ndarray, np.ndarray],
    instruction: Instruction,
) -> np.ndarray:
    """Return which events have no onset or duration, with a notice, or refuse the run."""
    missing = {
        attribute: used & ~np.isfinite(column)
        for attribute, column in zip(("onset", "duration"), times, strict=True)
    }
    untimed = missing["onset"] | missing["duration"]
    if not untimed.any():
        return untimed
    attributes = " or ".join(key for key, rows in missing.items() if rows.any())
    if variables.missing_times != MISSING_TIMES_POLICY:
        is_error = variables.missing_times == "error"
        instruction.refuse(
            "Input",
            f"{name!r} has {int(untimed.sum())} events whose {attributes} is n/a, and "
            f"--missing-times {variables.missing_times} "
            f"{'does not allow that' if is_error else 'excludes such a run'}",
            "Give them in seconds, or pass --missing-times row.",
            StopRequestedError if is_error else BadDataError,
        )
    onsets = ", ".join(f"{onset:g} s" for onset in times[0][untimed & ~missing["onset"]][:5])
    where = f" (onset {onsets})" if onsets else ""
    instruction.notes.append(
        exclusion(
            f"{int(untimed.sum())} of {int(used.sum())} events of {name!r}, because {attributes} "
            f"is n/a{where}"
        )
    )
    return untimed


def _as_events(variable: Variable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return onsets, durations and amplitudes of a variable, each (n_events,).

    Each sample of a dense variable is an event that lasts for one sampling interval.
    """
    amplitude = np.asarray(variable.values, dtype=float)
    if variable.is_sparse:
        assert variable.onset is not None
        assert variable.duration is not None
        return variable.onset, variable.duration, amplitude
    assert variable.times is not None
    interval = float(np.median(np.diff(variable.times)))
    return variable.times, np.full(amplitude.size, interval), amplitude


def lag(variables: Variables, instruction: Instruction) -> Variables:
    """Shift values by a number of samples; a fraction needs spline interpolation."""
    shift, order = instruction.number("Shift", 1.0), instruction.number("Order", 3)
    if order not in range(6):
        instruction.refuse(
            "Order", f"found {order:g}", "Write the order of a spline, a whole number from 0 to 5."
        )
    if shift == int(shift):
        order = 0  # without interpolation, n/a values move like the others
    mode = instruction.word("Mode", "nearest", ("nearest", "reflect", "constant"))
    fill = instruction.number("Constant", 0.0)
    is_difference = instruction.flag("Difference", default=False)
    results = []
    for name in instruction.inputs:
        values = np.asarray(instruction.numeric(variables[name]).values, dtype=float)
        if order and not np.isfinite(values).all():
            instruction.refuse(
                "Input",
                f"{name!r} has n/a values, which cannot be interpolated",
                "Fill them with Replace, or shift by whole samples.",
            )
        shifted = ndimage.shift(values, shift=shift, order=int(order), mode=mode, cval=fill)
        if is_difference:
            shifted = values - shifted if shift >= 0 else shifted - values
        results.append(
            replace(variables[name].with_values(shifted), name=instruction.output_of(name))
        )
    return variables.with_variables(results)


def to_dense(variables: Variables, instruction: Instruction) -> Variables:
    """Sample variables at the volumes ('TR'), or SamplingRate times per second."""
    times = _sampling_times(variables, instruction)
    results = []
    for name in instruction.inputs:
        variable = instruction.numeric(variables[name])
        samples = sampled(variable, times)
        results.append(Variable(instruction.output_of(name), samples, times=times))
    return variables.with_variables(results)


def _sampling_times(variables: Variables, instruction: Instruction) -> np.ndarray:
    if variables.frame_times is None:
        instruction.refuse("", *NO_TIME_SERIES)
    rate = instruction.value("SamplingRate", 10)
    if str(rate).upper() == "TR":
        return variables.frame_times
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
        instruction.refuse(
            "SamplingRate", f"found {rate!r}", "Write a number of samples per second, or 'TR'."
        )
    if not 1 / variables.end <= rate <= FASTEST:
        instruction.refuse(
            "SamplingRate",
            f"found {rate:g} samples per second in a run of {variables.end:g} s",
            f"Write a number from {1 / variables.end:.3g} to {FASTEST:g}, or 'TR'.",
        )
    return np.arange(0.0, variables.end, 1.0 / float(rate))
