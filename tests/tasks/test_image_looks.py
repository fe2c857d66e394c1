"""The policies for photographs, each against what it says, by other means where there are any."""

import colorsys

import pytest
import torch

from kdbench.contract.draw import Draw
from kdbench.tasks.data.photos.image_looks import LOOKS, WORDS, Look, crop, hue_turned, jittered, resized, show, turned

N = 64
INDEX = torch.arange(N)
VIEW = torch.full((N,), 3)
IMAGE = torch.randint(0, 256, (N, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_every_policy_is_told():
    assert set(LOOKS) == set(WORDS)


def test_none_only_changes_the_scale():
    assert torch.equal(show(LOOKS["none"], IMAGE, VIEW, INDEX, Draw(1)), IMAGE.float() / 255)


def test_a_crop_is_a_window_of_the_padded_image_and_every_place_comes_up():
    u = Draw(1).uniform("crop", VIEW.repeat(32), torch.arange(N * 32), 2)
    start = (u * 9).long()
    assert {tuple(place) for place in start.tolist()} == {(y, x) for y in range(9) for x in range(9)}
    found = crop(IMAGE, 4, u[:N])
    padded = torch.zeros(N, 3, 40, 40, dtype=torch.uint8)
    padded[:, :, 4:36, 4:36] = IMAGE
    for b, (y, x) in enumerate(start[:N].tolist()):
        assert torch.equal(found[b], padded[b, :, y : y + 32, x : x + 32])


@pytest.mark.parametrize(("look", "axis"), [(Look(flip=0.5), 3), (Look(upside_down=0.5), 2)])
def test_mirrors_come_half_of_the_time(look: Look, axis: int):
    found, plain = show(look, IMAGE, VIEW, INDEX, Draw(2)), IMAGE.float() / 255
    mirrored = [torch.equal(a, b) for a, b in zip(found, plain.flip(axis))]
    kept = [torch.equal(a, b) for a, b in zip(found, plain)]
    assert all(a != b for a, b in zip(mirrored, kept)) and 16 < sum(mirrored) < 48


def test_a_turn_by_a_right_angle_is_a_turn():
    image = IMAGE.float()
    torch.testing.assert_close(turned(image, torch.full((N,), 90.0)), image.rot90(1, (2, 3)), atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(turned(image, torch.zeros(N)), image, atol=1e-3, rtol=1e-4)


def test_rotation_uncovers_black_and_stays_within_its_degrees():
    white = torch.full((N, 3, 32, 32), 255, dtype=torch.uint8)
    found = show(Look(rotation=20), white, VIEW, INDEX, Draw(4))
    assert found[:, :, 16, 16].min() == 1 and (found[:, 0, 0, 0] < 0.5).float().mean() > 0.7


def test_hue_is_turned_as_the_standard_library_turns_it():
    pixels = torch.rand(200, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    pixels[0], pixels[1] = 0.5, 0
    by = torch.linspace(-0.2, 0.2, 200, dtype=torch.float64)
    found = hue_turned(pixels[:, :, None, None], by[:, None, None])[:, :, 0, 0]
    for pixel, turn, got in zip(pixels.tolist(), by.tolist(), found.tolist()):
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        assert got == pytest.approx(colorsys.hsv_to_rgb((h + turn) % 1, s, v), abs=1e-9)


def test_colours_change_by_no_more_than_told_and_not_at_all_at_strength_0():
    image = IMAGE.float() / 255
    torch.testing.assert_close(jittered(image, torch.zeros(N, 4)), image, atol=1e-6, rtol=1e-6)
    brighter = jittered(image * 0.5, torch.tensor([[0.2, 0, 0, 0]]).expand(N, 4))
    torch.testing.assert_close(brighter, image * 0.6, atol=1e-6, rtol=1e-6)
    flat = jittered(image, torch.tensor([[0, -1.0, 0, 0]]).expand(N, 4))
    assert flat.flatten(2).std(2).max() < 1e-5, "without contrast one grey is left"
    grey = jittered(image, torch.tensor([[0, 0, -1.0, 0]]).expand(N, 4))
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-6, rtol=1e-6)


def test_a_resized_part_of_everything_is_everything_and_a_part_lies_within():
    image = IMAGE.float()
    whole = resized(image, 1.0, torch.tensor([[0.0, 0.5, 0.3, 0.9]]).expand(N, 4))
    torch.testing.assert_close(whole, image, atol=1e-3, rtol=1e-4)
    ones = torch.ones(N, 3, 32, 32)
    found = resized(ones, 0.08, Draw(1).uniform("resized", VIEW, INDEX, 4))
    assert found[:, :, 1:-1, 1:-1].min() > 0.999, "no black comes in"
