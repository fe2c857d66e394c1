"""Why a teacher from elsewhere may score less than is claimed of it, the likeliest cause first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from kdbench.suite.card import Card

LOW = 0.05
NEAR_CHANCE = 1.5  # times what guessing gives
HALF = 0.5


def causes(card: Card, family: str, metrics: Mapping[str, float], outputs: Mapping[str, np.ndarray]) -> list[str]:
    """Sentences for a person whose claim was not met."""
    return list(_causes(card, family, metrics, outputs))


def _causes(card: Card, family: str, metrics: Mapping[str, float], outputs: Mapping[str, np.ndarray]) -> Iterator[str]:
    claimed = next((claim.value for claim in card.claims if claim.metric == "accuracy"), None)
    accuracy = metrics.get("accuracy", 1.0)
    if family == "classification" and claimed is not None and accuracy < HALF * claimed:
        best = relabelled(outputs["logits"], outputs["labels"])
        guessing = 1 / outputs["logits"].shape[1]
        if best >= HALF * claimed and best > 2 * accuracy:
            yield (
                f"wrong label order: with its classes named in another order it would have {best:.3f}. The file's class i is not "
                "the task's class i; sort the rows of its last layer as the task sorts its classes (kdbench describe task)"
            )
        elif accuracy < max(LOW, NEAR_CHANCE * guessing):
            yield (
                f"{accuracy:.3f} is hardly more than guessing ({guessing:.3f}): wrong label order? Or weights of another training"
            )
    if claimed is not None and accuracy > claimed:
        yield "it is better than claimed: is the claim about another split or set, or was it trained on these test examples?"
    yield from normalisation(card)
    yield "another resolution, crop or interpolation of the images than in its training and in the claim"
    yield "weights of another epoch or training, or the claim is about another set, split or metric"


def normalisation(card: Card) -> Iterator[str]:
    """What is known of how its images are to be normalised."""
    given = card.normalisation
    own = "the task's own normalisation was used"
    if given is not None:
        own = f"mean {list(given.mean)} and std {list(given.std)} were used"
    told = timm_settings(card.model)
    if told is not None:
        yield f"wrong normalisation or resolution: {own}; timm's own settings for this network are {told}"
    else:
        yield f"wrong normalisation: {own}; --mean and --std give that of its training, for images of values 0 to 1"


def timm_settings(model: str) -> str | None:
    """How timm itself would show images to a network of its."""
    family, _, name = model.partition(":")
    if family != "timm":
        return None
    import timm

    settings = timm.get_pretrained_cfg(name)
    if settings is None:
        return None
    size = "×".join(map(str, settings.input_size[1:]))
    return f"mean {list(settings.mean)}, std {list(settings.std)}, {size}, crop {settings.crop_pct}, {settings.interpolation}"


def relabelled(logits: np.ndarray, labels: np.ndarray) -> float:
    """The accuracy under the best one-to-one renaming of the classes."""
    from scipy.optimize import linear_sum_assignment

    classes = logits.shape[1]
    counts = np.bincount(logits.argmax(1) * classes + labels, minlength=classes**2).reshape(classes, classes)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(labels))
