"""What a report says as a whole, stored in `logs/reports/`, so that it can be written later."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.files.atomic import path_inside, refuse_links_outside
from boldglm.io.files.json_files import load_json, write_json
from boldglm.io.outputs.names import report_page_file
from boldglm.io.outputs.records import Record
from boldglm.notices import Notice, from_pairs
from boldglm.vocabulary import LEVELS

GROUP = "group"
FIGURES = "figures"  # folder of a report, which may be a link


@dataclass(frozen=True)
class ReportPage:
    """A report without its sections.

    Parameters
    ----------
    name : str
        Name of the report, such as ``"sub-01"``.
    title, subtitle : str
        Headings.
    notices : tuple of Notice
        Notices of the analysis as a whole.
    methods, references : tuple of str
        Paragraphs of the methods section, and what they cite.
    command : str
        The command line.
    versions : tuple of (str, str)
        Name and version of each package.
    methods_of : mapping of str to tuple of str
        Of the group, the paragraphs of each model, for later calls with other models.
    """

    name: str
    title: str
    subtitle: str
    notices: tuple[Notice, ...] = ()
    methods: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    command: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    methods_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def report_name(self) -> str:
        """File name of the report."""
        return f"{self.name}.html"

    def write(self, root: Path, figures: Iterable[Path] = ()) -> Path:
        """Write the page with the figures that lie beside its report; remove earlier others."""
        path = report_page_file(root, self.name)
        paths = list(dict.fromkeys(figures))
        for earlier in figures_of_page(root, self.name):
            if earlier not in paths:
                earlier.unlink(missing_ok=True)
        content = {
            "Title": self.title,
            "Subtitle": self.subtitle,
            "Notices": [[notice.kind, notice.text] for notice in self.notices],
            "Methods": list(self.methods),
            **({"MethodsOf": dict(self.methods_of)} if self.methods_of else {}),
            "References": list(self.references),
            "Command": self.command,
            "Versions": [list(version) for version in self.versions],
            "Figures": [figure.relative_to(root).as_posix() for figure in paths],
        }
        write_json(path, content)
        return path

    @classmethod
    def read(cls, root: Path, name: str) -> "ReportPage":
        """Read the page of a report.

        Raises
        ------
        MissingInputError
            If there is none.
        BadDataError
            If it is damaged.
        """
        path = report_page_file(root, name)
        try:
            content = load_json(path)
            return cls(
                name,
                str(content["Title"]),
                str(content["Subtitle"]),
                from_pairs(content["Notices"]),
                tuple(map(str, content["Methods"])),
                tuple(map(str, content["References"])),
                str(content["Command"]),
                tuple((str(package), str(version)) for package, version in content["Versions"]),
                {
                    str(model): tuple(map(str, paragraphs))
                    for model, paragraphs in content.get("MethodsOf", {}).items()
                },
            )
        except FileNotFoundError as error:
            raise MissingInputError(
                f"There is no {path}, which holds what the report of {name} says as a whole. "
                "Repeat the command that computed its results: it refits nothing that is finished."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise BadDataError(
                f"{path}, which holds what the report of {name} says as a whole, is damaged: "
                f"{error}. Delete it and repeat the command that computed the results."
            ) from error


def figures_of_page(root: Path, name: str) -> list[Path]:
    """Return the figures beside a report by what its page says; none if there is no page."""
    try:
        content = load_json(report_page_file(root, name))
        figures = [path_inside(root, figure) for figure in content["Figures"]]
        refuse_links_outside(figures, (root, root / name / FIGURES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [figure for figure in figures if figure.is_symlink() or not figure.is_dir()]


def reported_names(root: Path) -> list[str]:
    """Return the names of the reports of participants for which there are results."""
    folders = {path.name for path in root.glob("node-*/sub-*") if path.is_dir()}
    return sorted(folders)


def stored_pages(root: Path) -> list[str]:
    """Return the names of the reports whose pages are stored, that of the group first."""
    names = {path.stem for path in report_page_file(root, "").parent.glob("*.json")}
    reports = sorted(name for name in names if "_" not in name)
    return sorted(reports, key=lambda name: name != GROUP)


def report_order(record: Record) -> tuple[Any, ...]:
    """Return a key by which the sections of a report are sorted: by model, highest level first.

    Numbers in labels count as numbers, so that run 2 comes before run 10.
    """
    labels = [
        [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]
        for text in _labels(record.entities)
    ]
    return record.model, -LEVELS.index(record.level), record.node, labels


def _labels(entities: Mapping[str, str]) -> list[str]:
    return [f"{key}-{label}" for key, label in entities.items()]
