"""Threads share out blocks, and nothing else."""

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from boldglm.glm import fit
from boldglm.glm.arrays.threads import Scratch, each, usable_threads


def test_so_many_items_are_worked_on_at_a_time():
    together = threading.Barrier(3, timeout=20)  # passes when three wait at it

    each(range(6), lambda _: together.wait(), 3)


def test_the_first_failure_is_raised_and_what_was_not_begun_is_left():
    begun = []

    def fail(item):
        begun.append(item)
        time.sleep(0.01)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        each(range(50), fail, 2)
    assert len(begun) < 10


def test_linear_algebra_has_one_thread_meanwhile_and_its_former_number_afterwards():
    def threads_of_blas():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen = []
    with threadpool_limits(2, user_api="blas"):
        each(range(4), lambda _: seen.append(threads_of_blas()), 2)
        after = threads_of_blas()

    assert seen == [{1}] * 4
    assert after == {2}


@pytest.mark.parametrize(
    ("setting", "result"), [("3", 3), ("4,2", 4), ("0", None), ("many", None)]
)
def test_the_number_of_threads_is_that_of_linear_algebra(monkeypatch, setting, result):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    processors = usable_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", setting)

    assert usable_threads() == (result or processors)


def test_every_thread_has_memory_of_its_own():
    scratch, first = Scratch(), threading.Barrier(2, timeout=20)
    arrays = []

    def fill(value):
        array = scratch.array(5)
        array[:] = value
        first.wait()
        arrays.append((value, array.copy()))

    each([1.0, 2.0], fill, 2)

    assert all((array == value).all() for value, array in arrays)


def test_what_is_not_in_memory_is_read_by_one_thread_at_a_time():
    class OneByOne:
        """A file that two threads may not read at the same time."""

        def __init__(self, values):
            self.values, self.shape, self.dtype = values, values.shape, values.dtype
            self.readers = 0

        def __getitem__(self, key):
            self.readers += 1
            assert self.readers == 1
            time.sleep(0.001)
            self.readers -= 1
            return self.values[key]

    values = np.random.default_rng(0).normal(size=(30, 200))
    design = np.ones((30, 1))

    result = fit(OneByOne(values), design, noise="ols", block_size=10, n_threads=4)

    np.testing.assert_array_equal(
        result.betas, fit(values, design, noise="ols", block_size=10).betas
    )
