"""What the tables of a dataset say of participants and sessions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError
from boldglm.io.bids.tables import read_table
from boldglm.notices import Notice, warning


class ParticipantTables:
    """participants.tsv, sub-*_sessions.tsv and sub-*_scans.tsv, read when they are asked for.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    """

    def __init__(self, bids_dir: Path) -> None:
        self.bids_dir = bids_dir
        self._participants: dict[str, dict[str, Any]] | None = None
        self._sessions: dict[str, dict[str, dict[str, Any]]] = {}
        self._runs: dict[str, dict[str, dict[str, Any]]] = {}
        self._without: dict[str, Notice] = {}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Warnings of participants whom participants.tsv lacks, of those asked for so far."""
        return tuple(self._without.values())

    def of(self, entities: Mapping[str, str], bold_name: str = "") -> dict[str, Any]:
        """Return the columns of the rows that entities point to; n/a is None.

        Parameters
        ----------
        entities : mapping
            With ``sub`` and perhaps ``ses``, labels without prefix.
        bold_name : str, optional
            File name of a run, for its row of scans.tsv.

        Raises
        ------
        BadDataError
            If a table lacks its first column or names somebody twice.
        """
        subject, session = entities.get("sub"), entities.get("ses")
        if subject is None:
            return {}
        if self._participants is None:
            path = self.bids_dir / "participants.tsv"
            self._participants = _rows(path, "participant_id", "sub-")
        if subject not in self._participants and self._participants:
            return self._without_row(subject)
        found = dict(self._participants.get(subject, {}))
        if session is not None:
            if subject not in self._sessions:
                path = self.bids_dir / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
                self._sessions[subject] = _rows(path, "session_id", "ses-")
            found |= self._sessions[subject].get(session, {})
        if bold_name:
            found |= self._scans(subject, session).get(bold_name, {})
        return found

    def _without_row(self, subject: str) -> dict[str, Any]:
        """Return n/a in every column, with a warning that names the ids of the table."""
        assert self._participants is not None
        if subject and subject not in self._without:
            known = list(self._participants)
            ids = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            alike = [one for one in known if one.lstrip("0") == subject.lstrip("0")]
            remedy = (
                f"The id {alike[0]} seems to mean the same; write sub-{subject} there, as its "
                "folder is called"
                if alike
                else f"Add a row that begins with sub-{subject}"
            )
            self._without[subject] = warning(
                f"participants.tsv has no row for sub-{subject} (ids there: {ids}), so all its "
                f"columns are n/a for this participant. {remedy}"
            )
        return dict.fromkeys(next(iter(self._participants.values())))

    def levels(self) -> frozenset[str]:
        """Names ``<column>.<value>`` of everything that participants.tsv holds."""
        self.of({"sub": ""})
        rows = self._participants or {}
        return frozenset(
            f"{name}.{value}"
            for row in rows.values()
            for name, value in row.items()
            if value is not None
        )

    def _scans(self, subject: str, session: str | None) -> dict[str, dict[str, Any]]:
        stem = f"sub-{subject}" + (f"_ses-{session}" if session else "")
        if stem not in self._runs:
            path = self.bids_dir.joinpath(*stem.split("_")) / f"{stem}_scans.tsv"
            rows = _rows(path, "filename", "")
            self._runs[stem] = {name.rpartition("/")[2]: row for name, row in rows.items()}
        return self._runs[stem]


def _rows(path: Path, key: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Rows of a table by label; none where the dataset has no such table."""
    if not path.is_file():
        return {}
    table = read_table(path)
    if key not in table.columns:
        raise BadDataError(
            f"{path.name} has no column {key!r} (found: {', '.join(table.columns)}). BIDS "
            "requires it."
        )
    rows: dict[str, dict[str, Any]] = {}
    # not row by row of pandas, which guesses a type for each and has a missing value of its own
    cells, is_missing = table.to_numpy(dtype=object), table.isna().to_numpy()
    for values, missing in zip(cells.tolist(), is_missing.tolist(), strict=True):
        known = [None if gap else value for value, gap in zip(values, missing, strict=True)]
        row = dict(zip(map(str, table.columns), known, strict=True))
        label = str(row.pop(key)).strip().removeprefix(prefix)
        if label in rows:
            raise BadDataError(f"{path.name} has two rows for {prefix}{label}: remove one.")
        rows[label] = row
    return rows
