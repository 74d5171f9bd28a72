"""Help that fits a terminal, and mistakes that are explained in a line or two."""

import argparse
import subprocess
import sys

import pytest

from boldglm.cli.main import main
from boldglm.cli.option_roles import GROUP, ROLES, RUNS, check_levels, flag_of
from boldglm.cli.parser import (
    build_demo_parser,
    build_export_parser,
    build_parser,
    build_power_parser,
)
from boldglm.errors import UsageError
from boldglm.vocabulary import BOLD_COMMANDS, COMMANDS

CALL = ["ds001", "out", "participant"]


def message_of(capsys, *options):
    assert main([*CALL, *options]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "parser",
    [build_parser(), build_demo_parser(), build_power_parser(), build_export_parser()],
    ids=["app", "demo", "power", "export"],
)
def test_the_help_has_no_line_over_80_columns(parser):
    assert max(map(len, parser.format_help().splitlines())) <= 80


def test_the_help_answers_without_numpy():
    code = (
        "import sys; from boldglm.cli.main import main; main(['--help']); "
        "assert 'numpy' not in sys.modules and 'nipype' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_quoted_examples_stay_on_one_line():
    text = build_parser().format_help()

    for example in ("'rt^2 + accuracy @ go'", "'mean = (faces + houses)/2'", "'faces - houses'"):
        assert example in text


@pytest.mark.parametrize("option", ["--run_label", "--bids_filter_file", "--hrf_model"])
def test_an_option_with_underscores_is_the_one_with_hyphens(option):
    value = "spm" if option == "--hrf_model" else "a_b"
    name = option.removeprefix("--")

    split, joined = (
        build_parser().parse_args([*CALL, *words])
        for words in ([option, value], [f"{option}={value}"])
    )

    for options in (split, joined):
        given = getattr(options, name)
        assert str(given[0] if isinstance(given, list) else given) == value


def test_a_mistyped_option_is_explained_without_the_list_of_all_options(capsys):
    message = message_of(capsys, "--tsak", "faces")

    assert "boldglm: there is no option --tsak. Did you mean '--task'?" in message
    assert len(message.splitlines()) == 1


def test_a_mistyped_word_is_answered_with_the_known_ones(capsys):
    message = message_of(capsys, "--noise-model", "arma1")

    assert "--noise-model: there is no 'arma1'. Known: auto, ols, ar1" in message
    assert "Did you mean 'arma11'?" in message


def test_an_argument_too_many_is_named(capsys):
    assert "an argument too many: 'again'" in message_of(capsys, "--tfce", "again")


def test_a_missing_argument_is_named(capsys):
    assert main(["ds001", "out"]) == 2

    assert "required: LEVEL" in capsys.readouterr().err


def test_every_option_is_honored_or_refused_at_every_level():
    named = {action.dest for action in build_parser()._actions if action.option_strings}
    assert named - set(ROLES) == {"help", "version", "bids_exec_spec"}, (
        "say in boldglm.cli.option_roles what the option is about"
    )
    assert set(ROLES) <= named


@pytest.mark.parametrize("name", [name for name, role in ROLES.items() if role in (RUNS, GROUP)])
@pytest.mark.parametrize("level", COMMANDS)
def test_options_of_other_levels_are_refused(name, level):
    options = argparse.Namespace(**dict.fromkeys(ROLES), analysis_level=level)
    setattr(options, name, "given")
    its_levels = BOLD_COMMANDS if ROLES[name] == RUNS else ("group", "dataset")
    if level in its_levels:
        check_levels(options)
    else:
        with pytest.raises(UsageError, match=flag_of(name)):
            check_levels(options)
