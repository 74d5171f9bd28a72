r"""A methods section as Markdown, HTML and LaTeX, with its bibliography.

Paragraphs have citations such as ``(Glover, 1999)``, which are commands in LaTeX.
"""

import re
from collections.abc import Sequence
from html import escape

from boldglm.analysis.references import Reference, bibliography, cited, software

BIBLIOGRAPHY = "CITATION"  # name of the .bib file, without its ending
_VERSION = re.compile(r"\bboldglm (\d[\w.+]*\w)")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{symbol: f"\\{symbol}" for symbol in "&%$#_{}"},
}


def reference_texts(paragraphs: Sequence[str]) -> list[str]:
    """Return the references of a methods section as they are printed."""
    return [reference.text for reference in _references(paragraphs).values()]


def as_text(paragraphs: Sequence[str]) -> str:
    """Return a methods section with its references, to be pasted anywhere.

    Examples
    --------
    >>> print(as_text(["Variances were corrected (Meier, 1953)."]))
    Variances were corrected (Meier, 1953).
    <BLANKLINE>
    References
    <BLANKLINE>
    Meier P (1953). Variance of a weighted mean. Biometrics 9:59-73. doi:10.2307/3001633
    """
    return "\n\n".join([*paragraphs, "References", "\n".join(reference_texts(paragraphs))])


def as_markdown(paragraphs: Sequence[str]) -> str:
    """Return a methods section as Markdown; DOIs are links."""
    escaped = [re.sub(r"([\\*_`\[\]<>])", r"\\\1", paragraph) for paragraph in paragraphs]
    listed = [f"- {_linked(text, '<{0}>')}" for text in reference_texts(paragraphs)]
    return "\n\n".join(["## Methods", *escaped, "## References", "\n".join(listed)]) + "\n"


def as_html(paragraphs: Sequence[str]) -> str:
    """Return a methods section as a page of HTML."""
    link = '<a href="{0}">{0}</a>'
    texts = "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    listed = "\n".join(
        f"<li>{_linked(escape(text), link)}</li>" for text in reference_texts(paragraphs)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<title>Methods</title>\n</head>\n'
        '<body style="max-width: 44rem; margin: 2rem auto; padding: 0 1rem; '
        'font: 1.05rem/1.6 Georgia, serif; overflow-wrap: anywhere">\n'
        f"<h1>Methods</h1>\n{texts}\n<h2>References</h2>\n<ul>\n{listed}\n</ul>\n</body>\n</html>\n"
    )


def as_latex(paragraphs: Sequence[str]) -> str:
    r"""Return the paragraphs of a methods section for LaTeX, with commands of natbib.

    Examples
    --------
    >>> print(as_latex(["Variances of 5 % were corrected (Meier, 1953)."]))
    Variances of 5 \% were corrected \citep{meier1953}.
    """
    return "\n\n".join(_latex(paragraph) for paragraph in paragraphs)


def as_latex_document(paragraphs: Sequence[str]) -> str:
    """Return a methods section as a document of LaTeX, which reads `CITATION.bib`."""
    return (
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage[T1]{fontenc}\n"
        "\\usepackage{natbib}\n\\usepackage{url}\n\\begin{document}\n\n\\section*{Methods}\n\n"
        f"{as_latex(paragraphs)}\n\n"
        f"\\bibliographystyle{{plainnat}}\n\\bibliography{{{BIBLIOGRAPHY}}}\n\\end{{document}}\n"
    )


def as_bibtex(paragraphs: Sequence[str]) -> str:
    """Return what a methods section cites as the content of a ``.bib`` file."""
    return bibliography(_references(paragraphs).values())


def copies_of(paragraphs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what the buttons of a report copy: the name of each form, and the text."""
    return (
        ("text", as_text(paragraphs)),
        ("LaTeX", as_latex(paragraphs)),
        ("BibTeX", as_bibtex(paragraphs)),
    )


def citation_files(paragraphs: Sequence[str]) -> dict[str, str]:
    """Return the content of each file with the methods section, by the ending of its name."""
    return {
        ".md": as_markdown(paragraphs),
        ".html": as_html(paragraphs),
        ".tex": as_latex_document(paragraphs),
        ".bib": as_bibtex(paragraphs),
    }


def _references(paragraphs: Sequence[str]) -> dict[str, Reference]:
    """Return what paragraphs cite, the program itself first."""
    text = " ".join(paragraphs)
    version = _VERSION.search(text)
    own = {version[0]: software(version[1])} if version else {}
    return own | cited(text)


def _latex(paragraph: str) -> str:
    marks: dict[str, str] = {}
    for number, (citation, reference) in enumerate(_references([paragraph]).items()):
        mark = f"\0{number}\0"
        marks[mark] = f"\\citep{{{reference.key}}}"
        if f"({citation})" in paragraph:
            paragraph = paragraph.replace(f"({citation})", mark)
        else:  # a name, which is cited where it is first
            paragraph = paragraph.replace(citation, f"{citation} {mark}", 1)
    text = "".join(_LATEX.get(letter, letter) for letter in paragraph)
    text = re.sub(r"'([^']*)'", r"`\1'", text)
    for mark, command in marks.items():
        text = text.replace(mark, command)
    return text


def _linked(text: str, link: str) -> str:
    """Turn the DOI or address at the end of a reference into a link."""
    doi = re.sub(r"doi:(\S+)$", r"https://doi.org/\1", text)
    return re.sub(r"https?://\S+$", lambda found: link.format(found[0]), doi)
