"""The network of ``classify-images``, one run of its training, and its way to ONNX.

Imports torch: only what is about to train or export may import this module.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_sync.recipes.base import Arrays
    from cloud_sync.recipes.classify_images import Frames, Settings

_WIDTHS = (16, 32, 64, 64)
_STRIDES = (2, 2, 2, 1)
_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""
_EVALUATION_BATCH = 256


class Block(nn.Module):
    """Convolution, batch normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.normalisation = nn.BatchNorm2d(outputs)

    def forward(self, planes: Tensor) -> Tensor:
        return functional.relu(self.normalisation(self.convolution(planes)))

    def folded(self) -> nn.Sequential:
        """The same in inference, with the normalisation inside the convolution's weights."""
        return nn.Sequential(fuse_conv_bn_eval(self.convolution, self.normalisation), nn.ReLU())


class SmallCnn(nn.Module):
    """Four convolutions, a global mean, one linear layer. Takes uint8 frames; the normalisation is part of it."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, *, labels: Sequence[str], width: int, height: int, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.width = width
        self.height = height
        self.channels = len(mean)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32).reshape(1, -1, 1, 1))
        inputs = (self.channels, *_WIDTHS[:-1])
        self.features = nn.Sequential(
            *(Block(i, o, stride) for i, o, stride in zip(inputs, _WIDTHS, _STRIDES, strict=True))
        )
        self.head = nn.Linear(_WIDTHS[-1], len(self.labels))
        # On a CPU this layout trains several times faster for small planes.
        _lay_out(self, torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits, shape (N, labels), of frames, shape (N, C, H, W), values 0 to 255."""
        normal = (frames.to(torch.float32) - self.mean) / self.deviation
        planes = self.features(normal)
        logits: Tensor = self.head(planes.mean(dim=(2, 3)))
        return logits

    def arrays(self) -> Arrays:
        """Weights and everything else needed to build it again."""
        arrays = {f"net/{name}": tensor.detach().numpy().copy() for name, tensor in self.state_dict().items()}
        arrays["meta/labels"] = np.asarray(self.labels)
        arrays["meta/size"] = np.asarray([self.width, self.height], np.int64)
        return arrays

    @staticmethod
    def of(arrays: Arrays) -> SmallCnn:
        """The network of :meth:`arrays`.

        :raises InputInvalid: these are not the weights of such a network.
        """
        try:
            labels = [str(label) for label in arrays["meta/labels"]]
            width, height = (int(side) for side in arrays["meta/size"])
            means, deviations = (arrays[f"net/{name}"].reshape(-1).tolist() for name in ("mean", "deviation"))
        except (KeyError, ValueError, TypeError) as error:
            raise InputInvalid(f"The checkpoint is not one of classify-images: {error}.") from error
        net = SmallCnn(labels=labels, width=width, height=height, mean=means, deviation=deviations)
        net.load(arrays)
        return net

    def load(self, arrays: Arrays) -> None:
        """:raises InputInvalid: other names or shapes than this network's."""
        state = {name[4:]: torch.from_numpy(np.array(a)) for name, a in arrays.items() if name.startswith("net/")}
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            raise InputInvalid(f"The checkpoint does not fit the network: {_first_lines(error)}.") from error

    def start_from(self, base: Arrays) -> None:
        """Take over what an earlier network learned; labels that it did not know keep their fresh weights.

        :raises InputInvalid: it saw other colours, or is no such network.
        """
        earlier = SmallCnn.of(base)
        if earlier.channels != self.channels:
            raise InputInvalid(
                f"The base model sees {earlier.channels} colour planes, this burst {self.channels}.",
                hint="Start without a base model, or train with the base model's colour.",
            )
        self.mean.copy_(earlier.mean)
        self.deviation.copy_(earlier.deviation)
        self.features.load_state_dict(earlier.features.state_dict())
        with torch.no_grad():
            for here, label in enumerate(self.labels):
                if label in earlier.labels:
                    there = earlier.labels.index(label)
                    self.head.weight[here] = earlier.head.weight[there]
                    self.head.bias[here] = earlier.head.bias[there]


class TrainingRun:
    """A network, its optimiser and the step they have reached.

    Nothing random is carried from step to step: each step draws from generators seeded by (seed, step).
    """

    def __init__(
        self, settings: Settings, train: Frames, *, labels: Sequence[str], seed: int, base: Arrays | None
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._pixels = torch.from_numpy(train.pixels)
        self._targets = torch.from_numpy(train.targets)
        values = train.pixels.astype(np.float32)
        mean = values.mean(axis=(0, 2, 3))
        deviation = np.maximum(values.std(axis=(0, 2, 3)), 1.0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net = SmallCnn(
                labels=labels,
                width=settings.width,
                height=settings.height,
                mean=mean.tolist(),
                deviation=deviation.tolist(),
            )
        if base is not None:
            self._net.start_from(base)
        self._optimiser = torch.optim.AdamW(
            self._net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        # A last batch of one frame would have no variance to normalise by; it joins the one before it.
        self.per_epoch = max(1, round(len(train) / settings.batch))
        self.steps = settings.epochs * self.per_epoch
        self.step = 0

    def advance(self) -> float:
        """Make one step; returns its loss.

        :raises InputInvalid: the loss is no longer a number.
        """
        self._net.train()
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        chosen = self._batch()
        logits = self._net(self._augmented(self._pixels[chosen]))
        loss = functional.cross_entropy(logits, self._targets[chosen])
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimiser.step()
        self.step += 1
        value = float(loss.detach())
        if not np.isfinite(value):
            raise InputInvalid(
                f"The loss is {value} after step {self.step}: training went astray.",
                hint="Try a lower learning_rate.",
            )
        return value

    def accuracy(self, frames: Frames) -> float | None:
        """Share of the frames that come out right; None where there are none."""
        if not len(frames):
            return None
        self._net.eval()
        right = 0
        with torch.inference_mode():
            for start in range(0, len(frames), _EVALUATION_BATCH):
                pixels = torch.from_numpy(frames.pixels[start : start + _EVALUATION_BATCH])
                answers = self._net(pixels.contiguous(memory_format=torch.channels_last)).argmax(1).numpy()
                right += int((answers == frames.targets[start : start + _EVALUATION_BATCH]).sum())
        return right / len(frames)

    def weights(self) -> Arrays:
        return self._net.arrays()

    def state(self) -> Arrays:
        """A copy of everything that later steps depend on."""
        arrays = self._net.arrays()
        arrays["meta/step"] = np.asarray(self.step, np.int64)
        for index, parameter in enumerate(self._net.parameters()):
            for name, value in self._optimiser.state.get(parameter, {}).items():
                arrays[f"adamw/{index}/{name}"] = value.detach().numpy().copy()
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """Go on from :meth:`state`.

        :raises InputInvalid: it is the state of another network or run.
        """
        if "meta/step" not in arrays or not 0 <= int(arrays["meta/step"]) <= self.steps:
            raise InputInvalid("The checkpoint to resume from names no step of this run.")
        self._net.load(arrays)
        self.step = int(arrays["meta/step"])
        for index, parameter in enumerate(self._net.parameters()):
            prefix = f"adamw/{index}/"
            found = {n[len(prefix) :]: torch.from_numpy(np.array(a)) for n, a in arrays.items() if n.startswith(prefix)}
            if any(t.shape not in (parameter.shape, torch.Size([])) for t in found.values()):
                raise InputInvalid("The optimiser's state in the checkpoint does not fit the network.")
            # The moments must lie in memory as the parameters do, else the same sums round differently.
            self._optimiser.state[parameter] = {
                name: torch.empty_like(parameter).copy_(tensor).detach() if tensor.dim() else tensor
                for name, tensor in found.items()
            }

    def _generator(self, purpose: int, number: int) -> torch.Generator:
        mixed = np.random.SeedSequence([self._seed, purpose, number]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(mixed[0] >> np.uint64(1)))

    def _learning_rate(self) -> float:
        """Rises linearly, then falls along a cosine to nothing."""
        warm = max(1.0, _WARM_UP * self.steps)
        if self.step < warm:
            return self._settings.learning_rate * (self.step + 1) / (warm + 1)
        past = (self.step - warm) / max(1.0, self.steps - warm)
        return self._settings.learning_rate * 0.5 * float(1.0 + np.cos(np.pi * past))

    def _batch(self) -> Tensor:
        epoch, position = divmod(self.step, self.per_epoch)
        order = torch.randperm(len(self._targets), generator=self._generator(0, epoch))
        return order.tensor_split(self.per_epoch)[position]

    def _augmented(self, frames: Tensor) -> Tensor:
        """The frames, each a little displaced, brighter or darker, with more or less contrast; float32, 0 to 255."""
        count, _, height, width = frames.shape
        generator = self._generator(1, self.step)
        draws = torch.rand((4, count), generator=generator) * 2 - 1
        down, right = int(self._settings.shift * height), int(self._settings.shift * width)
        padded = functional.pad(frames.to(torch.float32), (right, right, down, down), mode="replicate")
        rows = torch.arange(height) + (down + (draws[0] * (down + 0.5)).round().clamp(-down, down))[:, None]
        columns = torch.arange(width) + (right + (draws[1] * (right + 0.5)).round().clamp(-right, right))[:, None]
        # Indexed by (frame, row, column), the planes come last: that is the layout the network wants.
        each = torch.arange(count)[:, None, None]
        moved = padded.permute(0, 2, 3, 1)[each, rows.long()[:, :, None], columns.long()[:, None]]
        contrast = 1.0 + self._settings.contrast * draws[2].reshape(-1, 1, 1, 1)
        offset = 255.0 * self._settings.brightness * draws[3].reshape(-1, 1, 1, 1)
        centre = self._net.mean.permute(0, 2, 3, 1)
        return ((moved - centre) * contrast + centre + offset).clamp(0, 255).permute(0, 3, 1, 2)


def export_onnx(net: SmallCnn, *, input_name: str, output_name: str) -> bytes:
    """The network as ONNX: IR 10, opset 21, uint8 NCHW in, logits out, any batch size."""
    plain = copy.deepcopy(net).eval()
    plain.features = nn.Sequential(*(block.folded() for block in plain.features if isinstance(block, Block)))
    _lay_out(plain, torch.contiguous_format)
    example = torch.zeros((2, net.channels, net.height, net.width), dtype=torch.uint8)
    with warnings.catch_warnings():
        # torch's exporter warns about its own insides.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            plain,
            (example,),
            dynamo=True,
            opset_version=21,
            external_data=False,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    model: bytes = program.model_proto.SerializeToString()
    return model


def _lay_out(net: nn.Module, memory_format: torch.memory_format) -> None:
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
