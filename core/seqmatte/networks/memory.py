"""Reading from a memory of earlier frames: affinities, top-k reads, coarse-guides-fine reads, local windows.

Positions of a memory of T frames of h x w cells are counted frame by frame, then row by row: (t * h + y) * w + x.
Several targets share one affinity: their values are stacked along the channels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def affinity(memory: Tensor, query: Tensor, similarity: str = "dot") -> Tensor:
    """How well each memory position matches each query: [N, C, M] and [N, C, Q] to [N, M, Q].

    "dot": M.Q / sqrt(C) (HSTSG). "l2": (2 M.Q - |M|^2) / sqrt(C), the negative squared distance without the
    query's own term (STCN, section 3.3 of the paper). Raises ValueError for another similarity.
    """
    if similarity not in ("dot", "l2"):
        raise ValueError(f"no such similarity: {similarity!r}; use dot or l2")
    products = memory.transpose(1, 2) @ query
    if similarity == "l2":
        products = 2 * products - memory.square().sum(1).unsqueeze(2)
    return products / math.sqrt(memory.shape[1])


def read_all(scores: Tensor, values: Tensor) -> Tensor:
    """The softmax-weighted sum over every position: scores [N, M, Q], values [N, Cv, M] to [N, Cv, Q]."""
    return values @ scores.softmax(1)


def read_best(scores: Tensor, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The sum over the best positions only, and which they were.

    scores [N, M, Q], values [N, Cv, M] to readout [N, Cv, Q] and positions [N, k, Q], the best first;
    k = min(count, M) (STCN's top-k filter; the largest score is subtracted before the exponential).
    """
    best, positions = scores.topk(most(count, scores.shape[1]), dim=1)
    gathered = rows_at(values.transpose(1, 2), positions.transpose(1, 2))
    readout = best.softmax(1).transpose(1, 2).unsqueeze(2).to(gathered.dtype) @ gathered
    return readout.squeeze(2).transpose(1, 2), positions


def most(count: int, there: int) -> int:
    """The smaller of the two, also in a graph, where it is only known with the size."""
    smaller: int = torch.sym_min(count, there)  # type: ignore[no-untyped-call]
    return smaller


def positions_below(positions: Tensor, width: int, factor: int) -> Tensor:
    """The factor x factor finer cells under each coarse cell: [N, k, Q] to [N, k * factor^2, Q].

    width: of the coarse grid. The finer grid is exactly factor times as large in both directions.
    """
    row = torch.div(positions, width, rounding_mode="floor")
    # Not the remainder, which cannot be exported for a width that is open.
    column = positions - row * width
    step = torch.arange(factor, device=positions.device)
    rows = (row.unsqueeze(2) * factor + step.view(1, 1, -1, 1)).unsqueeze(3)
    columns = (column.unsqueeze(2) * factor + step.view(1, 1, -1, 1)).unsqueeze(2)
    return (rows * (width * factor) + columns).flatten(1, 3)


def read_below(
    memory: Tensor, values: Tensor, query: Tensor, positions: Tensor, factor: int, keep: int = 0
) -> tuple[Tensor, Tensor]:
    """A finer level's read that looks only under the best coarse cells (HMMN, section 3.3; HSTSG, section 3.2).

    memory [N, C, T, H, W], values [N, Cv, T, H, W], query [N, C, H, W] at the finer level; positions [N, k, Q]
    of the coarser level, whose grid is H / factor x W / factor. The factor^2 queries under a coarse query share
    its k * factor^2 candidates. Gives the readout [N, Cv, H, W] and the `keep` best fine positions per fine
    query, [N, keep, H * W], to guide a still finer level (none if 0). No dense affinity is built.
    """
    size, channels = query.shape[-2:], memory.shape[1]
    candidates = positions_below(positions, size[1] // factor, factor).transpose(1, 2)
    keys = rows_at(memory.flatten(2).transpose(1, 2), candidates)
    blocks = to_blocks(query, factor)
    scores = blocks @ keys.transpose(2, 3).to(blocks.dtype) / math.sqrt(channels)
    gathered = rows_at(values.flatten(2).transpose(1, 2), candidates)
    readout = from_blocks(scores.softmax(3).to(gathered.dtype) @ gathered, factor, size)
    if keep == 0:
        return readout, positions[:, :0]
    best = scores.topk(min(keep, scores.shape[3]), dim=3).indices
    ranked = candidates.unsqueeze(2).expand(-1, -1, factor * factor, -1).gather(3, best)
    return readout, from_blocks(ranked, factor, size).flatten(2)


def window_attention(query: Tensor, keys: Tensor, values: Tensor, radius: int) -> Tensor:
    """What each pixel finds in the windows around it in several frames.

    query [N, C, H, W], keys [N, T, C, H, W], values [N, T, Cv, H, W] to [N, Cv, H, W]: softmax over all frames
    and the (2 radius + 1)^2 offsets that lie inside the picture, scores Q.K / sqrt(C) (HSTSG, equation 4).
    The offsets are walked one at a time, so that no unfolded copy of the frames is held.
    """
    height, width = query.shape[-2:]
    pad = (radius, radius, radius, radius)
    padded_keys, padded_values = F.pad(keys, pad), F.pad(values, pad)
    inside = F.pad(torch.ones_like(query[:1, :1]), pad)
    if torch.compiler.is_exporting():
        return _window_by_rows(query, padded_keys, padded_values, inside, 2 * radius + 1)
    offsets = [(y, x) for y in range(2 * radius + 1) for x in range(2 * radius + 1)]

    def shifted(padded: Tensor, y: int, x: int) -> Tensor:
        return padded[..., y : y + height, x : x + width]

    scaled = query.unsqueeze(1) / math.sqrt(query.shape[1])
    scores = torch.stack([(scaled * shifted(padded_keys, y, x)).sum(2) for y, x in offsets], 2)
    outside = torch.stack([1 - shifted(inside, y, x) for y, x in offsets], 2)
    weights = (scores - 1e4 * outside).flatten(1, 2).softmax(1).view(scores.shape)
    summed = torch.zeros_like(values[:, 0])
    for place, (y, x) in enumerate(offsets):
        summed = summed + (weights[:, :, place].unsqueeze(2) * shifted(padded_values, y, x)).sum(1)
    return summed


def _window_by_rows(query: Tensor, keys: Tensor, values: Tensor, inside: Tensor, side: int) -> Tensor:
    """`window_attention` of padded frames by rows of offsets: a graph of every offset takes minutes to write.

    inside: [1, 1, H + side - 1, W + side - 1], 1 within the picture.
    """
    height, width = query.shape[-2:]

    def rows(padded: Tensor) -> list[Tensor]:
        across = torch.stack([padded[..., x : x + width] for x in range(side)], 2)
        return [across[..., y : y + height, :] for y in range(side)]

    scaled = (query / math.sqrt(query.shape[1])).unsqueeze(1).unsqueeze(1)
    scores = torch.cat([(scaled * row).sum(3) for row in rows(keys)], 2)
    outside = torch.cat([1 - row.squeeze(3) for row in rows(inside.unsqueeze(0))], 2)
    weights = (scores - 1e4 * outside).flatten(1, 2).softmax(1).view(scores.shape).unsqueeze(3)
    places = [weights[:, :, y * side : (y + 1) * side] for y in range(side)]
    return torch.stack([(w * row).sum((1, 2)) for w, row in zip(places, rows(values), strict=True)]).sum(0)


def read_near(query: Tensor, keys: Tensor, values: Tensor, radius: int) -> Tensor:
    """`window_attention` over one frame, quicker and hungrier: the windows are gathered.

    query [N, C, H, W], keys [N, C, H, W], values [N, Cv, H, W] to [N, Cv, H, W]; (2 radius + 1)^2 rows of keys
    and values are held for every pixel.
    """
    height, width = query.shape[-2:]
    step = torch.arange(-radius, radius + 1, device=query.device)
    rows = torch.arange(height, device=query.device).view(-1, 1, 1, 1) + step.view(1, 1, -1, 1)
    columns = torch.arange(width, device=query.device).view(1, -1, 1, 1) + step.view(1, 1, 1, -1)
    outside = ((rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)).flatten(2).flatten(0, 1)
    places = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).flatten(2).flatten(0, 1)
    positions = places.unsqueeze(0).expand(query.shape[0], -1, -1)
    near = rows_at(keys.flatten(2).transpose(1, 2), positions)
    scores = query.flatten(2).transpose(1, 2).unsqueeze(2) @ near.transpose(2, 3).to(query.dtype)
    scores = scores.squeeze(2).float() / math.sqrt(query.shape[1]) - 1e4 * outside.to(torch.float32)
    found = rows_at(values.flatten(2).transpose(1, 2), positions)
    read = scores.softmax(2).unsqueeze(2).to(found.dtype) @ found
    return read.squeeze(2).transpose(1, 2).reshape(*values.shape[:2], height, width)


def rows_at(rows: Tensor, positions: Tensor) -> Tensor:
    """Rows picked by number: rows [N, P, C], positions [N, ...] to [N, ..., C]."""
    count, length = rows.shape[0], rows.shape[1]
    start = torch.arange(count, device=rows.device) * length
    places = (positions.flatten(1) + start.unsqueeze(1)).flatten()
    return rows.flatten(0, 1).index_select(0, places).view(*positions.shape, rows.shape[2])


def to_blocks(picture: Tensor, factor: int) -> Tensor:
    """[N, C, H, W] to [N, blocks, factor^2, C], blocks and the pixels in them row by row."""
    count, channels, height, width = picture.shape
    parts = picture.reshape(count, channels, height // factor, factor, width // factor, factor)
    return parts.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, factor * factor, channels)


def from_blocks(blocks: Tensor, factor: int, size: torch.Size) -> Tensor:
    """The inverse of `to_blocks` for a picture of the size (H, W)."""
    count, channels = blocks.shape[0], blocks.shape[3]
    parts = blocks.reshape(count, size[0] // factor, size[1] // factor, factor, factor, channels)
    return parts.permute(0, 5, 1, 3, 2, 4).reshape(count, channels, size[0], size[1])
