"""What tests share: real data through one fixture, and a small dataset with known activation."""

import os
import shutil
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import settings

from boldglm.demo.dataset import DatasetPlan, write_dataset

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
def _small_dataset(tmp_path_factory):
    plan = DatasetPlan(n_scans=80, shape=(14, 16, 10))
    return write_dataset(tmp_path_factory.mktemp("small") / "bids", plan)


@pytest.fixture
def dataset(_small_dataset, tmp_path):
    """Return a BIDS dataset of 2 subjects x 2 runs that the test may change."""
    return Path(shutil.copytree(_small_dataset, tmp_path / "bids"))
