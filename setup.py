"""Build entry point: all metadata is in pyproject.toml; compiled extensions are listed here once there are any."""

from setuptools import setup

setup()
