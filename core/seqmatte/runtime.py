"""What runs networks, below the methods: torch, the reference, or onnxruntime over an exported graph.

Both take and give torch tensors by name (see networks/graphs.py), float32, without gradients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seqmatte import onnx_export, weights
from seqmatte.device import Device
from seqmatte.errors import DeviceError
from seqmatte.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

RUNTIMES = ("torch", "onnx")
PRECISIONS = ("float32", "fast")
# Our own networks, which the default recipe is made of, are cut into so many threads' work on every processor, however
# many cores it has and whatever the environment allows: another number rounds otherwise, and what comes after a network
# makes a visible difference of it. It costs them 6 % on two cores; networks of many small layers would pay a third.
THREADS = 8
Options = Mapping[str, object]


class Runner(Protocol):
    """A network, loaded. module: the network itself where torch runs it, else None."""

    device: torch.device
    module: Any

    def run(self, part: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One call of a part of the graph."""

    def blank(self, plate: Tensor) -> dict[str, Tensor]:
        """The state before the first frame, for plates like this one (recurrent networks)."""

    def quietly(self) -> Any:
        """A context for calls of `module`: without gradients, at the precision asked for, without TF32."""


def opened(
    found: Weights,
    device: Device,
    runtime: str = "torch",
    precision: str = "float32",
    facts: Options | None = None,
    options: Options | None = None,
) -> Runner:
    """The network of these weights, ready to run.

    facts: of the network's form; options: of its calls. precision: "fast" is bfloat16 on a CPU and float16 on a GPU
    inside the network. Raises WeightsError, and DeviceError for what this machine or the network cannot do.
    """
    facts, options = dict(facts or {}), dict(options or {})
    if runtime == "torch":
        network = weights.load(found.network, found.path, **facts)
        return TorchRunner(found.network, network, device.torch(), precision, options, threads_for(found.network))
    if precision != "float32":
        raise DeviceError("the onnx runtime computes in float32 only; use --runtime torch for precision=fast")
    return OnnxRunner(found, device, facts, options)


def threads_for(network: str) -> int:
    """How many threads torch cuts a network's work for on a processor; 0: as many as the machine allows."""
    return THREADS if (weights.SHIPPED / f"{network}.safetensors").is_file() else 0


class TorchRunner:
    """The reference. Repeats exactly on a kind of device and, where `threads` is 0, a number of threads."""

    def __init__(
        self, name: str, network: nn.Module, device: torch.device, precision: str, options: Options, threads: int = 0
    ) -> None:
        import torch

        from seqmatte.networks import graphs

        fast = precision == "fast"
        self.device = device
        layout: Any = {"memory_format": torch.channels_last} if fast else {}
        self.module = network.to(device, **layout)
        self._name, self._fast, self._options, self._threads = name, fast, options, threads
        self._parts = graphs.parts(name, self.module, options) if name in graphs.PARTS else {}

    def run(self, part: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        graph = self._parts[part]
        with self.quietly():
            made = graph(*(inputs[name] for name in graph.inputs))
            # Laid out as a state that was stored comes back, or a walk that is taken up again would round otherwise.
            return {name: tensor.float().contiguous() for name, tensor in zip(graph.outputs, made, strict=True)}

    def blank(self, plate: Tensor) -> dict[str, Tensor]:
        from seqmatte.networks import graphs

        with self.quietly():
            return graphs.blank(self._name, self.module, plate, self._options)

    def quietly(self) -> Any:
        return _quietly(self.device, self._fast, self._threads)


class OnnxRunner:
    """onnxruntime on the graph that `onnx_export` wrote for these weights; written now if it was not."""

    module = None

    def __init__(self, found: Weights, device: Device, facts: Options, options: Options) -> None:
        import torch

        self._name, self._options = found.network, options
        self._network = weights.load(found.network, found.path, **facts)
        provider, number = provider_for(device), device.number
        graphs = onnx_export.cached(found.network, found.digest, self._network, facts, options)
        self._sessions = {part: session(graph.file(), provider, number) for part, graph in graphs.items()}
        self._network.to("meta")
        self.device = torch.device("cpu")

    def run(self, part: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        import torch

        session = self._sessions[part]
        given = {one.name: inputs[one.name].contiguous().numpy() for one in session.get_inputs()}
        made = session.run(None, given)
        names = [one.name for one in session.get_outputs()]
        return {name: torch.from_numpy(array) for name, array in zip(names, made, strict=True)}

    def blank(self, plate: Tensor) -> dict[str, Tensor]:
        import torch

        from seqmatte.networks import graphs

        shapes = graphs.blank(self._name, self._network, plate.to("meta"), self._options)
        return {name: torch.zeros(tensor.shape) for name, tensor in shapes.items()}

    def quietly(self) -> Any:
        raise NotImplementedError("there is no module to call")


def _quietly(device: torch.device, fast: bool, threads: int) -> Any:
    import torch

    kind = torch.bfloat16 if device.type == "cpu" else torch.float16
    stack = contextlib.ExitStack()
    if device.type == "cpu" and threads:
        stack.enter_context(_cut_for(threads))
    stack.enter_context(torch.inference_mode())
    stack.enter_context(torch.autocast(device.type, kind, enabled=fast))
    if device.type == "cuda":
        # Without this, convolutions on recent GPUs round their inputs to ten bits.
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False, deterministic=True))
    return stack


@contextlib.contextmanager
def _cut_for(threads: int) -> Iterator[None]:
    """torch's work on the processor within it is cut for so many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def provider_for(device: Device) -> str:
    """onnxruntime's name of a device. Raises DeviceError where a GPU is asked for and it has none."""
    runtime = _onnxruntime()
    there = "CUDAExecutionProvider" in runtime.get_available_providers()
    if device.kind == "cpu" or (device.kind == "auto" and not there):
        return "CPUExecutionProvider"
    if device.kind != "auto" and not device.kind.startswith("cuda"):
        raise DeviceError(f"no such device: {device.kind!r}; use auto, cpu or cuda")
    if not there:
        advice = "install 'seqmatte[gpu]' in place of 'seqmatte[cpu]', or use --device cpu"
        raise DeviceError(f"a CUDA device was asked for and this onnxruntime has none; {advice}")
    return "CUDAExecutionProvider"


def session(path: Path, provider: str, number: int = 0) -> Any:
    """An onnxruntime session on exactly that provider, of GPUs on the one of that number.

    Raises DeviceError where it falls back to another.
    """
    import torch

    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # no number of them changes a bit
    options.log_severity_level = 3
    # Waiting threads would burn the cores that other processes of a farm have been given.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # As torch is asked to: no convolution tried out by the clock, none that rounds its inputs to ten bits.
    exact = {"device_id": str(number), "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
    providers = [(provider, exact if provider.startswith("CUDA") else {})]
    session = runtime.InferenceSession(str(path), options, providers=providers)
    got: Sequence[str] = session.get_providers()
    if got[0] != provider:
        raise DeviceError(f"onnxruntime was asked for {provider} and fell back to {got[0]}; use --device cpu")
    return session


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        advice = "pip install 'seqmatte[cpu]' (or 'seqmatte[gpu]'), or use --runtime torch"
        raise DeviceError(f"onnxruntime is not installed; {advice}") from None
    # Nothing of a studio's work is for anybody else.
    onnxruntime.disable_telemetry_events()
    return onnxruntime
