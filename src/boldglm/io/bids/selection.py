"""Which participants, sessions, tasks and runs a person asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.files.json_files import load_json
from boldglm.suggestions import did_you_mean


@dataclass(frozen=True)
class Selection:
    """Labels of what to analyze; empty means all.

    Parameters
    ----------
    subjects, sessions, tasks, runs : tuple of str
        Labels without their prefixes. ``1`` and ``01`` are the same run.
    filters : tuple of (str, object)
        Further BIDS entities and their label, or a list of labels, or None if they are absent.

    Examples
    --------
    >>> Selection(tasks=("faces",), filters=(("acq", "mb4"),)).of_runs()
    {'--bids-filter-file': ['acq=mb4']}
    """

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    filters: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(
        cls,
        subjects: Sequence[str] | None = None,
        sessions: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        runs: Sequence[str] | None = None,
        filter_file: Path | None = None,
    ) -> "Selection":
        """Take what the command line gave: prefixes stripped, the filter file read.

        Parameters
        ----------
        subjects, sessions, tasks, runs : sequence of str, optional
            Labels with or without their prefixes.
        filter_file : Path, optional
            JSON file that selects by any entity.

        Returns
        -------
        Selection
            The selection.
        """
        return cls(
            _labels(subjects, "sub"),
            _labels(sessions, "ses"),
            _labels(tasks, "task"),
            _labels(runs, "run"),
            _read_filters(filter_file),
        )

    def is_about(self, entities: Mapping[str, str]) -> bool:
        """Tell whether runs of these entities may be among those asked for.

        Parameters
        ----------
        entities : mapping of str to str
            BIDS entities of a run, or some of them.

        Returns
        -------
        bool
            False if a session, task or run is another than those asked for.
        """
        asked = {"ses": self.sessions, "task": self.tasks, "run": self.runs}
        return all(
            not labels
            or key not in entities
            or any(same_label(entities[key], label) for label in labels)
            for key, labels in asked.items()
        )

    def of_runs(self) -> dict[str, list[str]]:
        """Return the options that choose sessions and runs, without those that were not given.

        Returns
        -------
        dict of str to list of str
            Labels in alphabetical order by the option of the command line.
        """
        given = {
            "--session-label": sorted(self.sessions),
            "--run-label": sorted(self.runs),
            "--bids-filter-file": [f"{key}={value}" for key, value in sorted(self.filters)],
        }
        return {name: labels for name, labels in given.items() if labels}


def same_label(found: str | None, asked: str) -> bool:
    """Compare labels; run-1 and run-01 are the same run to a person."""
    if found is None:
        return False
    return found == asked or (found.isdigit() and asked.isdigit() and int(found) == int(asked))


def passes_filter(entities: dict, key: str, value: Any) -> bool:
    """Say whether entities pass one filter; None means that the entity must be absent."""
    found = entities.get(key)
    if value is None:
        return found is None
    allowed = value if isinstance(value, list) else [value]
    return found is not None and any(same_label(str(found), str(item)) for item in allowed)


def _labels(given: Sequence[str] | None, prefix: str) -> tuple[str, ...]:
    return tuple(label.removeprefix(f"{prefix}-") for label in given or ())


def _read_filters(path: Path | None) -> tuple[tuple[str, Any], ...]:
    if path is None:
        return ()
    try:
        content = load_json(path)
    except OSError as error:
        raise MissingInputError(
            f"--bids-filter-file {path} cannot be read: {error.strerror}."
        ) from error
    except ValueError as error:
        raise BadDataError(f"--bids-filter-file {path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("bold", {}), dict):
        raise BadDataError(
            f'--bids-filter-file {path} must be an object like {{"bold": {{"task": "faces"}}}}.'
        )
    unknown = [name for name in content if name != "bold"]
    if unknown:
        raise BadDataError(
            f"--bids-filter-file {path} has the query {unknown[0]!r}; boldglm asks only for "
            f"'bold'.{did_you_mean(unknown[0], ['bold'])}"
        )
    return tuple(content.get("bold", {}).items())
