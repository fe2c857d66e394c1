"""Plugin files: good ones are used like built-in ones, bad ones are named and nothing else suffers."""

from __future__ import annotations

import json
import re

import pytest
from cli_bench import Bench


def test_a_good_plugin_file_is_everywhere_and_an_edited_one_is_older_code(finished: Bench):
    """The suite's other results are there already, so that only the plugin's jobs run."""
    plugin = finished.plugin("gated.py")
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text() + "plugins: gated.py\n")
    suite.write_text(suite.read_text().replace("methods:\n", "methods:\n  - gated\n"))
    finished.write("wrong.yaml", suite.read_text().replace("- gated\n", "- {method: gated, params: {wait: 1}}\n"))
    listed, told, checked, planned, wrong = finished.many(
        "list methods --plugin gated.py",
        "describe method gated --plugin gated.py",
        "check tiny.yaml",
        "plan tiny.yaml",
        "check wrong.yaml",
    )
    assert re.search(r"^gated +Cosine relations between samples", listed.out, re.MULTILINE)
    assert "(gated.py)" in told.out and "gate_lr = 0.01" in told.out and "learning rate of the gate" in told.out
    assert "ok: 4 cells, 9 jobs (2 teachers)" in checked.out
    assert "digits gated seed 1" in planned.out and "2 to run, 7 cached" in planned.out
    assert "gated: unknown param 'wait'" in wrong.err

    before = finished.stamps()
    done = finished("run", "tiny.yaml", "--no-track", "--executor", "inline", code=0)
    assert "2 jobs in" in done.out and "2 done" in done.out
    record = next(r for r in finished.records().values() if r.labels["method"] == "gated")
    assert record.status == "done" and "gated.py" in record.provenance["sources"]
    assert record.metrics["fidelity"]["agreement"] > 0

    plugin.write_text(plugin.read_text() + "\n# A note.\n")
    assert "9 cached" in finished("plan", "tiny.yaml", code=0).out
    plugin.write_text(plugin.read_text() + "EDITED = True\n")
    status, kept, stopped, anew = finished.many(
        "status tiny.yaml",
        "run tiny.yaml --no-track --stale keep",
        "run tiny.yaml --no-track --stale fail",
        "plan tiny.yaml",
    )
    assert status.code == 3 and "2 to run, 7 cached" in status.out
    assert kept.code == 0 and "7 cached, 2 made by older code" in kept.out
    assert "2 results     kept, made by older code of gated.py" in kept.out
    assert "kdbench run tiny.yaml --stale=rerun makes them anew" in kept.out
    assert stopped.code == 3 and "nothing was run" in stopped.out
    after = finished.stamps()
    assert before.items() <= after.items() and len(after) == len(before) + 2

    assert "2 to run, 7 cached" in anew.out and anew.out.count("older code of gated.py") == 2


def test_what_a_plugin_imports_is_its_code_and_a_new_default_is_another_job(finished: Bench):
    """The daily case of who works on a method: a helper beside it, a copy of it, another default."""
    plugin = finished.plugin("gated.py")
    helper = finished.folder / "relations.py"
    helper.write_text("SCALE = 1.0\n")
    plugin.write_text(plugin.read_text().replace("from kdbench", "from relations import SCALE\nfrom kdbench", 1))
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("methods:\n", "methods:\n  - gated\n") + "plugins: gated.py\n")
    finished("run", "tiny.yaml", "--no-track", "--executor", "inline", code=0)
    record = next(r for r in finished.records().values() if r.labels["method"] == "gated")
    assert {"gated.py", "relations.py"} <= record.provenance["sources"].keys()
    assert record.identity["method"]["params"] == {"weight": 5.0, "gate_lr": 0.01, "cost": 0.1}

    assert "9 cached" in finished("plan", "tiny.yaml").out
    helper.write_text("SCALE = 2.0\n")
    assert finished("plan", "tiny.yaml").out.count("older code of relations.py") == 2
    helper.write_text("SCALE = 1.0\n")
    code = plugin.read_text()

    (finished.folder / "copy.py").write_text(code)
    suite.write_text(suite.read_text().replace("plugins: gated.py", "plugins: copy.py"))
    assert "9 cached" in finished("plan", "tiny.yaml").out, "the same code under another name"
    (finished.folder / "copy.py").write_text(code.replace(".pow(2)", ".abs()"))
    assert finished("plan", "tiny.yaml").out.count("older code of copy.py") == 2
    (finished.folder / "copy.py").write_text(code.replace("Field(5.0", "Field(4.0"))
    assert finished("plan", "tiny.yaml").out.count("no result yet") == 2, "another default is another job"


@pytest.mark.slow
def test_results_of_older_code_are_made_anew_when_asked(finished: Bench):
    plugin = finished.plugin("gated.py")
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("methods:\n", "methods:\n  - gated\n") + "plugins: gated.py\n")
    finished("run", "tiny.yaml", "--no-track", "--executor", "inline", code=0)
    stamps, whole = finished.stamps(), finished.comparable()
    plugin.write_text(plugin.read_text() + "EDITED = True\n")
    done = finished("run", "tiny.yaml", "--no-track", code=0)
    assert "2 to run, 7 cached" in done.out
    assert sum(stamps[key] != stamp for key, stamp in finished.stamps().items()) == 2
    assert finished.comparable() == whole  # that changes no number, and own processes do what one process does
    assert "older" not in finished("status", "tiny.yaml", code=0).out


def test_a_plugin_that_does_not_import_is_named_and_the_others_work(finished: Bench):
    finished.plugin("broken.py")
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text() + "plugins: [broken.py]\n")
    finished.write("wants.yaml", suite.read_text().replace("method: kd", "method: mine"))
    listed, as_json, checked = finished.many(
        "list methods --plugin broken.py", "list --json --plugin broken.py", "check wants.yaml"
    )
    assert listed.code == 0
    assert "broken  broken.py: line 3: RuntimeError: this file is not finished" in listed.out and "\nkd " in listed.out
    assert json.loads(as_json.out)["broken"] == {"broken.py": "line 3: RuntimeError: this file is not finished"}
    assert checked.code == 2 and "broken.py is broken" in checked.err and "unknown method 'mine'" in checked.err
    done = finished("run", "tiny.yaml", "--no-track", code=0)
    assert "plugin broken.py is broken and left out: line 3: RuntimeError: this file is not finished" in done.err


def test_a_built_in_name_cannot_be_taken(tiny: Bench):
    tiny.plugin("kd_again.py")
    tiny.write("empty.py", '"""Nothing here."""\n')
    words = "--plugin kd_again.py --plugin empty.py --plugin none.py"
    listed, told = tiny.many(f"list methods {words}", f"describe method kd {words}")
    assert "kd_again.py: method 'kd' is already the name of a plugin (built-in)" in listed.out
    assert "empty.py: defines no plugin" in listed.out
    assert "none.py: FileNotFoundError: no such file" in listed.out
    assert "Divergence between softened answers" in told.out and "kd_again.py is broken" in told.err
