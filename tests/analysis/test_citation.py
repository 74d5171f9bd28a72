"""The methods section in every form: the same words, and commands for what it cites."""

import re
from html.parser import HTMLParser

import pytest

from boldglm.analysis.citation import (
    as_bibtex,
    as_html,
    as_latex,
    as_latex_document,
    as_markdown,
    as_text,
    citation_files,
)
from boldglm.analysis.references import REFERENCES, Reference

METHODS = [
    "Data were analyzed with boldglm 0.2.0.dev0, which follows BIDS Stats Models. Variances were "
    "corrected (Meier, 1953), and 5 % of <go_left> & {stop} (node 'run') counted.",
    "Variances were cluster-robust (Bell & McCaffrey, 2002).",
]


def entries(text):
    """Read the entries of a .bib file whose values are in braces: key, and fields by name."""
    found = {}
    for kind, key, body in re.findall(
        r"^@(\w+)\{(\w+),\n(.*?)\n\}$", text, re.MULTILINE | re.DOTALL
    ):
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", body, re.MULTILINE))
        assert len(fields) == len(body.splitlines())
        assert all(value.count("{") == value.count("}") for value in fields.values())
        found[key] = {"kind": kind, **fields}
    return found


def test_latex_has_a_command_for_each_citation_and_the_bib_an_entry():
    latex = as_latex(METHODS)

    assert latex == (
        r"Data were analyzed with boldglm 0.2.0.dev0 \citep{boldglm}, which follows BIDS Stats "
        r"Models \citep{bidsstatsmodels}. Variances were corrected \citep{meier1953}, and 5 \% of "
        r"<go\_left> \& \{stop\} (node `run') counted."
        "\n\n"
        r"Variances were cluster-robust \citep{bell2002}."
    )
    assert set(entries(as_bibtex(METHODS))) == set(re.findall(r"\\citep\{(\w+)\}", latex))
    assert r"\bibliography{CITATION}" in as_latex_document(METHODS)


def test_the_bib_has_what_a_style_needs():
    program = entries(as_bibtex(METHODS))["boldglm"]
    article = entries(as_bibtex(METHODS))["meier1953"]

    assert (program["kind"], program["version"]) == ("software", "0.2.0.dev0")
    assert article == {
        "kind": "article",
        "author": "Meier, P.",
        "title": "{Variance of a weighted mean}",
        "year": "1953",
        "journal": "Biometrics",
        "volume": "9",
        "number": "1",
        "pages": "59--73",
        "doi": "10.2307/3001633",
    }


@pytest.mark.parametrize("citation", REFERENCES)
def test_every_reference_is_complete(citation):
    reference = REFERENCES[citation]
    entry = entries(reference.bibtex)[reference.key]

    assert reference.text.count("..") == 0
    assert {"author", "title"} <= set(entry)
    assert "&" not in entry.get("journal", "").replace(r"\&", "")
    if entry["kind"] == "article":
        assert {"year", "journal", "volume", "pages"} <= set(entry)
        year, first = entry["year"], entry["author"].partition(",")[0]
        assert citation.startswith(first)
        assert citation.endswith(year)
        assert re.fullmatch(r"10\.\d{4,}/\S+", reference.doi) or citation.startswith("Bell")
        assert reference.doi in reference.text
        n_authors = len(entry["author"].split(" and "))
        assert (" et al." in citation) == (n_authors > 2)


def test_keys_are_unique_and_many_authors_are_shortened():
    assert len({reference.key for reference in REFERENCES.values()}) == len(REFERENCES)
    assert REFERENCES["Worsley et al., 2002"].text.startswith("Worsley KJ et al. (2002). ")
    assert REFERENCES["Power et al., 2012"].text.startswith("Power JD, Barnes KA, Snyder AZ, ")


def test_markdown_and_html_have_the_same_words():
    class Words(HTMLParser):
        text = ""

        def handle_data(self, data):
            self.text += data

    page, plain = Words(), as_text(METHODS)
    page.feed(as_html(METHODS).partition("<body")[2].partition(">")[2])
    markdown = re.sub(r"\\([\\*_`\[\]<>])", r"\1", as_markdown(METHODS))

    for paragraph in METHODS:
        assert paragraph in page.text
        assert paragraph in markdown
        assert paragraph in plain
    assert "<go_left>" not in as_html(METHODS)
    link = "https://doi.org/10.2307/3001633"
    assert f'<a href="{link}">{link}</a>' in as_html(METHODS)
    assert f"<{link}>" in markdown
    assert "Survey Methodology 28:169-181.\n" in plain


def test_hostile_names_are_text_in_latex():
    latex = as_latex([r"The conditions \input{/etc/passwd} and $x^2~y#1$ were modeled."])

    assert latex == (
        r"The conditions \textbackslash{}input\{/etc/passwd\} and "
        r"\$x\textasciicircum{}2\textasciitilde{}y\#1\$ were modeled."
    )


def test_there_is_a_file_of_each_form():
    assert list(citation_files(METHODS)) == [".md", ".html", ".tex", ".bib"]


def test_an_institution_is_no_person():
    reference = Reference("x", "{The developers}", "", "A program", url="https://example.org")

    assert reference.text == "The developers. A program. https://example.org"
    assert "author = {{The developers}}" in reference.bibtex
