"""Deterministic weight filler and input maker for the parity vectors of models-B.

Everything here is our own. One rule, applied per state_dict key and shape:

  rng = RandomState((crc32(key) ^ seed) & 0xffffffff)
  *.num_batches_tracked            0
  *.running_mean                   0.1  * normal
  *.running_var                    uniform(0.8, 1.2)
  *.weight_u, *.weight_v           normal, then divided by its L2 norm   (then see below)
  ndim >= 2                        normal * sqrt(2 / prod(shape[1:]))
  ndim <= 1, name ends in "bias"   normal * 0.05        (conv, linear and norm biases alike)
  ndim <= 1 otherwise              uniform(0.8, 1.2)    (norm weights)
  keys in KEEP                     left as the module made them (constant buffers)

Spectral-norm groups (PREFIX.weight_bar with PREFIX.weight_u and .weight_v): a random u, v pair
would make sigma = u.W.v about zero and the layer explode, so after filling, SN_ITERS rounds of
power iteration in float64 replace the pair by (nearly) the top singular vectors.

`gains` is an optional list of (regex, factor): a filled float array whose key matches
(re.search) is multiplied by factor, in order. Each .npz names the gains it was made with.
"""

import json
import re
import zlib

import numpy as np

SN_ITERS = 30
KEEP = re.compile(r"(^|\.)(mean|std|IMG_MEAN|IMG_STD|KERNEL)$")


def fill_array(key, shape, seed):
    shape = tuple(int(s) for s in shape)
    rng = np.random.RandomState((zlib.crc32(key.encode()) ^ int(seed)) & 0xFFFFFFFF)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_mean":
        a = 0.1 * rng.standard_normal(shape)
    elif leaf == "running_var":
        a = rng.uniform(0.8, 1.2, shape)
    elif leaf in ("weight_u", "weight_v"):
        a = rng.standard_normal(shape)
        a = a / np.linalg.norm(a)
    elif len(shape) >= 2:
        a = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
    elif leaf.endswith("bias"):
        a = 0.05 * rng.standard_normal(shape)
    else:
        a = rng.uniform(0.8, 1.2, shape)
    return np.asarray(a, np.float32)


def fill_dict(shapes, seed, gains=(), keep=KEEP):
    """shapes: {key: shape}. Returns {key: numpy array}; kept keys are absent."""
    out = {}
    for key, shape in shapes.items():
        if keep is not None and keep.search(key):
            continue
        a = fill_array(key, shape, seed)
        for rx, g in gains:
            if a.dtype == np.float32 and re.search(rx, key):
                a = (a * np.float32(g)).astype(np.float32)
        out[key] = a
    for key in list(out):
        if key.endswith(".weight_bar"):
            p = key[: -len("weight_bar")]
            if p + "weight_u" in out and p + "weight_v" in out:
                w = out[key].astype(np.float64)
                w = w.reshape(w.shape[0], -1)
                u = out[p + "weight_u"].astype(np.float64)
                v = out[p + "weight_v"].astype(np.float64)
                for _ in range(SN_ITERS):
                    v = w.T @ u
                    v /= np.linalg.norm(v)
                    u = w @ v
                    u /= np.linalg.norm(u)
                out[p + "weight_u"] = u.astype(np.float32)
                out[p + "weight_v"] = v.astype(np.float32)
    return out


def fill_module(module, seed, gains=(), keep=KEEP):
    """Fills a torch module in place through its state_dict; returns {key: [shape]}."""
    import torch

    sd = module.state_dict()
    vals = fill_dict({k: tuple(v.shape) for k, v in sd.items()}, seed, gains, keep)
    with torch.no_grad():
        for k, t in sd.items():
            if k in vals:
                t.copy_(torch.from_numpy(vals[k]).to(t.dtype).reshape(t.shape))
    return {k: list(v.shape) for k, v in sd.items()}


# ---- inputs -------------------------------------------------------------------------------


def make_image(seed, h, w, c=3):
    """uint8 [h, w, c]: blocks of 8x8 plus noise."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, 256, ((h + 7) // 8, (w + 7) // 8, c))
    coarse = np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:h, :w]
    noise = rng.randint(0, 256, (h, w, c))
    return ((7 * coarse + 3 * noise) // 10).astype(np.uint8)


def make_trimap(h, w, dy=0, dx=0):
    """uint8 [h, w]: background 0, a rectangle of unknown 128, inside it a rectangle of foreground 255."""
    t = np.zeros((h, w), np.uint8)
    t[h // 8 + dy : h - h // 6 + dy, w // 6 + dx : w - w // 8 + dx] = 128
    t[h // 3 + dy : h - h // 3 + dy, w // 3 + dx : w - w // 3 + dx] = 255
    return t


def make_alpha(seed, h, w, dy=0, dx=0):
    """uint8 [h, w]: 0 outside, 255 inside, a noisy ramp in the unknown rectangle of make_trimap."""
    rng = np.random.RandomState(seed)
    t = make_trimap(h, w, dy, dx)
    a = t.copy()
    ramp = rng.randint(1, 255, (h, w))
    a[t == 128] = ramp[t == 128]
    return a


def save_keys(path, shapes):
    """One key per line."""
    lines = [f"{json.dumps(key)}: {json.dumps(list(shape))}" for key, shape in shapes.items()]
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(lines) + "\n}\n")
