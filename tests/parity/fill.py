"""Deterministic filling of a state_dict, and deterministic test inputs.

Only numpy is needed.  The same (key, shape, seed) always gives the same
float32 array, on every machine, so a network built elsewhere with the same
key names and shapes gets the very same weights.

THE RULE (one rule, applied to every entry of a state_dict, in any order)

  rs = numpy.random.RandomState((crc32(utf-8 key) ^ seed) & 0xffffffff)

  1. the key ends in "num_batches_tracked"        -> 0 (integer)
  2. the last part of the key is "mean" or "std"  -> left as it is
     (constant colour-normalisation buffers)
  3. ends in "running_mean"                       -> 0.1 * rs.standard_normal(shape)
  4. ends in "running_var"                        -> rs.uniform(0.8, 1.2, shape)
  5. two or more dimensions (conv, linear)        -> g * sqrt(2 / fan_in) * rs.standard_normal(shape)
                                                     fan_in = product of shape[1:]
  6. ends in "bias"                               -> 0.05 * rs.standard_normal(shape)
  7. anything else, one dimension (norm weight)   -> n * rs.uniform(0.8, 1.2, shape)

  g and n are the gain of the key: 1 unless the key matches a pattern of GAINS
  below (the first match wins).  After the draw, every OFFSETS entry whose
  pattern matches the key adds its constant (to one element of axis 0, or to
  all of them).  Gains and offsets only keep the activations of deep untrained
  networks in a useful range, so that no output saturates.

  All numbers are drawn in float64 and then cast to float32.
"""

import re
import zlib

import numpy as np

# (regular expression searched in the key, gain)
GAINS = [
    (r"(layer|res)\d\.\d+\.bn3\.weight$", 0.3),  # last norm of a bottleneck branch
    (r"^value_encoder\.layer\d\.\d\.bn2\.weight$", 0.4),  # last norm of a basic block
    (r"^value_encoder\.fuser\.block\d\.conv2\.weight$", 0.4),
    (r"^key_proj\d?\.", 0.3),  # STCN, HSTSG
    (r"^decoder\.(compress|up_\d+_\d+\.out_conv)\.conv2\.weight$", 0.4),
    (r"^decoder\.pred\.weight$", 0.3),
    (r"^KV_[MQ]_r\d\.Key\.weight$", 0.3),  # HMMN
    (r"^Decoder\..*\.conv2\.weight$", 0.4),
    (r"^Decoder\.pred2\.weight$", 0.08),
    (r"^model_res_dec.*\.conv_block\.6\.weight$", 0.3),  # Background Matting v1
    (r"^project_(mat|seg)\.conv\.weight$", 0.2),  # RVM heads
    (r"^refiner\.box_filter\.weight$", 0.05),  # RVM deep guided filter
    (r"^refiner\.conv\.6\.weight$", 0.5),
    (r"^decoder\.conv4\.weight$", 0.2),  # BackgroundMattingV2 heads
    (r"^refiner\.conv4\.weight$", 0.3),
    (r"^cfar\d+\.ffn\.2\.weight$", 0.4),  # HSTSG
    (r"^decoder\.alpha\.weight$", 0.2),
    (r"^decoder\.decode\d\.bn2\.weight$", 0.5),  # AMM
    (r"^memory\.(key|value)\.weight$", 0.5),
    (r"^output\.3\.weight$", 0.08),
    (r"^flow\.(predict_flow\d|dc_conv7)\.weight$", 0.1),  # context-motion
    (r"^(alpha|fgr)_decoder\.out\.2\.weight$", 0.3),
]

# (regular expression searched in the key, index along axis 0 or None for all, constant)
OFFSETS = [
    (r"^project_mat\.conv\.bias$", 3, 0.35),
    (r"^refiner\.box_filter\.weight$", None, 1.0 / 9.0),
    (r"^decoder\.conv4\.bias$", 0, 0.5),
    (r"^decoder\.conv4\.bias$", 4, 0.5),
    (r"^refiner\.conv4\.bias$", 0, 0.5),
    (r"^output\.3\.bias$", 3, 0.5),
]


def gain(key):
    for pattern, g in GAINS:
        if re.search(pattern, key):
            return g
    return 1.0


def fill_array(key, shape, seed):
    """The float32 array for one key, or None when the entry is left as it is."""
    shape = tuple(int(s) for s in shape)
    rs = np.random.RandomState((zlib.crc32(key.encode("utf-8")) ^ int(seed)) & 0xFFFFFFFF)
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if last in ("mean", "std"):
        return None
    if last == "running_mean":
        a = 0.1 * rs.standard_normal(shape)
    elif last == "running_var":
        a = rs.uniform(0.8, 1.2, shape)
    elif len(shape) >= 2:
        fan_in = float(np.prod(shape[1:]))
        a = gain(key) * np.sqrt(2.0 / fan_in) * rs.standard_normal(shape)
    elif last == "bias":
        a = 0.05 * rs.standard_normal(shape)
    else:
        a = gain(key) * rs.uniform(0.8, 1.2, shape)
    for pattern, index, value in OFFSETS:
        if re.search(pattern, key):
            if index is None:
                a = a + value
            else:
                a[index] += value
    return np.asarray(a, np.float64).astype(np.float32)


def fill_state_dict(sd, seed):
    """Fill a dict of torch tensors (or numpy arrays) in place; returns it."""
    for key, value in sd.items():
        a = fill_array(key, tuple(value.shape), seed)
        if a is None:
            continue
        if isinstance(value, np.ndarray):
            value[...] = a
        else:
            import torch

            with torch.no_grad():
                value.copy_(torch.from_numpy(a).to(value.dtype).reshape(value.shape))
    return sd


def fill_module(module, seed):
    """Fill a torch module in place (its own state_dict); returns it in eval mode."""
    sd = module.state_dict()
    fill_state_dict(sd, seed)
    module.load_state_dict(sd)
    return module.eval()


# ---------------------------------------------------------------- inputs


def image(seed, shape, lo=0.0, hi=1.0):
    """A picture with flat areas, edges and grain: shape (..., H, W), float32 in [lo, hi]."""
    rs = np.random.RandomState(int(seed))
    shape = tuple(shape)
    h, w = shape[-2:]
    coarse = rs.uniform(0.0, 1.0, (*shape[:-2], -(-h // 8), -(-w // 8)))
    coarse = np.repeat(np.repeat(coarse, 8, axis=-2), 8, axis=-1)[..., :h, :w]
    grain = rs.uniform(0.0, 1.0, shape)
    x = 0.7 * coarse + 0.3 * grain
    return (lo + (hi - lo) * x).astype(np.float32)


def video(seed, frames, channels, h, w, lo=0.0, hi=1.0):
    """(frames, channels, H, W): one picture that slides by (2, 3) pixels a frame, plus grain of its own."""
    base = image(seed, (channels, h, w)).astype(np.float64)
    out = []
    for t in range(frames):
        rs = np.random.RandomState(int(seed) + 1000 + t)
        x = 0.85 * np.roll(base, (2 * t, 3 * t), axis=(1, 2)) + 0.15 * rs.uniform(0.0, 1.0, base.shape)
        out.append(x)
    return (lo + (hi - lo) * np.stack(out)).astype(np.float32)


def box_masks(h, w, boxes):
    """One binary mask per box (top, bottom, left, right as fractions): (K, 1, H, W) float32; later boxes win."""
    label = np.zeros((h, w), np.int64)
    for k, (t, b, left, r) in enumerate(boxes):
        label[int(t * h) : int(b * h), int(left * w) : int(r * w)] = k + 1
    return np.stack([(label == k + 1) for k in range(len(boxes))])[:, None].astype(np.float32)


def checksum(a):
    """A short fingerprint of a float32 array, to see that inputs were rebuilt the same."""
    return zlib.crc32(np.ascontiguousarray(a, np.float32).tobytes())
