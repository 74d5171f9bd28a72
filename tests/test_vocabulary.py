"""Every word of the vocabulary is understood where it is used, and has a description there."""

import pytest

from boldglm import vocabulary
from boldglm.analysis import methods_text
from boldglm.glm import hrf_basis
from boldglm.glm.noise.noise_models import noise_model
from boldglm.io.outputs import names


@pytest.mark.parametrize("name", vocabulary.HRF_MODELS)
def test_every_hrf_model_has_kernels_and_a_family_with_a_sentence(name):
    family = name.split(" + ")[0]

    assert hrf_basis(name, [0.0, 2.0] if name == "fir" else None).kernels
    assert family in vocabulary.HRF_FAMILIES
    assert family in methods_text.HRF_WORDS


@pytest.mark.parametrize("name", vocabulary.NOISE_MODELS)
def test_every_noise_model_has_an_estimator_and_a_sentence(name):
    assert noise_model(name)
    assert name in methods_text.NOISE_WORDS


def test_nothing_is_described_that_the_vocabulary_lacks():
    assert set(methods_text.NOISE_WORDS) == set(vocabulary.NOISE_MODELS)
    assert set(methods_text.HRF_WORDS) == set(vocabulary.HRF_FAMILIES)


def test_every_map_has_a_description():
    assert tuple(names.RUN_MAPS) == vocabulary.RUN_MAPS
    assert set(vocabulary.CONTRAST_MAPS) == set(names.STATISTICS) - {"dof"}


def test_defaults_are_words_of_the_vocabulary():
    assert vocabulary.HRF_MODEL in vocabulary.HRF_MODELS
    assert vocabulary.NOISE_MODEL in vocabulary.NOISE_MODELS
    assert vocabulary.SIGNAL_SCALING in vocabulary.SIGNAL_SCALINGS
    assert vocabulary.SMOOTHING_TYPE in vocabulary.SMOOTHING_TYPES
    assert vocabulary.MISSING_POLICY in vocabulary.MISSING_POLICIES
    assert vocabulary.ESTIMATOR in vocabulary.ESTIMATORS
    assert set(vocabulary.COVERAGE) == set(vocabulary.LEVELS) - {"run"}
