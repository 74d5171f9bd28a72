"""Values of options on the command line, read from their text."""

import argparse
from difflib import get_close_matches
from typing import NamedTuple

CONTRAST_MAPS = (
    *("effect", "variance", "t", "F", "z", "p"),
    *("qFDR", "pFWE", "pFWEextent", "pFWEmass", "pFWEtfce"),
)
SMOOTHING_TYPES = ("iso", "isoblurto")
SMOOTHED_LEVELS = ("run", "session", "subject", "dataset")
RUN_MAPS = ("rsquared", "whiteness", "dof", "ar", "residuals", "fitted")


def map_name(text: str) -> str:
    """Check the name of a map."""
    if text in CONTRAST_MAPS + RUN_MAPS:
        return text
    near = get_close_matches(text, CONTRAST_MAPS + RUN_MAPS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise argparse.ArgumentTypeError(f"there is no map {text!r}{hint} (see --help)")


def positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def dummy_scans(text: str) -> int | str:
    """Read a number of scans or the word auto."""
    if text == "auto":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of scans nor 'auto'")
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


class Smoothing(NamedTuple):
    """What is smoothed how much: FWHM in mm, a level of the model, iso or isoblurto."""

    fwhm: float
    level: str
    kind: str


def smoothing(text: str) -> Smoothing:
    """Read FWHM[:LEVEL[:TYPE]], as FitLins writes it."""
    width, _, rest = text.partition(":")
    level, _, kind = rest.partition(":")
    level = {"": "run", "l1": "run"}.get(level.lower(), level.lower())
    if level not in SMOOTHED_LEVELS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: there is no level {level!r}; write {width}:run, or the level of the nodes "
            f"whose inputs are to be smoothed: {', '.join(SMOOTHED_LEVELS[1:])}"
        )
    if kind not in ("", *SMOOTHING_TYPES) or text.endswith(":"):
        raise argparse.ArgumentTypeError(
            f"{text!r}: there is no smoothing of type {kind!r}; write {width}:run:iso, or "
            f"{width}:run:isoblurto to smooth until noise is {width} mm smooth"
        )
    if kind == "isoblurto" and level != "run":
        raise argparse.ArgumentTypeError(
            f"{text!r}: isoblurto needs to see noise, which runs have and maps have not; write "
            f"{width}:run:isoblurto or {width}:{level}"
        )
    try:
        fwhm = float(width)
    except ValueError:
        fwhm = 0.0
    if not 0 < fwhm < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not start with a width in mm above 0; leave the option out for none"
        )
    return Smoothing(fwhm, level, kind or "iso")
