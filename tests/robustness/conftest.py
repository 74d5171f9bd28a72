"""A tiny dataset, and what undisturbed calls make of it."""

import pytest

from stopped_calls import finished, write_tiny_dataset


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a dataset that a call takes about three seconds for."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "bids")


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory):
    """Return the files of both levels by the number of processes, which the reports name."""
    folder, known = tmp_path_factory.mktemp("undisturbed"), {}

    def files(nprocs):
        if nprocs not in known:
            known[nprocs] = finished(tiny, folder / nprocs / "out", "--nprocs", nprocs)
        return known[nprocs]

    return files
