"""Reference vectors of the published networks: their arrays, facts and weights, and where a difference begins.

Another folder of the same layout is taken from SEQMATTE_PARITY_DIR.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import torch

from parity import fill_b
from seqmatte import networks

OURS = Path(__file__).parent / "parity"
FOLDER = Path(os.environ.get("SEQMATTE_PARITY_DIR") or OURS)
LIMIT = 1e-4


class Vector:
    """One file: its arrays, its facts, and a network with its weights."""

    def __init__(self, name):
        with np.load(FOLDER / f"{name}.npz") as held:
            self.arrays = dict(held)
        self.name = name
        self.meta = json.loads(bytes(self.arrays.pop("meta")))

    def __contains__(self, name):
        return name in self.arrays

    def __getitem__(self, name):
        return torch.from_numpy(self.arrays[name])

    def network(self, *family, **variant):
        network = networks.build(*family, **variant)
        keys = json.loads((FOLDER / f"{self.name}.keys.json").read_text())
        ours = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert ours == keys
        fill_b.fill_module(network, self.meta["seed"], self.meta["gains"])
        return network.eval()


def probe_key(name):
    """The module a probe is of. TCVOM's were named through a wrapper, Context-Aware's by TensorFlow's steps."""
    module = name.removeprefix("mid/").removeprefix("NET.").replace("logits_4.patch", "logits.patch")
    return re.sub(r"\.(Relu|add|BiasAdd|BatchNorm\.FusedBatchNormV3)$", "", module)


class Probes:
    """What each named module gave, in the form the vectors keep: mean, deviation, range and 16 samples."""

    def __init__(self, network, vector):
        self.vector, self.calls, self.seen, self.outputs = vector, {}, {}, {}
        modules = dict(network.named_modules())
        names = {probe_key(name).split("#")[0] for name in vector.arrays if name.startswith("mid/")}
        for name in sorted(names & modules.keys()):
            modules[name].register_forward_hook(self._keeping(name))

    def _keeping(self, name):
        def keep(module, inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            self.calls[name] = self.calls.get(name, 0) + 1
            key = f"{name}#{self.calls[name]}"
            self.outputs[key] = output
            values = output.detach().double().flatten().numpy()
            samples = values[np.round(np.linspace(0, values.size - 1, 16)).astype(int)]
            # TensorFlow's deviation is that of the population.
            spread = values.std(ddof=0 if "color" in self.vector else min(values.size - 1, 1))
            self.seen[key] = np.concatenate(((values.mean(), spread, values.min(), values.max()), samples))

        return keep

    def first_difference(self):
        for name, expected in self.vector.arrays.items():
            key = probe_key(name)
            seen = self.seen.get(key if "#" in key else f"{key}#1")
            if name.startswith("mid/") and seen is not None:
                off = np.abs(seen - expected).max() / max(1.0, np.abs(expected).max())
                if off > LIMIT:
                    return f"begins at {key}, {off:.1e}"
        return "every probe agrees"


def check(vector, outputs, probes, limit=LIMIT):
    """Every named output within the limit of the vector's; the message says where a difference begins."""
    for name, output in outputs.items():
        expected = vector[name].double()
        assert output.shape == expected.shape, name
        off = float((output.double() - expected).abs().max())
        assert off <= limit, f"{name} is {off:.1e} off; {probes.first_difference()}"


def files(*starts):
    return [file.stem for file in sorted(FOLDER.glob("*.npz")) if file.stem.startswith(starts)]
