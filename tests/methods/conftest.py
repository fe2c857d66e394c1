"""The bench of the training tests: a learner without suites and files."""

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("training_bench", Path(__file__).parents[1] / "train" / "conftest.py")
_training = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _training
_spec.loader.exec_module(_training)


@pytest.fixture
def bench():
    return _training.make


@pytest.fixture
def same():
    return _training.equal
