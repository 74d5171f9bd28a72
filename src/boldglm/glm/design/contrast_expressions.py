"""Read contrasts as people write them: ``(famous + unfamous)/2 - scrambled``.

Names of regressors come from event files and may hold blanks, hyphens, dots, brackets or
digits only, so the text is read from left to right and at each place the longest known name
that fits is taken. Quotes around a name, 'go - left' or `2`, settle what could be read
otherwise.
"""

import re
from collections.abc import Sequence

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.names import resolve_name
from boldglm.suggestions import list_known

_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_QUOTES = "'\"`"
# A combination of regressors and the number 1: weights of the regressors, then the number.
_Combination = FloatArray


def split_named_contrast(text: str) -> tuple[str | None, str]:
    """Split ``name = expression``.

    Parameters
    ----------
    text : str
        An expression, with or without a name before an equals sign.

    Returns
    -------
    tuple of (str or None, str)
        The name, None if there is none, and the expression. An equals sign within quotes
        belongs to the name of a regressor.

    Raises
    ------
    ValueError
        If there is nothing on one side of the equals sign.

    Examples
    --------
    >>> split_named_contrast("conflict = incongruent - congruent")
    ('conflict', 'incongruent - congruent')
    >>> split_named_contrast("faces - houses")
    (None, 'faces - houses')
    """
    quote = ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character == "=":
            name, expression = text[:place].strip(), text[place + 1 :].strip()
            if not name or not expression:
                raise ValueError(f"cannot read {text!r}. Write 'name = expression'.")
            return name, expression
    return None, text.strip()


def parse_contrast(expression: str, names: Sequence[str]) -> FloatArray:
    """Return the weights of a contrast written as an expression.

    Parameters
    ----------
    expression : str
        Sums and differences of regressors, with numbers and fractions as factors, and
        parentheses. Commas separate the rows of an F contrast. Names may be short, as in
        `boldglm.glm.resolve_name`, and quoted. A whole number that is also a name is the
        number next to ``*`` and ``/`` and the name elsewhere, unless quoted.
    names : sequence of str
        Names of the regressors.

    Returns
    -------
    ndarray of shape (n_regressors,) or (q, n_regressors)
        Weights of a t contrast or, if there is a comma, of an F contrast.

    Raises
    ------
    ValueError
        If a name is unknown, the text cannot be read, regressors are multiplied, a constant
        is added, or all weights are 0.

    See Also
    --------
    contrast_weights : Also accepts weights and a name.
    Fit.contrast : Test a contrast.

    Examples
    --------
    >>> names = ["trial_type.famous", "trial_type.unfamous", "trial_type.scrambled", "constant"]
    >>> parse_contrast("(famous + unfamous)/2 - scrambled", names).tolist()
    [0.5, 0.5, -1.0, 0.0]
    >>> parse_contrast("famous, unfamous", names).shape
    (2, 4)
    """
    reader = _Reader(expression, tuple(names))
    rows = [reader.row()]
    while reader.accept(","):
        rows.append(reader.row())
    if reader.rest():
        raise reader.error(f"cannot read {reader.rest()[0]!r}: an operator or a comma is missing")
    return rows[0] if len(rows) == 1 else np.array(rows)


def format_weights(weights: FloatArray, names: Sequence[str]) -> str:
    """Write weights as an expression that `parse_contrast` reads back.

    Parameters
    ----------
    weights : array_like of shape (n_regressors,) or (q, n_regressors)
        Contrast weights.
    names : sequence of str
        Names of the regressors.

    Returns
    -------
    str
        Terms in the order of the regressors, rows separated by commas. Names are quoted
        where they would be read otherwise.

    Examples
    --------
    >>> format_weights([1, -1, 0], ["faces", "houses", "constant"])
    'faces - houses'
    >>> format_weights([0.5, 0.5, -1], ["a", "b", "c"])
    '0.5*a + 0.5*b - c'
    >>> format_weights([[1, 0], [0, -2]], ["a", "2"])
    "'a', -2*'2'"
    """
    rows = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    plain = ", ".join(_format_row(row, names) for row in rows)
    try:
        if np.array_equal(np.atleast_2d(parse_contrast(plain, names)), rows):
            return plain
    except ValueError:
        pass  # not an error: it shows that the names need quotes
    return ", ".join(_format_row(row, [_quoted(name) for name in names]) for row in rows)


def _format_row(row: FloatArray, names: Sequence[str]) -> str:
    text = ""
    for weight, name in zip(row.tolist(), names, strict=True):
        if weight == 0:
            continue
        sign = "-" if weight < 0 else "+"
        size = abs(weight)
        number = repr(int(size) if size.is_integer() and size < 1e15 else size)
        term = name if size == 1 else f"{number}*{name}"
        text += f" {sign} {term}" if text else (f"-{term}" if sign == "-" else term)
    return text or "0"


def _quoted(name: str) -> str:
    quote = next((quote for quote in _QUOTES if quote not in name), "'")
    return f"{quote}{name}{quote}"


class _Reader:
    """Recursive descent over one expression.

    row = sum; sum = [sign] product {("+" | "-") product};
    product = atom {("*" | "/") atom}; atom = "(" sum ")" | number | name.
    """

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self.text = text
        self.names = names
        self.place = 0
        tails = {name.partition(".")[2] for name in names}
        self.written = sorted({*names, *tails} - {""}, key=len, reverse=True)

    def row(self) -> FloatArray:
        start = self.place
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
            found = self.sum()
        written = self.text[start : self.place].strip()
        if not np.isfinite(found).all():
            raise self.error(f"the weights of {written!r} are not finite")
        if found[-1] != 0:
            raise self.error(
                f"{written!r} adds the number {found[-1]:g}, which belongs to no regressor; "
                "if it is a name, put it in quotes"
            )
        if not found.any():
            raise self.error(f"all weights of {written!r} are 0")
        return found[:-1]

    def sum(self) -> _Combination:
        sign = self.signs()
        found = sign * self.product()
        while self.rest()[:1] in ("+", "-"):
            sign = self.signs()
            found = found + sign * self.product()
        return found

    def signs(self) -> float:
        sign = 1.0
        while self.rest()[:1] in ("+", "-"):
            sign = -sign if self.rest()[0] == "-" else sign
            self.place += 1
        return sign

    def product(self) -> _Combination:
        found = self.atom()
        while self.rest()[:1] in ("*", "/"):
            divide = self.rest()[0] == "/"
            self.place += 1
            sign = self.signs()
            start = self.place
            factor = self.atom() * sign
            found = self.divided(found, factor, start) if divide else self.times(found, factor)
        return found

    def times(self, left: _Combination, right: _Combination) -> _Combination:
        if left[:-1].any() and right[:-1].any():
            raise self.error(
                "regressors cannot be multiplied with each other; an interaction is a "
                "difference of differences, or a regressor of its own"
            )
        return left * right[-1] if left[:-1].any() else right * left[-1]

    def divided(self, left: _Combination, right: _Combination, start: int) -> _Combination:
        if right[:-1].any() or right[-1] == 0:
            divisor = self.text[start : self.place].strip()
            raise self.error(f"can only divide by a number other than 0, not by {divisor!r}")
        return left / right[-1]

    def atom(self) -> _Combination:
        rest = self.rest()
        if not rest:
            raise self.error("a regressor or number is missing at the end")
        if self.accept("("):
            found = self.sum()
            if not self.accept(")"):
                raise self.error("a closing parenthesis is missing")
            return found
        if rest[0] in _QUOTES:
            return self.quoted(rest)
        name, number = self.name_at(rest), _NUMBER.match(rest)
        if number and (not name or self.is_factor(rest, name, number.group())):
            self.place += number.end()
            return self.combination(None, float(number.group()))
        if not name:
            raise self.unknown(rest)
        found = self.combination(self.resolved(name), 1.0)
        self.place += len(name)
        return found

    def quoted(self, rest: str) -> _Combination:
        end = rest.find(rest[0], 1)
        if end < 0:
            raise self.error(f"the quote {rest[0]} is not closed")
        found = self.combination(self.resolved(rest[1:end]), 1.0)
        self.place += end + 1
        return found

    def combination(self, name: str | None, value: float) -> _Combination:
        found = np.zeros(len(self.names) + 1)
        found[-1 if name is None else self.names.index(name)] = value
        return found

    def name_at(self, rest: str) -> str:
        """Return the longest known name the rest starts with, or an empty string."""
        for name in self.written:
            after = rest[len(name) : len(name) + 1]
            # a name that goes on, like face in face_left, is another name
            goes_on = after.isalnum() or after in ("_", ".")
            if rest.startswith(name) and not (after and goes_on):
                return name
        return ""

    def is_factor(self, rest: str, name: str, number: str) -> bool:
        """Say whether a text that is both a name and a number is a factor or divisor."""
        before = self.text[: self.place].rstrip()[-1:]
        after = rest[len(number) :].lstrip()[:1]
        return name == number and (before in ("*", "/") or after in ("*", "/"))

    def resolved(self, name: str) -> str:
        try:
            return resolve_name(name, self.names)
        except ValueError as problem:
            raise self.error(str(problem).rstrip(".")) from None

    def unknown(self, rest: str) -> ValueError:
        word = re.match(r"[^-+*/(),\s]+(\s+[^-+*/(),\s]+)*", rest)
        if not word:
            return self.error(f"a regressor or number is missing before {rest[0]!r}")
        message = f"there is no regressor {word.group()!r}"
        return self.error(message + "." + list_known(word.group(), self.names).rstrip("."))

    def rest(self) -> str:
        """Skip blanks and return what is not read yet."""
        while self.text[self.place : self.place + 1].isspace():
            self.place += 1
        return self.text[self.place :]

    def accept(self, character: str) -> bool:
        found = self.rest().startswith(character)
        self.place += found
        return found

    def error(self, message: str) -> ValueError:
        ending = "" if message[-1] in ".?" else "."
        return ValueError(f"contrast {self.text!r}, character {self.place + 1}: {message}{ending}")
