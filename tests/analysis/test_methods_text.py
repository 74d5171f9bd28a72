"""The methods section says what was done, and lists the references that it cites."""

import re

import pytest

from boldglm._version import __version__
from boldglm.analysis.methods_text import methods_paragraphs, references
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.analysis.model.model import parse_model
from boldglm.analysis.references import REFERENCES, software
from boldglm.vocabulary import ESTIMATORS, HRF_MODELS, NOISE_MODELS

CITATION = r"[A-Z][a-z]+(?: et al\.| & [A-Z][a-z]+)?, (?:19|20)\d\d"


def model(estimator="ols", **options):
    content = default_model("faces", ["face", "house"], 2.0, DefaultModelOptions(**options))
    content["Nodes"][-1]["Model"]["Software"] = {"boldglm": {"Estimator": estimator}}
    return parse_model(content)


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
@pytest.mark.parametrize("hrf_model", ["spm", "glover"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_references_are_those_that_the_text_cites(noise_model, hrf_model, estimator):
    described = model(estimator, noise_model=noise_model, hrf_model=hrf_model)

    text = " ".join(methods_paragraphs(described, "dataset"))

    cited = set(re.findall(CITATION, text)) | {"BIDS Stats Models"}
    assert set(references(described, "dataset")) == {
        software(__version__).text, *(REFERENCES[citation].text for citation in cited)
    }  # fmt: skip
    assert ("Glover, 1999" in cited) == (hrf_model == "glover")
    assert ("Tipton, 2015" in cited) == (estimator == "mixed")
    assert ("Satterthwaite, 1946" in cited) == (noise_model not in ("ols", "nilearn-ar1"))


def test_the_methods_of_the_default_model_are_plain_sentences():
    confounds = ConfoundSettings(("rot_x", "cosine*"), fd_threshold=0.5)
    options = {"confounds": confounds, "high_pass": None, "smoothing": 6.0, "modulate": ("rt^2",)}

    run, subject, dataset = methods_paragraphs(
        model(noise_model="ols", orthogonalize=("house ~ face",), **options), "dataset"
    )

    for sentence in (
        "For each run, a general linear model (Friston et al., 1994) was fitted at every voxel. "
        "The design had one regressor for each of 2 trial types (face, house). Events were "
        "convolved with the SPM double-gamma hemodynamic response function (Friston et al., 1998) "
        "in continuous time and sampled at the acquisition time of each volume.",
        "Parametric modulators, centered within each run, were added: face by rt, face by rt to "
        "the power of 2, house by rt, house by rt to the power of 2.",
        "The design included confound regressors from preprocessing: motion (rot_x).",
        "Slow drift was modeled by the discrete cosine regressors from preprocessing.",
        "Volumes with a framewise displacement above 0.5 mm (Power et al., 2012) were censored, "
        "each by an indicator regressor.",
        "The regressor house was orthogonalized with respect to face, so that shared variance is "
        "attributed to the latter (Mumford et al., 2015).",
        "BOLD series were smoothed within the mask with a Gaussian kernel of 6 mm full width at "
        "half maximum.",
        "Noise was assumed to be independent between volumes (ordinary least squares).",
    ):
        assert sentence in run
    assert subject == (
        "Effects of runs were combined within each participant by fixed effects weighted by "
        "inverse variance, with variances corrected for the estimation of the weights (Meier, "
        "1953) (node 'subject')."
    )
    assert dataset == (
        "Effects of participants were tested across participants by a one-sample t test (ordinary "
        "least squares) (node 'dataset'). Tests of t contrasts were two-sided. p values were "
        "adjusted for the false discovery rate (Benjamini & Hochberg, 1995), and clusters were "
        "formed of voxels with p < 0.001 in each tail."
    )


@pytest.mark.parametrize("hrf_model", HRF_MODELS)
def test_every_response_is_described(hrf_model):
    run, *_ = methods_paragraphs(model(hrf_model=hrf_model), "subject")

    assert ("one regressor for each" in run) == (hrf_model in ("spm", "glover", "textbook"))
    assert ("time derivative" in run) == ("derivative" in hrf_model)
    assert ("dispersion derivative" in run) == ("dispersion" in hrf_model)


def test_permutations_and_their_side_are_in_the_methods():
    described = model()
    described.spec.nodes[-1].boldglm_options["Sides"] = "one"
    options = {"permutations": 5000, "tfce": True}

    text = methods_paragraphs(described, "dataset", options)[-1]

    assert "Tests of t contrasts were one-sided" in text
    assert "p < 0.001 in the upper tail" in text
    assert (
        "by 5000 permutations (Winkler et al., 2014), from the distribution of the largest t, "
        "cluster extent and cluster mass and of threshold-free cluster enhancement (Smith & "
        "Nichols, 2009)." in text
    )
    assert REFERENCES["Smith & Nichols, 2009"].text in references(described, "dataset", options)
    options["sides"] = "two"
    assert "largest |t|" in methods_paragraphs(described, "dataset", options)[-1]
