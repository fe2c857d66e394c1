"""A record in MLflow's terms: within its rules, without losing what tells two things apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.results.record import Record
from kdbench.track.entries import NAME_LIMIT, PARAM_LIMIT, TAG_LIMIT, digest, entry
from kdbench.track.redact import redact

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=300)
tree = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def record(identity: dict | None = None, **changes: object) -> Record:
    values: dict = {
        "key": "ab" * 32, "kind": "student", "status": "done", "identity": identity or {},
        "labels": {"task": "digits", "method": "kd"}, "metrics": {},
    }  # fmt: skip
    return Record(**(values | changes))


@settings(max_examples=80)
@given(st.dictionaries(text, tree, max_size=5), st.dictionaries(text, st.floats(), max_size=5))
def test_names_and_values_are_what_mlflow_takes(identity: dict, metrics: dict) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param, _validate_tag

    made = entry(record(identity, metrics={"truth": metrics}), Path("none"))
    for name, value in made.params.items():
        assert _validate_param(name, value).value == value and len(name) <= NAME_LIMIT and len(value) <= PARAM_LIMIT
    for name, value in made.tags.items():
        assert _validate_tag(name, value).value == value
    for point in made.points:
        _validate_metric_name(point.name)


def test_long_values_and_alike_names_stay_apart() -> None:
    made = entry(record({"a@": 1, "a_at_": 2, "a?": 3, "a!": 4, "long": "x" * 9000, "longer": "x" * 9001}), Path("none"))
    assert sorted(made.params.values())[:4] == ["1", "2", "3", "4"] and len(made.params) == 6
    assert made.params["long"] != made.params["longer"] and len(made.params["long"]) <= PARAM_LIMIT
    tags = entry(record(labels={"task": "digits", "method": "kd", "cell": "y" * 9000}), Path("none")).tags
    assert len(tags["kdbench.cell"]) <= TAG_LIMIT


def test_lists_of_objects_are_walked() -> None:
    stages = [{"view": "mixup", "alpha": 0.2}, {"ask": "live"}]
    made = entry(record({"stages": stages, "empty": {}, "taps": ["a", "b"]}), Path("none"))
    assert made.params == {
        "stages.0.view": "mixup", "stages.0.alpha": "0.2", "stages.1.ask": "live", "empty": "{}", "taps": '["a", "b"]',
    }  # fmt: skip


def test_params_are_whole_and_tags_name_profile_and_commit() -> None:
    identity = {"method": {"name": "kd", "version": 1, "params": {"T": 2}}, "source": None}
    code = {"commit": "c0ffee", "branch": "main", "dirty": True, "remote": None}
    made = entry(
        record(identity, provenance={"code": code}), Path("none"), lambda kind, told: {"T": 4, "weight": 0.9, "of": kind}, "smoke"
    )
    whole = entry(record({"recipe": {"lr": 0.5}}), Path("none")).params
    assert whole["recipe.lr"] == "0.5" and whole["recipe.schedule"] == "cosine"
    assert {name: made.params[f"method.params.{name}"] for name in ("T", "weight", "of")} == {
        "T": "2", "weight": "0.9", "of": "method",
    }  # fmt: skip
    tags = {"kdbench.profile": "smoke", "mlflow.source.git.commit": "c0ffee", "mlflow.source.git.branch": "main"}
    assert tags.items() <= made.tags.items() and made.tags["kdbench.uncommitted"] == "true"
    plain = entry(record(identity), Path("none")).tags
    assert plain["kdbench.profile"] == "none" and "mlflow.source.git.commit" not in plain


def test_digest_follows_content_and_not_the_clock() -> None:
    assert digest(record()) == digest(record(timing={"seconds": 3.0}))
    assert digest(record()) != digest(record(cost={"steps": 3}))


def test_a_duration_that_is_not_its_own_is_told() -> None:
    assert "kdbench.duration" not in entry(record(timing={"train_seconds": 3.0, "packed": 1}), Path("none")).tags
    marked = entry(record(timing={"train_seconds": 3.0, "packed": 2, "resumed": True}), Path("none")).tags
    assert marked["kdbench.duration"] == "not of one job alone: shared a device with other jobs, went on from a checkpoint"


def test_without_any_time_it_is_1970_and_never_now() -> None:
    made = entry(record(metrics={"truth": {"top1": 1.0}}), Path("none"))
    assert (made.started, made.finished, made.points[0].milliseconds) == (0, 0, 0)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot reach https://me:pa@ss@host:5000/x?y=1", "cannot reach https://***@host:5000/x?y=1"),
        ("postgresql+psycopg2://u:p@h/db and mysql://v:q@i/db", "postgresql+psycopg2://***@h/db and mysql://***@i/db"),
        ("http://token@host", "http://***@host"),
        ("http://host/?password=abc&x=1", "http://host/?password=***&x=1"),
        ("sqlite:////a/b@c.db", "sqlite:////a/b@c.db"),
        ("mail to someone@example.org", "mail to someone@example.org"),
    ],
)
def test_credentials_are_never_shown(said: str, shown: str) -> None:
    assert redact(said) == shown
