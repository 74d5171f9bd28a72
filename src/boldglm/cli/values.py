"""Values of options on the command line, read from their text."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from boldglm.suggestions import did_you_mean, list_known
from boldglm.vocabulary import (
    CONTRAST_MAPS,
    DEFAULT_MAPS,
    DRIFTS,
    LEVELS,
    REPETITION_TIMES,
    RUN_MAPS,
    SMOOTHING_TYPE,
    SMOOTHING_TYPES,
)

PLAN_FORMATS = (".html", ".tsv", ".json")
POWER_FORMATS = (".tsv", ".json")


def word_of(known: Sequence[str]) -> Callable[[str], str]:
    """Return a function that accepts these words and suggests one for any other."""

    def word(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"there is no {text!r}.{list_known(text, known)}")
        return text

    return word


def map_name(text: str) -> str:
    """Check the name of a map."""
    if text in CONTRAST_MAPS + RUN_MAPS:
        return text
    hint = did_you_mean(text, CONTRAST_MAPS + RUN_MAPS)
    raise argparse.ArgumentTypeError(
        f"there is no map {text!r}. Known: {', '.join(DEFAULT_MAPS + RUN_MAPS)}.{hint}"
    )


def model_name(text: str) -> str:
    """Check a name of a model: files are named after it."""
    if not text.isascii() or not text.isalnum():
        raise argparse.ArgumentTypeError(
            f"{text!r} may only have letters and digits, as BIDS labels do"
        )
    return text


def positive(text: str) -> int:
    """Read a number of 1 or more."""
    return _integer(text, 1)


def gigabytes(text: str) -> float:
    """Read an amount of memory in GB."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of GB above 0")
    return number


def dummy_scans(text: str) -> int | str:
    """Read a number of volumes or the word auto."""
    if text == "auto":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of volumes nor 'auto'")
    return int(text)


def high_pass(text: str) -> float | str:
    """Read a period in seconds or the word none."""
    if text == "none":
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a period in seconds nor 'none'")
    return seconds


def drift(text: str) -> str:
    """Read the word of a drift model, with the order of a polynomial."""
    word, colon, order = text.partition(":")
    if word not in DRIFTS:
        raise argparse.ArgumentTypeError(f"there is no drift {word!r}.{list_known(word, DRIFTS)}")
    if colon and (word != "polynomial" or not re.fullmatch("[1-9][0-9]?", order)):
        raise argparse.ArgumentTypeError(
            f"{text!r}: only polynomial takes an order, from 1 to 99, as in polynomial:3"
        )
    return text


def repetition_time(text: str) -> float | str:
    """Read a time in seconds, or which of sidecar and header holds."""
    if text in REPETITION_TIMES:
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 100:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time in seconds (up to 100) nor "
            f"{' nor '.join(REPETITION_TIMES)}"
        )
    return seconds


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


class Smoothing(NamedTuple):
    """Smoothing: FWHM in mm, the level that is smoothed, and iso or isoblurto."""

    fwhm: float
    level: str
    kind: str


def smoothing(text: str) -> Smoothing:
    """Read FWHM[:LEVEL[:TYPE]], as FitLins writes it."""
    width, _, rest = text.partition(":")
    level, _, kind = rest.partition(":")
    level = {"": "run", "l1": "run"}.get(level.lower(), level.lower())
    if level not in LEVELS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: there is no level {level!r}. Write {width}:run to smooth runs, or "
            f"{width} with {', '.join(LEVELS[1:-1])} or {LEVELS[-1]} to smooth the effects that "
            "enter that level"
        )
    if kind not in ("", *SMOOTHING_TYPES) or text.endswith(":"):
        raise argparse.ArgumentTypeError(
            f"{text!r}: there is no smoothing of type {kind!r}. Write {width}:run:iso for a "
            f"Gaussian of {width} mm, or {width}:run:isoblurto to make the residuals {width} mm "
            "smooth"
        )
    if kind == "isoblurto" and level != "run":
        raise argparse.ArgumentTypeError(
            f"{text!r}: isoblurto measures the smoothness of residuals, which only runs have. "
            f"Write {width}:run:isoblurto, or {width}:{level}"
        )
    try:
        fwhm = float(width)
    except ValueError:
        fwhm = 0.0
    if not 0 < fwhm < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not start with a width in mm above 0. Omit the option for no smoothing"
        )
    return Smoothing(fwhm, level, kind or SMOOTHING_TYPE)


def number_within(
    text: str, low: float, high: float, words: str, *, takes_low: bool = False
) -> float:
    """Read a number between two others, of which the first may be taken too."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if low < number < high or (takes_low and number == low):
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number {words}")


def above_zero(text: str) -> float:
    """Read a finite number above 0."""
    return number_within(text, 0, float("inf"), "above 0")


def not_negative(text: str) -> float:
    """Read a finite number of 0 or more."""
    return number_within(text, 0, float("inf"), "of 0 or more", takes_low=True)


def probability(text: str) -> float:
    """Read a number between 0 and 1, without both."""
    return number_within(text, 0, 1, "between 0 and 1")


def autocorrelation(text: str) -> float:
    """Read a correlation of 0 or more, below 1."""
    return number_within(text, 0, 1, "from 0 to below 1", takes_low=True)


def two_or_more(text: str) -> int:
    """Read a number of participants that can be tested."""
    return _integer(text, 2)


def _integer(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of {least} or more")
    return number


def power_file(text: str) -> Path:
    """Read the file that power is written to; its extension is its format."""
    return _file_of_formats(text, POWER_FORMATS)


def plan_file(text: str) -> Path:
    """Read the file that a plan is written to; its extension is its format.

    Examples
    --------
    >>> plan_file("plan.tsv").suffix
    '.tsv'
    """
    return _file_of_formats(text, PLAN_FORMATS)


def _file_of_formats(text: str, formats: Sequence[str]) -> Path:
    path = Path(text)
    if path.suffix not in formats:
        raise argparse.ArgumentTypeError(
            f"{text} ends in none of {', '.join(formats)}, which say the format"
        )
    return path
