"""The options of `boldglm`. Imports little, so that `--help` answers at once.

Allowed words and defaults come from `boldglm.vocabulary`. `bids_app_spec.json`, the README and
the docs are compared with this parser by tests.
"""

import argparse
from pathlib import Path

from boldglm.cli.help_text import Parser, help_text
from boldglm.cli.options_of_calls import add_inference, add_nprocs, add_outputs, add_running
from boldglm.cli.options_of_data import add_inputs, add_selection, add_timing
from boldglm.cli.options_of_models import add_censoring, add_default_model, add_fit, add_model
from boldglm.cli.options_of_power import add_power
from boldglm.vocabulary import (
    EXPORTED_MAPS,
    MOST_PAIRED,
)

USAGE = """\
boldglm BIDS_DIR OUTPUT_DIR LEVEL [options]
       boldglm power BIDS_DIR OUTPUT_DIR --effect PERCENT [options]
       boldglm export OUTPUT_DIR FOLDER [options]
       boldglm demo OUTPUT_DIR [options]"""

DESCRIPTION = f"""\
Fit voxelwise general linear models to task fMRI, from a BIDS dataset to t maps.

  boldglm BIDS_DIR OUTPUT_DIR participant  fit and combine runs of participants
  boldglm BIDS_DIR OUTPUT_DIR group        then test over participants
  boldglm power BIDS_DIR OUTPUT_DIR        how many participants an effect needs
  boldglm export OUTPUT_DIR FOLDER         maps of the group for NeuroVault
  boldglm demo OUTPUT_DIR                  try it on a small generated dataset

Without a model file, boldglm builds a default model and saves it in
OUTPUT_DIR/models. It has one regressor per trial_type and a cosine drift.
It tests each condition against baseline, each pair (up to {MOST_PAIRED} conditions), and
all conditions together (F).
"""

EPILOG = """\
examples:
  Check data and design first; nothing is fitted:
    boldglm ds001 out participant --dry-run
  Test one contrast; fit four runs in parallel:
    boldglm ds001 out participant --contrast 'faces - houses' --nprocs 4
  Choose the space and the confounds of fMRIPrep's data:
    boldglm ds001 out participant --space MNI152NLin2009cAsym \\
        --confounds motion24 compcor:5
  Test the group, with family-wise error control:
    boldglm ds001 out group --permutations 5000

exit codes:
  0 done; 1 some runs failed, the others are complete; 2 wrong options;
  16 invalid dataset; 17 unknown analysis level; 18 nothing selected;
  65 events, images or model cannot be analyzed; 66 missing input;
  73 cannot write.
"""


def build_parser() -> Parser:
    """Return the parser of `boldglm BIDS_DIR OUTPUT_DIR LEVEL`."""
    parser = Parser(
        prog="boldglm",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    _add_bids_dir(parser)
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help=help_text("folder for results and reports"),
    )
    parser.add_argument(
        "analysis_level",
        metavar="LEVEL",
        help=help_text(
            "what to fit:",
            {
                "participant": "all runs, then the combination of runs within participants.",
                "group": "the test over participants, from results in OUTPUT_DIR.",
                "run, session, subject, dataset": "one level of the model only.",
            },
        ),
    )
    add_selection(parser)
    add_inputs(parser)
    add_timing(parser)
    add_model(parser)
    add_default_model(parser)
    add_censoring(parser)
    add_fit(parser)
    add_inference(parser)
    add_outputs(parser)
    add_running(parser)
    return parser


def _add_bids_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bids_dir", type=Path, metavar="BIDS_DIR", help=help_text("the raw BIDS dataset")
    )


def build_power_parser() -> Parser:
    """Return the parser of `boldglm power BIDS_DIR OUTPUT_DIR`."""
    parser = Parser(
        prog="boldglm power",
        usage="boldglm power BIDS_DIR OUTPUT_DIR --effect PERCENT [options]",
        description="Say how many participants and runs find an effect, from the designs of a\n"
        "dataset: by formula and by simulation. Reads headers, events and confounds of\n"
        "the dataset, and the maps of a pilot. Writes nothing but --output-file. Takes\n"
        "the options that a participant call has for its selection, input and model.",
        epilog="examples:\n"
        "  With the noise of the results in out:\n"
        "    boldglm power ds001 out --effect 0.3 --of 'faces - houses'\n"
        "  With noise that is given:\n"
        "    boldglm power ds001 out --effect 0.2 0.4 --noise-sd 1.5 --between-sd 0.4",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    _add_bids_dir(parser)
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help=help_text("results of a pilot, if there are any (see --pilot)"),
    )
    add_power(parser)
    add_selection(parser)
    add_inputs(parser)
    add_timing(parser)
    add_model(parser)
    add_default_model(parser)
    add_censoring(parser)
    add_fit(parser)
    parser.set_defaults(dry_run=True, fresh=False, work_dir=None)  # it only plans
    return parser


def build_export_parser() -> Parser:
    """Return the parser of `boldglm export OUTPUT_DIR FOLDER`."""
    parser = Parser(
        prog="boldglm export",
        usage="boldglm export OUTPUT_DIR FOLDER [options]",
        description="Copy the maps of the group to a folder that NeuroVault takes, with what its\n"
        "forms ask for: kinds of maps, numbers of participants, contrasts, degrees\n"
        "of freedom. Sends nothing.",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "output_dir", type=Path, metavar="OUTPUT_DIR", help=help_text("results of boldglm group")
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help=help_text("folder to make, or an empty one")
    )
    parser.add_argument(
        "--maps",
        nargs="+",
        choices=EXPORTED_MAPS,
        default=EXPORTED_MAPS,
        metavar="MAP",
        help=help_text(f"kinds of maps, of {', '.join(EXPORTED_MAPS)}", default="all"),
    )
    return parser


def build_demo_parser() -> Parser:
    """Return the parser of `boldglm demo OUTPUT_DIR`."""
    parser = Parser(
        prog="boldglm demo",
        usage="boldglm demo OUTPUT_DIR [options]",
        description="Simulate a study with known activation (10 participants in two groups, 2\n"
        "runs each, correlated conditions, response times, motion), analyze it at both\n"
        "levels with and without orthogonalization, and compare the results with the\n"
        "truth. Takes about half a minute.",
        epilog="example:\n  boldglm demo boldglm-demo",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help=help_text("a new folder, or the folder of an earlier demo"),
    )
    parser.add_argument(
        "--data-only",
        action="store_true",
        help=help_text("generate the dataset but do not analyze it"),
    )
    add_nprocs(parser, default=2)
    return parser
