"""Losses on answers once more, written from their formulas in plain numpy (naive exponentials, loops), at mild and wild logits.

Each method's own term is taken through `terms`, as the loop takes it, in float64. Naive exponentials are exact enough here, since
e^±100 is an ordinary float64. Not repeated is what its own tests check so: relations, features, crd, reviewkd, flops, top_k.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.method import NetSpec, Specs
from kdbench.methods.at import AT
from kdbench.methods.brier import Brier
from kdbench.methods.brier_kd import BrierKD
from kdbench.methods.ctkd import CTKD
from kdbench.methods.cwd import CWD
from kdbench.methods.dist import DIST
from kdbench.methods.dkd import DKD
from kdbench.methods.ickd import ICKD
from kdbench.methods.kd import KD
from kdbench.methods.label_smoothing import LabelSmoothing
from kdbench.methods.logit_std import LogitStd
from kdbench.methods.margin_mse import MarginMSE
from kdbench.methods.mgd import MGD
from kdbench.methods.mlkd import MLKD
from kdbench.methods.nd_loss import norm_and_direction
from kdbench.methods.ofa import OFA
from kdbench.methods.partitioned_kd import partitioned
from kdbench.methods.pointwise_mse import PointwiseMSE
from kdbench.methods.ranknet import RankNet
from kdbench.methods.sinkd import SinKD
from kdbench.methods.taid import TAID
from kdbench.methods.tf_kd import TfKD
from kdbench.methods.wsld import WSLD

ROWS, ANSWERS = 6, 5
SCALES = pytest.mark.parametrize("scale", [2, 50])


def draw(scale, *shape):
    return np.random.default_rng([scale, *shape]).uniform(-scale, scale, shape)


def logits(scale):
    """Student, teacher and labels."""
    s, t = draw(scale, 2, ROWS, ANSWERS)
    return s, t, np.random.default_rng(scale).integers(0, ANSWERS, ROWS)


def step(student, teacher, axis="class", labels=None, taps=({}, {}), **more):
    given = {"axis": axis, "labels": None if labels is None else torch.from_numpy(np.asarray(labels))}
    s = Decisions(torch.from_numpy(student), **given, **more)
    t = Decisions(torch.from_numpy(teacher), axis, **more)
    return SimpleNamespace(
        decide=lambda on="transfer": s,
        student=lambda on="transfer": Outputs(s.values, taps[0]),
        teacher=lambda on="transfer": Signal(t, taps[1]),
        supervised=lambda: s.values.sum(),
        progress=0.5,
        index=3,
        phase="train",
        generator=torch.Generator().manual_seed(0),
    )


def value(method, term, at):
    return method.terms(at)[term].compute().item()


def near(number):
    return pytest.approx(number, abs=1e-6, rel=1e-6)


def softmax(z, T=1.0):
    e = np.exp(z / T)
    return e / e.sum(-1, keepdims=True)


def bernoullis(z, T=1.0):
    """[..., 2]: on and off, each from its own exponential."""
    return np.stack([1 / (1 + np.exp(-z / T)), 1 / (1 + np.exp(z / T))], -1)


def kl(p, q):
    return (p * np.log(p / q)).sum(-1)


DIVERGENCES = {
    "fkl": kl,
    "rkl": lambda p, q: kl(q, p),
    "js": lambda p, q: (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2,
    "skew": lambda p, q: kl(p, 0.1 * p + 0.9 * q),
    "tvd": lambda p, q: np.abs(p - q).max(-1) if p.shape[-1] == 2 else np.abs(p - q).sum(-1) / 2,
}


@SCALES
@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize("axis", ["class", "candidate", "tag"])
def test_kd(scale, kind, axis):
    s, t, _ = logits(scale)
    probabilities = bernoullis if axis == "tag" else softmax
    wanted = 9 * DIVERGENCES[kind](probabilities(t, 3), probabilities(s, 3)).mean()
    assert value(KD(KD.Config(T=3, divergence=kind)), "kd", step(s, t, axis)) == near(wanted)


@SCALES
def test_kd_of_an_ensemble_softens_its_mean(scale):
    s, members = draw(scale, ROWS, ANSWERS), draw(scale, 3, ROWS, ANSWERS)
    mean = softmax(members).mean(0) ** (1 / 4)
    at = step(s, members)
    joint = Decisions(torch.from_numpy(members), "class", reduce="prob")
    at.teacher = lambda on="transfer": Signal(joint)
    wanted = 16 * kl(mean / mean.sum(1, keepdims=True), softmax(s, 4)).mean()
    assert value(KD(KD.Config(T=4)), "kd", at) == near(wanted)
    tags = bernoullis(members).mean(0) ** (1 / 4)
    at = step(s, members, "tag")
    at.teacher = lambda on="transfer": Signal(joint.but(axis="tag"))
    wanted = 16 * kl(tags / tags.sum(-1, keepdims=True), bernoullis(s, 4)).mean()
    assert value(KD(KD.Config(T=4)), "kd", at) == near(wanted)


@SCALES
def test_kd_beside_features_is_kd(scale):
    s, t, _ = logits(scale)
    assert value(AT(AT.Config(kd=1, T=2)), "kd", step(s, t)) == near(4 * kl(softmax(t, 2), softmax(s, 2)).mean())


@SCALES
def test_logit_std(scale):
    s, t, _ = logits(scale)
    z = [(x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, ddof=1, keepdims=True)) for x in (s, t)]
    wanted = 4 * kl(softmax(z[1], 2), softmax(z[0], 2)).mean()
    assert value(LogitStd(LogitStd.Config(), KD(KD.Config(T=2))), "kd", step(s, t)) == near(wanted)


@SCALES
def test_dkd(scale):
    s, t, label = logits(scale)
    total = 0.0
    for row, y in enumerate(label):
        p, q = softmax(t[row], 2), softmax(s[row], 2)
        rest = np.arange(ANSWERS) != y
        binary = kl(np.array([p[y], p[rest].sum()]), np.array([q[y], q[rest].sum()]))
        total += 1.5 * binary + 2 * kl(p[rest] / p[rest].sum(), q[rest] / q[rest].sum())
    method = DKD(DKD.Config(T=2, alpha=1.5, beta=2))
    assert value(method, "dkd", step(s, t, labels=label)) == near(4 * total / ROWS)
    best = step(s, t, labels=t.argmax(1))
    assert value(method, "dkd", step(s, t)) == near(value(method, "dkd", best))  # the teacher's answer where there is no label


@pytest.mark.parametrize("axis", ["class", "tag"])
def test_dist(axis):
    s, t = (z[0] for z in np.split(draw(2, 2, ROWS, ANSWERS), 2))
    y, x = (bernoullis(z, 4)[..., 0] if axis == "tag" else softmax(z, 4) for z in (s, t))
    inter = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(y, x)])
    intra = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(y.T, x.T)])
    wanted = 0.5 * inter + 2 * intra
    for variant, times in (("paper", 1), ("released", 16)):
        method = DIST(DIST.Config(beta=0.5, gamma=2, variant=variant))
        assert value(method, "dist", step(s, t, axis)) == pytest.approx(times * wanted, abs=1e-5)  # 1e-8 under each correlation


@SCALES
def test_wsld(scale):
    s, t, label = logits(scale)
    rows = np.arange(ROWS)
    mine, theirs = (-np.log(softmax(z)[rows, label]) for z in (s, t))
    trust = 1 - np.exp(-mine / (theirs + 1e-7))
    wanted = 9 * (trust * -(softmax(t, 3) * np.log(softmax(s, 3))).sum(1)).mean()
    assert value(WSLD(WSLD.Config(T=3)), "wsld", step(s, t, labels=label)) == near(wanted)


@SCALES
def test_mlkd(scale):
    s, t, _ = logits(scale)
    instance = relation = 0.0
    for T in (2.0, 5.0):
        p, q = softmax(s, T), softmax(t, T)
        instance += T * T * kl(q, p).mean()
        samples = [[p[i] @ p[j] - q[i] @ q[j] for j in range(ROWS)] for i in range(ROWS)]
        classes = [[p[:, i] @ p[:, j] - q[:, i] @ q[:, j] for j in range(ANSWERS)] for i in range(ANSWERS)]
        relation += np.square(samples).sum() / ROWS + np.square(classes).sum() / ANSWERS
    method = MLKD(MLKD.Config(temperatures=[2.0, 5.0]))
    assert value(method, "instance", step(s, t)) == near(instance)
    assert value(method, "relation", step(s, t)) == near(relation)


@SCALES
def test_tf_kd(scale):
    s, t, label = logits(scale)
    wanted = []
    for z, y in zip(s, label):
        u = np.full(ANSWERS, 0.01 / (ANSWERS - 1))
        u[y] = 0.99
        wanted.append(kl(softmax(u, 20), softmax(z)))
    # the made-up teacher is in float32
    assert value(TfKD(TfKD.Config()), "tf_kd", step(s, t, labels=label)) == pytest.approx(np.mean(wanted), rel=1e-6, abs=1e-6)


@SCALES
@pytest.mark.parametrize("spread", ["all", "others"])
def test_label_smoothing(scale, spread):
    s, t, label = logits(scale)
    method = LabelSmoothing(LabelSmoothing.Config(spread=spread))

    def flat(p, right):
        kept = [k for k in range(len(p)) if spread == "all" or k != right]
        return -np.mean([np.log(p[k]) for k in kept])

    wanted = np.mean([flat(softmax(z), y) for z, y in zip(s, label)])
    assert value(method, "task_smooth", step(s, t, labels=label)) == near(wanted)
    tags = (t > 0).astype(float)
    wanted = np.mean([flat(bernoullis(z), 0 if on else 1) for row, tag in zip(s, tags) for z, on in zip(row, tag)])
    assert value(method, "task_smooth", step(s, t, "tag", tags)) == near(wanted)


@SCALES
def test_taid_at_its_start(scale):
    s, t, _ = logits(scale)
    for axis, probabilities in (("class", softmax), ("candidate", softmax), ("tag", bernoullis)):
        target = probabilities(0.5 * s + 0.5 * t, 2)
        wanted = 4 * -(target * np.log(probabilities(s, 2))).sum(-1).mean()
        assert value(TAID(TAID.Config(start=0.5, T=2)), "taid", step(s, t, axis)) == near(wanted)


def sinkhorn(p, q, rounds):
    cost = np.abs(p[:, None] - q[None]).sum(-1)
    plan = np.exp(-cost / 0.1)
    for _ in range(rounds):
        plan = plan / plan.sum(1, keepdims=True) / len(p)
        plan = plan / plan.sum(0, keepdims=True) / len(p)
    return (plan * cost).sum()


@SCALES
@pytest.mark.parametrize("debiased", [False, True])
def test_sinkd(scale, debiased):
    s, t, _ = logits(scale)
    p, q = softmax(s, 2), softmax(t, 2)
    wanted = sinkhorn(p, q, 20) - (0.5 * (sinkhorn(p, p, 20) + sinkhorn(q, q, 20)) if debiased else 0)
    method = SinKD(SinKD.Config(debiased=debiased))
    assert value(method, "sinkhorn", step(s, t)) == near(wanted)
    assert value(method, "kd", step(s, t)) == near(kl(softmax(t, 3.5), softmax(s, 3.5)).mean())


@SCALES
@pytest.mark.parametrize("variant", ["released", "paper"])
def test_ofa_s_answer(scale, variant):
    s, t, label = logits(scale)
    total = 0.0
    for row, y in enumerate(label):
        p, q = softmax(t[row]), softmax(s[row])
        for k in range(ANSWERS):
            if variant == "released":
                weight = (p[k] + (k == y)) ** 1.5 - (k == y)
            else:
                weight = (1 + p[k]) ** 1.5 if k == y else p[k]
            total -= weight * np.log(q[k])
    method = OFA(OFA.Config(gamma=1.5, variant=variant))
    assert value(method, "answer", step(s, t, labels=label)) == near(total / ROWS)


@SCALES
def test_ctkd_at_its_start(scale):
    s, t, _ = logits(scale)
    method = CTKD(CTKD.Config())
    method.build(None, None)
    T = 1 + 20 / (1 + np.exp(-1))
    wanted = T * T * kl(softmax(t, T), softmax(s, T)).mean()
    assert value(method.double(), "ctkd", step(s, t)) == near(wanted)


@SCALES
def test_squared_errors_of_probabilities(scale):
    s, t, label = logits(scale)
    hot = np.eye(ANSWERS)[label]
    assert value(Brier(), "task", step(s, t, labels=label)) == near(np.square(softmax(s) - hot).mean())
    assert value(BrierKD(), "teacher", step(s, t, labels=label)) == near(np.square(softmax(s) - softmax(t)).mean())
    tags, on = (t > 0).astype(float), bernoullis(s)[..., 0]
    assert value(Brier(), "task", step(s, t, "tag", tags)) == near(np.square(on - tags).mean())
    assert value(BrierKD(), "teacher", step(s, t, "tag", tags)) == near(np.square(on - bernoullis(t)[..., 0]).mean())


@SCALES
def test_ranking_losses(scale):
    s, t, _ = logits(scale)
    t[:, 1] = t[:, 0]  # a tie
    soft, hard, margin = [], [], []
    for a, b in zip(s, t):
        pairs = [(i, j) for i in range(ANSWERS) for j in range(i + 1, ANSWERS)]
        above = bernoullis(np.array([(b[i] - b[j]) / 2 for i, j in pairs]))
        soft.append(np.mean([-(p * np.log(bernoullis(a[i] - a[j]))).sum() for p, (i, j) in zip(above, pairs)]))
        ordered = [(i, j) for i in range(ANSWERS) for j in range(ANSWERS) if b[i] > b[j]]
        hard.append(np.mean([np.log(1 + np.exp(a[j] - a[i])) for i, j in ordered]))
        margin.append(np.mean([((a[0] - a[j]) - (b[0] - b[j])) ** 2 for j in range(1, ANSWERS)]))
    at = step(s, t, "candidate")
    assert value(RankNet(RankNet.Config(T=2)), "ranknet", at) == near(np.mean(soft))
    assert value(RankNet(RankNet.Config(form="hard")), "ranknet", at) == near(np.mean(hard))
    assert value(MarginMSE(), "margin", at) == near(np.mean(margin))


@SCALES
def test_pointwise(scale):
    s, t, _ = logits(scale)
    rescaled = {
        "raw": t,
        "zscore": np.array([(row - row.mean()) / row.std() for row in t]),
        "minmax": np.array([(row - row.min()) / np.ptp(row) for row in t]),
    }
    for target, wanted in rescaled.items():
        method = PointwiseMSE(PointwiseMSE.Config(target=target))
        assert value(method, "pointwise", step(s, t, "candidate")) == near(np.square(s - wanted).mean())


@SCALES
def test_cwd(scale):
    s, t = draw(scale, 2, 2, 3, 4, ANSWERS)
    total = [kl(softmax(t[b, ..., k].ravel(), 2), softmax(s[b, ..., k].ravel(), 2)) for b in range(2) for k in range(ANSWERS)]
    at = step(s.reshape(-1, ANSWERS), t.reshape(-1, ANSWERS), grid=(2, 3, 4))
    assert value(CWD(CWD.Config(T=2)), "cwd", at) == near(4 * np.mean(total))


@SCALES
@pytest.mark.parametrize("by", ["confidence", "label"])
def test_partitioned_kd(scale, by):
    s, t, label = logits(scale)
    initial = draw(scale, ROWS, ANSWERS)
    total = 0.0
    for row, y in enumerate(label):
        told = [softmax(z[row]) for z in (initial, t)]
        scores = [p.max() if by == "confidence" else p[y] for p in told]
        total += kl(told[1 if scores[1] > scores[0] else 0], softmax(s[row]))
    given = Decisions(torch.from_numpy(s), "class", torch.from_numpy(label))
    other = [Decisions(torch.from_numpy(z), "class") for z in (initial, t)]
    assert partitioned(given, other[0], other[1:], by).mean().item() == near(total / ROWS)


@SCALES
def test_norm_and_direction(scale):
    f, g, e = draw(scale, 3, ROWS, 4)
    e = e / np.linalg.norm(e, axis=1, keepdims=True)
    wanted = [1 - a @ c / max(np.linalg.norm(a), np.linalg.norm(b)) for a, b, c in zip(f, g, e)]
    assert norm_and_direction(*map(torch.from_numpy, (f, g, e))).numpy() == near(np.array(wanted))


def with_maps(kind, scale, **params):
    """A method between maps of 3 and 4 channels, in float64, with the maps."""
    method = kind(kind.Config(student_taps=["a"], teacher_taps=["b"], **params))
    torch.manual_seed(0)
    method.build(Specs(NetSpec({"a": (3, 2, 3)}, 3, 0), (NetSpec({"b": (4, 2, 3)}, 3, 0),), 10), None)
    s, t = draw(scale, 2, 3, 2, 3), draw(scale, 2, 4, 2, 3)
    z = np.zeros((2, 3))
    return method.double(), s, t, step(z, z, taps=({"a": torch.from_numpy(s)}, {"b": torch.from_numpy(t)}))


@SCALES
def test_ickd(scale):
    method, s, t, at = with_maps(ICKD, scale)
    weight = method.layers[0][0].weight.detach().numpy()[:, :, 0, 0]
    shown = np.einsum("oc,bchw->bohw", weight, s)
    shown = (shown - shown.mean((0, 2, 3), keepdims=True)) / np.sqrt(shown.var((0, 2, 3), keepdims=True) + 1e-5)

    def gram(maps):
        g = np.einsum("bchw,bdhw->bcd", maps, maps)
        return g / np.sqrt(np.square(g).sum(-1, keepdims=True))

    assert value(method, "ickd", at) == near(np.square(gram(shown) - gram(t)).sum((1, 2)).mean() / 4)


def convolved(x, layer):
    """A 3×3 convolution that keeps the size, place by place."""
    weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.empty((len(x), len(weight), *x.shape[2:]))
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            out[:, :, i, j] = np.einsum("ocuv,bcuv->bo", weight, wide[:, :, i : i + 3, j : j + 3]) + bias
    return out


@SCALES
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_mgd_without_a_mask(scale, reduction):
    method, s, t, at = with_maps(MGD, scale, drop=0, reduction=reduction)
    align, generate = method.layers[0]["align"], method.layers[0]["generate"]
    weight, bias = align.weight.detach().numpy()[:, :, 0, 0], align.bias.detach().numpy()
    shown = np.einsum("oc,bchw->bohw", weight, s) + bias[:, None, None]
    made = convolved(np.maximum(convolved(shown, generate[0]), 0), generate[2])
    error = np.square(made - t)
    assert value(method, "mgd", at) == near(error.sum() / 2 if reduction == "sum" else error.mean())
