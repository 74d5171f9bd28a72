"""The allocator is told to keep freed memory, unless the environment or the C library decides."""

from types import SimpleNamespace

import pytest

from boldglm.glm.arrays import memory


@pytest.fixture
def allocator(monkeypatch):
    """Return the settings that a stand-in for the C library accepts, and a list of its calls."""
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    refused, calls = set(), []

    def mallopt(parameter, value):
        calls.append((parameter, value))
        return int(value not in refused)

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    return refused, calls


def test_freed_memory_is_kept_but_for_large_arrays(allocator):
    _, calls = allocator

    memory.keep_all_freed_memory()

    assert dict(calls) == {
        memory.M_MMAP_THRESHOLD: memory.LARGE_BYTES,
        memory.M_TRIM_THRESHOLD: memory.MOST_BYTES,
    }


def test_an_old_library_gets_the_highest_threshold_that_it_takes(allocator):
    refused, calls = allocator
    refused.add(memory.LARGE_BYTES)

    memory.keep_all_freed_memory()

    assert dict(calls)[memory.M_MMAP_THRESHOLD] == memory.KEPT_BYTES


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_settings_of_the_environment_stay(allocator, monkeypatch, name):
    monkeypatch.setenv(name, "131072")

    memory.keep_all_freed_memory()

    assert allocator[1] == []


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: SimpleNamespace())

    memory.keep_all_freed_memory()
