"""A folder of results knows what a suite called its arms: by an arm's own name and by its preset's."""

from kdbench.compare.cells import named, of_folder
from kdbench.jobs.identity import unseeded
from kdbench.results.home import Home
from kdbench.results.record import Record
from kdbench.results.unit_reader import UnitReader


def record(key: str, seed: int, cell: str, **labels: str) -> Record:
    identity = {"task": {"name": "digits"}, "init": {"job": key}, "seed": seed, "teachers": [key], "method": cell}
    told = {"task": "digits", "pair": "default", "method": "kd", "cell": cell, "seed": seed, **labels}
    return Record(key, "student", "done", identity, told, {"truth": {"accuracy": 0.5}})


def test_arms_are_found_by_their_own_names(tmp_path):
    arms = [("kd[T=1]", {"alias": "mine"})] * 2 + [("ssld", {"preset": "ssld"}), ("ssld[T=2]", {"preset": "ssld"})]
    records = [record(f"{n:08x}", n % 2, cell, **labels) for n, (cell, labels) in enumerate(arms)]
    groups = of_folder(UnitReader({r.key: r for r in records}, Home(tmp_path)))
    assert [group.cell for group in named("mine", groups)] == ["kd[T=1]"]
    assert len(named("mine", groups)[0].readings) == 2, "seeds that start from other jobs are one cell"
    assert [group.cell for group in named("ssld", groups)] == ["ssld"]
    only = [group for group in groups if group.cell != "ssld"]
    assert [group.cell for group in named("ssld", only)] == ["ssld[T=2]"]


def test_what_seeds_have_in_common():
    one, other = (record(f"{n:08x}", n, "kd").identity for n in (1, 2))
    assert unseeded(one) == unseeded(other) and "seed" not in unseeded(one)
    assert unseeded({**one, "init": {"job": "x", "part": ["a"]}}) != unseeded(one)
    assert unseeded({"init": "fresh", "seed": 1}) == {"init": "fresh"}
