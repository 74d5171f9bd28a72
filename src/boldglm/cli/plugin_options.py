"""The nipype plugin of a call, from its options."""

import argparse
from pathlib import Path

from boldglm.errors import UsageError
from boldglm.workflows.plugins import PluginChoice, read_plugin_arguments


def plugin_choice(options: argparse.Namespace, work_dir: Path) -> PluginChoice | None:
    """Return the plugin of a call, or None for the default.

    Raises
    ------
    UsageError
        If the plugin cannot work here, or does not go with the other options.
    """
    name = options.nipype_plugin
    if options.nipype_plugin_args is not None:
        choice = read_plugin_arguments(options.nipype_plugin_args, name)
    elif name is not None:
        choice = PluginChoice(name)
    else:
        return None
    if options.nprocs > 1 and choice.name != "MultiProc":
        instead = (
            'Limit the number of jobs by {"max_jobs": N} in --nipype-plugin-args.'
            if choice.is_scheduler
            else "Leave out one of them."
        )
        raise UsageError(
            f"--nprocs {options.nprocs} is for processes on this machine, and --nipype-plugin "
            f"{choice.name} has none. {instead}"
        )
    if options.mem_gb is not None and "memory_gb" in choice.arguments:
        raise UsageError(
            "--mem-gb and memory_gb in --nipype-plugin-args say the same. Leave out one of them."
        )
    choice.check(work_dir)
    return choice
