"""One model in detail: fp32 against int8, the gate's verdict, what boxes measured, where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.gui import formats
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.states import State, model_state, state
from app.gui.widgets import Button, Chip, Facts, Figure, card, clear, column, label, row
from app.store.records import Model
from edge_runtime.contracts.status import ProbeReport

if TYPE_CHECKING:
    from app.gui.pages.models import ModelsPage


class ModelDetail(QWidget):
    def __init__(self, page: ModelsPage) -> None:
        super().__init__()
        self._page = page
        self._model: Model | None = None
        self._title = label("", "section", selectable=True)
        self._chip = Chip()
        self._advice = label("", "muted", wrap=True)
        self.prove = Button(self.tr("Prove on box…"), "gauge", clicked=self._prove)
        self.release = Button(self.tr("Release…"), "shield", clicked=self._release)
        self.roll_out = Button(self.tr("Roll out…"), "rollouts", clicked=self._roll_out)
        self._verdict = Chip()
        self._fp32 = Figure(self.tr("fp32 accuracy"))
        self._int8 = Figure(self.tr("int8 accuracy"))
        self._smaller = Figure(self.tr("times smaller"))
        self._gate = Facts()
        self._reasons: QVBoxLayout = column(gap=4)
        self._proofs = Entries(self.tr("No box has tried it yet."))
        self._lineage = Facts()
        self._sections = [
            card(
                row(self._title, 1, self._chip),
                self._advice,
                row(self.prove, self.release, self.roll_out, 1),
                gap=12,
            ),
            card(
                row(label(self.tr("Gate"), "section"), 1, self._verdict),
                row(self._fp32, 1, self._int8, 1, self._smaller, gap=16),
                self._gate,
                self._reasons,
                gap=12,
            ),
            card(label(self.tr("Proved on boxes"), "section"), self._proofs, gap=12),
            card(label(self.tr("Where it came from"), "section"), self._lineage, gap=12),
        ]
        self.setLayout(column(*self._sections, 1, gap=16))
        self.show_model(None)

    def show_model(self, model: Model | None) -> None:
        """Show this model; None: nothing is picked."""
        self._model = model
        for section in self._sections:
            section.setVisible(model is not None)
        if model is None:
            return
        self._title.setText(f"{model.name} {model.version}")
        self._chip.set_state(model_state(model))
        self._advice.setText(self._next_step(model))
        self.prove.setEnabled(self._page.can_prove(model))
        self.release.setVisible(model.state != "released")
        self.release.setEnabled(self._page.can_release(model))
        self.roll_out.setVisible(model.state == "released")
        self._show_gate(model)
        self._proofs.show_entries([self._proof(box, proof) for box, proof in model.proofs.items()])
        self._lineage.show_facts(
            [
                (self.tr("Bundle"), formats.short(model.model, 24)),
                (self.tr("Release"), str(model.release)),
                (self.tr("Bundle file"), formats.size(model.size)),
                (self.tr("Burst"), formats.short(model.burst)),
                (self.tr("Dataset"), formats.short(model.dataset)),
                (self.tr("Made"), formats.clock(model.created_ms)),
            ]
        )

    def _show_gate(self, model: Model) -> None:
        gate = model.gate
        clear(self._reasons)
        if gate is None:
            self._verdict.set_state(State("idle", "idle", self.tr("Not judged")))
            for figure in (self._fp32, self._int8, self._smaller):
                figure.set_value(formats.NONE)
            self._gate.show_facts([])
            return
        self._verdict.set_state(
            State("ok", "ok", self.tr("Passed")) if gate.passed else State("bad", "bad", self.tr("Refused"))
        )
        self._fp32.set_value(formats.percent(gate.fp32_accuracy))
        self._int8.set_value(formats.percent(gate.int8_accuracy), "ok" if gate.passed else "bad")
        self._smaller.set_value(f"{gate.fp32_bytes / max(gate.int8_bytes, 1):.1f}")
        self._gate.show_facts(
            [
                (self.tr("Held-out samples"), formats.count(gate.samples)),
                (self.tr("Runs now"), formats.percent(gate.baseline_accuracy)),
                (
                    self.tr("Size"),
                    self.tr("{fp32} as fp32, {int8} as int8").format(
                        fp32=formats.size(gate.fp32_bytes), int8=formats.size(gate.int8_bytes)
                    ),
                ),
            ]
        )
        for reason in gate.reasons:
            self._reasons.addWidget(label(reason, "bad", wrap=True))

    def _proof(self, box: str, proof: ProbeReport) -> Entry:
        measured = self.tr("{ms} ms (p95), {agreed} of {total} golden cases, {memory}, onnxruntime {runtime}").format(
            ms=f"{proof.latency_ms_p95:.1f}",
            agreed=proof.golden_agreed,
            total=proof.golden_total,
            memory=formats.size(proof.memory_bytes),
            runtime=proof.runtime,
        )
        return Entry(
            key=box,
            title=self._page.box_names.get(box, formats.short(box)),
            lines=(Line(text=measured), *(Line(text=reason, role="bad") for reason in proof.reasons)),
            chip=state("proved") if proof.passed else state("failed"),
        )

    def _next_step(self, model: Model) -> str:
        if model.state == "released":
            return self.tr("Signed: it can be rolled out to boxes.")
        if model.state == "refused":
            return self.tr("The gate refused it; nothing of it goes to the line.")
        if not model.proofs:
            return self.tr("Next: let a box prove it, on the very hardware that will run it.")
        if all(proof.passed for proof in model.proofs.values()):
            return self.tr("Next: release it, which signs it for the boxes of this site.")
        return self.tr("A box refused it: read the reason below.")

    def _prove(self) -> None:
        if self._model is not None:
            self._page.prove_on_box(self._model)

    def _release(self) -> None:
        if self._model is not None:
            self._page.ask_to_release(self._model)

    def _roll_out(self) -> None:
        if self._model is not None:
            self._page.session.open_requested.emit("rollouts", f"start:{self._model.model}")
