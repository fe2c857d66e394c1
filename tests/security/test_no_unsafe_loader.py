"""No line of the package may load what can run code: a new call of that kind fails here until somebody has looked at it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kdbench"

# Modules that turn bytes into code or objects, unpack archives, or reach a network: (module, file) is allowed with its reason.
MODULES = {
    **dict.fromkeys(
        ("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "jsonpickle"), "code"
    ),
    **dict.fromkeys(("tarfile", "shutil.unpack_archive", "zipfile"), "archive"),
    **dict.fromkeys(("multiprocessing", "xmlrpc", "socketserver", "http.server", "ftplib", "telnetlib", "asyncio"), "channel"),
    **dict.fromkeys(("urllib.request", "requests", "httpx", "http.client", "socket", "huggingface_hub"), "network"),
    **dict.fromkeys(("importlib", "runpy", "imp", "code", "subprocess", "ctypes"), "process"),
}
ALLOWED_MODULES = {
    ("pickle", "tasks/data/inert_pickle.py"): "its unpickler, with all instructions but those of data taken away",
    ("pickle", "models/given_weights.py"): "the class of an error",
    ("zipfile", "score/files.py"): "members of .npz are read where they lie; nothing is unpacked to a disk",
    ("socket", "track/address.py"): "whether a tracker answers, which a person named",
    ("huggingface_hub", "teachers/hub.py"): "weights whose address a person typed",
    ("importlib", "registry/code.py"): "plugins: files that were named, modules that a target names",
    ("importlib", "registry/names.py"): "metadata: entry points of packages that are installed",
    ("importlib", "lock.py"): "kdbench's own modules",
    ("importlib", "docs/methods.py"): "kdbench's own modules",
    ("subprocess", "docs/check/session.py"): "commands that our own pages show",
    ("socket", "execute/cluster/task.py"): "the name of its machine",
    ("socket", "execute/cluster/connect.py"): "whether a cluster answers, which a person named",
    ("multiprocessing", "execute/ranks.py"): "pipes between a job and its own ranks, which no other process holds",
    ("pickle", "execute/ranks.py"): "an exception, over such a pipe",
    ("importlib", "metrics/card.py"): "kdbench's own modules",
    ("importlib", "models/timm_names.py"): "where timm's source lies, which is read as text",
    ("importlib", "execute/child.py"): "the entry of a job, told by the parent over a pipe or its arguments",
    ("importlib", "execute/server.py"): "what the parent wants imported first",
    ("importlib", "cli/app.py"): "metadata: the version",
    ("importlib", "cli/verbs/doctor.py"): "metadata, and whether a module is there",
    ("importlib", "results/provenance.py"): "metadata: versions",
    ("importlib", "results/source_digests.py"): "where a module lies",
    ("importlib", "ship/card.py"): "metadata: the version",
    ("importlib", "track/address.py"): "metadata: entry points of MLflow's plugins, by name, none loaded",
    ("subprocess", "results/asking_git.py"): "git, so that a checkout's configuration starts nothing",
    ("subprocess", "results/machine.py"): "the name of the processor, on macOS",
    ("subprocess", "results/provenance.py"): "the class of an error",
    ("subprocess", "compare/revision.py"): "the class of an error",
    ("subprocess", "execute/link.py"): "the server of jobs, a list of words and no shell",
    ("ctypes", "execute/own_process.py"): "prctl: a job dies with its parent; malloc's options",
}
CALLS = {
    "eval": "runs text",
    "exec": "runs text",
    "compile": "compiles text",
    "__import__": "imports by a name",
    "os.system": "a shell",
    "os.popen": "a shell",
    "torch.hub.load": "downloads and runs code",
    "pandas.read_pickle": "a pickle",
    "pd.read_pickle": "a pickle",
    "extractall": "unpacks an archive",
    "unpack_archive": "unpacks an archive",
    "mktemp": "a name that another may take first",
    "from_pretrained": "downloads, and may run code",
    "fromstring": "of xml: entities",
}
KEYWORDS = {"shell": False, "trust_remote_code": False, "allow_pickle": False, "weights_only": True, "pretrained": False}
LOADERS = {"torch.load": "weights_only", "np.load": "allow_pickle", "numpy.load": "allow_pickle"}


@functools.cache
def files() -> list[tuple[str, ast.Module]]:
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))]


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unsafe(tree: ast.Module) -> Iterator[str]:
    """Every call that loads or runs what it should not, in words."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, given = dotted(node.func), {word.arg: word.value for word in node.keywords if word.arg}
        if name in CALLS or (
            name.rpartition(".")[2] in CALLS and "." in name and name.split(".")[0] != "re" and name != "torch.compile"
        ):
            what = CALLS.get(name) or CALLS[name.rpartition(".")[2]]
            if not (name.endswith((".eval", ".exec", ".compile"))):  # net.eval() has no argument and runs nothing
                yield f"line {node.lineno}: {name}(): {what}"
        if name == "YAML" and "typ" in given and getattr(given["typ"], "value", None) != "safe":
            yield f"line {node.lineno}: YAML of a type that may build objects"
        if (needed := LOADERS.get(name)) and needed not in given:
            yield f"line {node.lineno}: {name}() without {needed}"
        for word, safe in KEYWORDS.items():
            if word in given and not (isinstance(given[word], ast.Constant) and given[word].value is safe):
                yield f"line {node.lineno}: {name}({word}=…) is not {safe}"


def test_dangerous_modules_are_imported_only_where_they_are_known() -> None:
    found = {
        (module, file)
        for file, tree in files()
        for name in imported(tree)
        for module in MODULES
        if name == module or name.startswith(f"{module}.")
    }
    assert found - ALLOWED_MODULES.keys() == set(), (
        "a new import that can run code, unpack or reach out: look, then allow it here"
    )
    assert ALLOWED_MODULES.keys() - found == set(), "no longer true: take it off the list"


def test_no_call_can_run_what_a_file_says() -> None:
    assert {(file, said) for file, tree in files() for said in unsafe(tree)} == set()


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(p)", "torch.load(p, weights_only=False)", "torch.load(p, weights_only=flag)", "np.load(p)",
        "np.load(p, allow_pickle=True)", "eval(text)", "exec(text)", "__import__(name)", "os.system(text)",
        "subprocess.run(text, shell=True)", "pd.read_pickle(p)", "tar.extractall(p)", "shutil.unpack_archive(p)",
        "tempfile.mktemp()", "AutoModel.from_pretrained(p, trust_remote_code=True)", "torch.hub.load(a, b)",
        "YAML(typ='unsafe')",
    ],
)  # fmt: skip
def test_the_check_would_see(line: str) -> None:
    assert list(unsafe(ast.parse(line)))
