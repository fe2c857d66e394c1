"""What a person wrote: suite files, read and checked with places, and expanded into arms. Imports no torch and no registry."""

from kdbench.suite.arm import Arm, Expansion
from kdbench.suite.errors import Problem, SuiteError
from kdbench.suite.expand import expand
from kdbench.suite.read import parse_suite, read_suite
from kdbench.suite.recipe import RECIPE_DEFAULTS
from kdbench.suite.schema import Suite, json_schema

__all__ = [
    "RECIPE_DEFAULTS",
    "Arm",
    "Expansion",
    "Problem",
    "Suite",
    "SuiteError",
    "expand",
    "json_schema",
    "parse_suite",
    "read_suite",
]
