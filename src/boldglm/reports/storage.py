"""Sections as JSON, so that reports can be made from records."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from boldglm.io.outputs.names import ResultPaths, camel_case
from boldglm.notices import from_pairs
from boldglm.reports.content import ContrastResult, Figure, Section, Table, Topic


def section_to_dict(section: Section) -> dict[str, Any]:
    """Return a section as plain data; paths become text."""
    return asdict(section)


def section_from_dict(content: dict[str, Any], root: Path) -> Section:
    """Read what `section_to_dict` returned; `root` is what relative paths start from."""

    def figure(one: dict[str, Any]) -> Figure:
        return Figure(root / one["path"], one["caption"], one["alt"])

    def table(one: dict[str, Any]) -> Table:
        return Table(tuple(one["columns"]), tuple(map(tuple, one["rows"])), one["caption"])

    def contrast(one: dict[str, Any]) -> ContrastResult:
        return ContrastResult(
            **{
                **one,
                "maps": tuple(figure(each) for each in one["maps"]),
                "peaks": tuple(table(each) for each in one["peaks"]),
                "volumes": tuple(root / each for each in one.get("volumes", ())),
            }
        )

    def topic(one: dict[str, Any]) -> Topic:
        return Topic(
            one["title"],
            tuple(one["paragraphs"]),
            tuple(figure(each) for each in one["figures"]),
            tuple(table(each) for each in one["tables"]),
        )

    return Section(
        title=content["title"],
        anchor=content["anchor"],
        facts=tuple((label, value) for label, value in content["facts"]),
        notices=from_pairs(content["notices"]),
        figures=tuple(figure(one) for one in content["figures"]),
        tables=tuple(table(one) for one in content["tables"]),
        topics=tuple(topic(one) for one in content["topics"]),
        contrasts=tuple(contrast(one) for one in content["contrasts"]),
        is_open=content["is_open"],
    )


def section_figures(section: Section) -> list[Figure]:
    """Return every figure of a section, those of topics and maps included."""
    maps = [each for one in section.contrasts for each in one.maps]
    of_topics = [each for one in section.topics for each in one.figures]
    return [*section.figures, *of_topics, *maps]


def figure_copies(section: Section, paths: ResultPaths) -> list[tuple[Path, Path]]:
    """Return each figure of a section with its path in the folder beside the report."""
    of_topics = [figure for topic in section.topics for figure in topic.figures]
    labels = {figure.path: figure.path.stem for figure in (*section.figures, *of_topics)}
    for contrast in section.contrasts:
        for figure in contrast.maps:
            part = figure.path.stem.partition("-")[2]  # of the brain, if the figure shows one
            labels[figure.path] = f"contrast {camel_case(contrast.name)} {part}".rstrip()
    return [(path, paths.figure(label, path.suffix)) for path, label in labels.items()]


def with_figures(section: Section, paths: dict[Path, Path]) -> Section:
    """Return the section with its pictures at other paths."""

    def moved(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
        return tuple(replace(one, path=paths[one.path]) for one in figures)

    return replace(
        section,
        figures=moved(section.figures),
        topics=tuple(replace(one, figures=moved(one.figures)) for one in section.topics),
        contrasts=tuple(replace(one, maps=moved(one.maps)) for one in section.contrasts),
    )
