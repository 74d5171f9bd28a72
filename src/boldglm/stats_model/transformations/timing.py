"""Transformations in time: Convolve, Lag, ToDense, Resample, Orthogonalize."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from boldglm.glm import DoubleGamma, HRFBasis, convolve_events, hrf_basis
from boldglm.notices import exclusion
from boldglm.stats_model.transformations.alignment import aligned
from boldglm.stats_model.transformations.instructions import Instruction
from boldglm.stats_model.variables import Variable, Variables, sampled

MODELS = ("spm", "glover", "fir", "textbook", "doublegamma")
GAMMA_PARAMETERS = {
    "peakdelay": "peak",
    "peakdispersion": "peak_dispersion",
    "undershootdelay": "undershoot",
    "undershootdispersion": "undershoot_dispersion",
    "peakundershootratio": "ratio",
}


def convolve(variables: Variables, call: Instruction) -> Variables:
    """Convolve with an HRF, in continuous time, sampled at the exact time of every volume."""
    basis = basis_of(call)
    for name in call.inputs:
        variables = convolved(variables, name, call.output_of(name), basis, call)
    return variables


def basis_of(call: Instruction) -> HRFBasis:
    """Return the kernels that an instruction, or `Model.HRF`, asks for."""
    text = str(call.value("Model", "spm")).lower()
    model, *extras = [part.strip() for part in text.split("+")]
    if model not in MODELS:
        known = "Known: spm, glover, fir, textbook, DoubleGamma."
        call.refuse("Model", f"found {call.value('Model', None)!r}", known)
    if call.flag("Derivative", default=False) and "derivative" not in extras:
        extras.append("derivative")
    if call.flag("Dispersion", default=False) and "dispersion" not in extras:
        extras.append("dispersion")
    delays = call.value("FirDelays", None)
    if model == "doublegamma":
        return _double_gamma(call)
    if call.value("Parameters", None):
        call.refuse(
            "Parameters",
            f"the HRF {model!r} has none, and {call.value('Parameters', None)} are given",
            "Use Model 'DoubleGamma' to change its shape, or leave them out.",
        )
    if model == "fir" and not delays:
        call.refuse("FirDelays", "it is missing", "List the delays, in seconds.")
    try:
        order = [one for one in ("derivative", "dispersion") if one in extras]
        if "dispersion" in order and "derivative" not in order:
            full = hrf_basis(f"{model} + derivative + dispersion")
            kept = [0, 2]
            return HRFBasis(
                tuple(full.suffixes[k] for k in kept), tuple(full.kernels[k] for k in kept)
            )
        return hrf_basis(
            " + ".join([model, *order]), [float(one) for one in delays] if delays else None
        )
    except (TypeError, ValueError) as error:
        call.refuse("Model", str(error), "Mend the instruction.")


def _double_gamma(call: Instruction) -> HRFBasis:
    given = call.value("Parameters", {}) or {}
    if not isinstance(given, Mapping):
        call.refuse("Parameters", f"found {given!r}", "Give an object, such as {'PeakDelay': 5}.")
    plain = {str(key).replace("_", "").lower(): value for key, value in given.items()}
    values = {}
    for key, value in plain.items():
        if key not in GAMMA_PARAMETERS:
            call.refuse("Parameters", f"found {key!r}", f"Known: {', '.join(GAMMA_PARAMETERS)}.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            call.refuse(f"Parameters.{key}", f"found {value!r}", "A number is needed.")
        values[GAMMA_PARAMETERS[key]] = float(value)
    try:
        return HRFBasis(("",), (DoubleGamma(**values),))
    except ValueError as error:
        call.refuse("Parameters", str(error), "Change the parameters.")


def convolved(
    variables: Variables, name: str, output: str, basis: HRFBasis, call: Instruction
) -> Variables:
    """Put in the response to one variable: a column for each kernel, in its place.

    A variable without any event other than 0 has no response: it counts as missing.
    """
    if variables.frame_times is None:
        call.refuse("", "there is no time above the run", "Convolve in a Run node.")
    variable = call.numeric(variables[name])
    onset, duration, heights = _as_events(variable)
    used = np.isfinite(heights) & (heights != 0)
    for attribute, column in (("onset", onset), ("duration", duration)):
        bad = used & ~np.isfinite(column)
        if bad.any():
            call.refuse(
                "Input",
                f"{name!r} has {int(bad.sum())} events whose {attribute} is n/a",
                f"Give their {attribute} in seconds, or leave them out with Replace or Filter.",
            )
    if (duration[used] < 0).any():
        call.refuse("Input", f"{name!r} has events of negative duration", "Mend the events.")
    names = [output + suffix for suffix in basis.suffixes]
    if not used.any():
        call.notes.append(exclusion(f"{name!r}: all of its events in this run are 0"))
        missing = variables.missing | {name, *names}
        return replace(variables.without([name]), missing=missing)
    n_missing = int((~np.isfinite(heights)).sum())
    if n_missing:
        call.notes.append(exclusion(f"{n_missing} events of {name!r}, which have no value"))
    made = [
        Variable(
            label,
            convolve_events(
                onset[used], duration[used], heights[used], kernel, variables.frame_times
            ),
            times=variables.frame_times,
        )
        for label, kernel in zip(names, basis.kernels, strict=True)
    ]
    kept = variables if output != name else variables.without([name])
    return kept.with_variables(made)


def _as_events(variable: Variable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onsets, durations and heights; each sample of a dense variable is an event of its step."""
    heights = np.asarray(variable.values, dtype=float)
    if variable.is_sparse:
        assert variable.onset is not None
        assert variable.duration is not None
        return variable.onset, variable.duration, heights
    assert variable.times is not None
    step = float(np.median(np.diff(variable.times)))
    return variable.times, np.full(heights.size, step), heights


def lag(variables: Variables, call: Instruction) -> Variables:
    """Shift by a number of samples; fractions by spline interpolation of some order."""
    shift, order = call.number("Shift", 1.0), call.number("Order", 3)
    if order not in range(6):
        call.refuse("Order", f"found {order:g}", "Splines have a whole order from 0 to 5.")
    if shift == int(shift):
        order = 0  # values move as they are, n/a too
    mode = call.word("Mode", "nearest", ("nearest", "reflect", "constant"))
    fill = call.number("Constant", 0.0)
    is_difference = call.flag("Difference", default=False)
    made = []
    for name in call.inputs:
        values = np.asarray(call.numeric(variables[name]).values, dtype=float)
        if order and not np.isfinite(values).all():
            call.refuse(
                "Input",
                f"{name!r} has values that are n/a, which no spline goes through",
                "Fill them with Replace, or shift by whole samples.",
            )
        shifted = ndimage.shift(values, shift=shift, order=int(order), mode=mode, cval=fill)
        if is_difference:
            shifted = values - shifted if shift >= 0 else shifted - values
        made.append(replace(variables[name].with_values(shifted), name=call.output_of(name)))
    return variables.with_variables(made)


def to_dense(variables: Variables, call: Instruction) -> Variables:
    """Sample events: at the volumes, or SamplingRate times a second."""
    times = _sampling_times(variables, call)
    made = []
    for name in call.inputs:
        variable = call.numeric(variables[name])
        made.append(Variable(call.output_of(name), sampled(variable, times), times=times))
    return variables.with_variables(made)


def _sampling_times(variables: Variables, call: Instruction) -> np.ndarray:
    if variables.frame_times is None:
        call.refuse("", "there is no time above the run", "Use it in a Run node.")
    rate = call.value("SamplingRate", 10)
    if str(rate).upper() == "TR":
        return variables.frame_times
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
        call.refuse("SamplingRate", f"found {rate!r}", "Give samples per second, or 'TR'.")
    return np.arange(0.0, variables.end, 1.0 / float(rate))


def orthogonalize(variables: Variables, call: Instruction) -> Variables:
    """Take out what other variables, beside a constant, explain; exact at any stage."""
    others = call.names("Other", variables)
    made = []
    for name in call.inputs:
        against = [one for one in others if one != name]
        if not against:
            call.refuse("Other", f"it is {name!r} itself", "Name another variable.")
        together = aligned(variables, [name, *against], call, onto_first=True)
        own, *rest = [call.numeric(one) for one in together]
        values = np.asarray(own.values, dtype=float)
        columns = np.stack([np.asarray(one.values, dtype=float) for one in rest], axis=1)
        there = np.isfinite(values) & np.isfinite(columns).all(axis=1)
        design = np.column_stack([np.ones(int(there.sum())), columns[there]])
        fitted = np.linalg.lstsq(design, values[there], rcond=None)[0]
        changed = values.copy()
        changed[there] = values[there] - columns[there] @ fitted[1:]
        made.append(replace(own.with_values(changed), name=call.output_of(name)))
    return variables.with_variables(made)
