"""The side of `slices.py`: the whole command, in a fresh process."""

import contextlib
import io
import tempfile

from measure import Sample, Stopwatch, be_a_side


def command(dataset: str, slice_times: str, noise: str) -> Sample:
    """Fit the run of a dataset into an empty folder."""
    watch = Stopwatch()
    import boldglm.cli.app  # noqa: F401 - which the command would import on its first use
    from boldglm.cli.main import main

    watch.lap("import")
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        code = main([
            dataset, out, "participant", "--slice-times", slice_times, "--noise-model", noise,
            "--contrast", "a", "--contrast", "b", "--contrast", "a - b",
        ])  # fmt: skip
        watch.lap("command")
    if code:
        raise SystemExit(f"the command ended with exit code {code}.")
    return {"parts": watch.parts}


if __name__ == "__main__":
    be_a_side({"command": command})
