"""Methods that read feature maps (nst, vid, ft, ab, fsp) and what they share: vectors, properties, refusals."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Outputs, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import NetSpec, Specs
from kdbench.contract.taps import meet, width
from kdbench.methods.ab import AB, ABConfig, boundary_loss
from kdbench.methods.at import AT, ATConfig
from kdbench.methods.features import FeatureConfig, positions
from kdbench.methods.fsp import FSP, FSPConfig, flow
from kdbench.methods.ft import FT, FTConfig, factor_gap
from kdbench.methods.nst import NST, NSTConfig, discrepancy
from kdbench.methods.rkd import RKD
from kdbench.methods.vid import VID, VIDConfig, surprise

F64 = {"dtype": torch.float64}


def built(kind, config, student, teacher):
    """A method for taps named like the config's first ones, all of these shapes."""
    c = config(student_taps=[f"s{n}" for n in range(len(student))], teacher_taps=[f"t{n}" for n in range(len(teacher))])
    method = kind(c)
    ours, theirs = ({f"{side}{n}": shape for n, shape in enumerate(shapes)} for side, shapes in (("s", student), ("t", teacher)))
    method.build(Specs(NetSpec(ours, 3, 0), (NetSpec(theirs, 3, 0),), 10), None)
    return method


def step(student, teacher, phase=""):
    s, t = ({f"{side}{n}": tap for n, tap in enumerate(taps)} for side, taps in (("s", student), ("t", teacher)))
    rows = torch.zeros(len(student[0]), 3)
    signal = Signal(Decisions(rows, "class"), t)
    return SimpleNamespace(student=lambda: Outputs(rows, s), teacher=lambda: signal, phase=phase, supervised=lambda: rows.sum())


def test_nst_vector_and_invariances():
    student = torch.tensor([[[1, 0], [0, 1]]], **F64)
    teacher = torch.tensor([[[1, 1], [1, 0], [0, 2]]], **F64)
    assert discrepancy(student, teacher).item() == pytest.approx(0.05555556, abs=1e-8)
    s, t = torch.randn(2, 5, 9, **F64), torch.randn(2, 7, 9, **F64)
    moved = (torch.rand(2, 5, 1, **F64) + 0.1) * s[:, torch.randperm(5)]
    torch.testing.assert_close(discrepancy(moved, t), discrepancy(s, t))
    assert abs(discrepancy(t, t).item()) < 1e-12


def test_nst_against_loops():
    random = np.random.default_rng(0)
    s, t = random.uniform(-50, 50, (2, 3, 6)), random.uniform(-50, 50, (2, 4, 6))

    def mean_kernel(a, b):
        return np.mean([[[(x @ y) ** 2 / (x @ x) / (y @ y) for y in q] for x in p] for p, q in zip(a, b)])

    wanted = mean_kernel(t, t) + mean_kernel(s, s) - 2 * mean_kernel(s, t)
    assert discrepancy(torch.from_numpy(s), torch.from_numpy(t)).item() == pytest.approx(wanted, abs=1e-6)


def test_nst_bears_dead_channels():
    dead = torch.zeros(2, 3, 4, requires_grad=True)
    discrepancy(dead, torch.rand(2, 3, 4)).backward()
    assert torch.isfinite(dead.grad).all()


def test_vid_vector_and_start():
    mean, teacher = torch.tensor([1.0, 0], **F64), torch.tensor([0.0, 2], **F64)
    variance = torch.tensor(5.0, **F64)
    assert surprise(mean, variance, teacher).item() == pytest.approx(1.05471896, abs=1e-8)
    assert surprise(teacher, variance, teacher).item() == pytest.approx(0.80471896, abs=1e-8)
    method = built(VID, VIDConfig, [(4, 3, 3)], [(6, 3, 3)])
    assert method.layers[0](torch.randn(2, 4, 3, 3))[1].detach().numpy() == pytest.approx(5.0, rel=1e-6)


def test_vid_against_scipy_s_normal():
    import scipy.stats

    random = np.random.default_rng(1)
    mean, teacher = random.uniform(-50, 50, (2, 3, 4, 5, 5))
    variance = random.uniform(0.1, 9, (4, 1, 1))
    wanted = -scipy.stats.norm.logpdf(teacher, mean, np.sqrt(variance)).mean() - 0.5 * math.log(2 * math.pi)
    found = surprise(*(torch.from_numpy(x) for x in (mean, variance, teacher)))
    assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_vid_s_variances_learn_and_shrink_where_the_mean_is_right():
    method = built(VID, VIDConfig, [(4, 3, 3)], [(6, 3, 3)])
    tap = torch.randn(2, 4, 3, 3)
    with torch.no_grad():
        right = method.layers[0](tap)[0]
    method.gap(step([tap], [right])).backward()
    assert (method.layers[0].alpha.grad > 0).all()
    assert all(p.grad is not None for p in method.parameters())


FACTORS = (
    torch.tensor([[3, 4, 0, 0], [0, 1, 1, 1]], **F64).view(2, 2, 2, 1),
    torch.tensor([[4, 3, 0, 0], [0, 1, 1, -1]], **F64).view(2, 2, 2, 1),
)


def test_ft_vectors():
    assert factor_gap(*FACTORS, "paper").item() == pytest.approx(0.19433757, abs=1e-8)
    assert factor_gap(*FACTORS, "crd").item() == pytest.approx(0.19065715, abs=1e-8)


def test_ft_against_numpy():
    random = np.random.default_rng(2)
    s, t = random.uniform(-50, 50, (2, 3, 4, 2, 2))
    u = lambda x: x.reshape(len(x), -1) / np.sqrt(np.einsum("bchw,bchw->b", x, x))[:, None]
    wanted = np.abs(u(s) - u(t)).mean()
    assert factor_gap(torch.from_numpy(s), torch.from_numpy(t), "paper").item() == pytest.approx(wanted, abs=1e-6)


def test_ft_s_phases_have_their_own_players():
    method = built(FT, FTConfig, [(4, 3, 3)], [(6, 6, 6)])
    assert [p.name for p in method.phases()] == ["paraphrase", "distil"]
    owners = method.owners(torch.nn.Linear(2, 2))
    student, paraphraser = ({id(p) for p in owners[name].params} for name in ("student", "paraphraser"))
    assert not student & paraphraser
    tap = torch.randn(2, 4, 3, 3, requires_grad=True)
    now = step([tap], [torch.randn(2, 6, 6, 6)], "paraphrase")
    (first,) = method.terms(now).values()
    assert first.owner == "paraphraser"
    first.compute().backward()
    assert tap.grad is None
    assert all((p.grad is not None) == (id(p) in paraphraser) for p in method.parameters())
    method.zero_grad(set_to_none=True)
    now.phase = "distil"
    method.terms(now)["ft"].compute().backward()
    assert tap.grad.abs().sum() > 0
    assert all((p.grad is not None) == (id(p) in student) for p in method.parameters())


def test_ft_s_paraphrase_is_an_autoencoder():
    method = built(FT, FTConfig, [(4, 3, 3)], [(6, 3, 3)])
    tap = torch.randn(2, 6, 3, 3)
    layers = method.layers[0]
    factor = layers.encoder(tap)
    assert factor.shape == (2, 3, 3, 3)  # half of the channels
    assert layers.decoder(factor).shape == tap.shape
    wanted = np.square(layers.decoder(factor).detach().numpy() - tap.numpy()).mean()
    assert method.loss_of_paraphrase(step([tap], [tap])).item() == pytest.approx(wanted, rel=1e-6)


STUDENT = torch.tensor([2, 0.5, -0.5, -2, 0.5, -2], **F64)
TEACHER = torch.tensor([-1, -1, -1, -1, 1, 1], **F64)


def test_ab_vector_and_signs():
    assert boundary_loss(STUDENT, TEACHER, 1).tolist() == [9, 2.25, 0.25, 0, 0.25, 9]
    assert boundary_loss(STUDENT, TEACHER, 2).sum().item() == 42.75
    assert torch.equal(boundary_loss(STUDENT, 9 * TEACHER, 1), boundary_loss(STUDENT, TEACHER, 1))
    assert torch.equal(boundary_loss(STUDENT, TEACHER.clamp(min=0), 1), boundary_loss(STUDENT, TEACHER, 1))  # after a ReLU
    assert boundary_loss(2 * TEACHER, TEACHER, 1).sum() == 0
    s, t = np.random.default_rng(3).uniform(-50, 50, (2, 100))
    wanted = [(a + 1) ** 2 * (a > -1) if b <= 0 else (a - 1) ** 2 * (a <= 1) for a, b in zip(s, t)]
    assert boundary_loss(torch.from_numpy(s), torch.from_numpy(t), 1).numpy() == pytest.approx(np.array(wanted), abs=1e-6)


def test_ab_halves_the_weight_of_each_earlier_tap_and_divides_by_the_batch():
    shapes = [(2, 3, 3)] * 3
    method = built(AB, ABConfig, shapes, shapes)
    for layer in method.layers:
        layer[0].weight.data.zero_()
        layer[0].bias.data.zero_()
    taps = [torch.rand(4, 2, 3, 3) for _ in shapes]
    # a student at 0 is one margin away from every boundary, so a tap costs its number of elements a sample
    assert method.gap(step(taps, taps)).item() == pytest.approx(18 * (1 + 0.5 + 0.25))


def test_fsp_vector():
    a, b = torch.tensor([[1, 2], [0, 1]], **F64).view(1, 2, 1, 2), torch.tensor([[1, 1], [2, 0]], **F64).view(1, 2, 1, 2)
    c, d = torch.tensor([[1, 0], [0, 1]], **F64).view(1, 2, 1, 2), torch.tensor([[1, 1], [0, 2]], **F64).view(1, 2, 1, 2)
    assert flow(a, b).tolist() == [[[1.5, 1], [0.5, 0]]]
    assert flow(c, d).tolist() == [[[0.5, 0], [0.5, 1]]]
    method = built(FSP, FSPConfig, [(2, 1, 2)] * 2, [(2, 1, 2)] * 2)
    assert method.gap(step([a, b], [c, d])).item() == pytest.approx(0.75)


@pytest.mark.parametrize(("pool", "shrink"), [("max", np.max), ("mean", np.mean)])
def test_fsp_pools_the_larger_map(pool, shrink):
    random = np.random.default_rng(4)
    a, b = random.uniform(-50, 50, (2, 3, 4, 4)), random.uniform(-50, 50, (2, 5, 2, 2))
    small = shrink(a.reshape(2, 3, 2, 2, 2, 2), axis=(3, 5))
    wanted = np.einsum("bchw,bdhw->bcd", small, b) / 4
    assert flow(torch.from_numpy(a), torch.from_numpy(b), pool).numpy() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("kind", "config", "name"), [(AB, ABConfig, "ab"), (FSP, FSPConfig, "fsp")])
def test_features_come_first_and_answers_after(kind, config, name):
    method = built(kind, config, [(2, 3, 3)] * 2, [(2, 3, 3)] * 2)
    assert [p.name for p in method.phases()] == ["features", "answers"]
    taps = [torch.rand(2, 2, 3, 3)] * 2
    assert set(method.terms(step(taps, taps, "features"))) == {name}
    assert set(method.terms(step(taps, taps, "answers"))) == {"task", "kd"}
    assert [p.name for p in kind(config(weight=0)).phases()] == ["answers"]


@pytest.mark.parametrize(("kind", "config"), [(VID, VIDConfig), (FT, FTConfig), (AB, ABConfig), (NST, NSTConfig), (AT, ATConfig)])
@pytest.mark.parametrize(
    ("student", "teacher"), [((4, 3, 5), (6, 5, 2)), ((7, 4), (7, 6)), ((4,), (6,))], ids=["map", "list", "vector"]
)
def test_kinds_of_taps(kind, config, student, teacher):
    refused = {NST: ("vector",), AT: ("vector", "list")}.get(kind, ())
    shape = {1: "vector", 2: "list", 3: "map"}[len(student)]
    if shape in refused:
        with pytest.raises(KdbenchError, match=rf"\({shape} .*\) cannot be compared; it compares maps"):
            built(kind, config, [student], [teacher])
        return
    method = built(kind, config, [student], [teacher])
    s = torch.randn(2, *student, requires_grad=True)
    method.gap(step([s], [torch.randn(2, *teacher)])).backward()
    assert torch.isfinite(s.grad).all()
    assert s.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("kind", "config", "student", "teacher", "told"),
    [
        (NST, NSTConfig, (4, 1, 1), (4, 2, 2), "single position"),
        (AT, ATConfig, (4, 1, 1), (4, 2, 2), "single position"),
        (VID, VIDConfig, (4, 2, 2), (4,), "maps or vectors or lists"),
        (FSP, FSPConfig, (4, 2, 2), (5, 2, 2), "as many channels in both nets, not 4 and 5"),
        (RKD, RKD.Config, (3, 4), (4,), "maps and vectors or lists"),
    ],
)
def test_refusals_say_what_and_why(kind, config, student, teacher, told):
    with pytest.raises(KdbenchError, match=told):
        built(kind, config, [student] * 2, [teacher] * 2)


def test_taps_are_named_one_by_one():
    with pytest.raises(ValueError, match="student_taps names 2 and teacher_taps 1"):
        FeatureConfig(student_taps=["a", "b"])


def test_maps_meet_at_the_smaller_side_of_each():
    a, b = meet(torch.ones(1, 2, 4, 6), torch.ones(1, 3, 5, 3))
    assert a.shape[2:] == b.shape[2:] == (4, 3)
    assert (width((4, 3, 5)), width((7, 4)), width((6,))) == (4, 4, 6)
    assert (positions((4, 3, 5)), positions((7, 4)), positions((6,))) == (15, 7, 1)


def test_at_against_numpy_and_sums_over_taps():
    random = np.random.default_rng(5)
    s, t = random.uniform(-50, 50, (2, 3, 2, 2)), random.uniform(-50, 50, (2, 5, 4, 4))
    ours = np.einsum("bchw,bchw->bhw", s, s) / 3
    theirs = (np.einsum("bchw,bchw->bhw", t, t) / 5).reshape(2, 2, 2, 2, 2).mean((2, 4))
    normed = [e / np.sqrt(np.einsum("bhw,bhw->b", e, e))[:, None, None] for e in (ours, theirs)]
    wanted = np.square(normed[0] - normed[1]).mean()
    method = built(AT, ATConfig, [(3, 2, 2)] * 2, [(5, 4, 4)] * 2)
    taps = [torch.from_numpy(s)] * 2, [torch.from_numpy(t)] * 2
    assert method.gaps(step(*taps)).numpy() == pytest.approx([wanted, wanted], abs=1e-9)
    assert method.gap(step(*taps)).item() == pytest.approx(2 * wanted, abs=1e-9)
