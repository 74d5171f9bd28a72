"""An argument parser whose help has 80 columns and whose errors are one or two lines."""

import argparse
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from boldglm.suggestions import did_you_mean

WIDTH = 54  # columns of help beside the options


def help_text(summary: str, words: Mapping[str, str] | None = None, default: object = None) -> str:
    """Wrap the help of one option for `argparse.RawTextHelpFormatter`.

    Parameters
    ----------
    summary : str
        What the option does.
    words : mapping of str to str, optional
        What each word that the option accepts means; one line for each.
    default : object, optional
        The default, shown at the end.

    Examples
    --------
    >>> print(help_text("unit of the effects:", {"none": "as in the file."}, "none"))
    unit of the effects:
      none: as in the file.
    (default: none)
    """
    shown = [] if default is None else [f"(default: {default})"]
    if not words:
        return _wrapped(" ".join([summary, *shown]))
    lines = [f"{word}: {meaning}" for word, meaning in words.items()]
    return "\n".join(
        [_wrapped(summary), *(_wrapped(line, "  ") for line in lines), *map(_wrapped, shown)]
    )


def _wrapped(text: str, indent: str = "") -> str:
    """Wrap text, but not within quotes: what is to be typed stays on one line."""
    joined = re.sub(r"(?<!\w)'[^']+'", lambda quoted: quoted[0].replace(" ", "\0"), text)
    lines = textwrap.fill(
        joined,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=2 * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return lines.replace("\0", " ")


class Parser(argparse.ArgumentParser):
    """A parser that explains mistakes briefly and reads `--run_label` as `--run-label`."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse with hyphens in place of the underscores of option names."""
        hyphenated = None if args is None else [with_hyphens(argument) for argument in args]
        return super().parse_known_args(hyphenated, namespace)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse, and suggest an option where one is mistyped."""
        options, unknown = self.parse_known_args(args, namespace)
        names = [text.partition("=")[0] for text in unknown if text.startswith("-")]
        if names:
            known = re.findall(r"(?<![\w-])--[a-z][a-z-]*", self.format_help())
            hint = did_you_mean(names[0], dict.fromkeys(known))
            self.error(f"there is no option {names[0]}.{hint}")
        if unknown:
            self.error(f"there is an argument too many: {unknown[0]!r}")
        return options

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and the message, without the list of all options."""
        text = message.removeprefix("argument ")
        end = "" if text.endswith((".", "?")) else "."
        self.exit(2, f"{self.prog}: {text}{end} '{self.prog} --help' lists the options.\n")


def with_hyphens(argument: str) -> str:
    """Return an argument with hyphens for underscores in the name of an option.

    Examples
    --------
    >>> with_hyphens("--run_label=my_run")
    '--run-label=my_run'
    """
    name, equals, value = argument.partition("=")
    return (name.replace("_", "-") if name.startswith("--") else name) + equals + value
