"""kdbench teacher: networks that were trained elsewhere, admitted by a measurement and kept as cards."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.exits import Exit, worst
from kdbench.cli.help import Verbs
from kdbench.cli.options import JsonOption, PluginOption
from kdbench.cli.text import near, wrapped

if TYPE_CHECKING:
    from kdbench.registry import Registry
    from kdbench.teachers.admit import Verdict

app = Verbs(help="Teachers from elsewhere: add, list, verify, remove.")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the card; a suite says it as `teacher: {card: NAME}`.")
]
RootOption = Annotated[str, typer.Option("--root", help="Folder of the task's data, if not under KDBENCH_DATA.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
LABEL = 10


@app.command("add")
def add(
    name: NameArgument,
    task: Annotated[str, typer.Option("--task", help="The task that it was made for.")],
    model: Annotated[str, typer.Option("--model", help="Its network, e.g. timm:resnet34 or wrn_40_2.")],
    weights: Annotated[
        str,
        typer.Option(
            "--weights", help="Its file (.safetensors, .pth, ...), here or under KDBENCH_WEIGHTS; or hf-hub:OWNER/NAME."
        ),
    ],
    claims: Annotated[
        list[str], typer.Option("--claims", metavar="METRIC=VALUE[±TOLERANCE]", help="What it is said to score. Repeatable.")
    ],
    source: Annotated[str, typer.Option("--source", help="Who made it, where it is from, its licence.")],
    param: Annotated[list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A param of the network.")] = None,
    task_param: Annotated[
        list[str] | None,
        typer.Option("--task-param", metavar="NAME=VALUE", help="One of the task, of own data content=FINGERPRINT."),
    ] = None,
    mean: Annotated[str, typer.Option("--mean", help="Its own normalisation, a value a channel: 0.485,0.456,0.406.")] = "",
    std: Annotated[str, typer.Option("--std", help="Likewise: 0.229,0.224,0.225.")] = "",
    split: Annotated[str, typer.Option("--split", help="What the claims are about: test or val.")] = "test",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a card of this name.")] = False,
    root: RootOption = "",
    device: DeviceOption = "auto",
    plugin: PluginOption = None,
) -> int:
    """Measure a network that was trained elsewhere; where it scores what is claimed, write its card.

    The claim must lie in the 95 % interval of our score, or within the tolerance that is given. Exit code 1 where it does not;
    then nothing is written.

    Example: kdbench teacher add crd_wrn --task cifar100 --model wrn_40_2 --weights wrn_40_2/ckpt_epoch_240.pth
    --claims accuracy=75.61% --source "RepDistiller, wrn_40_2_vanilla, BSD-2"
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.models.weight_files import content_of
    from kdbench.suite.cards import path_of
    from kdbench.teachers import admit, hub, writing

    path = path_of(name)
    if path.exists() and not replace:
        raise KdbenchError(f"there is a card {near(path)}; --replace overwrites it")
    file = hub.fetched(weights) if hub.is_address(weights) else hub.at_hand(weights)
    said = {
        "version": 1,
        "task": task,
        "task_params": writing.params(task_param or (), "--task-param"),
        "model": model,
        "params": writing.params(param or (), "--param"),
        "normalisation": writing.normalisation(mean, std),
        "weights": {"file": writing.place(file, path), "sha256": content_of(file)},
        "source": source,
        "split": split,
        "claims": [writing.claim(text) for text in claims],
    }
    print(f"measuring {model} on {split} of {task} ...", file=sys.stderr)
    return tell(admit.add(name, said, plugins(plugin), root, device))


@app.command("list")
def list_cards(plugin: PluginOption = None, as_json: JsonOption = False) -> int:
    """List the teachers that have cards: what they are, what was claimed and measured, and whether a suite may take them.

    Example: kdbench teacher list
    """
    from kdbench.suite import cards
    from kdbench.teachers.standing import lines, said

    registry = plugins(plugin)
    found = {name: said(name, registry) for name in cards.names()}
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    elif not found:
        typer.echo(f"no cards in {near(cards.folder())}; `kdbench teacher add` makes one")
    else:
        for name, facts in found.items():
            typer.echo(f"{name}: {facts['state']}")
            for key, text in lines(facts):
                typer.echo(wrapped(text, LABEL + 2, f"  {key}"))
    return Exit.ok


@app.command("verify")
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of cards.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All cards.")] = False,
    root: RootOption = "",
    device: DeviceOption = "auto",
    plugin: PluginOption = None,
) -> int:
    """Measure teachers again: whether they score here what their cards claim.

    A card that was written by hand gets what was measured. Exit code 1 where a claim is not met, 2 where weights are missing or
    others than those that were admitted.

    Example: kdbench teacher verify --all
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite import cards
    from kdbench.teachers import admit

    chosen = cards.names() if every else list(names or ())
    if not chosen:
        raise KdbenchError("which teacher? Give its name, or --all" if not every else f"no cards in {near(cards.folder())}")
    registry, codes = plugins(plugin), []
    for name in chosen:
        try:
            codes.append(Exit(tell(admit.verify(here(name), registry, root, device))))
        except KdbenchError as error:
            if len(chosen) == 1:
                raise
            typer.echo(f"{name}: {error}", err=True)
            codes.append(Exit.usage)
    return worst(codes)


@app.command("remove")
def remove(name: NameArgument) -> int:
    """Delete a teacher's card. Its weights and results stay.

    Example: kdbench teacher remove r34
    """
    from kdbench.suite.cards import path_of

    path = path_of(here(name))
    path.unlink()
    typer.echo(f"removed: {near(path)}")
    return Exit.ok


def tell(verdict: Verdict) -> Exit:
    """What was measured beside what is claimed, and where they differ why that may be."""
    for claim in verdict.card.claims:
        score = verdict.measured.scores[claim.metric]
        allowed = f", ±{claim.tolerance:g} allowed" if claim.tolerance is not None else ""
        interval = f" [{score.interval[0]:.5g}, {score.interval[1]:.5g}]" if score.interval else ""
        typer.echo(f"{verdict.name}: {claim.metric} {claim.value:g} claimed{allowed}; {score.value:.5g}{interval} measured here")
    if not verdict.faults:
        typer.echo(f"{verdict.name}: admitted" + (f", written: {near(verdict.written)}" if verdict.written else ""))
        return Exit.ok
    for fault in verdict.faults:
        typer.echo(wrapped(f"{verdict.name}: NOT admitted: {fault}"))
    for number, cause in enumerate(verdict.causes):
        typer.echo(wrapped(cause, 14, "  it may be: " if number == 0 else "         or: "))
    return Exit.claim_failed


def here(name: str) -> str:
    """The name, where there is such a card."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite import cards
    from kdbench.suite.errors import listing, nearest

    if not cards.path_of(name).is_file():
        all_names = cards.names()
        meant = nearest(name, all_names)
        hint = f"did you mean '{meant}'?" if meant else f"there are {listing(all_names)}" if all_names else "there are none"
        raise KdbenchError(f"no teacher's card {near(cards.path_of(name))}; {hint}")
    return name


def plugins(files: list[Path] | None) -> Registry:
    from kdbench.cli.session import known_plugins, tell_broken

    registry = known_plugins(files or [])
    for broken in registry.broken:
        tell_broken(broken)
    return registry
