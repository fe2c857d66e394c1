"""kdbench data convert: other people's files of queries, judgements, candidates and scores as the task `passages` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdbench.cli.exits import Exit

WHOLE = ("beir", "qrels")
LISTS = ("run", "triples", "margins", "negatives")


def convert(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="beir, qrels, run, triples, margins or negatives.")],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The file to convert; for beir a folder.")],
    to: Annotated[Path, typer.Option("--to", help="Folder of the collection that it belongs to, or (beir) that is made.")],
    name: Annotated[str, typer.Option("--name", help="Name of the lists; that of the file if left out.")] = "",
    split: Annotated[str, typer.Option("--split", help="qrels: train, dev or test.")] = "test",
    depth: Annotated[int, typer.Option("--depth", min=2, help="run: documents of a list.")] = 100,
    positives: Annotated[bool, typer.Option("--positives", help="run: begin each list with a relevant document.")] = False,
    count: Annotated[int, typer.Option("--negatives", min=1, help="negatives: how many of them a list has.")] = 31,
    scores: Annotated[Path | None, typer.Option("--scores", help="negatives: pickle of a cross-encoder's scores.")] = None,
) -> int:
    """Convert a file of others into what the task `passages` reads.

    beir: an MS MARCO folder to a BEIR folder. qrels: TREC judgements to a split. run: a TREC run to lists with scores. triples:
    query, positive and negative ids. margins: the Margin-MSE release (two scores, three ids). negatives: msmarco-hard-negatives.
    Lists go to FOLDER/lists/NAME.npz; what is printed is how a suite names them.

    Example: kdbench data convert run bm25.trec --to ~/data/fiqa --name bm25 --depth 100
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite.errors import listing, nearest
    from kdbench.tasks.data.text import passage_convert, passage_given, passage_set, trec

    if kind not in WHOLE + LISTS:
        near = nearest(kind, WHOLE + LISTS)
        raise KdbenchError(f"cannot convert {kind!r}; " + (f"did you mean '{near}'?" if near else listing(WHOLE + LISTS)))
    if kind == "beir":
        for line in passage_convert.to_beir(source, to):
            typer.echo(line)
        return Exit.ok
    if kind == "qrels":
        typer.echo(passage_convert.judgements(trec.judgements(source), to, split))
        return Exit.ok
    name = name or source.name.split(".")[0]
    if Path(name).name != name or not name or "@" in name:
        raise KdbenchError(f"--name {name!r}: expected a plain name without / or @")
    found = passage_set.read(passage_set.find(str(to)))
    make = {
        "run": lambda: passage_convert.run(found, source, depth, positives),
        "triples": lambda: passage_convert.triples(found, source),
        "margins": lambda: passage_convert.margins(found, source),
        "negatives": lambda: passage_convert.negatives(found, source, count, scores),
    }
    lists, note = make[kind]()
    path = passage_given.write(found, name, lists)
    with_scores = "" if lists.scores is None else ", with scores (source: given)"
    typer.echo(f"{path}: {len(lists.query):,} lists of {lists.documents.shape[1]}{with_scores}")
    if note:
        typer.echo(note)
    typer.echo(f"params: {{lists: {passage_given.address(name, lists)}}}")
    return Exit.ok
