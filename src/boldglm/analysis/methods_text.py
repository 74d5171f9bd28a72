"""The methods section of an analysis and its references, ready to be pasted into a paper."""

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from boldglm._version import __version__
from boldglm.analysis.citation import reference_texts
from boldglm.analysis.higher_levels.group_inference import inference_settings
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.model_options import model_options
from boldglm.glm.design.confound_names import (
    COSINES,
    MOTION_OUTLIERS,
    NON_STEADY_STATE,
    confound_category,
    has_cosines,
)
from boldglm.stats_model.node_plans import NodePlan
from boldglm.stats_model.specification import NodeSpec
from boldglm.vocabulary import ESTIMATOR, LEVELS

HRF_WORDS = {
    "spm": "the SPM double-gamma hemodynamic response function (Friston et al., 1998)",
    "glover": "the double-gamma hemodynamic response function of Glover (Glover, 1999)",
    "textbook": "a double-gamma hemodynamic response function (peak 6, undershoot 12, ratio 0.35)",
    "fir": "a finite impulse response (FIR) basis of boxcars at successive delays",
}
ESTIMATOR_WORDS = {
    "fixed": "fixed effects weighted by inverse variance, with variances corrected for the "
    "estimation of the weights (Meier, 1953)",
    "ols": "ordinary least squares",
    "mixed": "a mixed-effects model, in which the variance between inputs was estimated at every "
    "voxel by restricted maximum likelihood, and the variance of contrasts from the residuals of "
    "the weighted inputs, with degrees of freedom for small samples (Tipton, 2015)",
}
OTHER_TESTS = {  # of groups with variances of their own
    "ols": "had degrees of freedom as in the tests of Welch and James (Johansen, 1980)",
    "mixed": "estimated the variance between inputs in each group by itself",
}
SATTERTHWAITE = "degrees of freedom were approximated as by Satterthwaite (Satterthwaite, 1946)"
NOISE_WORDS = {
    "ols": "Noise was assumed to be independent between volumes (ordinary least squares).",
    "auto": "Temporal autocorrelation of the noise was accounted for by generalized least squares "
    "with an autoregressive model. Its coefficients were estimated from the autocovariances of "
    "the residuals (Worsley et al., 2002) and shrunk by empirical Bayes (Morris, 1983), which "
    "pools voxels of the run to the extent that their noise is alike. The variance and the "
    "degrees of freedom of each contrast were corrected for the estimation of the coefficients "
    f"by simulation with the design of the run; {SATTERTHWAITE}.",
    "ar1": "Temporal autocorrelation of the noise was accounted for by generalized least squares "
    "with a first-order autoregressive model, AR(1), whose coefficient was estimated at each "
    f"voxel by restricted maximum likelihood; {SATTERTHWAITE}.",
    **{
        f"ar{order}": "Temporal autocorrelation of the noise was accounted for by generalized "
        f"least squares with an autoregressive model of order {order}, AR({order}), whose "
        "coefficients were estimated at each voxel from the autocovariances of the residuals "
        f"(Worsley et al., 2002); {SATTERTHWAITE}."
        for order in range(2, 7)
    },
    "arma11": "Temporal autocorrelation of the noise was accounted for by generalized least "
    "squares with the sum of a first-order autoregressive process and white noise, ARMA(1,1), "
    "whose parameters were estimated at each voxel by restricted maximum likelihood over a grid; "
    f"{SATTERTHWAITE}.",
    "nilearn-ar1": "Temporal autocorrelation of the noise was accounted for as in nilearn "
    "(Abraham et al., 2014): by a "
    "first-order autoregressive model, AR(1), whose coefficient was estimated at each voxel from "
    "the residuals of ordinary least squares and rounded to two decimals.",
}
_OF_OTHER_PROGRAMS = (
    "The contrasts of first levels had been estimated with other software, from whose maps of "
    "effects the group analysis started; describe these first levels here.",
)


def methods_paragraphs(
    model: Model,
    level: str,
    inference: Mapping[str, Any] | None = None,
    plans: Sequence[NodePlan] = (),
) -> list[str]:
    """Write the methods section of an analysis.

    Parameters
    ----------
    model : Model
        The model.
    level : {"subject", "dataset"}
        Highest level to describe.
    inference : mapping, optional
        Arguments of `Inference` that override those of the model.
    plans : sequence of NodePlan
        Planned fits of the dataset level, for which errors were assumed.

    Returns
    -------
    list of str
        A paragraph about runs, and one for each node of a higher level.
    """
    sentences = [
        f"Task fMRI data were analyzed with boldglm {__version__}, which is based on Nipype "
        "(Gorgolewski et al., 2011), PyBIDS (Yarkoni et al., 2019), NumPy (Harris et al., 2020) "
        "and SciPy (Virtanen et al., 2020), and follows the brain imaging data structure "
        "(Gorgolewski et al., 2016) and BIDS Stats Models.",
        *(_first_level_sentences(model) if not model.starts_from_maps else _OF_OTHER_PROGRAMS),
    ]
    levels = LEVELS if level == "dataset" else LEVELS[:3]
    nodes = model.spec.higher_level_nodes(levels)
    return [
        " ".join(sentences),
        *(_node_paragraph(node, model, inference or {}, plans) for node in nodes),
    ]


def _first_level_sentences(model: Model) -> list[str]:
    """Describe the fit of runs."""
    return [
        "For each run, a general linear model (Friston et al., 1994) was fitted at every voxel.",
        *_regressor_sentences(model),
        *_drift_sentences(model),
        *_confound_sentences(model.confounds),
        *_orthogonalization_sentences(model),
        *_smoothing_sentences(model),
        "Effects are in percent of the mean signal of each voxel."
        if model.signal_scaling == "percent"
        else "The signal was not scaled.",
        NOISE_WORDS[model.noise_model],
    ]


def references(
    model: Model,
    level: str,
    inference: Mapping[str, Any] | None = None,
    plans: Sequence[NodePlan] = (),
) -> list[str]:
    """Return the references that `methods_paragraphs` cites, as they are printed."""
    return reference_texts(methods_paragraphs(model, level, inference, plans))


def methods_of_regions(name: str, n_regions: int, level: str, *, have_tables: bool) -> str:
    """Write a paragraph about the regions of an atlas.

    Parameters
    ----------
    name : str
        Label of the atlas.
    n_regions : int
        Number of its regions.
    level : {"subject", "dataset"}
        Highest level to describe.
    have_tables : bool
        Whether mean series were fitted; else means of effect maps were tested.
    """
    sentences = [
        f"Effects of least squares over inputs were averaged over each of the {n_regions} regions "
        f"of the atlas {name}, and the means were tested like effects at voxels."
    ]
    if have_tables:
        sentences = [
            f"For each of the {n_regions} regions of the atlas {name}, the series of its voxels "
            "in the mask were averaged, and the mean series was fitted with the design and the "
            "noise model of the run.",
            "At higher levels, effects in the regions were analyzed like those at voxels.",
        ]
    if level == "dataset":
        sentences.append(
            "p values were adjusted for the false discovery rate over regions, and for "
            "family-wise error by the largest statistic over regions where permutations were used."
        )
    return " ".join(sentences)


def smoothing_words(model: Model) -> str:
    """Summarize how runs are smoothed, such as ``6 mm FWHM``."""
    if not model.smoothing:
        return "none"
    return f"{'to ' * (model.smoothing_type == 'isoblurto')}{model.smoothing:g} mm FWHM"


def _regressor_sentences(model: Model) -> list[str]:
    if model.plain is not None:
        names = model.plain.conditions
        count = f"each of {len(names)} trial types" if len(names) > 1 else "the trial type"
        described = f"({', '.join(names)})" if len(names) > 1 else names[0]
        sentences = [f"The design had one regressor for {count} {described}."]
        if model.hrf_model == "fir" or " + " in model.hrf_model:
            sentences = [f"The design had a set of regressors for {count} {described}."]
    else:
        terms = ", ".join(str(term) for term in model.run_node.x if term != 1)
        steps = ", ".join(str(step["Name"]) for step in model.run_node.instructions)
        after = f" after the transformations {steps}" if steps else ""
        sentences = [
            f"The design was specified by the BIDS Stats Model {model.name!r}, with the terms "
            f"{terms or 1}{after}."
        ]
    if model.hrf_model != "none":
        sentences.append(
            f"Events were convolved with {_response(model.hrf_model)} in continuous time and "
            "sampled at the acquisition time of each volume."
        )
    if model.modulators:
        rules = ", ".join(
            f"{modulator.condition} by {modulator.column}"
            + (f" to the power of {modulator.order}" if modulator.order > 1 else "")
            for modulator in model.modulators
        )
        sentences.append(f"Parametric modulators, centered within each run, were added: {rules}.")
    return sentences


def _response(hrf_model: str) -> str:
    """Describe the HRFs of a model, such as ``spm + derivative``."""
    derivatives = {"derivative": "time derivative", "dispersion": "dispersion derivative"}
    texts = []
    for model in hrf_model.split(", "):
        family, *extras = model.split(" + ")
        text = HRF_WORDS.get(family.lower(), f"the {family} hemodynamic response function")
        if extras:
            text += " and its " + " and ".join(derivatives.get(extra, extra) for extra in extras)
        texts.append(text)
    return ", ".join(texts)


def _drift_sentences(model: Model) -> list[str]:
    sentences = []
    if model.drift.startswith("polynomial"):
        order = "an order of 1, and 1 more for each 150 s of the run"
        if model.drift_order is not None:
            order = f"order {model.drift_order}"
        sentences.append(f"Slow drift was modeled by orthogonal polynomials up to {order}.")
    elif model.high_pass:
        sentences.append(
            "Slow drift was modeled by discrete cosine regressors with periods above "
            f"{model.high_pass:g} s."
        )
    elif not has_cosines([str(term) for term in model.run_node.x]):
        sentences.append("The design had no drift regressors.")
    if model.low_pass:
        sentences.append(
            "Discrete cosine regressors removed fluctuations with periods below "
            f"{model.low_pass:g} s."
        )
    return sentences


def _confound_sentences(confounds: ConfoundSettings) -> list[str]:
    """Describe confound regressors and censored volumes."""
    in_other_sentences = (COSINES, MOTION_OUTLIERS, NON_STEADY_STATE)
    columns = [name for name in confounds.columns if name not in in_other_sentences]
    kinds = dict.fromkeys(confound_category(name.rstrip("*")) for name in columns)
    sentences = []
    if columns:
        sentences.append(
            "The design included confound regressors from preprocessing: "
            f"{', '.join(kinds)} ({', '.join(columns)})."
        )
    if COSINES in confounds.columns:
        sentences.append(
            "Slow drift was modeled by the discrete cosine regressors from preprocessing."
        )
    censored = []
    if NON_STEADY_STATE in confounds.columns:
        censored.append("before steady state")
    if confounds.dummy_scans:
        censored.append(f"among the first {confounds.dummy_scans}")
    if MOTION_OUTLIERS in confounds.columns:
        censored.append("marked as motion outliers by preprocessing")
    if confounds.fd_threshold is not None:
        censored.append(
            f"with a framewise displacement above {confounds.fd_threshold:g} mm "
            "(Power et al., 2012)"
        )
    if censored:
        sentences.append(
            f"Volumes {' or '.join(censored)} were censored, each by an indicator regressor."
        )
    return sentences


def _orthogonalization_sentences(model: Model) -> list[str]:
    return [
        f"The regressor {_short(regressor)} was orthogonalized with respect to "
        f"{', '.join(map(_short, against))}, so that shared variance is attributed to the latter "
        "(Mumford et al., 2015)."
        for regressor, against in model.orthogonalize
    ]


def _smoothing_sentences(model: Model) -> list[str]:
    if not model.smoothing:
        return []
    kernel = f"a Gaussian kernel of {model.smoothing:g} mm full width at half maximum"
    if model.smoothing_type == "isoblurto":
        return [
            "Each BOLD series was smoothed within the mask until the residuals of the model were "
            f"as smooth as white noise smoothed with {kernel}; smoother series were not smoothed."
        ]
    return [f"BOLD series were smoothed within the mask with {kernel}."]


def _estimator(node: NodeSpec, model: Model) -> str:
    if node.type == "meta":
        return "fixed"
    return str(model_options(node, model.name).get("Estimator", ESTIMATOR))


def _error_sentences(plans: Sequence[NodePlan], estimator: str) -> list[str]:
    """Describe the errors that the fits of a node assume."""
    errors = [fit.errors for plan in plans for fit in plan.fits]
    sentences = []
    if any(each.variance_groups and not each.blocks for each in errors):
        sentences.append(
            "Each group of the design had a variance of its own. The t tests of two groups pooled "
            f"the ratio of their variances over voxels; other tests {OTHER_TESTS[estimator]}."
        )
    if any(each.blocks for each in errors):
        sentences.append(
            "Because inputs of one participant may depend on each other, the variances of "
            "contrasts were cluster-robust (Bell & McCaffrey, 2002), with degrees of freedom for "
            "small samples (Pustejovsky & Tipton, 2018), and participants were permuted as wholes."
        )
    return sentences


def _node_paragraph(
    node: NodeSpec, model: Model, inference: Mapping[str, Any], plans: Sequence[NodePlan]
) -> str:
    """Describe the fit of a higher-level node and, at the dataset level, its inference."""
    sentence = _node_sentence(node, model)
    if node.level != "dataset":
        return sentence
    chosen = inference_settings(model_options(node, model.name), inference)
    tail = "each tail" if chosen.two_sided else "the upper tail"
    parts = [
        sentence,
        *_error_sentences(
            [plan for plan in plans if plan.node.name == node.name], _estimator(node, model)
        ),
        f"Tests of t contrasts were {chosen.sides}-sided. p values were adjusted for the false "
        "discovery rate (Benjamini & Hochberg, 1995), and clusters were formed of voxels with "
        f"p < {chosen.cluster_p:g} in {tail}.",
    ]
    if chosen.permutations:
        largest = "|t|" if chosen.two_sided else "t"
        tfce = " and of threshold-free cluster enhancement (Smith & Nichols, 2009)" * chosen.tfce
        parts.append(
            f"The family-wise error was controlled by {chosen.permutations} permutations (Winkler "
            f"et al., 2014), from the distribution of the largest {largest}, cluster extent and "
            f"cluster mass{tfce}."
        )
    return " ".join(parts)


def _node_sentence(node: NodeSpec, model: Model) -> str:
    """Describe the fit of a higher-level node."""
    nouns = {"run": "runs", "session": "sessions", "subject": "participants", "dataset": "groups"}
    sources = {model.spec.node(edge.source).level for edge in model.spec.edges_into(node)}
    if model.starts_from_maps and node.level == "dataset":
        nouns["run"] = "participants"
    inputs = " and ".join(nouns[level] for level in LEVELS if level in sources)
    options = model_options(node, model.name)
    estimator = _estimator(node, model)
    columns = ", ".join(_short(str(term)) for term in node.x if term != 1)
    method = ESTIMATOR_WORDS[estimator]
    if estimator == "ols" and not columns:
        method = "a one-sample t test (ordinary least squares)"
    text = f"Effects of {inputs} were "
    if node.level == "dataset":
        text += f"tested across {inputs} by {method}"
    else:
        scope = "session" if node.level == "session" else "participant"
        text += f"combined within each {scope} by {method}"
    if columns:
        text += f", in a design with the columns {columns}"
    fwhm = options.get("SmoothingFWHM")
    if fwhm is not None:
        text += (
            f", after they had been smoothed with a Gaussian kernel of {fwhm:g} mm full width at "
            "half maximum"
        )
    return f"{text} (node {node.name!r})."


@cache  # a look-up takes milliseconds, and every report needs it
def versions() -> tuple[tuple[str, str], ...]:
    """Versions of the software that computed the results."""
    names = ("numpy", "scipy", "nibabel", "nipype", "pybids", "pandas", "matplotlib")
    found = [(name, version(name)) for name in names]
    return (("boldglm", __version__), ("Python", platform.python_version()), *found)


def _short(name: str) -> str:
    return name.removeprefix("trial_type.")
