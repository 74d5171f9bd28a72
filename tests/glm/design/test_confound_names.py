"""Words become columns: what CompCor brings, what AROMA's words mean, what is refused."""

import pytest

from boldglm.glm import expand_strategies

COMPONENTS = [f"{letter}_comp_cor_{k:02d}" for letter in "acwt" for k in range(4)]
COLUMNS = ["trans_x", *COMPONENTS, "cosine00", "cosine01", "aroma_motion_03"]
EXPLAINED = {
    **{f"a_comp_cor_{k:02d}": share for k, share in enumerate((0.2, 0.4, 0.5, 0.6))},
    **{f"c_comp_cor_{k:02d}": share for k, share in enumerate((0.3, 0.55, 0.6, 0.7))},
    **{f"w_comp_cor_{k:02d}": share for k, share in enumerate((0.1, 0.2, 0.3, 0.4))},
}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("anat_combined:2", "compcor:2"),
        ("anat_separated:1", "compcor_separated:1"),
        ("temporal:3", "compcor_temporal:3"),
        ("anat_combined:all", "compcor"),
    ],
)
def test_words_of_nilearn_mean_the_same(theirs, ours):
    assert expand_strategies([theirs], COLUMNS) == expand_strategies([ours], COLUMNS)


@pytest.mark.parametrize("share", [41, 50])
def test_a_share_takes_the_first_components_that_explain_it(share):
    found = expand_strategies([f"compcor:{share}%"], COLUMNS, explained=EXPLAINED)

    assert found == ("a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_02", "cosine*")


def test_a_share_that_takes_every_component_is_a_pattern():
    found = expand_strategies(["compcor:60%"], COLUMNS, explained=EXPLAINED)

    assert found == ("a_comp_cor_*", "cosine*")


def test_a_share_that_the_table_does_not_reach_is_refused():
    with pytest.raises(ValueError, match=r"the 4 components of the WM mask explain only 40\.0%"):
        expand_strategies(["compcor_separated:50%"], COLUMNS, explained=EXPLAINED)


def test_a_share_needs_the_json():
    with pytest.raises(ValueError, match="no CumulativeVarianceExplained for a_comp_cor_00"):
        expand_strategies(["compcor:50%"], COLUMNS)


@pytest.mark.parametrize("word", ["compcor:0", "compcor:0%"])
def test_no_component_at_all_is_refused(word):
    with pytest.raises(ValueError, match="takes no component"):
        expand_strategies([word], COLUMNS, explained=EXPLAINED)


@pytest.mark.parametrize("word", ["a_comp_cor_00", "a_comp_cor_*", "*comp_cor_0[01]"])
def test_components_by_name_or_pattern_bring_their_cosines(word):
    assert expand_strategies([word], COLUMNS) == (word, "cosine*")
    assert expand_strategies([word, "cosine*"], COLUMNS) == (word, "cosine*")
    assert expand_strategies([word, "cosine00"], COLUMNS) == (word, "cosine00")


def test_aroma_takes_the_noise_components():
    assert expand_strategies(["aroma"], COLUMNS) == ("aroma_motion_*",)
    assert expand_strategies(["aroma_orthogonal"], COLUMNS) == ("aroma_orth_motion_*",)
    assert expand_strategies(["aroma_motion_03"], COLUMNS) == ("aroma_motion_03",)


@pytest.mark.parametrize("word", ["ica_aroma", "nonaggr", "aroma_nonaggressive", "aggressive"])
def test_denoising_that_no_regressor_does_is_refused_in_words(word):
    with pytest.raises(ValueError, match=r"applied before the fit.*nonaggrDenoised"):
        expand_strategies([word], COLUMNS)


def test_a_component_that_the_table_lacks_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'aroma_motion_03'"):
        expand_strategies(["aroma_motion_08"], COLUMNS)
