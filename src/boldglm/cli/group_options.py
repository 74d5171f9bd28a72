"""Options of the group level, beside those of `boldglm.cli.parser`."""

import argparse

from boldglm.cli.values import positive


def add_inference(parser: argparse.ArgumentParser) -> None:
    """Add what a group's test does beside p values of single voxels."""
    group = parser.add_argument_group("the test of a group")
    group.add_argument(
        "--permutations",
        type=positive,
        metavar="N",
        help="family-wise error by N permutations (sign flips, or Freedman-Lane where the "
        "contrast is of covariates or groups), of voxels, cluster extent and cluster mass "
        "(default: none; q values are always written)",
    )
    group.add_argument(
        "--cluster-p",
        "--cluster_p",
        type=float,
        metavar="P",
        help="one-sided p below which voxels form the clusters of tables and permutations "
        "(default: 0.001)",
    )
    group.add_argument(
        "--tfce",
        action="store_true",
        help="with --permutations: also threshold-free cluster enhancement, which takes long",
    )
