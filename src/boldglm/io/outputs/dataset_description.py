"""What says that the output folder is a BIDS dataset: its description and `.bidsignore`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from boldglm._version import __version__
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import load_json, write_json
from boldglm.io.outputs.dataset_links import DESCRIPTION, LINKS

BIDS_VERSION = "1.10.0"
CODE_URL = "https://github.com/boldglm/boldglm"
TITLE = "boldglm: voxelwise GLM"
COMMANDS = Path("logs") / "commands"  # a file for each command that worked on the folder
MOST_COMMANDS = 1000  # that the description lists
MORE_COMMANDS = f"More than {MOST_COMMANDS} commands: all of them are in {COMMANDS.as_posix()}"

# What BIDS has no name for, and why. Nothing else is hidden from validators.
HIDDEN = {
    "/sub-*.html": "reports of participants",
    "/group.html": "report of the group",
    "/index.html": "page of all participants",
    "/quality.*": "table of all runs to sort by motion and noise",
    "/sub-*/figures": "figures of the reports; BIDS has no datatype for them",
    "/group": "figures of the group report",
    "/models": "BIDS Stats Models, a specification of its own",
    "/node-*": "results of each node of the model: BIDS has no folder for nodes, and validators "
    "refuse a folder that it does not name as a whole. Each is laid out like a dataset "
    "(sub-<label>/func); masks and series in it have names of BIDS derivatives, and statistical "
    "maps, designs, tables and mean images do not.",
}


def bidsignore() -> str:
    """Return the content of `.bidsignore`, with the reason above each pattern."""
    return "".join(f"# {reason}\n{pattern}\n" for pattern, reason in HIDDEN.items())


def describe_dataset(
    output_dir: Path, dataset_name: str | None, command: str, links: Mapping[str, str]
) -> None:
    """Write dataset_description.json, with every command that worked on the folder.

    Jobs may do this at the same time. Each first stores its command in a file of its own, then
    writes the description until it names every stored command, so the last one to write misses
    none. The commands are sorted: their order does not depend on that of the jobs.

    Parameters
    ----------
    output_dir : Path
        Output folder.
    dataset_name : str or None
        Name of the raw dataset; None keeps the name that is written.
    command : str
        Command line.
    links : mapping of str to str
        Input datasets by their names in BIDS URIs. Those of earlier commands are kept.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    entry = {"Version": __version__, "Command": command, LINKS: dict(links)}
    write_json(output_dir / COMMANDS / f"{command_digest(command)}.json", entry)
    path = output_dir / DESCRIPTION
    while True:
        earlier, stored = _content(path), _stored(output_dir)
        name = f"{TITLE} of {dataset_name}" if dataset_name else earlier.get("Name", TITLE)
        all_links = dict(sorted({**_links(*stored), **_links(earlier), **links}.items()))
        described = {
            "Name": name,
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": _generated_by(_commands(stored) | _described_commands(earlier)),
            "SourceDatasets": [{"URL": uri} for uri in all_links.values()],
            LINKS: all_links,
        }
        write_json(path, described)
        if _commands(_stored(output_dir)) == _commands(stored):
            return


def command_digest(command: str) -> str:
    """Return a name for the files that are kept of a command."""
    return hashlib.sha256(f"{__version__} {command}".encode()).hexdigest()[:16]


def write_bidsignore(output_dir: Path) -> None:
    """Write `.bidsignore`."""
    write_bytes(output_dir / ".bidsignore", bidsignore().encode())


def _generated_by(commands: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return commands, given as (version, command), as entries of GeneratedBy."""
    known = set(commands)
    ordered = sorted(entry for entry in known if entry[1] != MORE_COMMANDS)
    shown: Sequence[tuple[str, str]] = ordered[:MOST_COMMANDS]
    if len(ordered) > len(shown) or len(ordered) < len(known):
        shown = [*shown, (__version__, MORE_COMMANDS)]
    return [
        {"Name": "boldglm", "Version": version, "CodeURL": CODE_URL, "Description": command}
        for version, command in shown
    ]


def _stored(output_dir: Path) -> list[dict[str, Any]]:
    """Return what jobs stored, in the order of the file names."""
    return [_content(path) for path in sorted((output_dir / COMMANDS).glob("*.json"))]


def _commands(stored: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {
        (str(content["Version"]), str(content["Command"]))
        for content in stored
        if {"Version", "Command"} <= content.keys()
    }


def _described_commands(description: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the commands of a description, whose files in logs/ may have been removed."""
    entries = description.get("GeneratedBy")
    if not isinstance(entries, list):
        return set()
    return {
        (str(entry.get("Version", "")), str(entry["Description"]))
        for entry in entries
        if isinstance(entry, dict) and entry.get("Name") == "boldglm" and "Description" in entry
    }


def _links(*contents: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for content in contents:
        links = content.get(LINKS)
        if isinstance(links, dict):
            found |= {str(name): str(uri) for name, uri in links.items()}
    return found


def _content(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; nothing if it is missing or damaged."""
    try:
        content = load_json(path)
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
