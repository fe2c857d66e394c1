"""What a net computes from more than one sample, or draws, computed for the whole batch while each rank has a share of its rows.

BatchNorm in training takes its mean and variance over the rows of all ranks. Dropout and stochastic depth draw for all rows, and
each rank reads its own: so the numbers are those of one device, and generators stand alike on all ranks afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from kdbench.train.ranks.team import Team


class Undividable(Exception):
    """This net draws numbers of which it cannot be told which belong to which rows."""


class WholeBatch(TorchFunctionMode):
    """Within, functions that look at a batch see all `total` rows of it, of which this rank has its share."""

    def __init__(self, team: Team, total: int):
        super().__init__()
        self.team, self.total = team, total
        self.rows = team.rows(total)
        self.own = self.rows.stop - self.rows.start

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return self.batch_norm(*args, **(kwargs or {}))
        if func is F.dropout:
            return self.dropout(*args, **(kwargs or {}))
        if func is Tensor.bernoulli_:
            return self.bernoulli_(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
        count, mean, var = moments(self.team, x)
        if running_mean is not None and running_var is not None:
            running_mean.mul_(1 - momentum).add_(mean.to(running_mean.dtype), alpha=momentum)
            unbiased = (var * count / (count - 1)).to(running_var.dtype)
            running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
        fine = exact(x)
        told = mean.to(fine.dtype), var.to(fine.dtype)
        return Norm.apply(fine, *told, weight, bias, eps, count.to(fine.dtype), self.team).to(x.dtype)

    def dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        kept = F.dropout(torch.ones_like(self.as_whole(x)), p)[self.part(x)]
        return x.mul_(kept) if inplace else x * kept

    def bernoulli_(self, x: Tensor, p: Any = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
        if isinstance(p, Tensor):
            raise Undividable
        return x.copy_(self.as_whole(x).bernoulli_(p, generator=generator)[self.part(x)])

    def part(self, x: Tensor) -> slice:
        """Which rows of a whole are those of `x`, which has one or several for each of the batch."""
        if x.dim() == 0 or len(x) % self.own:
            raise Undividable
        each = len(x) // self.own
        return slice(self.rows.start * each, self.rows.stop * each)

    def as_whole(self, x: Tensor) -> Tensor:
        """Room for the rows of all ranks, laid in memory as `x` is."""
        self.part(x)
        last = x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
        kind = torch.channels_last if last else torch.contiguous_format
        shape = (len(x) // self.own * self.total, *x.shape[1:])
        return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=kind)


def exact(x: Tensor) -> Tensor:
    """In single precision at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@torch.no_grad()
def moments(team: Team, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How many values a channel has on all ranks, their mean and their variance [C], in double precision."""
    mean, var = torch.batch_norm_update_stats(exact(x), None, None, 0.0)  # as BatchNorm itself does, which sums in double
    own = torch.cat((mean.new_tensor([x.numel() // x.shape[1]]), mean, var)).double()
    counts, means, variances = team.gather(own[None], team.count).split([1, len(mean), len(var)], 1)
    share = counts / counts.sum()
    mean = (share * means).sum(0)
    return counts.sum(), mean, (share * (variances + (means - mean).square())).sum(0)


class Norm(Function):
    """x̂ = (x − mean) / √(var + eps), times weight, plus bias: where mean and variance are those of all ranks' rows, and so have
    gradients that come from all."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mean: Tensor,
        var: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        count: Tensor,
        team: Team,
    ) -> Tensor:
        ctx.save_for_backward(x, mean, (var + eps).rsqrt(), weight, count)
        ctx.team = team
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, scale, weight, count = ctx.saved_tensors
        over = [dim for dim in range(x.dim()) if dim != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        normal = (x - mean.view(shape)) * scale.view(shape)
        # In double, as BatchNorm does: of these sums over many positions little is left, and the rounding of single shows.
        sums = [part.sum(over, dtype=torch.double) for part in (gradient, gradient * normal)]
        for_bias, for_weight = (part.to(gradient.dtype) for part in sums)
        along_one, along_x = (ctx.team.sum(torch.stack(sums)) / count).to(gradient.dtype).unbind()
        back = gradient - along_one.view(shape) - normal * along_x.view(shape)
        factor = scale if weight is None else scale * weight
        to_weight, to_bias = (None, None) if weight is None else (for_weight, for_bias)
        return back * factor.view(shape), None, None, to_weight, to_bias, None, None, None
