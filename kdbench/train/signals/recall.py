"""What one teacher says of a stream's samples: read from its table, and asked once where the table does not know it.

A table is addressed by sample and code. Where the views of the stream's augmentation can be counted, a code is what is seen,
whatever was drawn: such a table serves every seed, and can become complete. Else a code is the number of the view among the
frozen ones of a bank, drawn by a seed that is part of the address; without a bank each view number has a table of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.jobs.identity import canonical
from kdbench.train.signals import address
from kdbench.train.signals.form import Form
from kdbench.train.signals.packing import packed
from kdbench.train.signals.table import Table, open_table, trim
from kdbench.train.stream import Stream

PARTS = 16  # of the samples, each filled by one process at a time, so that several share the work
CPU_BATCH = 64  # samples asked about together on a CPU: there a row of 256 took 1.8 times as long as one of 64 (WRN-40-2)
SYNCED = 64  # batches that are written before they count
AHEAD = 3  # views that come next and fill up batches: of a table that is nearly complete, few samples of a view are missing
OPEN = 2  # tables of single views that are kept open: batches run across the ends of epochs


class Recall:
    """`augment` is another policy than the stream's own, in which samples are shown without its stages."""

    def __init__(self, task: Task, net: Net, key: str, stream: Stream, augment: str | None, form: Form, folder: Path):
        self.net, self.stream, self.augment, self.form, self.folder = net, stream, augment, form, folder
        policy = stream.view.augment if augment is None else augment
        self.finite = None if augment is None and stream.stages else task.finite(policy)
        if self.finite is not None:
            codes, shown = self.finite.count, self.finite.scheme
        else:
            codes, shown = stream.view.bank or 1, f"draw {stream.draw.seed}"
        self.endless = self.finite is None and stream.view.bank is None
        samples = len(stream.samples)
        at_once = min(CPU_BATCH, stream.at_once) if stream.device.type == "cpu" else stream.at_once
        self.size = min(at_once, samples)  # samples that the teacher is asked about together
        self.part = -(-samples // (self.size * PARTS)) * self.size  # samples of a part: whole batches
        about = {
            "version": address.VERSION,
            "task": address.of_task(task),
            "set": stream.set_name,
            "samples": samples,
            "policy": policy,
            "codes": codes,
            "shown": shown,
            "batch": self.size,
            "form": form.name,
            "teacher": address.of_net(net, key),
            "code": address.of_code(task, net),
            "machine": address.of_machine(stream.device),
        }
        self.about: dict[str, Any] = json.loads(canonical(about))
        self.tables: dict[int | None, Table] = {}
        self.counts = {"asked": 0, "read": 0, "idle": 0}  # rows: the teacher was asked about, were read, filled up a batch

    def __call__(self, index: Tensor, view: Tensor) -> Tensor:
        """Values of these samples in these views, on the CPU."""
        if not self.endless:
            return self._of(None, index, view)
        parts = {number: view == number for number in view.unique().tolist()}
        found = {number: self._of(number, index[rows], view[rows]) for number, rows in parts.items()}
        values = next(iter(found.values()))
        out = values.new_empty(len(index), *values.shape[1:])
        for number, rows in parts.items():
            out[rows] = found[number]
        return out

    def _of(self, number: int | None, index: Tensor, view: Tensor) -> Tensor:
        table, code = self.table(number), self.code(index, view)
        there = table.has(index.numpy(), code.numpy())
        if not there.all():
            for missing in view[torch.from_numpy(~there)].unique().tolist():
                self.fill(table, missing)
            trim(self.folder)
        self.counts["read"] += len(index)
        return table.rows(index.numpy(), code.numpy())  # type: ignore[no-any-return]

    def code(self, index: Tensor, view: Tensor) -> Tensor:
        """Where in its table a sample's view stands."""
        if self.finite is not None:
            return self.finite.code(view, index, self.stream.draw)
        return torch.zeros_like(view) if self.endless else view

    def about_view(self, number: int | None) -> dict[str, Any]:
        return self.about if number is None else {**self.about, "view": number}

    def table(self, number: int | None = None) -> Table:
        """The table, or that of a view where each has one."""
        found = self.tables.pop(number, None)
        if found is None:
            found = open_table(self.folder, self.about_view(number), self.form, self._shape)
            while len(self.tables) >= OPEN:
                self.tables.pop(next(iter(self.tables)))
        self.tables[number] = found
        return found

    def _shape(self) -> tuple[int, ...]:
        """Of a sample's values: of a table that is made now, its maker asks about one batch that is not kept."""
        rows = torch.zeros(self.size, dtype=torch.long)
        return tuple(self._asked(rows, rows).shape[1:])

    def fill(self, table: Table, view: int) -> None:
        """All of a view that is missing. Parts at which others are working already come last, and by then may be done."""
        parts = torch.arange(len(self.stream.samples)).split(self.part)
        busy = [number for number, index in enumerate(parts) if not self._fill_part(table, number, index, view, wait=False)]
        for number in busy:
            self._fill_part(table, number, parts[number], view, wait=True)

    def _fill_part(self, table: Table, number: int, index: Tensor, view: int, wait: bool) -> bool:
        """Whether the part is complete now; False where another process works at it and this one does not wait."""
        if table.has(index.numpy(), self.code(index, torch.full_like(index, view)).numpy()).all():
            return True
        with table.part(number, wait) as mine:
            if mine:
                self._fill(table, index, view)
            return mine

    def _fill(self, table: Table, part: Tensor, view: int) -> None:
        """Ask about all of a part's samples in this view that the table does not know, a whole batch at a time."""
        index, views, codes = self._missing(table, part, [view, *self._next(view)])
        now, written = int((views == view).sum()), list[np.ndarray]()

        def count() -> None:
            if written:
                some = np.concatenate(written)
                table.mark(index.numpy()[some], codes[some])
                written.clear()

        for places, kept in packed(index, now, self.size):
            values = self._asked(index[places], views[places])
            some = places[kept].numpy()
            table.write(index.numpy()[some], codes[some], self.form.write(values[kept.to(values.device)]))
            written.append(some)
            self.counts["asked"] += len(some)
            self.counts["idle"] += self.size - len(some)
            if len(written) == SYNCED:
                count()
        count()

    def _missing(self, table: Table, part: Tensor, shown: list[int]) -> tuple[Tensor, Tensor, np.ndarray]:
        """Sample, view and code of what is missing of these views, in their order, and what two of them show alike once."""
        index, views = part.repeat(len(shown)), torch.tensor(shown).repeat_interleave(len(part))
        codes = self.code(index, views).numpy()
        lacks = np.flatnonzero(~table.has(index.numpy(), codes))
        _, first = np.unique(index.numpy()[lacks] * table.codes + codes[lacks], return_index=True)
        rows = lacks[np.sort(first)]
        return index[rows], views[rows], codes[rows]

    def _next(self, view: int) -> list[int]:
        """The views that will be asked about next, as far as this table holds them."""
        if self.endless or self.augment is not None:
            return []
        later = dict.fromkeys(int(self.stream.view.number(view + step)) for step in range(1, AHEAD + 1))
        return [number for number in later if number != view]

    @torch.no_grad()
    def _asked(self, index: Tensor, view: Tensor) -> Tensor:
        """In full precision, whatever the student's step does."""
        with torch.autocast(self.stream.device.type, enabled=False):
            return self.net(self.stream.show(index, view, self.augment)).values
