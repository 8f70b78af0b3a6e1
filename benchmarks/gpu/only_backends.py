"""A plug-in for pytest: of all tests, those that ask for a backend."""

from __future__ import annotations


def pytest_collection_modifyitems(config, items):
    """Leave out what does not depend on a backend."""
    others = [item for item in items if "backend" not in item.fixturenames]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if "backend" in item.fixturenames]
