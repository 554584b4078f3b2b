"""One loaded model: bytes in, answer out."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import InputSpec, OutputSpec
from edge_runtime.inference.answers import Prediction, Tensor, decoder_for
from edge_runtime.inference.declared import empty_inputs
from edge_runtime.inference.in_runtime import OWN, InRuntime
from edge_runtime.inference.inputs import Prepared, reader_for
from edge_runtime.inference.session import Tuning, open_model


class Engine:
    """A model of one input in ONNX Runtime; safe to call from several threads.

    :param in_runtime: told of every run, and while the model is opened.

    :raises ModelUnusable: the bytes are no model, or its input or outputs are not what the manifest says.
    """

    def __init__(
        self,
        model: bytes,
        input_spec: InputSpec,
        output_spec: OutputSpec,
        *,
        tuning: Tuning | None = None,
        in_runtime: InRuntime | None = None,
    ) -> None:
        self.input_spec, self.output_spec = input_spec, output_spec
        self._reader, self._decoder = reader_for(input_spec), decoder_for(output_spec)
        self.tuning = tuning or Tuning()
        self.in_runtime = in_runtime or InRuntime()
        place = self.in_runtime.enter(OWN)
        try:
            opened = open_model(model, self.tuning)
        finally:
            self.in_runtime.leave(place)
        self.session = opened.session
        self.fallback = opened.fallback
        """Why the processor does the work of the provider that the tuning names; None where it need not."""
        self.empty = empty_inputs(model)
        """Which tensors without a value end the process."""
        inputs = {i.name: i for i in self.session.get_inputs()}
        outputs = {o.name: o for o in self.session.get_outputs()}
        names = self._decoder.outputs
        if list(inputs) != [input_spec.name] or not outputs.keys() >= set(names):
            raise ModelUnusable(
                f"The manifest names input {input_spec.name!r} and output {', '.join(names)}; "
                f"the model has {', '.join(sorted(inputs))} and {', '.join(sorted(outputs))}."
            )
        self._reader.check(inputs[input_spec.name].shape, inputs[input_spec.name].type)
        self._decoder.check([outputs[name].shape for name in names])
        self._outputs = list(names)

    def prepare(self, data: bytes) -> Prepared:
        """:raises FrameUnreadable: the bytes are not an input of this model's kind."""
        return self._reader.read(data)

    def blank(self) -> Prepared:
        """An input with nothing in it, to warm the model up."""
        return self._reader.blank()

    def run(self, prepared: Prepared) -> Sequence[Tensor]:
        """What the model puts out; whatever ONNX Runtime raises passes through."""
        place = self.in_runtime.enter(OWN)
        try:
            tensors: Sequence[Tensor] = self.session.run(self._outputs, {self.input_spec.name: prepared.tensor})
        finally:
            self.in_runtime.leave(place)
        return tensors

    def read(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        """The answer in it.

        :raises ModelUnusable: what came out cannot be an answer.
        """
        return self._decoder.decode(tensors, prepared)

    def infer(self, prepared: Prepared) -> Prediction:
        """Run, and read the answer; whatever ONNX Runtime raises passes through."""
        return self.read(self.run(prepared), prepared)

    def predict(self, data: bytes) -> Prediction:
        """Decode, preprocess, infer.

        :raises FrameUnreadable: the bytes are not an input of this model's kind.
        """
        return self.infer(self.prepare(data))
