"""Values that no schema can judge are told with the rest, each at its place, and nothing twice."""

from __future__ import annotations

import pytest

from kdbench.metrics.catalogue import names
from kdbench.registry import Registry
from kdbench.suite import metric_names, parse_suite
from kdbench.suite.errors import SuiteError
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)


def mistakes(text: str) -> list[tuple[str, str | None]]:
    try:
        parse_suite(loads("version: 1\nname: test\n" + text, "suite.yaml"), REGISTRY)
    except SuiteError as error:
        return [(problem.message, problem.suggestion) for problem in error.problems]
    return []


CLAIM = "tasks: [digits]\nmethods: [kd]\nclaims: [{{id: a, task: digits, arm: kd, over: none, metric: {}, source: s}}]\n"


@pytest.mark.parametrize(
    "metric, said",
    [
        ("accuracyy", ("digits has no metric 'accuracyy'", "accuracy")),
        ("mIoU", ("digits has no metric 'mIoU'", None)),
        ("val.acc", ("digits has no metric 'acc'", "val.accuracy")),
        ("distil.agreemnt", ("digits has no metric 'agreemnt'", "distil.agreement")),
        ("distl.agreement", ("'distl' is no group of metrics", "distil")),
    ],
)
def test_a_claim_names_a_metric_of_its_task(metric, said):
    assert mistakes(CLAIM.format(metric)) == [said]


@pytest.mark.parametrize("metric", ["accuracy", "log_kl", "distil.agreement", "truth.nll", "val.accuracy"])
def test_metrics_that_there_are(metric):
    assert mistakes(CLAIM.format(metric)) == []


@pytest.mark.parametrize(
    "show, said",
    [
        ("[top5_acuracy]", [("no task here has the metric 'top5_acuracy'", "top5_accuracy")]),
        ("[top5_accuracy, nll]", []),
        ("recall@100", [("no task here has the metric 'recall@100'", None)]),
        ("kappa", []),
        (
            "[Top5-Acc, top1]",
            [(f"no task here has the metric '{a}'", b) for a, b in (("Top5-Acc", "top5_accuracy"), ("top1", "accuracy"))],
        ),
    ],
)
def test_what_is_shown_too_is_a_metric_of_some_task(show, said):
    assert mistakes(f"tasks: [digits]\nmethods: [kd]\nshow: {show}\n") == said


@pytest.mark.parametrize(
    "family, words",
    [
        ("classification", {"acc": "accuracy", "top-1": "accuracy", "top5": "top5_accuracy", "log_loss": "nll", "map": None}),
        (
            "segmentation",
            {"iou": "miou", "mean_iou": "miou", "mIoU": "miou", "acc": "pixel_accuracy", "mAcc": "mean_class_accuracy"},
        ),
        ("retrieval", {"mrr": "rr@10", "MRR@10": "rr@10", "R@100": "recall@100", "ndcg": "ndcg@10", "map": None, "auroc": None}),
        (
            "tagging",
            {"mAP": "map", "mean_average_precision": "map", "AUROC": "auc", "truth.roc_auc": "truth.auc", "dprime": "d_prime"},
        ),
    ],
)
def test_what_people_call_metrics_elsewhere(family, words):
    assert {word: metric_names.meant(word, names([family])) for word in words} == words


def test_other_names_are_of_metrics_that_there_are_and_are_none_themselves():
    assert set(metric_names.OTHER_NAMES) <= set(names())
    own = {name.replace("@", "").replace("_", "") for name in names()}
    assert own.isdisjoint(" ".join(metric_names.OTHER_NAMES.values()).split())


def test_every_mistake_of_a_suite_at_once():
    text = """\
seed: 3
tasks: [{task: digits, pairs: [{name: p, student: {model: "timm:mobilenetv3_smal_050"}}]}]
views: {plain: {augment: nonne}}
methods: [kdd, {method: dkd, params: {betta: 1}, recipe: {stepps: 3}}]
tune: [{methods: [kd, dkd], params: {alpa: [1, 2]}}]
claims: [{id: a, task: digits, arm: dkd, over: none, metric: accuracyy, source: s}]
"""
    assert dict(mistakes(text)) == {
        "unknown key 'seed'": "seeds",
        "timm has no network 'mobilenetv3_smal_050'": "timm:mobilenetv3_small_050",
        "no task here has the augmentation 'nonne'": "none",
        "unknown method 'kdd'": "kd",
        "dkd: unknown param 'betta'": "beta",
        "unknown key 'stepps'": "steps",
        "kd.alpa: unknown param 'alpa'": None,
        "dkd.alpa: unknown param 'alpa'": "alpha",
        "digits has no metric 'accuracyy'": "accuracy",
    }


def test_a_network_that_a_param_names_is_one_of_timms():
    pair = "{{name: p, student: {{model: timm_fpn, params: {{encoder: {}}}}}}}"
    text = f"tasks: [{{{{task: streets, pairs: [{pair}]}}}}]\nmethods: [kd]\n"
    assert mistakes(text.format("resnet188")) == [("timm_fpn.encoder: timm has no network 'resnet188'", "resnet18")]
    assert mistakes(text.format("resnet26")) == []


def test_a_place_left_to_be_filled_is_no_fingerprint():
    text = "tasks: [{{task: images, params: {{content: {}}}}}]\nmethods: [kd]\n"
    [(message, _)] = mistakes(text.format("PUT_THE_FINGERPRINT_HERE"))
    assert message == 'images.content: "PUT_THE_FINGERPRINT_HERE" does not fit'
    assert mistakes(text.format("ab" * 32)) == []
