"""Views that a task says can be counted: equal codes show equal samples, and there are as many as it says."""

from pathlib import Path

import cifar_files
import clip_files
import imagenet_files
import passage_files
import pytest
import scene_files
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.task import Task
from kdbench.contract.views import FiniteViews
from kdbench.registry import Registry, load_target
from kdbench.tasks.cifar import Cifar10, Cifar100
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.photos import cifar, images
from kdbench.tasks.data.scenes import scene_layouts
from kdbench.tasks.data.text import passage_set
from kdbench.tasks.esc import Esc10
from kdbench.tasks.images import Images
from kdbench.tasks.passages import Passages
from kdbench.tasks.scenes import Scenes
from kdbench.testing.task_rules import unlike

REGISTRY = Registry(packages=False)
PHOTOS = {"none": 1, "flip": 2, "crop_flip": 162, "vertical_flip": 324}
COUNTS = {
    "digits": {"none": 1},
    "streets": {"none": 1, "flip": 2},
    "topics": {"whole": 1},
    "sounds": {"none": 1},
    "sound_events": {"none": 1},
    "cifar10": PHOTOS,
    "cifar100": PHOTOS,
    "images": PHOTOS,
    "images files": PHOTOS,
    "scenes": {"none": 1, "crop_flip": 2},
    "scenes cropped": {"none": 1},
    "passages": {"whole": 1},
    "esc10": {"none": 1},
}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(array_cache.VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.delenv("KDBENCH_DATA", raising=False)
        yield


def photographs(root: Path, name: str) -> Task:
    kind = {"cifar10": Cifar10, "cifar100": Cifar100}[name]
    cifar_files.cifar10(root / "cifar-10-batches-py")
    cifar_files.cifar100(root / "cifar-100-python")
    content = cifar.read(name, cifar.find(name, str(root))).fingerprint
    return kind(kind.Config(root=str(root), content=content))


def own_images(root: Path, views_from: str) -> Task:
    found = images.listed(imagenet_files.base(root, foldered=True))
    return Images(Images.Config(root=str(root), content=found.fingerprint, size=16, views_from=views_from))


def scenes(root: Path, crop: tuple[int, int] | None) -> Task:
    scene_files.gta5(root / "gta5", 6)
    scene_files.cityscapes(root / "cityscapes", 5, 3)
    contents = [scene_layouts.look(name, scene_layouts.find(name, str(root))).fingerprint for name in ("gta5", "cityscapes")]
    sets = {"source": "gta5", "target": "cityscapes", "source_content": contents[0], "target_content": contents[1]}
    return Scenes(Scenes.Config(**sets, root=str(root), size=(48, 64), crop=crop))


def passages(root: Path) -> Task:
    folder = passage_files.beir(root / "set", passage_files.made(train=24, dev=6, test=18))
    content = passage_set.read(folder).fingerprint
    return Passages(Passages.Config(root=str(folder), content=content, document_words=20, query_words=6))


def clips(root: Path) -> Task:
    root = clip_files.esc(root)
    with pytest.raises(DataError, match="say which clips are meant") as told:
        Esc10(Esc10.Config(root=str(root))).clips()
    content = str(told.value).split("content: ")[1].rstrip("}")
    return Esc10(Esc10.Config(root=str(root), content=content, seconds=0.5, val_fold=3))


def generated(name: str) -> Task:
    kind = load_target(REGISTRY.task(name).target)
    return kind(kind.Config(**({"size": "small"} if "size" in kind.Config.model_fields else {})))


MAKE = {
    "cifar10": lambda root: photographs(root, "cifar10"),
    "cifar100": lambda root: photographs(root, "cifar100"),
    "images": lambda root: own_images(root, "squares"),
    "images files": lambda root: own_images(root, "files"),
    "scenes": lambda root: scenes(root, None),
    "scenes cropped": lambda root: scenes(root, (32, 32)),
    "passages": passages,
    "esc10": clips,
}


@pytest.mark.parametrize("name", COUNTS)
def test_views_of_one_code_are_alike_and_there_are_as_many_as_told(name: str, tmp_path: Path):
    task = MAKE[name](tmp_path / "set") if name in MAKE else generated(name)
    policies = REGISTRY.task(name.split()[0]).facts["augments"]
    finite = {policy: task.finite(policy) for policy in policies}
    assert {policy: views.count for policy, views in finite.items() if views is not None} == COUNTS[name]
    samples = task.data(task.roles["transfer"])
    for policy, count in COUNTS[name].items():
        draws = 20 if count == 1 else 12 * count  # of 324 codes each is then drawn, as good as surely
        index = torch.arange(min(2, len(samples)))
        assert unlike(task, samples, policy, index, min(draws, 400)) == ""
        view, row = torch.arange(draws), torch.zeros(draws, dtype=torch.long)
        shown = task.augment(policy, Batch(samples.rows(row), row, view), Draw(5))
        seen = {tuple(field[n].numpy().tobytes() for field in shown.fields.values()) for n in range(draws)}
        assert len(seen) == count


def test_every_built_in_task_is_looked_at_or_shows_samples_as_one_that_is():
    kinds = {name: load_target(REGISTRY.task(name).target) for name in REGISTRY.names("task")}
    looked_at = {(kinds[name].augment, kinds[name].finite) for name in {case.split()[0] for case in COUNTS}}
    assert all((kind.augment, kind.finite) in looked_at for kind in kinds.values())


def test_codes_that_do_not_tell_views_apart_are_found():
    class Wrong(load_target(REGISTRY.task("streets").target)):
        def finite(self, policy):
            return FiniteViews("one", 1, lambda view, index, draw: torch.zeros_like(index))

    task = Wrong(Wrong.Config(size="small"))
    assert unlike(task, task.data("target"), "flip", torch.arange(3), 20) == "samples of one code have different image"
