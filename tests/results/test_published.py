"""Published figures: the committed tables read whole, and every fault of a table is told with its line and the nearest name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kdbench.contract.errors import DataError
from kdbench.registry import Registry
from kdbench.results.figure import Figure
from kdbench.results.published import COLUMNS, PACKAGED, find, read
from kdbench.results.settings import parse

REGISTRY = Registry(packages=False)
COMMITTED = Path(__file__).parents[2] / "baselines" / "published"
GOOD = {
    "task": "cifar100", "teacher": "resnet56", "student": "resnet20", "method": "kd", "metric": "accuracy", "value": "70.66",
    "spread": "", "runs": "", "teacher_value": "72.34", "student_value": "69.06", "epochs": "240", "steps": "187500",
    "epoch": "last", "params": "T=4 weight=0.9", "recipe": "batch=64 lr=0.05", "data": "", "differs": "", "source": "CRD",
}  # fmt: skip


def table(folder: Path, *rows: dict[str, str], name: str = "cifar100", head: tuple[str, ...] = COLUMNS) -> Path:
    lines = [",".join(head), *(",".join(f'"{row[column]}"' for column in COLUMNS) for row in rows)]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def told(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        read(folder, REGISTRY)
    return str(error.value)


@pytest.fixture(scope="module")
def committed() -> list[Figure]:
    return read(COMMITTED, REGISTRY)


def test_the_committed_tables_read_and_no_file_is_empty(committed: list[Figure]) -> None:
    counts = Counter(figure.task for figure in committed)
    assert counts.keys() == {path.stem for path in COMMITTED.glob("*.csv")}
    assert counts["cifar100"] > 300 and len(counts) == 13
    assert all(figure.source and 0 < figure.value < 1 for figure in committed)


def test_some_committed_figures_are_what_their_sources_say(committed: list[Figure]) -> None:
    known = {(f.task, f.teacher, f.student, f.called, f.source): f for f in committed}
    crd = known["cifar100", "resnet32x4", "resnet8x4", "crd", "RepDistiller README"]
    assert (crd.value, crd.epoch, crd.runs, crd.steps, crd.params) == (
        pytest.approx(0.7551),
        "last",
        None,
        187_500,
        {"weight": 0.8},
    )
    dkd = known["cifar100", "resnet32x4", "resnet8x4", "dkd", "mdistiller README"]
    assert (dkd.value, dkd.epoch, dkd.runs, dkd.params["beta"]) == (pytest.approx(0.7632), "best", 5, 8)
    repeats = next(f for f in committed if f.source.startswith("mdistiller#7 "))
    values = [76.20, 75.80, 75.89, 75.85, 76.15]
    middle = sum(values) / 5
    assert repeats.value == pytest.approx(middle / 100, abs=6e-5)
    assert repeats.spread == pytest.approx((sum((v - middle) ** 2 for v in values) / 4) ** 0.5 / 100, abs=6e-5)
    assert known["imagenet", "timm:resnet34", "timm:resnet18", "dkd", "mdistiller README"].value == pytest.approx(0.717)


def test_what_was_said_of_memory_is_not_there(committed: list[Figure]) -> None:
    """Marked so in the notes: MIC on SYNTHIA 67.3, the ensemble of BEATs 50.6, DistilBERT_DOT 32.3, BEIR means of BM25."""
    values = {(figure.task, round(100 * figure.value, 2)) for figure in committed}
    assert not values & {("synthia_cityscapes", 67.3), ("audioset", 50.6), ("msmarco", 32.3), ("beir", 42.0), ("beir", 43.0)}


def test_the_best_of_a_run_and_the_mean_of_runs_are_told_apart(committed: list[Figure]) -> None:
    assert {figure.epoch for figure in committed if figure.source == "RepDistiller README"} == {"last"}
    assert {figure.epoch for figure in committed if figure.source == "mdistiller README"} == {"best"}
    assert {figure.runs for figure in committed if figure.source.startswith("torchdistill")} == {1}


def test_shares_are_percent_in_the_file_and_fractions_once_read(tmp_path: Path) -> None:
    figure = read(table(tmp_path, {**GOOD, "spread": "0.18", "runs": "5"}), REGISTRY)[0]
    assert (figure.value, figure.spread, figure.runs) == (pytest.approx(0.7066), pytest.approx(0.0018), 5)
    assert figure.rounding == pytest.approx(0.00005) and figure.teacher_value == pytest.approx(0.7234)
    assert figure.params == {"T": 4, "weight": 0.9} and figure.place.endswith("cifar100.csv:2")


def test_question_marks_and_names_of_others(tmp_path: Path) -> None:
    row = {
        **GOOD,
        "teacher": "?",
        "student": "~deit_tiny",
        "method": "logit_std(~sskd)",
        "params": "?",
        "recipe": "?",
        "data": "?",
    }
    figure = read(table(tmp_path, row), REGISTRY)[0]
    assert (figure.teacher, figure.student, figure.method, figure.wrap) == (None, "~deit_tiny", "sskd", ("logit_std",))
    assert (figure.params, figure.recipe, figure.data) == (None, None, None) and figure.called == "logit_std(sskd)"


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("method", "dkdd", "did you mean 'dkd'?"),
        ("method", "logit_sdt(kd)", "did you mean 'logit_std'?"),
        ("method", "logit_std(kd", "is no method"),
        ("student", "resnet21", "did you mean 'resnet"),
        ("teacher", "nothing_like_it", "no model 'nothing_like_it'"),
        ("metric", "acuracy", "did you mean 'accuracy'?"),
        ("metric", "agreement", "no measure of truth"),
        ("value", "0.7066", "in percent here: 70.66"),
        ("value", "170", "no share in percent"),
        ("value", "high", "no number"),
        ("value", "nan", "no number"),
        ("value", "", "value: is empty"),
        ("spread", "0.2", "at least two"),
        ("runs", "2.5", "no whole number"),
        ("epoch", "final", "none of 'last'"),
        ("epoch", "", "none of 'last'"),
        ("params", "Temp=4", "no setting 'Temp'"),
        ("params", "wieght=4", "did you mean 'weight'?"),
        ("params", "T 4", "name=value"),
        ("params", "T=4 T=4", "set twice"),
        ("recipe", "btach=64", "did you mean 'batch'?"),
        ("recipe", "steps=100", "no setting 'steps'"),
        ("data", "trian=200", "did you mean 'train'?"),
        ("task", "cifar10", "the file is that of 'cifar100'"),
        ("source", "", "without its source"),
    ],
)
def test_every_fault_has_its_line(tmp_path: Path, column: str, value: str, said: str) -> None:
    message = told(table(tmp_path, GOOD, {**GOOD, "student": "resnet32", column: value}))
    assert said in message and "cifar100.csv:3: " in message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    table(tmp_path, {**GOOD, "method": "dkdd"}, {**GOOD, "epoch": "final"})
    table(tmp_path, {**GOOD, "task": "digits", "data": "labeled=3"}, name="digits")
    lines = told(tmp_path).splitlines()
    assert [line.rsplit("/", 1)[1].split(": ")[0] for line in lines] == ["cifar100.csv:2", "cifar100.csv:3", "digits.csv:2"]


def test_a_figure_that_stands_there_twice(tmp_path: Path) -> None:
    message = told(table(tmp_path, GOOD, {**GOOD, "value": "70.70"}))
    assert "cifar100.csv:3: the same as" in message and "cifar100.csv:2" in message
    assert len(read(table(tmp_path, GOOD, {**GOOD, "value": "70.70", "differs": "another seed"}), REGISTRY)) == 2


def test_files_that_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "cifar100.csv"
    path.write_text("")
    assert "empty" in told(tmp_path)
    path.write_bytes(b"\xff\xfe,\n")
    assert "not UTF-8" in told(tmp_path)
    table(tmp_path, GOOD, head=tuple("sorce" if column == "source" else column for column in COLUMNS))
    assert "no column 'source'" in told(tmp_path)
    table(tmp_path, GOOD)
    path.write_text(path.read_text() + "cifar100,resnet56\n")
    assert "cifar100.csv:3: 2 columns" in told(tmp_path)
    path.write_text(
        path.read_text().replace("differs,source", "differs,source,remark").replace('"CRD"', '"CRD",""').rsplit("\n", 2)[0]
    )
    assert "no column 'remark'" in told(tmp_path)


def test_byte_order_marks_and_line_ends_of_spreadsheets(tmp_path: Path) -> None:
    path = table(tmp_path, GOOD) / "cifar100.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(tmp_path, REGISTRY)[0].source == "CRD"


def test_which_folder_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find() == PACKAGED
    carried, own = ({path.name: path.read_bytes() for path in where.glob("*.csv")} for where in (PACKAGED, COMMITTED))
    assert carried == own and len(own) > 10  # what a wheel carries
    (tmp_path / "baselines/published").mkdir(parents=True)
    assert find() == Path("baselines/published")
    with pytest.raises(DataError, match="no folder elsewhere"):
        find(Path("elsewhere"))
    with pytest.raises(DataError, match="has no CSV file"):
        find(Path("baselines/published"))


def test_settings() -> None:
    assert parse("T=4 a=.1 b=1e-3 on=true taps=[stage1,stage2] none=null x=word e=[]") == {
        "T": 4, "a": 0.1, "b": 0.001, "on": True, "taps": ["stage1", "stage2"], "none": None, "x": "word", "e": [],
    }  # fmt: skip
    assert parse("") == {}
