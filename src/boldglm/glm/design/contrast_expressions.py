"""Parse contrast expressions such as ``(famous + unfamous)/2 - scrambled``.

Names of regressors come from events files and may contain blanks, hyphens, dots and brackets, or
only digits. The text is therefore read from left to right, and the longest known name that fits
is chosen. Quotes around a name, 'go - left' or `2`, resolve ambiguities.
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
        Name (None if there is none) and expression. An equals sign within quotes
        belongs to the name of a regressor.

    Raises
    ------
    ValueError
        If a side of the equals sign is empty.

    Examples
    --------
    >>> split_named_contrast("conflict = incongruent - congruent")
    ('conflict', 'incongruent - congruent')
    >>> split_named_contrast("faces - houses")
    (None, 'faces - houses')
    """
    quote = ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character == "=":
            name, expression = text[:position].strip(), text[position + 1 :].strip()
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
        `boldglm.glm.resolve_name`, and quoted. A whole number that is also a name
        means the number next to ``*`` and ``/``, and the name elsewhere or in quotes.
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
        Terms in the order of the regressors; commas separate rows. Names are quoted if the
        expression would be ambiguous without quotes.

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
        pass  # the names need quotes
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
    """Recursive descent parser of one expression.

    row = sum; sum = [sign] product {("+" | "-") product};
    product = atom {("*" | "/") atom}; atom = "(" sum ")" | number | name.
    """

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self.text = text
        self.names = names
        self.position = 0
        tails = {name.partition(".")[2] for name in names}
        self.written = sorted({*names, *tails} - {""}, key=len, reverse=True)

    def row(self) -> FloatArray:
        start = self.position
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            combination = self.sum()
        written = self.text[start : self.position].strip()
        if not np.isfinite(combination).all():
            raise self.error(f"the weights of {written!r} are not finite")
        if combination[-1] != 0:
            raise self.error(
                f"{written!r} adds the number {combination[-1]:g}, which belongs to no regressor; "
                "if it is a name, put it in quotes"
            )
        if not combination.any():
            raise self.error(f"all weights of {written!r} are 0")
        return combination[:-1]

    def sum(self) -> _Combination:
        sign = self.signs()
        combination = sign * self.product()
        while self.rest()[:1] in ("+", "-"):
            sign = self.signs()
            combination = combination + sign * self.product()
        return combination

    def signs(self) -> float:
        sign = 1.0
        while self.rest()[:1] in ("+", "-"):
            sign = -sign if self.rest()[0] == "-" else sign
            self.position += 1
        return sign

    def product(self) -> _Combination:
        combination = self.atom()
        while self.rest()[:1] in ("*", "/"):
            divide = self.rest()[0] == "/"
            self.position += 1
            sign = self.signs()
            start = self.position
            factor = self.atom() * sign
            if divide:
                combination = self.divided(combination, factor, start)
            else:
                combination = self.times(combination, factor)
        return combination

    def times(self, left: _Combination, right: _Combination) -> _Combination:
        if left[:-1].any() and right[:-1].any():
            raise self.error(
                "regressors cannot be multiplied with each other; an interaction is a "
                "difference of differences, or a separate regressor"
            )
        return left * right[-1] if left[:-1].any() else right * left[-1]

    def divided(self, left: _Combination, right: _Combination, start: int) -> _Combination:
        if right[:-1].any() or right[-1] == 0:
            divisor = self.text[start : self.position].strip()
            raise self.error(f"can only divide by a number other than 0, not by {divisor!r}")
        return left / right[-1]

    def atom(self) -> _Combination:
        rest = self.rest()
        if not rest:
            raise self.error("a regressor or number is missing at the end")
        if self.accept("("):
            combination = self.sum()
            if not self.accept(")"):
                raise self.error("a closing parenthesis is missing")
            return combination
        if rest[0] in _QUOTES:
            return self.quoted(rest)
        name, number = self.name_at(rest), _NUMBER.match(rest)
        if number and (not name or self.is_factor(rest, name, number.group())):
            self.position += number.end()
            return self.combination(None, float(number.group()))
        if not name:
            raise self.unknown(rest)
        combination = self.combination(self.resolved(name), 1.0)
        self.position += len(name)
        return combination

    def quoted(self, rest: str) -> _Combination:
        end = rest.find(rest[0], 1)
        if end < 0:
            raise self.error(f"the quote {rest[0]} is not closed")
        combination = self.combination(self.resolved(rest[1:end]), 1.0)
        self.position += end + 1
        return combination

    def combination(self, name: str | None, value: float) -> _Combination:
        combination = np.zeros(len(self.names) + 1)
        combination[-1 if name is None else self.names.index(name)] = value
        return combination

    def name_at(self, rest: str) -> str:
        """Return the longest known name at the start of the rest, or an empty string."""
        for name in self.written:
            after = rest[len(name) : len(name) + 1]
            # face is not the name in face_left
            continues = after.isalnum() or after in ("_", ".")
            if rest.startswith(name) and not (after and continues):
                return name
        return ""

    def is_factor(self, rest: str, name: str, number: str) -> bool:
        """Tell whether text that is both a name and a number is a factor or divisor."""
        before = self.text[: self.position].rstrip()[-1:]
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
        """Skip blanks and return the remaining text."""
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1
        return self.text[self.position :]

    def accept(self, character: str) -> bool:
        is_next = self.rest().startswith(character)
        self.position += is_next
        return is_next

    def error(self, message: str) -> ValueError:
        ending = "" if message[-1] in ".?" else "."
        return ValueError(
            f"contrast {self.text!r}, character {self.position + 1}: {message}{ending}"
        )
