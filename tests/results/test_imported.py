"""Runs made elsewhere: read strictly, kept apart from jobs' results, and the same after every import of the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdbench.contract.errors import DataError
from kdbench.jobs.identity import KEY_LENGTH as OURS
from kdbench.registry import Registry
from kdbench.results.frame import load_results
from kdbench.results.imported import KEY_LENGTH, TEMPLATE, belongs, compared, read
from kdbench.results.record import Record, RecordError
from kdbench.results.store import RecordMissing, ResultStore

REGISTRY = Registry(packages=False)
HEAD = "task,method,teacher,student,seed,accuracy,source"
RUN = "cifar100,kd,resnet56,resnet20,0,0.7066,torchdistill"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def file(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text("\n".join((head, *lines)) + "\n")
    return path


def told(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read(path, REGISTRY, {"halves": "classification"})
    return str(error.value)


def test_a_line_becomes_a_record_of_its_own_kind(tmp_path: Path) -> None:
    head = "source,task,accuracy,agreement,ece,seed,method,pair"
    path = file(tmp_path, "one of ours,halves,0.5,0.7,,3,~my_kd,r56", head=head)
    (record,) = read(path, REGISTRY, {"halves": "classification"})
    assert (record.kind, record.task, record.method, record.status) == ("imported", "halves", "my_kd", "done")
    assert record.metrics == {"truth": {"accuracy": 0.5}, "fidelity": {"agreement": 0.7}}
    assert (record.labels["seed"], record.labels["pair"], record.labels["from"]) == (3, "r56", "one of ours")
    assert record.labels["cell"] == "imported:my_kd (one of ours)"
    assert record.provenance["imported"]["file"] == "runs.csv" and record.provenance["imported"]["line"] == 2


def test_the_template_reads(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(TEMPLATE)
    assert [record.method for record in read(path, REGISTRY, {})] == ["kd", "sskd"]


def test_they_are_no_results_of_jobs(tmp_path: Path, store: ResultStore, make_record) -> None:
    ours = make_record(task="cifar100")
    store.write(ours)
    (record,) = read(file(tmp_path, RUN), REGISTRY, {})
    path = store.write(record)
    assert path.relative_to(store.folder).as_posix() == f"imported/cifar100/kd/{record.key}.json"
    assert list(store.scan().records) == [ours.key] and store.scan().broken == []
    assert store.scan(archive=True).archived == []
    assert list(store.imported().records) == [record.key] and store.imported().broken == []
    with pytest.raises(RecordMissing):
        store.read(record.key)
    assert len(record.key) == KEY_LENGTH != OURS  # no job can have such a key


def test_each_lies_in_its_own_folder_only(tmp_path: Path, store: ResultStore, make_record) -> None:
    (record,) = read(file(tmp_path, RUN), REGISTRY, {})
    astray = store.folder / "cifar100" / "kd" / f"{record.key}.json"
    astray.parent.mkdir(parents=True)
    astray.write_text(record.dumps())
    ours = make_record(task="cifar100")
    smuggled = store.folder / "imported" / "cifar100" / "kd" / f"{ours.key}.json"
    smuggled.parent.mkdir(parents=True)
    smuggled.write_text(ours.dumps())
    assert not store.scan().records and not store.imported().records
    reasons = [store.scan().broken[0].why, store.imported().broken[0].why]
    assert all("runs made elsewhere, and only they" in why for why in reasons)
    with pytest.raises(RecordError, match="runs made elsewhere"):
        make_record(task="imported")


def test_the_same_file_again_changes_nothing(tmp_path: Path, store: ResultStore) -> None:
    path = file(tmp_path, RUN, RUN.replace(",0,", ",1,"))
    first = compared(read(path, REGISTRY, {}), store)
    assert (len(first.new), first.known, first.changed) == (2, (), ())
    for record in first.new:
        store.write(record)
    before = {p: p.read_bytes() for p in store.folder.rglob("*.json")}
    again = compared(read(path, REGISTRY, {}), store)
    assert (again.new, len(again.known), again.changed) == ((), 2, ())
    assert {p: p.read_bytes() for p in store.folder.rglob("*.json")} == before
    other = compared(read(file(tmp_path, RUN.replace("0.7066", "0.7067")), REGISTRY, {}), store)
    assert [(old.metrics["truth"]["accuracy"], new.metrics["truth"]["accuracy"]) for old, new in other.changed] == [
        (0.7066, 0.7067)
    ]


@pytest.mark.parametrize("part", ["0.70,elsewhere", "0.70,torchdistill 2"])
def test_another_source_is_another_run(tmp_path: Path, part: str) -> None:
    first, second = read(file(tmp_path, RUN, RUN.replace("0.7066,torchdistill", part)), REGISTRY, {})
    assert first.key != second.key


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (RUN.replace("kd", "kdd"), "method: no method 'kdd'; did you mean 'kd'?"),
        (RUN.replace("kd", "~../kd"), "cannot name a folder"),
        (RUN.replace("kd", "~teacher"), "'teacher'"),
        (RUN.replace("resnet56", "resnet57"), "teacher: no model 'resnet57'"),
        (RUN.replace("resnet20", ""), "student: is empty"),
        (RUN.replace("cifar100", "cifar1000"), "did you mean 'cifar100'?"),
        (RUN.replace("cifar100", "topics"), "and 'topics' is retrieval"),
        (RUN.replace(",0,", ",-1,"), "seed: '-1' is no whole number"),
        (RUN.replace(",0,", ",1.5,"), "seed: '1.5' is no whole number"),
        (RUN.replace("0.7066", "70.66"), "did you mean 0.7066?"),
        (RUN.replace("0.7066", "-0.1"), "no share"),
        (RUN.replace("0.7066", "nan"), "no number"),
        (RUN.replace("0.7066", ""), "accuracy: is missing"),
        (RUN.replace("torchdistill", ""), "source: is empty"),
        (RUN + ",", "8 columns, expected 7"),
        (RUN, "the same run as"),
    ],
)
def test_every_fault_has_its_line(tmp_path: Path, line: str, said: str) -> None:
    message = told(file(tmp_path, RUN, line))
    assert said in message and "runs.csv:3: " in message


def test_faults_of_the_file_and_all_at_once(tmp_path: Path) -> None:
    assert "no column 'source'" in told(file(tmp_path, RUN, head=HEAD.replace("source", "soruce")))
    assert "did you mean 'accuracy'?" in told(file(tmp_path, RUN, head=HEAD.replace("accuracy", "acuracy")))
    assert "no runs" in told(file(tmp_path))
    assert "pair: 'a' beside networks" in told(file(tmp_path, f"a,{RUN}", head=f"pair,{HEAD}"))
    two = told(file(tmp_path, RUN.replace("kd", "kdd"), RUN.replace("0.7066", "x")))
    assert [line.rsplit("/", 1)[1].split(": ")[0] for line in two.splitlines()] == ["runs.csv:2", "runs.csv:3"]


def test_of_which_pair_of_a_suite_they_are(tmp_path: Path) -> None:
    (by_nets,) = read(file(tmp_path, RUN), REGISTRY, {})
    task = {"name": "r56", "plugin": "cifar100"}
    assert belongs(by_nets, task, "any", {"resnet56"}, "resnet20")
    assert not belongs(by_nets, task, "any", {"resnet56"}, "resnet32")
    assert not belongs(by_nets, task, "any", {"resnet56", "resnet110"}, "resnet20")
    assert not belongs(by_nets, {"name": "x", "plugin": "cifar10"}, "any", {"resnet56"}, "resnet20")
    (by_name,) = read(file(tmp_path, "cifar100,kd,r56_r20,0,0.7,x", head="task,method,pair,seed,accuracy,source"), REGISTRY, {})
    assert belongs(by_name, task, "r56_r20", {"a"}, "b") and not belongs(by_name, task, "default", {"a"}, "b")


def test_the_table_of_results_has_them_when_asked(tmp_path: Path, store: ResultStore) -> None:
    store.write(read(file(tmp_path, RUN), REGISTRY, {})[0])
    assert load_results(store.folder).empty
    frame = load_results(store.folder, imported=True)
    assert frame[["kind", "method", "metric", "value"]].values.tolist() == [["imported", "kd", "accuracy", 0.7066]]


def test_a_record_of_the_kind_reads_back(tmp_path: Path) -> None:
    (record,) = read(file(tmp_path, RUN), REGISTRY, {})
    assert Record.loads(record.dumps()) == record
