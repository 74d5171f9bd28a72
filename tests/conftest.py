"""What tests share: real data through one fixture, and a small dataset with known activation."""

import functools
import inspect
import os
import pickle
import shutil
from pathlib import Path

# Test processes share the cores (`-n auto`), so linear algebra has one thread in each of them. It
# reads these when numpy is imported. Tests of threads ask for their number.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import matplotlib as mpl
import pytest
from hypothesis import settings

from boldglm.demo.dataset import DatasetPlan, write_dataset
from boldglm.reports import figures, surfaces

mpl.use("Agg")
# How long an example takes is not a property. The same examples every time unless asked: what
# `make test` says of a change must not depend on chance; `make test-all` looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("BOLDGLM_TEST_EXAMPLES", "steady"))
DATA = Path(os.environ.get("BOLDGLM_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def real_data():
    """Return the folder of a real dataset by name, or skip where it is absent."""

    def folder(name: str) -> Path:
        path = DATA / name
        if not path.is_dir():
            pytest.skip(f"real data {name} is not here; set BOLDGLM_TEST_DATA to its parent")
        return path

    return folder


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """Return a BIDS dataset of 2 subjects x 2 runs that no test may change."""
    plan = DatasetPlan(n_scans=80, shape=(14, 16, 10))
    return write_dataset(tmp_path_factory.mktemp("small") / "bids", plan)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """Return a BIDS dataset of 2 subjects x 2 short runs that no test may change."""
    plan = DatasetPlan(n_scans=60, shape=(6, 6, 5))
    return write_dataset(tmp_path_factory.mktemp("tiny") / "bids", plan)


@pytest.fixture
def dataset(small_dataset, tmp_path):
    """Return a copy of `small_dataset` that the test may change."""
    return Path(shutil.copytree(small_dataset, tmp_path / "bids"))


@pytest.fixture(scope="session", autouse=True)
def _pictures_drawn_once():
    """Let reports reuse what the same arguments gave before.

    Runs of the whole program draw the same few designs, and look at the same two meshes, hundreds
    of times, which was half of their time. `tests/reports` import the drawings unchanged.
    """
    plots = ("plot_design_matrix", "plot_regressors", "plot_correlation", "plot_contrasts")
    with pytest.MonkeyPatch.context() as patch:
        for name in plots:
            patch.setattr(figures, name, drawn_once(getattr(figures, name)))
        patch.setattr(surfaces, "see_surface", computed_once(surfaces.see_surface))
        yield


def drawn_once(plot):
    """Return a plot that draws for new arguments only, and else writes what it drew then."""
    signature, files = inspect.signature(plot), {}

    @functools.wraps(plot)
    def draw(*args, **options):
        arguments = signature.bind(*args, **options).arguments
        path = arguments.pop("path")
        key = pickle.dumps(arguments)
        if key not in files:
            plot(*args, **options)
            files[key] = path.read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[key])
        return path

    return draw


def computed_once(function):
    """Return a function that computes for new arguments only, and else returns the same result."""
    results = {}

    @functools.wraps(function)
    def compute(*args, **options):
        key = pickle.dumps((args, options))
        if key not in results:
            results[key] = function(*args, **options)
        return results[key]

    return compute
