"""Plugin files: good ones are used like built-in ones, bad ones are named and nothing else suffers."""

from __future__ import annotations

import json

from cli_bench import Bench


def test_a_good_plugin_file_is_everywhere(finished_hard: Bench):
    bench = finished_hard
    words = ("--plugin", "gated.py")
    assert "gated" in bench("list", "methods", *words, code=0).out
    told = bench("describe", "method", "gated", *words, code=0).out
    assert "gated.py" in told and "gate_lr = 0.01" in told and "learning rate of the gate" in told and "embedding" in told
    assert "ok: 4 cells, 5 jobs (1 teacher)" in bench("check", "hard.yaml", code=0).out
    assert bench.states("hard.yaml")["gated 0"] == "cached"
    record = next(r for r in bench.records().values() if r.labels["method"] == "gated")
    assert record.status == "done" and "gated.py" in record.provenance["sources"]
    bench.write(
        "wrong.yaml", (bench.folder / "hard.yaml").read_text().replace("gated, patient", "{method: gated, params: {wait: 1}}")
    )
    assert "gated: unknown param 'wait'" in bench("check", "wrong.yaml", code=2).err


def test_an_edited_plugin_is_older_code(finished_hard: Bench):
    bench = finished_hard
    plugin = bench.folder / "gated.py"
    plugin.write_text(plugin.read_text().replace('"""The same, at a pace', '"""Still the same, at a pace'))
    status = bench("status", "hard.yaml", code=0).out
    assert "2 results were made by older code of gated.py" in status and "--stale=rerun" in status
    before = bench.stamps()
    kept = bench("run", "hard.yaml", "--no-track", code=0)
    assert "2 made by older code" in kept.out and bench.stamps() == before
    stopped = bench("run", "hard.yaml", "--no-track", "--stale", "fail", code=3)
    assert "nothing was run" in stopped.out and bench.stamps() == before
    whole = bench.comparable()
    done = bench("run", "hard.yaml", "--no-track", "--stale", "rerun", "--executor", "inline", code=0)
    assert "2 to run, 3 cached" in done.out
    assert sum(before[key] != stamp for key, stamp in bench.stamps().items()) == 2
    assert bench.comparable() == whole
    assert "older" not in bench("status", "hard.yaml", code=0).out


def test_a_plugin_that_does_not_import_is_named_and_the_others_work(finished: Bench):
    finished.plugin("broken.py")
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text() + "plugins: [broken.py]\n")
    listed = finished("list", "methods", "--plugin", "broken.py", code=0).out
    assert "broken  broken.py: RuntimeError: this file is not finished" in listed and "\nkd " in listed
    told = json.loads(finished("list", "--json", "--plugin", "broken.py", code=0).out)
    assert told["broken"] == {"broken.py": "RuntimeError: this file is not finished"}
    done = finished("run", "tiny.yaml", "--no-track", code=0)
    assert "plugin broken.py is broken and left out: RuntimeError: this file is not finished" in done.err
    suite.write_text(suite.read_text().replace("method: kd", "method: mine"))
    done = finished("check", "tiny.yaml", code=2)
    assert "broken.py is broken" in done.err and "unknown method 'mine'" in done.err


def test_a_built_in_name_cannot_be_taken(tiny: Bench):
    tiny.plugin("kd_again.py")
    tiny.write("empty.py", '"""Nothing here."""\n')
    words = ("--plugin", "kd_again.py", "--plugin", "empty.py", "--plugin", "none.py")
    listed = tiny("list", "methods", *words, code=0).out
    assert "kd_again.py: method 'kd' is already the name of a plugin (built-in)" in listed
    assert "empty.py: defines no plugin" in listed
    assert "none.py: FileNotFoundError" in listed or "none.py: there is no such file" in listed
    assert "Divergence between softened answers" in tiny("describe", "method", "kd", *words, code=0).out
