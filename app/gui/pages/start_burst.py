"""Starting a burst: what it may cost at worst stands there before the click."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox, QWidget

from app.gui import formats
from app.gui.dialogs import Confirm, FormDialog, refusal
from app.gui.session import Session
from app.gui.widgets import card, column, dropdown, figures, label, row
from app.store.records import Burst, Dataset, Model
from app.usecases import bursts, datasets, models
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.errors import LinesideError

SETTLE_MS = 250
"""A new quote is asked for when the fields have been left alone for this long."""


class StartBurst(FormDialog):
    """``on_started`` gets the burst\'s id, also after the dialog is gone."""

    def __init__(
        self, session: Session, parent: QWidget, *, chosen: Dataset | None, on_started: Callable[[str], object]
    ) -> None:
        super().__init__(self.tr("Start a burst"), "", self.tr("Start burst"), parent)
        self._session = session
        self._on_started = on_started
        self.dataset = dropdown()
        self.base = dropdown()
        self.base.addItem(self.tr("Nothing: a new model"), None)
        self.host = dropdown()
        for name in session.context.hosts:
            self.host.addItem(self.tr("This machine") if name == "local" else name, name)
        self.minutes = figures(QSpinBox(), 1, 24 * 60, " min")
        self.minutes.setValue(20)
        self.cap = figures(QDoubleSpinBox(), 0, 10_000, " USD")
        self.cap.setDecimals(2)
        self.add_field(self.tr("Dataset"), self.dataset)
        self.add_field(self.tr("Start from"), self.base)
        self.add_field(self.tr("Host"), self.host)
        limits = row(gap=16)
        for caption, widget in ((self.tr("At most"), self.minutes), (self.tr("Money cap"), self.cap)):
            widget.setAccessibleName(caption)
            limits.addLayout(column(label(caption), widget, gap=4))
        self.fields.addLayout(limits)
        self._worst_usd = 0.0
        self._worst = label(formats.NONE, "figure")
        self._why = label("", "caption", wrap=True)
        self.fields.addWidget(
            card(label(self.tr("Worst case, all attempts"), "caption"), self._worst, self._why, gap=4)
        )
        self.primary.setEnabled(False)
        self._settle = QTimer(self, interval=SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self._quote)
        context = session.context
        session.tasks.run_query(
            lambda: (datasets.list_datasets(context), models.list_models(context)),
            lambda got: self._offer(got[0], got[1], chosen),
            owner=self,
        )

    @property
    def request(self) -> bursts.BurstRequest:
        """What would be started now."""
        return bursts.BurstRequest(
            dataset=self.dataset.currentData(),
            base_model=self.base.currentData(),
            host=self.host.currentData(),
            minutes=self.minutes.value(),
            cap_usd=self.cap.value(),
        )

    def submit(self) -> None:
        """Start it; what costs money is asked once more, with what it may cost at worst."""
        if self._worst_usd <= 0:
            self._start()
            return
        confirm = Confirm(
            self.tr("Spend up to {worst}?").format(worst=formats.money(self._worst_usd)),
            self.tr("This is the worst case over all attempts; the burst ends itself before it costs more."),
            [self.tr("{dataset} on {host}").format(dataset=self.dataset.currentText(), host=self.host.currentText())],
            self.tr("Start burst"),
            self,
        )
        confirm.accepted.connect(self._start)
        confirm.open()

    def show_quote(self, quote: bursts.BurstQuote) -> None:
        """What was quoted for the fields as they are; it can be started now."""
        self.complain("")
        self._worst_usd = quote.worst_case_usd
        self._worst.setText(formats.money(quote.worst_case_usd))
        self._why.setText(quote.source)
        self.fit()
        self.primary.setEnabled(True)

    def _start(self) -> None:
        context, request = self._session.context, self.request

        def work(progress: Progress, cancel: CancelToken) -> Burst:
            return bursts.start_burst(context, request, progress=progress, cancel=cancel)

        on_started = self._on_started
        self._session.tasks.run_command(
            self.tr("Start burst on {name}").format(name=self.dataset.currentText()),
            work,
            lambda burst: on_started(burst.burst),
            owner=self.parentWidget() or self,
        )
        self.accept()

    def _offer(self, frozen: list[Dataset], library: list[Model], chosen: Dataset | None) -> None:
        for one in frozen:
            self.dataset.addItem(
                f"{one.name}  ({formats.count(one.train)} + {formats.count(one.held_out)})", one.dataset
            )
        if chosen is not None:
            self.dataset.setCurrentIndex(max(self.dataset.findData(chosen.dataset), 0))
        for model in library:
            if model.burst is not None:
                self.base.addItem(f"{model.name} {model.version}", model.model)
        for box in (self.dataset, self.base, self.host):
            box.currentIndexChanged.connect(self._changed)
        for spin in (self.minutes, self.cap):
            spin.valueChanged.connect(self._changed)
        self._quote()

    def _changed(self) -> None:
        self.primary.setEnabled(False)
        self._worst.setText(formats.NONE)
        self._settle.start()

    def _quote(self) -> None:
        if self.dataset.currentData() is None:
            self.complain(self.tr("Freeze a dataset first."))
            return
        context, request = self._session.context, self.request

        def quoted(quote: bursts.BurstQuote) -> None:
            if self.request != request:
                return
            self.show_quote(quote)

        def refused(error: BaseException) -> None:
            if isinstance(error, LinesideError):
                self.complain(refusal(error))
            else:
                self._session.tasks.report(error)

        self._session.tasks.run_query(lambda: bursts.quote_burst(context, request), quoted, owner=self, failed=refused)
