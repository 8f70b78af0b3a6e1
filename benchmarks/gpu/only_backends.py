"""A plug-in for pytest: of all tests, those that ask for a backend, or for Numba's CUDA itself."""

from __future__ import annotations

FIXTURES = {"backend", "cuda"}


def pytest_collection_modifyitems(config, items):
    """Leave out what depends on neither."""
    config.hook.pytest_deselected(items=[item for item in items if FIXTURES.isdisjoint(item.fixturenames)])
    items[:] = [item for item in items if not FIXTURES.isdisjoint(item.fixturenames)]
