"""CIFAR-C's files: blocks by severity, labels once or five times, and what is damaged or could run is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos import cifar_c


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All fifteen, mostly empty on disk."""
    for name in cifar_c.MAIN:
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", mode="w+", dtype=np.uint8, shape=cifar_c.SHAPE)
    fog = np.lib.format.open_memmap(tmp_path / "fog.npy", mode="r+")
    fog[29_999, 3, 5] = (7, 8, 9)  # the last image of severity 3
    np.save(tmp_path / "labels.npy", np.tile(np.arange(10_000) % 10, 5))
    return tmp_path


def test_a_severity_is_a_block_of_the_test_images(folder: Path):
    assert cifar_c.find("cifar10c", str(folder)) == folder
    shown = cifar_c.images(folder, "fog", 3)
    assert shown.shape == (10_000, 3, 32, 32) and shown[9_999, :, 3, 5].tolist() == [7, 8, 9]
    assert not cifar_c.images(folder, "fog", 2).any() and not cifar_c.images(folder, "fog", 4).any()
    five = cifar_c.labels("cifar10c", folder)
    np.save(folder / "labels.npy", (np.arange(10_000) % 10).astype(np.uint8))
    assert (cifar_c.labels("cifar10c", folder) == five).all() and five[13] == 3


class Attack:
    def __reduce__(self):
        return (pytest.fail, ("it ran",))


def test_what_is_wrong_is_told_and_nothing_runs(folder: Path):
    (folder / "snow.npy").write_bytes((folder / "fog.npy").read_bytes()[:1_000_000])
    (folder / "frost.npy").write_bytes(pickle.dumps(Attack()))
    np.save(folder / "contrast.npy", np.zeros((50, 32, 32, 3), np.uint8))
    np.save(folder / "brightness.npy", np.array([Attack()], object), allow_pickle=True)
    (folder / "pixelate.npy").unlink()
    found = {line.what: line for line in cifar_c.findings("cifar10c", folder)}
    assert {what for what, line in found.items() if line.right is False} == {
        *("snow", "frost", "contrast", "brightness", "corruptions")
    }
    assert "expected uint8 [50000, 32, 32, 3]" in found["contrast"].found and found["corruptions"].found == "14 of 15"
    assert found["classes"].right and found["extra ones"].found == "0 of 4"


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.arange(50_000) % 10, None),
        (np.arange(50_000) % 11, "label 10 in row 10 is not one of 0 to 9"),
        (np.arange(50_000) // 5_000, "labels of the 5 severities differ"),
        (np.zeros(50_000), "float64"),
        (np.zeros(400, int), "expected 50,000 or 10,000"),
    ],
)
def test_labels_are_checked(folder: Path, labels: np.ndarray, told: str | None):
    np.save(folder / "labels.npy", labels)
    if told is None:
        cifar_c.labels("cifar10c", folder)
        return
    with pytest.raises(DataError, match=told):
        cifar_c.labels("cifar10c", folder)
