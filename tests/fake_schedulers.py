"""Commands of schedulers that run each job at once, for tests without a cluster."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

# $FAKE/calls lists the calls, $FAKE/failed the numbers of jobs that failed. A job whose options
# match $FAKE/kill is ended before it does anything, as by a scheduler that runs out of memory.
_SUBMIT = """#!/bin/sh
echo "$(basename "$0") $*" >> "$FAKE/calls"
number=$(wc -l < "$FAKE/calls")
case "$*" in
  *--partition=absent*) echo "sbatch: error: invalid partition: absent" >&2; exit 1;;
esac
log=/dev/null; before=; needed=
for word; do
  [ "$before" = -o ] && log=$word
  case $word in --dependency=afterok:*) needed=${word#*:};; esac
  before=$word
done
[ -d "$log" ] && log=$log/log
ran=yes
for one in $(echo "$needed" | tr : ' '); do grep -qx "$one" "$FAKE/failed" && ran=no; done
if [ -f "$FAKE/kill" ] && echo "$*" | grep -q "$(cat "$FAKE/kill")"; then
  echo "error: Detected 1 oom_kill event" > "$log"; ran=no
fi
[ $ran = yes ] && sh "$before" > "$log" 2>&1 || echo "$number" >> "$FAKE/failed"
ANSWER
"""
_ANSWERS = {
    "sbatch": 'echo "Submitted batch job $number"',
    "qsub": 'echo "$number.server"',
}
_EMPTY_QUEUE = '#!/bin/sh\necho "$(basename "$0") $*" >> "$FAKE/asked"\n'
_QSTAT = _EMPTY_QUEUE + "echo 'qstat: Unknown Job Id' >&2\nexit 1\n"
_NOTE = '#!/bin/sh\necho "$(basename "$0") $*" >> "$FAKE/canceled"\n'


@dataclass(frozen=True)
class Cluster:
    """The folder of the fake commands, and what they were asked."""

    folder: Path

    def calls(self) -> list[str]:
        """Return how jobs were submitted."""
        return _lines(self.folder / "calls")

    def canceled(self) -> list[str]:
        """Return how jobs were canceled."""
        return _lines(self.folder / "canceled")

    def kill(self, pattern: str) -> None:
        """End the jobs whose options match."""
        (self.folder / "kill").write_text(pattern)


def make_cluster(folder: Path, monkeypatch) -> Cluster:
    """Put commands of SLURM and PBS before all others."""
    commands = {
        **{name: _SUBMIT.replace("ANSWER", answer) for name, answer in _ANSWERS.items()},
        "squeue": _EMPTY_QUEUE,
        "qstat": _QSTAT,
        "scancel": _NOTE,
        "qdel": _NOTE,
    }
    folder.mkdir()
    (folder / "failed").touch()
    for name, text in commands.items():
        path = folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(folder))
    return Cluster(folder)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
