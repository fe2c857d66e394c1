"""kdbench compare on results of a real plan: verdicts that are known, what may not be compared, and every way to call it."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from made_up_results import SKILL, SUITE, make
from typer.testing import CliRunner

from kdbench.cli.verbs.compare import compare
from kdbench.contract.errors import KdbenchError
from kdbench.results.store import ResultStore
from kdbench.stats.significance import holm, paired_p, welch_p

APP = typer.Typer()
APP.command()(compare)


def ask(*words: str) -> tuple[int, str]:
    """Exit code and what is printed; a known error is raised."""
    done = CliRunner().invoke(APP, list(words), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value), done.output


def told(*words: str) -> dict[str, Any]:
    return json.loads(ask(*words, "--json")[1])


def lines_of(found: dict[str, Any], metric: str) -> list[dict[str, Any]]:
    return [line for line in found["lines"] if line["metric"] == metric]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KDBENCH_HOME", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_better_method_is_better_and_equal_ones_are_not(folder: Path) -> None:
    make(folder)
    found = told("made-up.yaml", "kd", "none", "hot")
    accuracy = {line["baseline"]["cell"]: line for line in lines_of(found, "accuracy")}
    assert accuracy["none"]["verdict"] == "better" and accuracy["none"]["difference"] > 0.1
    assert accuracy["kd[T=8]"]["verdict"] == "no difference shown"
    kl = {line["baseline"]["cell"]: line for line in lines_of(found, "log_kl")}
    assert kl["none"]["verdict"] == "better" and kl["none"]["difference"] < 0  # less is better
    assert len(found["lines"]) == 8
    assert {cost["cell"] for cost in found["costs"]} == {"kd", "none", "kd[T=8]"}
    assert found["costs"][0]["parameters"] == 2906 and found["costs"][0]["seconds"] == 12.5


@pytest.mark.parametrize("mark", [{"packed": 4}, {"gang": 10}, {"resumed": True}])
def test_seconds_of_jobs_in_company_are_no_cost_and_that_is_said(folder: Path, mark: dict[str, Any]) -> None:
    store = make(folder)
    for record in store.scan().records.values():
        if record.labels["cell"] == "kd" or record.labels["seed"] == 0:
            store.write(replace(record, timing={"train_seconds": 999.0, "teacher_share": 0.9, **mark}))
        else:
            store.write(replace(record, timing={"train_seconds": 12.5, "teacher_share": 0.25}))
    found = told("made-up.yaml", "kd", "none")
    costs = {cost["cell"]: (cost["seconds"], cost["teacher_share"]) for cost in found["costs"]}
    assert costs == {"kd": (None, None), "none": (12.5, 0.25)}
    (said,) = [remark for remark in found["remarks"] if "left out" in remark]
    assert said.startswith("Of 10 results 6 ")
    text = ask("made-up.yaml", "kd", "none")[1]
    assert "999" not in text and "left out" in text
    make(folder)
    assert not any("left out" in remark for remark in told("made-up.yaml", "kd", "none")["remarks"])


def test_the_other_way_round_it_is_worse(folder: Path) -> None:
    make(folder)
    one, other = (lines_of(told("made-up.yaml", *cells), "accuracy")[0] for cells in (("kd", "none"), ("none", "kd")))
    assert (one["verdict"], other["verdict"]) == ("better", "worse")
    assert one["difference"] == -other["difference"]
    assert one["interval"]["low"] == pytest.approx(-other["interval"]["high"], abs=1e-12)


def test_intervals_are_crossed_where_units_are_known_and_say_so_where_not(folder: Path) -> None:
    make(folder)
    found = told("made-up.yaml", "kd", "none", "-m", "accuracy,nll")
    assert lines_of(found, "accuracy")[0]["interval"]["how"].startswith("crossed, 5 seeds × 120 units")
    assert lines_of(found, "nll")[0]["interval"]["how"].startswith("paired t")
    text = ask("made-up.yaml", "kd", "none", "-m", "accuracy,nll")[1]
    assert "seeds × examples" in text and "seeds: training again on this test set" in text


def test_without_blocks_the_outputs_serve_and_without_both_t_does(folder: Path) -> None:
    store = make(folder, blocks=False)
    from_outputs = lines_of(told("made-up.yaml", "kd", "none"), "accuracy")[0]
    make(folder, blocks=True)
    from_blocks = lines_of(told("made-up.yaml", "kd", "none"), "accuracy")[0]
    assert from_outputs["interval"]["how"] == from_blocks["interval"]["how"]
    assert from_outputs["interval"]["low"] == pytest.approx(from_blocks["interval"]["low"], abs=1e-6)
    make(folder, blocks=False)
    for path in store.home.outputs.rglob("*.npy"):
        path.unlink()
    by_t = lines_of(told("made-up.yaml", "kd", "hot"), "agreement")[0]
    assert by_t["interval"]["how"] == "paired t, 95%"


def test_p_values_are_the_larger_of_both_and_holms_over_all_lines(folder: Path) -> None:
    make(folder)
    found = told("made-up.yaml", "kd", "hot", "dkd", "none", "-m", "nll,brier")
    store = ResultStore("results")
    values: dict[str, dict[int, float]] = {}
    for record in store.scan().records.values():
        values.setdefault(record.labels["cell"], {})[record.labels["seed"]] = record.metrics["truth"]["nll"]
    for line in lines_of(found, "nll"):
        theirs = values[line["baseline"]["cell"]]
        assert line["p"] == pytest.approx(paired_p([values["kd"][s] - theirs[s] for s in range(5)]))
    assert [line["adjusted"] for line in found["lines"]] == pytest.approx(holm([line["p"] for line in found["lines"]]))
    t_alone = lines_of(told("made-up.yaml", "kd", "none"), "accuracy")[0]
    assert t_alone["p"] >= paired_p([1.0, 1.1, 1.2, 1.0, 1.1])


def test_one_cell_is_compared_with_none_and_aliases_and_methods_are_names(folder: Path) -> None:
    make(folder)
    assert told("made-up.yaml", "dkd")["lines"][0]["baseline"]["cell"] == "none"
    assert told("made-up.yaml", "hot")["lines"][0]["candidate"]["cell"] == "kd[T=8]"
    assert told("made-up.yaml", "kd[T=8]", "source_only")["lines"][0]["baseline"]["cell"] == "none"
    assert told("results", "dkd", "none")["lines"][0]["candidate"]["cell"] == "dkd"


def test_a_folder_of_results_needs_no_suite(folder: Path) -> None:
    make(folder)
    (folder / "made-up.yaml").unlink()
    by_folder = lines_of(told("results", "kd", "none"), "accuracy")[0]
    assert by_folder["verdict"] == "better" and by_folder["interval"]["how"].startswith("crossed")
    agreement = lines_of(told("results", "kd", "none"), "agreement")[0]
    assert agreement["verdict"] == "not comparable" and "one side only" in agreement["why"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a suite"),
        (("made-up.yaml",), "which cells"),
        (("made-up.yaml", "kdd", "none"), "did you mean 'kd'"),
        (("made-up.yaml", "kd", "none", "-m", "accuraccy"), "no metric 'accuraccy' in these results; did you mean 'accuracy'"),
        (("made-up.yaml", "kd", "none", "-m", "topp"), "no metric 'topp' in these results; there are 'accuracy', "),
        (("unheard-of", "kd"), "no suite"),
        (("results", "kd", "none", "--only", "seed=0"), "choose from a suite"),
        (("results", "kd", "none", "--results", "other"), "two folders"),
        (("--against", "nowhere"), "no such folder; a git revision is written git:nowhere"),
        (("--against", "results"), "the same folder"),
        (("--against", "git:HEAD"), "git rev-parse"),
    ],
)
def test_wrong_usage_is_one_sentence(folder: Path, words: tuple[str, ...], said: str) -> None:
    make(folder)
    with pytest.raises(KdbenchError, match=said):
        ask(*words)


def test_missing_seeds_and_diverged_ones_are_shown_and_not_judged(folder: Path) -> None:
    def change(cell: str, seed: int) -> dict[str, Any] | None:
        if (cell, seed) == ("kd", 4):
            return None
        return {"status": "diverged"} if (cell, seed) == ("dkd", 1) else {}

    make(folder, change=change)
    code, _ = ask("made-up.yaml", "kd", "none")
    assert code == 4
    line = lines_of(told("made-up.yaml", "kd", "none"), "accuracy")[0]
    assert line["verdict"] == "not comparable" and line["why"] == "kd: 4 of 5 seeds have a result"
    assert line["candidate"]["seeds"] == line["baseline"]["seeds"] == 4 and line["difference"] > 0
    assert "1 of 5 seeds diverged" in lines_of(told("made-up.yaml", "none", "dkd"), "accuracy")[0]["why"]
    assert ask("made-up.yaml", "hot", "kd", "none")[0] == 0  # one of two can be compared


def test_one_seed_is_too_few(folder: Path) -> None:
    make(folder, suite=SUITE.replace("seeds: 5", "seeds: 1"))
    code, text = ask("made-up.yaml", "kd", "none")
    assert code == 4 and "too few seeds" in text


def test_a_name_of_several_cells_is_refused_with_their_names(folder: Path) -> None:
    make(folder, suite=SUITE.replace("  - kd\n", ""), skill={**SKILL, "kd[T=2]": 2.0})
    more = SUITE.replace("  - kd\n", "  - {method: kd, params: {T: 2.0}}\n")
    make(folder, suite=more, skill={**SKILL, "kd[T=2]": 2.0})
    code, text = ask("made-up.yaml", "kd", "none")
    assert code == 4 and "'kd' means kd[T=2], kd[T=8]" in text


def test_another_recipe_inside_a_suite_is_said(folder: Path) -> None:
    suite = SUITE.replace("  - dkd", "  - {method: dkd, recipe: {lr: 0.001}}")
    make(folder, suite=suite, skill={**SKILL, "dkd{lr=0.001}": 2.3})
    found = told("made-up.yaml", "dkd", "kd")
    assert found["lines"][0]["verdict"] != "not comparable"
    assert any("recipe.lr: 0.001 against" in remark for remark in found["remarks"])


def other_results(folder: Path, name: str = "before", **more: Any) -> Path:
    (folder / name).mkdir()
    make(folder / name, **more)
    return folder / name / "results"


def test_equal_results_are_identical(folder: Path) -> None:
    make(folder)
    other_results(folder, blocks=False)  # made before records had units
    code, text = ask("--against", "before/results")
    assert code == 0 and "identical to the bit: digits dkd; digits kd; digits hot; digits none; digits teacher" in text


def test_results_that_changed_are_judged_without_pairing(folder: Path) -> None:
    make(folder)
    other_results(folder, skill={**SKILL, "kd": 0.9})
    found = told("--against", "before/results")
    verdicts = {(line["candidate"]["cell"], line["metric"]): line for line in found["lines"]}
    line = verdicts["kd", "accuracy"]
    assert line["verdict"] == "better" and line["interval"]["how"].startswith("crossed")
    assert verdicts["dkd", "accuracy"]["verdict"] == "identical"
    nll = told("--against", "before/results", "-m", "nll")
    stores = [ResultStore("results"), ResultStore("before/results")]
    sides = [[r.metrics["truth"]["nll"] for r in s.scan().records.values() if r.labels["cell"] == "kd"] for s in stores]
    by_t = next(line for line in nll["lines"] if line["candidate"]["cell"] == "kd")
    assert by_t["p"] == pytest.approx(welch_p(*sides)) and by_t["interval"]["how"] == "Welch t, 95%"


def test_cells_choose_what_is_compared_with_another_folder(folder: Path) -> None:
    make(folder)
    other_results(folder, skill={**SKILL, "kd": 0.9})
    for words in (("results", "kd"), ("made-up.yaml", "kd")):
        found = told(*words, "--against", "before/results")
        assert {line["candidate"]["cell"] for line in found["lines"]} == {"kd"} and not found["left_out"]


def changed_identity(**more: Any) -> Any:
    """Every kd run of a folder with another identity, as a new version or recipe would have made it."""

    def change(folder: Path) -> None:
        store = ResultStore(folder / "before" / "results")
        for record in list(store.scan().records.values()):
            if record.labels["cell"] == "kd":
                store.path(record).unlink()
                identity = json.loads(json.dumps(record.identity))
                for path, value in more.items():
                    *heads, last = path.split("__")
                    inner = identity
                    for head in heads:
                        inner = inner[head]
                    inner[last] = value
                store.write(replace(record, key="f" + record.key[1:], identity=identity))

    return change


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"method__version": 9}, "the method's version: 1 against 9"),
        ({"task__fingerprint": "built-in:digits@9"}, "the task's data: "),
        ({"recipe__lr": 0.5}, "recipe.lr: "),
        ({"method__params": {"T": 3.0}}, "method.params.T: "),
    ],
)
def test_what_was_made_otherwise_is_not_comparable_and_says_what(folder: Path, more: dict[str, Any], why: str) -> None:
    make(folder)
    other_results(folder)
    changed_identity(**more)(folder)
    line = next(line for line in told("--against", "before/results")["lines"] if line["candidate"]["cell"] == "kd")
    assert line["verdict"] == "not comparable" and why in line["why"]


def test_other_teachers_are_told(folder: Path) -> None:
    make(folder)
    other_results(folder)
    store = ResultStore(folder / "before" / "results")
    for record in list(store.scan().records.values()):  # another recipe of the teachers gives them and their students other keys
        store.path(record).unlink()
        identity = {**record.identity, "recipe": {"steps": 7}} if record.kind == "teacher" else record.identity
        teachers = ["f" + key[1:] for key in record.teachers]
        store.write(replace(record, key="f" + record.key[1:], identity=identity, teachers=teachers))
    found = told("results", "kd", "--against", "before/results")
    assert "teachers: recipe.steps" in found["lines"][0]["why"]


def test_a_git_revision_is_read_from_its_objects(folder: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *words], check=True, capture_output=True
        )

    make(folder, skill={**SKILL, "kd": 0.9})
    (folder / ".gitignore").write_text(".kdbench\n")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "before")
    make(folder)
    found = told("--against", "git:main")
    verdicts = {line["candidate"]["cell"]: line["verdict"] for line in lines_of(found, "accuracy")}
    assert verdicts["kd"] == "better" and verdicts["dkd"] == "identical"
    assert (folder / "results").is_dir()
    with pytest.raises(KdbenchError, match="no revision 'nonsense'"):
        ask("--against", "git:nonsense")
    with pytest.raises(KdbenchError, match="no revision '--output=x'"):
        ask("--against", "git:--output=x")
    git("rm", "-rq", "--cached", "results")
    git("commit", "-qm", "without")
    with pytest.raises(KdbenchError, match="no results in results at HEAD"):
        ask("--against", "git:HEAD")


def test_answers_are_kept_and_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(folder)
    first = told("made-up.yaml", "kd", "none")
    from kdbench.stats import crossed_store

    monkeypatch.setattr(crossed_store, "difference", lambda *given: pytest.fail("computed again"))
    assert told("made-up.yaml", "kd", "none") == first
    assert (folder / ".kdbench" / ".gitignore").exists()


def test_the_text_names_everything_and_explains_itself(folder: Path) -> None:
    make(folder)
    _, text = ask("made-up.yaml", "kd", "none", "hot")
    assert "digits: kd against none" in text and "digits: kd against hot" in text
    assert "Holm's correction over the 8 differences" in text and "detects" in text
    assert "\x1b" not in text and "nan" not in text
    for line in lines_of(told("made-up.yaml", "kd", "none"), "accuracy"):
        assert math.isfinite(line["least"])


def test_cells_of_older_code_are_marked_and_what_to_type_is_told(folder: Path) -> None:
    store = make(folder)
    _, before = ask("made-up.yaml", "kd", "none")
    assert "older code" not in before and "stale" not in before
    old = [r for r in store.scan().records.values() if r.labels.get("cell") == "kd" and r.labels["seed"] < 2]
    for record in old:
        store.write(replace(record, provenance={**record.provenance, "sources": {"kdbench.methods.kd": "0" * 64}}))
    found, (_, text) = told("made-up.yaml", "kd", "none"), ask("made-up.yaml", "kd", "none")
    [said] = found["warnings"]
    assert said.startswith("2 of 10 results") and "methods.kd" in said and "made-up.yaml --stale=rerun" in said
    assert text.startswith("! 2 of 10 results") and "digits: kd (2 older code) against none" in text
    assert {line["candidate"]["older"] for line in found["lines"]} == {2}


def test_without_cells_there_is_an_example_to_copy(folder: Path) -> None:
    make(folder)
    with pytest.raises(KdbenchError, match=r"for example: kdbench compare made-up.yaml \S+ none$"):
        ask("made-up.yaml")


def test_what_only_one_question_would_have_shown_is_called_so(folder: Path) -> None:
    """A p between 5 % over the number of questions and 5 %: no word for nothing, and 'detects' as strict as the verdict."""
    make(folder, skill={**SKILL, "kd": 1.5})
    alone = told("made-up.yaml", "kd", "none", "-m", "accuracy")["lines"][0]
    assert alone["verdict"] == "better" and 0.01 < alone["p"] < 0.05
    among = told("made-up.yaml", "kd", "none", "-m", "accuracy,ece,brier,nll,ece10,overconfidence,classwise_ece,top5_accuracy")
    line = lines_of(among, "accuracy")[0]
    assert line["verdict"] == "not after Holm" and line["adjusted"] >= 0.05 > line["p"]
    assert line["interval"] == alone["interval"] and line["interval"]["low"] > 0
    assert line["least"] > 1.2 * alone["least"]
