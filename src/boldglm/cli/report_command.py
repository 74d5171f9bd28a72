"""The command line as text, and the part of it that reports show."""

import argparse
import shlex
from collections.abc import Sequence

from boldglm.cli.option_roles import EXECUTION, ROLES
from boldglm.cli.parser import build_parser

PARTICIPANT = "participant_label"


def command_text(arguments: Sequence[str]) -> str:
    """Return a command line that a shell reads as these arguments.

    Examples
    --------
    >>> command_text(["bids", "out", "participant", "--contrast", "a - b"])
    "boldglm bids out participant --contrast 'a - b'"
    """
    return " ".join(["boldglm", *map(_quoted, arguments)])


def report_command(command: str, *, for_each_participant: bool) -> str:
    """Return a command without the options that no result depends on.

    So jobs of single participants, with one process or four, give the reports of one call for all.

    Parameters
    ----------
    command : str
        From `command_text`.
    for_each_participant : bool
        Whether to leave out the labels of participants too, because each has a report.

    Examples
    --------
    >>> report_command("boldglm bids out participant --nprocs 4 --smoothing 5 -v",
    ...                for_each_participant=True)
    'boldglm bids out participant --smoothing 5'
    """
    _, *words = shlex.split(command)
    actions = build_parser()._option_string_actions
    kept: list[str] = []
    values_left: float = 0
    keeps_values = True
    for word in words:
        action = _action(word, actions)
        if action is not None:
            left_out = for_each_participant and action.dest == PARTICIPANT
            keeps_values = ROLES.get(action.dest, EXECUTION) != EXECUTION and not left_out
            values_left = 0 if "=" in word else {"+": float("inf"), 0: 0}.get(action.nargs, 1)
        elif values_left > 0:
            values_left -= 1
        else:  # a positional argument
            keeps_values = True
        if keeps_values:
            kept.append(word)
    return command_text(kept)


def _action(word: str, actions: dict[str, argparse.Action]) -> argparse.Action | None:
    """Return the option that a word names, perhaps abbreviated; None if it is a value."""
    flag = word.partition("=")[0]
    if flag.startswith("--"):
        flag = flag.replace("_", "-")
    if flag in actions:
        return actions[flag]
    if not flag.startswith("--") or flag == "--":
        return None
    return next((action for name, action in actions.items() if name.startswith(flag)), None)


def _quoted(argument: str) -> str:
    plain = argument and all(char.isalnum() or char in "-_./=:@," for char in argument)
    return argument if plain else "'" + argument.replace("'", "'\\''") + "'"
