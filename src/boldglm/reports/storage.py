"""Sections to and from what JSON can hold, so that reports can be made from records."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from boldglm.reports.content import ContrastResult, Figure, Section, Table


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
                "map": figure(one["map"]) if one["map"] else None,
                "peaks": table(one["peaks"]) if one["peaks"] else None,
            }
        )

    return Section(
        title=content["title"],
        anchor=content["anchor"],
        facts=tuple((label, value) for label, value in content["facts"]),
        left_out=tuple(content["left_out"]),
        figures=tuple(figure(one) for one in content["figures"]),
        tables=tuple(table(one) for one in content["tables"]),
        contrasts=tuple(contrast(one) for one in content["contrasts"]),
        is_open=content["is_open"],
    )


def section_figures(section: Section) -> list[Figure]:
    """Return every figure of a section, maps included."""
    maps = [one.map for one in section.contrasts if one.map is not None]
    return [*section.figures, *maps]


def with_figures(section: Section, paths: dict[Path, Path]) -> Section:
    """Return the section with its pictures at other paths."""

    def moved(figure: Figure | None) -> Figure | None:
        return replace(figure, path=paths[figure.path]) if figure is not None else None

    return replace(
        section,
        figures=tuple(replace(one, path=paths[one.path]) for one in section.figures),
        contrasts=tuple(replace(one, map=moved(one.map)) for one in section.contrasts),
    )
