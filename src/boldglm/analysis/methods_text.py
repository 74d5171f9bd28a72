"""The methods paragraph and what the report says of a model."""

import platform
from functools import cache
from importlib.metadata import version

from boldglm._version import __version__
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.model_options import model_options
from boldglm.glm.design.confound_names import (
    COSINES,
    MOTION_OUTLIERS,
    NON_STEADY_STATE,
    confound_category,
)
from boldglm.vocabulary import ESTIMATOR, LEVELS

HRF_WORDS = {
    "spm": "the SPM double-gamma hemodynamic response function",
    "glover": "the Glover double-gamma hemodynamic response function",
    "textbook": "a double-gamma hemodynamic response function (peak 6, undershoot 12, ratio 0.35)",
    "fir": "finite impulse response",
}
METHOD_WORDS = {
    "fixed": "were combined by inverse-variance weighted fixed effects, with the variance "
    "corrected for the weights being estimated (Meier 1953)",
    "ols": "were tested by least squares, their scatter being the noise (a one-sample t test "
    "where the design is a constant)",
    "mixed": "were tested by mixed effects: weighted by the inverse of their own variance plus a "
    "variance between them estimated by restricted maximum likelihood at every voxel, with the "
    "test of Knapp and Hartung (2003)",
}
NOISE_WORDS = {
    "ols": "taken to be white",
    "auto": "modeled as autoregressive, with coefficients estimated at each voxel as far as the "
    "voxels of the run differ and shared by them otherwise (empirical Bayes), by exact "
    "generalized least squares; variances and degrees of freedom of each contrast were corrected "
    "for the estimation of these coefficients, by simulation on the design of the run",
    "ar1": "modeled as a first-order autoregressive process, with a coefficient estimated at each "
    "voxel by restricted maximum likelihood, and exact generalized least squares; degrees of "
    "freedom are Satterthwaite's",
    **{
        f"ar{order}": f"modeled as an autoregressive process of order {order}, with coefficients "
        "estimated at each voxel by matching the autocovariances of the residuals, and exact "
        "generalized least squares; degrees of freedom are Satterthwaite's"
        for order in range(2, 7)
    },
    "arma11": "modeled as the sum of a first-order autoregressive process and white noise "
    "(ARMA(1,1)), its parameters found at each voxel on a grid by restricted maximum likelihood, "
    "and exact generalized least squares; degrees of freedom are Satterthwaite's",
    "nilearn-ar1": "modeled as a first-order autoregressive process as nilearn does, with "
    "coefficients from the residuals, not corrected for the regressors, and rounded to two "
    "decimals",
}
REFERENCES = {
    "glm": "Friston KJ et al. (1994). Statistical parametric maps in functional imaging: a "
    "general linear approach. Human Brain Mapping 2:189-210. doi:10.1002/hbm.460020402",
    "glover": "Glover GH (1999). Deconvolution of impulse response in event-related BOLD fMRI. "
    "NeuroImage 9:416-429. doi:10.1006/nimg.1998.0419",
    "autocorrelation": "Worsley KJ et al. (2002). A general statistical analysis for fMRI "
    "data. NeuroImage 15:1-15. doi:10.1006/nimg.2001.0933",
    "satterthwaite": "Satterthwaite FE (1946). An approximate distribution of estimates of "
    "variance components. Biometrics Bulletin 2:110-114. doi:10.2307/3002019",
    "empirical bayes": "Morris CN (1983). Parametric empirical Bayes inference: theory and "
    "applications. Journal of the American Statistical Association 78:47-55. "
    "doi:10.1080/01621459.1983.10477920",
    "meier": "Meier P (1953). Variance of a weighted mean. Biometrics 9:59-73. "
    "doi:10.2307/3001633",
    "knapp": "Knapp G, Hartung J (2003). Improved tests for a random effects meta-regression with "
    "a single covariate. Statistics in Medicine 22:2693-2710. doi:10.1002/sim.1482",
    "stats models": "BIDS Stats Models specification. https://bids-standard.github.io/stats-models",
    "nipype": "Gorgolewski K et al. (2011). Nipype: a flexible, lightweight and extensible "
    "neuroimaging data processing framework in Python. Frontiers in Neuroinformatics 5:13. "
    "doi:10.3389/fninf.2011.00013",
    "pybids": "Yarkoni T et al. (2019). PyBIDS: Python tools for BIDS datasets. Journal of Open "
    "Source Software 4(40):1294. doi:10.21105/joss.01294",
    "bids": "Gorgolewski KJ et al. (2016). The brain imaging data structure, a format for "
    "organizing and describing outputs of neuroimaging experiments. Scientific Data 3:160044. "
    "doi:10.1038/sdata.2016.44",
}


def methods_paragraphs(model: Model, level: str) -> list[str]:
    """Describe an analysis as a methods section would; every clause comes from the model."""
    first = (
        f"Task fMRI data were analyzed with boldglm {__version__}. For each run, a general linear "
        f"model was fitted to all voxels at the same time, {_regressors(model)}"
    )
    if model.high_pass:
        first += f" Slow drift was modeled by cosines with periods above {model.high_pass:g} s."
    if model.low_pass:
        first += (
            f" Signals with periods below {model.low_pass:g} s were filtered out by cosines in "
            "the model."
        )
    first += _confound_sentences(model.confounds)
    for regressor, against in model.orthogonalize:
        first += (
            f" The regressor {_short(regressor)} was orthogonalized with respect to "
            f"{', '.join(map(_short, against))}, so that what they share is attributed to the "
            "latter."
        )
    first += _smoothing_sentence(model)
    first += (
        " Signals are expressed in percent of each voxel's mean."
        if model.signal_scaling == "percent"
        else " Signals were not scaled."
    )
    first += f" Noise was {NOISE_WORDS[model.noise_model]}."
    return [first, *_upper_sentences(model, level)]


def smoothing_words(model: Model) -> str:
    """Say in a few words how runs are smoothed."""
    if not model.smoothing:
        return "none"
    return f"{'to ' * (model.smoothing_type == 'isoblurto')}{model.smoothing:g} mm FWHM"


def _smoothing_sentence(model: Model) -> str:
    if not model.smoothing:
        return ""
    width = f"{model.smoothing:g} mm full width at half maximum"
    if model.smoothing_type == "isoblurto":
        return (
            f" The series was smoothed, among the voxels of the brain mask only, by the Gaussian "
            f"after which residuals of the design were as smooth as white noise smoothed by "
            f"{width}; runs that were smoother before were left as they were."
        )
    return (
        f" The series was smoothed by a Gaussian of {width}, among the voxels of the brain mask "
        "only."
    )


def _regressors(model: Model) -> str:
    """Say which regressors a run has."""
    if model.plain is None:
        steps = [str(one["Name"]) for one in model.run_node.instructions]
        terms = ", ".join(str(term) for term in model.run_node.x if term != 1)
        made = f" after the transformations {', '.join(steps)}" if steps else ""
        response = (
            ""
            if model.hrf_model == "none"
            else f" Events were convolved with {_response(model.hrf_model)} in continuous time "
            "and sampled at the acquisition time of each volume."
        )
        return (
            f"as the BIDS Stats Model {model.name!r} says: with the terms {terms}{made}.{response}"
        )
    conditions = model.plain.conditions
    return (
        f"with one regressor for each of {len(conditions)} trial types "
        f"({', '.join(conditions)}). Events were convolved with {_response(model.hrf_model)} in "
        "continuous time and sampled at the acquisition time of each volume."
    )


def _response(hrf_model: str) -> str:
    texts = []
    for one in hrf_model.split(", "):
        kind, *extras = one.split(" + ")
        text = HRF_WORDS.get(kind.lower(), f"the {kind} hemodynamic response function")
        if extras:
            words = {"derivative": "time derivative", "dispersion": "dispersion derivative"}
            text += " with its " + " and ".join(words.get(extra, extra) for extra in extras)
        texts.append(text)
    return ", ".join(texts)


def _upper_sentences(model: Model, level: str) -> list[str]:
    """One paragraph for each node above the run, up to a level."""
    levels = LEVELS if level == "dataset" else LEVELS[:3]
    found = []
    for node in model.spec.higher_level_nodes(levels):
        inputs = {"session": "Runs", "subject": "Runs", "dataset": "Results of participants"}
        estimator = model_options(node, model.name).get("Estimator", ESTIMATOR)
        method = "fixed" if node.type == "meta" else estimator
        columns = ", ".join(_short(str(term)) for term in node.x if term != 1)
        text = f"{inputs[node.level]} {METHOD_WORDS[method]}"
        if columns:
            text += f", in a design with the columns {columns}"
        width = model_options(node, model.name).get("SmoothingFWHM")
        if width is not None:
            text += f", after their effects had been smoothed by a Gaussian of {width:g} mm FWHM"
        found.append(text + f" (node {node.name!r}).")
    return found


def _confound_sentences(confounds: ConfoundSettings) -> str:
    """Say which confounds join the design and which volumes are censored."""
    kinds = dict.fromkeys(
        confound_category(name.rstrip("*"))
        for name in confounds.columns
        if name not in (COSINES, MOTION_OUTLIERS, NON_STEADY_STATE)
    )
    text = ""
    if kinds:
        columns = [
            name for name in confounds.columns if confound_category(name.rstrip("*")) in kinds
        ]
        text += (
            f" Confounds of the preprocessing joined the design: {', '.join(kinds)} "
            f"({', '.join(columns)})."
        )
    if COSINES in confounds.columns:
        text += " Slow drift was modeled by the discrete cosines of the preprocessing."
    censored = []
    if NON_STEADY_STATE in confounds.columns:
        censored.append("before steady state")
    if confounds.dummy_scans:
        censored.append(f"among the first {confounds.dummy_scans}")
    if MOTION_OUTLIERS in confounds.columns:
        censored.append("marked as motion outliers by the preprocessing")
    if confounds.fd_threshold is not None:
        censored.append(f"with a framewise displacement above {confounds.fd_threshold:g} mm")
    if censored:
        text += f" Volumes {' or '.join(censored)} were censored by a regressor each."
    return text


def references(model: Model) -> list[str]:
    """List the references of the methods paragraph."""
    keys = ["glm"]
    if model.hrf_model.startswith("glover"):
        keys.append("glover")
    if model.noise_model != "ols":
        keys += ["autocorrelation", "satterthwaite"]
    if model.noise_model == "auto":
        keys.append("empirical bayes")
    if any("mixed" in node.boldglm_options.values() for node in model.spec.nodes):
        keys.append("knapp")
    keys += ["meier", "bids", "stats models", "pybids", "nipype"]
    return [REFERENCES[key] for key in keys]


@cache  # a look-up takes milliseconds, and every report needs it
def versions() -> tuple[tuple[str, str], ...]:
    """Versions of the software that computed the results."""
    names = ("numpy", "scipy", "nibabel", "nipype", "pybids", "pandas", "matplotlib")
    found = [(name, version(name)) for name in names]
    return (("boldglm", __version__), ("Python", platform.python_version()), *found)


def _short(name: str) -> str:
    return name.removeprefix("trial_type.")
