"""Weights as a person types them: a file here or under KDBENCH_WEIGHTS, or an address on the Hugging Face hub. That is fetched
because it was typed, never by a suite or a job."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from kdbench.contract.errors import KdbenchError
from kdbench.suite.card import WEIGHTS_VARIABLE

PREFIX = "hf-hub:"
ADDRESS = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:/(?P<file>[\w./-]+))?")
FILE = "model.safetensors"


def is_address(text: str) -> bool:
    return text.startswith(PREFIX)


def at_hand(given: str) -> Path:
    """A file that is on this machine: where it is said to be, else where a card would look for it, under KDBENCH_WEIGHTS."""
    path, root = Path(given).expanduser(), os.environ.get(WEIGHTS_VARIABLE, "").strip()
    return path if path.exists() or not root else Path(root).expanduser() / path


def fetched(address: str) -> Path:
    """The file of `hf-hub:OWNER/NAME` or `hf-hub:OWNER/NAME/FILE`, under KDBENCH_WEIGHTS."""
    parts = ADDRESS.fullmatch(address.removeprefix(PREFIX))
    if parts is None:
        raise KdbenchError(f"--weights {address}: expected {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME/FILE")
    root = os.environ.get(WEIGHTS_VARIABLE, "").strip()
    if not root:
        raise KdbenchError(f"--weights {address}: set {WEIGHTS_VARIABLE} to the folder where weights are to lie")
    folder, name = Path(root).expanduser() / parts["repository"], parts["file"] or FILE
    print(f"fetching {name} of {parts['repository']} from the Hugging Face hub to {folder}", file=sys.stderr)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(parts["repository"], name, local_dir=folder))
    except (OSError, ValueError, RuntimeError) as error:  # what the hub's library raises without a network, repository or file
        raise KdbenchError(
            f"--weights {address}: cannot be fetched ({type(error).__name__}: {str(error).strip().splitlines()[0]}). Without a "
            "network, bring the file here by other means and give its path"
        ) from error
