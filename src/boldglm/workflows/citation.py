"""The methods section of all analyses in the output folder, in `logs/`, ready for a paper."""

from pathlib import Path

from boldglm.analysis.citation import citation_files
from boldglm.errors import BadDataError
from boldglm.io.files.atomic import write_bytes
from boldglm.io.outputs.names import citation_file
from boldglm.io.outputs.report_pages import ReportPage, stored_pages


def write_citation(output_dir: Path) -> list[Path]:
    """Write `CITATION.md`, `.html`, `.tex` and `.bib`.

    They have the paragraphs of every report, each once; those of the group are first, because they
    describe the runs as well. Jobs that do this at the same time write the same files.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.

    Returns
    -------
    list of Path
        The files; none if nothing was analyzed.
    """
    paragraphs: dict[str, None] = {}
    for name in stored_pages(output_dir):
        try:
            page = ReportPage.read(output_dir, name)
        except BadDataError:  # said by what draws this report
            continue
        paragraphs |= dict.fromkeys(page.methods)
    if not paragraphs:
        return []
    written = []
    for ending, text in citation_files(list(paragraphs)).items():
        path = citation_file(output_dir, ending)
        content = text.encode()
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)
        written.append(path)
    return written
