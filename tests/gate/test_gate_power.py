"""The promised error rates, by drawing whole suites on fixed streams; and the page that tells them is the code's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdbench.gate import power
from kdbench.gate.power import alike, simulate, unlike

PAGE = Path(__file__).parents[2] / "docs" / "gate-power.md"


@pytest.mark.parametrize("noise", [alike(0.15), alike(0.5), unlike(0.15, 0.5)], ids=["quiet", "loud", "unlike"])
def test_unchanged_suites_alarm_in_less_than_one_of_twenty(noise):
    """40 cells, 4 endpoints, three seeds on both sides."""
    assert simulate(1500, (3,), 3, noise, seed=1).alarms <= 0.05


def test_looking_three_times_keeps_the_rate():
    assert simulate(600, (3, 6, 10), 5, unlike(0.15, 0.5), seed=2).alarms <= 0.05


def test_methods_of_one_task_may_be_very_unlike():
    """One cell of eight is ten times as noisy, as a control with wrong targets is."""

    def one_loud(stream, shape):
        sd = power.alike(0.15)(stream, shape)
        sd[..., 0] = 1.5
        return sd

    assert simulate(600, (3,), 3, one_loud, seed=3).alarms <= 0.05


def test_a_real_loss_is_found():
    """One point at a noise of a quarter, against five baseline seeds: five new seeds, or three and a second look where needed."""
    assert simulate(300, (5,), 5, alike(0.25), loss=1.0, seed=4).worse >= 0.9
    staged = simulate(300, (3, 6, 10), 5, alike(0.25), loss=1.0, seed=4)
    assert staged.worse >= 0.97 and staged.seeds < 4.5
    assert 0.75 < simulate(300, (3,), 5, alike(0.25), loss=1.0, seed=4).worse < 0.9  # three at once are not enough


def test_a_loss_of_the_tolerance_is_hardly_ever_let_pass():
    assert simulate(300, (10,), 10, alike(0.15), loss=0.5, seed=5).passed <= 0.02


def test_the_rate_is_spent_on_chance_alone():
    """A rule at the plain level of one test would alarm almost always: the test above can fail."""
    whole = power.ALPHA
    try:
        power.ALPHA = 0.05 * power.TESTS * power.LOOKS
        assert simulate(100, (3,), 3, alike(0.25), seed=6).alarms > 0.9
    finally:
        power.ALPHA = whole


def test_the_page_is_current():
    """Some of its rows; all of them by name."""
    page = PAGE.read_text(encoding="utf-8")
    for looks, base in (((3,), 3), ((5,), 5)):
        assert power.line(power.row(looks, base)) in page
    frame = power.TEXT.format(suites=power.SUITES, cells=40, tests=160, table="TABLE").split("TABLE")
    assert page.startswith(frame[0]) and page.endswith(frame[1]) and power.line(power.HEAD) in page


@pytest.mark.slow
def test_every_row_of_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == power.document()
