"""The options of `boldglm power`."""

import argparse
from pathlib import Path

from boldglm.cli.help_text import help_text
from boldglm.cli.values import (
    above_zero,
    autocorrelation,
    not_negative,
    positive,
    power_file,
    probability,
    two_or_more,
    word_of,
)
from boldglm.vocabulary import (
    EFFECT_UNIT,
    EFFECT_UNITS,
    POWER_ALPHAS,
    POWER_PARTICIPANTS,
    SIMULATIONS,
)


def add_power(parser: argparse.ArgumentParser) -> None:
    """Add what power is computed of: effect, noise, sizes of the study, and output."""
    _add_effect(parser.add_argument_group("effect"))
    _add_noise(parser.add_argument_group("noise"))
    _add_sizes(parser.add_argument_group("study"))
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output-file",
        type=power_file,
        metavar="FILE",
        help=help_text(
            "write the numbers as well: a table (.tsv, one row for each size and alpha), or "
            "everything (.json)"
        ),
    )
    group.add_argument("--debug", action="store_true", help=help_text("print tracebacks"))


def _add_effect(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--effect",
        type=above_zero,
        nargs="+",
        required=True,
        metavar="PERCENT",
        help=help_text(
            "size of the effect in percent of the mean signal; several give a table each"
        ),
    )
    group.add_argument(
        "--effect-unit",
        type=word_of(EFFECT_UNITS),
        choices=EFFECT_UNITS,
        default=EFFECT_UNIT,
        metavar="UNIT",
        help=help_text(
            "what the effect is:",
            {
                "map": "what effect maps show: the response to a regressor of height 1.",
                "peak": "the response at its peak, whatever the height of the regressor.",
            },
            EFFECT_UNIT,
        ),
    )
    group.add_argument(
        "--of",
        nargs="+",
        metavar="CONTRAST",
        help=help_text("contrasts of the runs, by their names", default="all t contrasts"),
    )


def _add_noise(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pilot",
        type=Path,
        metavar="FOLDER",
        help=help_text(
            "results of boldglm that tell the noise of each contrast, and from 3 participants on "
            "how they differ",
            default="OUTPUT_DIR",
        ),
    )
    group.add_argument(
        "--pilot-mask",
        type=Path,
        metavar="IMAGE",
        help=help_text(
            "voxels of the pilot that count, such as a region where an effect is expected",
            default="all",
        ),
    )
    group.add_argument(
        "--noise-sd",
        type=above_zero,
        metavar="PERCENT",
        help=help_text("standard deviation of the noise of a volume, in place of that of a pilot"),
    )
    group.add_argument(
        "--noise-autocorrelation",
        type=autocorrelation,
        default=0.0,
        metavar="R",
        help=help_text(
            "with --noise-sd: correlation of the noise of successive volumes", default=0
        ),
    )
    group.add_argument(
        "--between-sd",
        type=not_negative,
        metavar="PERCENT",
        help=help_text(
            "standard deviation of the true effects of participants, in the unit of effect maps, "
            "in place of that of a pilot"
        ),
    )


def _add_sizes(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--participants",
        type=two_or_more,
        nargs="+",
        default=list(POWER_PARTICIPANTS),
        metavar="N",
        help=help_text("numbers of participants", default=" ".join(map(str, POWER_PARTICIPANTS))),
    )
    group.add_argument(
        "--runs",
        type=positive,
        nargs="+",
        metavar="N",
        help=help_text(
            "numbers of runs of each participant; further runs repeat the designs that are there",
            default="1, as many as there are, and twice as many",
        ),
    )
    group.add_argument(
        "--alpha",
        type=probability,
        nargs="+",
        default=list(POWER_ALPHAS),
        metavar="P",
        help=help_text(
            "rates of false positives in both tails together, uncorrected",
            default=" ".join(f"{alpha:g}" for alpha in POWER_ALPHAS),
        ),
    )
    group.add_argument(
        "--simulations",
        type=positive,
        default=SIMULATIONS,
        metavar="N",
        help=help_text("number of studies that are simulated", default=SIMULATIONS),
    )
