"""Short descriptions of designs, fits and contrasts: three lines, or a table in a notebook."""

from collections.abc import Sequence
from html import escape

Rows = Sequence[tuple[str, str]]


def summary_text(title: str, rows: Rows) -> str:
    """Return a title and one indented line for each row.

    Examples
    --------
    >>> print(summary_text("Fit of 40 scans", [("noise model", "ar1")]))
    Fit of 40 scans
      noise model: ar1
    """
    return "\n".join([title, *(f"  {label}: {value}" for label, value in rows)])


def summary_html(title: str, rows: Rows) -> str:
    """Return the same as a small HTML table.

    Examples
    --------
    >>> summary_html("Contrast 'a < b'", [("test", "t")])
    "<table><caption>Contrast 'a &lt; b'</caption><tr><th>test</th><td>t</td></tr></table>"
    """
    lines = "".join(
        f"<tr><th>{escape(label, quote=False)}</th><td>{escape(value, quote=False)}</td></tr>"
        for label, value in rows
    )
    return f"<table><caption>{escape(title, quote=False)}</caption>{lines}</table>"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names separated by commas, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def interval(low: float, high: float) -> str:
    """Return two numbers as a range, or one number if both look the same.

    Examples
    --------
    >>> interval(118.0, 121.34), interval(30.0, 30.0)
    ('118 to 121.3', '30')
    """
    first, last = f"{low:.4g}", f"{high:.4g}"
    return first if first == last else f"{first} to {last}"


def counted(number: int, noun: str) -> str:
    """Return a number and its noun.

    Examples
    --------
    >>> counted(1, "scan"), counted(45210, "voxel")
    ('1 scan', '45,210 voxels')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
