"""Alpha that was found on encoded light, made right for a composite in linear light.

A sensor adds light, so a soft edge is alpha F + (1 - alpha) B in linear. A matte found on encoded pixels obeys the same
on E(I) and is too fat for bright subjects and too thin for dark ones, by up to 0.4 of alpha.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqmatte.encoding import Encoding
from seqmatte.foreground import foreground_background

if TYPE_CHECKING:
    from torch import Tensor

# How strongly alpha stays as it was where F and B are alike, as a share of their usual distance.
_STAY = 1e-2


def corrected(encoded: Tensor, alpha: Tensor, encoding: Encoding, strength: float) -> Tensor:
    """Alpha, H x W, for linear light; 0 and 1 stay.

    encoded: 3 x H x W, the plate through `encoding`. alpha: H x W, right in that light. strength: 0..1, how much of
    the way to go.

    F and B are estimated in the encoded light, where alpha and the pixels agree, and decoded. The mixture that they
    make is used in place of the plate's own pixel, which carries grain.
    """
    import torch

    soft = (alpha > 0) & (alpha < 1)
    if strength <= 0 or not bool(soft.any()):
        return alpha
    low, high = encoded.amin(), encoded.amax()
    f, b = (ends.clamp(low, high)[:, soft] for ends in foreground_background(encoded, alpha))
    a = alpha[soft]
    mixed = encoding.decode(a * f + (1 - a) * b)
    f, b = encoding.decode(f), encoding.decode(b)
    apart = ((f - b) ** 2).sum(0)
    stay = _STAY * apart.median().clamp_min(1e-8)
    right = ((((mixed - b) * (f - b)).sum(0) + stay * a) / (apart + stay)).clamp(0, 1)
    made = alpha.clone()
    made[soft] = torch.lerp(a, right, strength)
    return made
