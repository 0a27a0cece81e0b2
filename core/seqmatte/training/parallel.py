"""Several processes that train one network, started by torchrun: one share of the scenes each, one mean gradient."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import nn


def joined() -> tuple[int, int]:
    """This process's number and how many there are; joins the others when torchrun started it."""
    if "RANK" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return dist.get_rank(), dist.get_world_size()


def spread(network: nn.Module) -> None:
    """All processes start from the first one's weights."""
    if dist.is_available() and dist.is_initialized():
        for value in network.state_dict().values():
            dist.broadcast(value, 0)


def shared(network: nn.Module, world: int) -> None:
    """The mean of all processes' gradients."""
    if world == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def any_of(flag: bool, world: int, device: torch.device) -> bool:
    """Whether it is so in any process: what all of them do together they must decide together."""
    if world == 1:
        return flag
    said = torch.tensor(float(flag), device=device)
    dist.all_reduce(said, dist.ReduceOp.MAX)
    return bool(said > 0)
