"""Where a computation is shared out to the ranks and comes together again, as autograd sees it.

Outside of a shared forward every rank computes the same, on whole batches, and has the whole gradient. Within one, each has its
own rows and the part of the gradient that comes from them:

    in:   rows of a batch        back: the gradients of all rows       (Take)
          parameters             back: the sum over the ranks          (Enter)
    out:  the rows of all        back: the gradient of the own rows    (Gather)

So whoever asks for a gradient (a method's own backward pass, a probe, a gradient to the input) gets the one of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.func import functional_call

from kdbench.contract.model import Net
from kdbench.train.ranks.team import Team


class Take(Function):
    """This rank's rows."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, team: Team) -> Tensor:
        ctx.team, ctx.total = team, len(whole)
        return whole[team.rows(len(whole))]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.team.gather(gradient, ctx.total), None


class Gather(Function):
    """The rows of all ranks."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, team: Team, total: int) -> Tensor:
        ctx.rows = team.rows(total)
        return team.gather(own, total)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.rows], None, None


class Enter(Function):
    """Parameters, as a shared forward reads them. Its gradients are summed in one message."""

    @staticmethod
    def forward(ctx: Any, team: Team, *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.team = team
        ctx.set_materialize_grads(False)
        return tuple(parameter.view_as(parameter) for parameter in parameters)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        summed = iter(sums(ctx.team, [gradient for gradient in gradients if gradient is not None]))
        return None, *(None if gradient is None else next(summed) for gradient in gradients)


def sums(team: Team, own: list[Tensor]) -> list[Tensor]:
    """The sum over the ranks of each tensor; all of a kind travel together."""
    out = list(own)
    for kind in {each.dtype: None for each in own}:
        places = [place for place, each in enumerate(own) if each.dtype == kind]
        flat = torch.cat([own[place].reshape(-1) for place in places])
        team.sum(torch.view_as_real(flat) if kind.is_complex else flat)
        for place, part in zip(places, flat.split([own[place].numel() for place in places])):
            out[place] = torch.empty_like(own[place]).copy_(part.view(own[place].shape))  # laid as it was
    return out


def entered(net: Net, team: Team) -> Callable[..., Any]:
    """The net, to be asked about this rank's rows."""
    learned = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    if not learned or not torch.is_grad_enabled():
        return net
    return partial(functional_call, net, dict(zip(learned, Enter.apply(team, *learned.values()))))
