"""How white residuals are, in words."""

from boldglm.analysis.first_level.run_maps import whiteness_summary, whiteness_warning


def test_what_was_not_tested_is_not_said_to_be_white():
    untested = {"NotWhite": 0.0, "Expected": 0.01, "Voxels": 0.0}
    tested = {"NotWhite": 0.013, "Expected": 0.01, "Voxels": 3000.0}

    assert whiteness_summary(untested).startswith("not tested")
    assert whiteness_warning(untested, "auto") is None
    assert (
        whiteness_summary(tested) == "not white at p < .01 in 1.3 % of 3,000 voxels (1 % expected)"
    )
