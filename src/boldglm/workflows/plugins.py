"""nipype's plugins by the names that users know: what they take, and what they need."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError, MissingInputError, UsageError
from boldglm.suggestions import list_known
from boldglm.vocabulary import NIPYPE_PLUGINS
from boldglm.workflows.execution_order import InProcessesPlugin, OneByOnePlugin

_OF_SCHEDULERS = ("template", "max_jobs", "max_tries", "retry_timeout")
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "Linear": (),
    "MultiProc": ("n_procs", "memory_gb", "raise_insufficient", "scheduler", "max_jobs"),
    "SLURM": ("sbatch_args", *_OF_SCHEDULERS),
    "SLURMGraph": ("sbatch_args", "template", "max_tries", "retry_timeout"),
    "SGE": ("qsub_args", *_OF_SCHEDULERS, "qstatProgramPath", "qstatCachedProgramPath"),
    "PBS": ("qsub_args", *_OF_SCHEDULERS),
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "SLURM": ("sbatch", "squeue", "scancel"),
    "SLURMGraph": ("sbatch", "squeue", "scancel"),
    "SGE": ("qsub", "qstat", "qdel"),
    "PBS": ("qsub", "qstat", "qdel"),
}


@dataclass(frozen=True)
class PluginChoice:
    """Which of nipype's plugins runs a workflow, and its arguments.

    Parameters
    ----------
    name : str
        One of `boldglm.vocabulary.NIPYPE_PLUGINS`.
    arguments : mapping
        Arguments as nipype documents them. In options of a scheduler, ``{mem_mb}`` and ``{cpus}``
        are replaced by what each job needs.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_scheduler(self) -> bool:
        """Whether jobs are submitted to a scheduler."""
        return self.name in COMMANDS

    def check(self, work_dir: Path) -> None:
        """Refuse what cannot work, before anything is computed.

        Parameters
        ----------
        work_dir : Path
            Folder for intermediate files.

        Raises
        ------
        UsageError
            If there is no such argument, if this machine has no commands of the scheduler, or if
            the path of the work folder has characters that job scripts cannot have.
        """
        known = ARGUMENTS[self.name]
        for key in self.arguments:
            if key not in known:
                listed = list_known(key, known) if known else " It takes none."
                raise UsageError(f"The plugin {self.name} has no argument {key!r}.{listed}")
        absent = [name for name in COMMANDS.get(self.name, ()) if shutil.which(name) is None]
        if absent:
            raise UsageError(
                f"--nipype-plugin {self.name} needs {' and '.join(absent)}, which this machine "
                "does not have. Start boldglm on a machine that can submit jobs, or use the job "
                "scripts of docs/clusters.md."
            )
        if self.is_scheduler and (bad := re.search(r"[^\w./+=:@,-]", str(work_dir))):
            raise UsageError(
                f"The work folder {work_dir} has the character {bad[0]!r}, which job scripts "
                "cannot have in paths. Choose another folder with -w."
            )


def read_plugin_arguments(path: Path, name: str | None) -> PluginChoice:
    """Read the arguments of a plugin from a JSON or YAML file.

    Parameters
    ----------
    path : Path
        The arguments by name, or ``plugin`` and ``plugin_args`` as fMRIPrep reads them.
    name : str or None
        The plugin; None to take that of the file.

    Returns
    -------
    PluginChoice
        The plugin and its arguments.

    Raises
    ------
    MissingInputError
        If there is no such file.
    BadDataError
        If it cannot be read, or names another plugin.
    """
    content = _read(path)
    if set(content) & {"plugin", "plugin_args"}:
        named = content.get("plugin", name)
        if name is not None and named != name:
            raise BadDataError(
                f"{path} is for the plugin {named!r}, but --nipype-plugin is {name}. Change one "
                "of them."
            )
        content, name = content.get("plugin_args") or {}, named
        if not isinstance(content, dict):
            raise BadDataError(f"{path}, at plugin_args: {content!r} is not a mapping of names.")
    if name is None:
        raise UsageError("--nipype-plugin-args needs --nipype-plugin, which names the plugin.")
    if name not in NIPYPE_PLUGINS:
        raise BadDataError(
            f"{path}: there is no plugin {name!r}.{list_known(name, NIPYPE_PLUGINS)}"
        )
    return PluginChoice(name, content)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingInputError(f"--nipype-plugin-args {path}: there is no such file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"--nipype-plugin-args {path} cannot be read: {error}.") from error
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        content = _read_yaml(text, path, error)
    if not isinstance(content, dict):
        raise BadDataError(
            f"{path} is not a mapping of names to values, such as "
            '{"sbatch_args": "--partition=short --time=60"}.'
        )
    return content


def _read_yaml(text: str, path: Path, not_json: json.JSONDecodeError) -> Any:
    if path.suffix.lower() == ".json":
        raise BadDataError(
            f"{path}, line {not_json.lineno}: this is not JSON ({not_json.msg})."
        ) from not_json
    try:
        import yaml
    except ImportError as error:
        raise BadDataError(
            f"{path} is not JSON ({not_json.msg}, line {not_json.lineno}), and YAML cannot be "
            "read without the package PyYAML. Write it as JSON, or install PyYAML."
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place is not None else ""
        raise BadDataError(
            f"{path}{line}: this is neither JSON nor YAML "
            f"({getattr(error, 'problem', None) or error})."
        ) from error


def make_plugin(choice: PluginChoice | None, nprocs: int, settings: Mapping[str, Any]) -> Any:
    """Return the nipype plugin that runs a workflow.

    Parameters
    ----------
    choice : PluginChoice or None
        The plugin; None for one that fits `nprocs`.
    nprocs : int
        Number of processes of ``MultiProc``.
    settings : mapping
        Further arguments: ``status_callback``, ``keep_files``, ``log_dir``, ``jobs_file``.

    Returns
    -------
    PluginBase
        The plugin, which has ``failures`` after its run.
    """
    if choice is None:
        choice = PluginChoice("MultiProc" if nprocs > 1 else "Linear")
    arguments = {**settings, **choice.arguments}
    if choice.name == "Linear":
        return OneByOnePlugin(arguments)
    if choice.name == "MultiProc":
        defaults = {"n_procs": nprocs, "raise_insufficient": False}
        return InProcessesPlugin({**defaults, **arguments})
    from boldglm.workflows import schedulers

    plugins: dict[str, Any] = {
        "SLURM": schedulers.Slurm,
        "SLURMGraph": schedulers.SlurmGraph,
        "SGE": schedulers.Sge,
        "PBS": schedulers.Pbs,
    }
    return plugins[choice.name](plugin_args=arguments)


def job_plugin(name: str, **arguments: Any) -> Any:
    """Return a plugin of a scheduler that makes one job of each run and each result above it.

    nipype's plugin of that name would make about ten jobs of each run. Nodes of other workflows
    are jobs of their own.

    Parameters
    ----------
    name : {"SLURM", "SLURMGraph", "SGE", "PBS"}
        Name of nipype's plugin.
    **arguments : dict
        Arguments of nipype's plugin, such as ``sbatch_args`` or ``max_jobs``. ``{mem_mb}`` and
        ``{cpus}`` in options of the scheduler are replaced by what each job needs.

    Returns
    -------
    PluginBase
        The plugin, for ``workflow.run(plugin=...)``.

    Raises
    ------
    UsageError
        If there is no such plugin or argument, or this machine cannot submit jobs.

    Examples
    --------
    >>> plugin = job_plugin("SLURM", sbatch_args="--partition=short")  # doctest: +SKIP
    >>> workflow.run(plugin=plugin)  # doctest: +SKIP
    """
    if name not in COMMANDS:
        raise UsageError(f"There is no scheduler {name!r}.{list_known(name, COMMANDS)}")
    choice = PluginChoice(name, arguments)
    choice.check(Path("work"))
    return make_plugin(choice, 1, {})
