"""All that a plugin file needs, from one place: `from kdbench.api import Config, Field, Method, Needs, Step, Term`."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError, KdbenchError
from kdbench.contract.gives import Gives
from kdbench.contract.method import Method, NetSpec, Owner, Phase, Specs, Step, Sweep, Term, Wrapper
from kdbench.contract.model import Config, Facts, ModelPlugin, Net
from kdbench.contract.needs import Needs
from kdbench.contract.source import Source
from kdbench.contract.stage import After, Stage
from kdbench.contract.taps import meet, pointwise, width
from kdbench.contract.task import Forward, Samples, Task, batches
from kdbench.contract.views import FiniteViews

__all__ = [
    "After",
    "Batch",
    "Config",
    "DataError",
    "Decisions",
    "Draw",
    "F",
    "Facts",
    "Field",
    "FiniteViews",
    "Forward",
    "Gives",
    "KdbenchError",
    "Method",
    "ModelPlugin",
    "Needs",
    "Net",
    "NetSpec",
    "Outputs",
    "Owner",
    "Phase",
    "Samples",
    "Signal",
    "Source",
    "Specs",
    "Stage",
    "Step",
    "Sweep",
    "Task",
    "Tensor",
    "Term",
    "Wrapper",
    "batches",
    "divergence",
    "meet",
    "nn",
    "pointwise",
    "torch",
    "width",
]
