"""One box, over its management channel.

HTTP/1.1 on TLS 1.3; this desktop's certificate on one side, the box's pinned one on the other. What the box
answers is hostile until checked: every body is capped and decoded into a contract.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar
from urllib.parse import quote, urlencode

from app.fleet.deadline import Deadline, TimedSocket, dial
from app.fleet.failures import no_answer, no_box, reading_answer, refusal, wrong_key
from app.fleet.pacing import Pace
from app.fleet.pages import SpoolPage, read_page
from edge_runtime.contracts import wire
from edge_runtime.contracts.clock import BoxClock, SetClock
from edge_runtime.contracts.configuring import ConfigChange, ConfigHistory, ConfigReturn, ConfigText
from edge_runtime.contracts.delivery import FetchRequest, GuestRequest, MakeRequest, ObjectState, Stored
from edge_runtime.contracts.drill import DrillAnswer, DrillRequest
from edge_runtime.contracts.errors import BoxRefused, InputInvalid, ObjectCorrupt
from edge_runtime.contracts.finding import Neighbours, NeighboursRequest
from edge_runtime.contracts.renewal import NewIdentity, RenewRequest, TakeRequest
from edge_runtime.contracts.rows import Stream
from edge_runtime.contracts.runtime import RuntimeAnswer, RuntimeRequest
from edge_runtime.contracts.status import (
    AckRequest,
    BoxStatus,
    Changed,
    ForgetRequest,
    InstallRequest,
    Measured,
    ProbeReport,
    ProbeRequest,
    RootStatus,
    ShadowRequest,
    WithdrawRequest,
)
from edge_runtime.contracts.witness import ActivityHead, TellRequest, Witnessed
from edge_runtime.http_answers import MAX_HEAD_BYTES, READ_BYTES, AnswerInvalid, AnswerReader, request
from edge_runtime.identity import Identity, client_context

T = TypeVar("T")
MAX_STATUS_BYTES = 2 * 2**20
"""Of what is asked again and again, and of every box at once."""
MAX_BODY_BYTES = 16 * 2**20
MAX_SAMPLE_BYTES = 32 * 2**20
FORBIDDEN = 403
ANSWER_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 120.0
LOOK_TIMEOUT_S = 60.0
"""A box that is asked for a file may have to read all that it has."""


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` (an IPv6 host in brackets) as its parts.

    :raises InputInvalid: no port, or not a number from 1 to 65535.
    """
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    unsound = not host or any(mark in host for mark in "/@[] \t\n") or (":" in host) != bracketed
    if unsound or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise InputInvalid(f"{address!r} is not an address like 192.0.2.7:7443.")
    return host, int(port)


class BoxClient:
    """A connection to one box, kept open between calls; safe to use from several threads, one call at a time.

    Every method raises BoxUnreachable (no answer), BoxWrongKey (somebody else answers there), BoxRefused
    (this desktop is not trusted) or the error that the box itself named.
    """

    def __init__(self, address: str, certificate_pem: str, identity: Identity) -> None:
        self.address, self.certificate = address, certificate_pem
        self._host, self._port = split_address(address)
        self._context = client_context(identity, certificate_pem)
        self._context.sslsocket_class = TimedSocket
        self._pinned = ssl.PEM_cert_to_DER_cert(certificate_pem)
        self._connection: TimedSocket | None = None
        self._lock = threading.Lock()
        self._heard = False
        """It took this desktop for one that may ask, at least once."""

    def __enter__(self) -> BoxClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def status(self, *, since: int | None = None, wait_s: float = 0.0) -> BoxStatus:
        """What the box says of itself; with ``since``, once its serial has passed that, or after ``wait_s``."""
        query = {} if since is None else {"since": str(since), "wait_s": str(wait_s)}
        timeout_s = ANSWER_TIMEOUT_S + wait_s
        return self._ask("GET", "/v1/status", BoxStatus, query=query, timeout_s=timeout_s, limit=MAX_STATUS_BYTES)

    def page(self, stream: Stream, after: int, limit: int = 1000) -> SpoolPage:
        """Rows of a stream after a cursor; where the box's spool had to begin anew, from its beginning."""
        body = self._call("GET", f"/v1/spool/{stream}", query={"after": str(after), "limit": str(limit)}, bulk=True)
        with reading_answer(self.address):
            page = read_page(stream, body, what=f"{stream} page of {self.address}")
        if page.more and (not page.rows or page.cursor == after):
            raise BoxRefused(f"The box at {self.address} sent a page of {stream} that leads nowhere.")
        return page

    def acknowledge(self, stream: Stream, through: int) -> None:
        """Tell the box that everything up to this cursor is safe here."""
        self._call("POST", f"/v1/spool/{stream}/ack", body=wire.encode(AckRequest(through=through)))

    def sample(self, sample: str) -> bytes:
        """The bytes of a kept sample, checked against their digest.

        :raises ObjectCorrupt: the box sent other bytes.
        """
        body = self._call("GET", f"/v1/samples/{quote(sample)}", limit=MAX_SAMPLE_BYTES, bulk=True)
        if hashlib.sha256(body).hexdigest() != sample:
            raise ObjectCorrupt(f"The box at {self.address} sent other bytes for sample {sample[:12]}.")
        return body

    def deliver(
        self,
        path: Path,
        sha256: str,
        *,
        sent: Callable[[int, int], None],
        pace: Pace | None = None,
        state: ObjectState | None = None,
    ) -> int:
        """Send a file by its digest, from where an earlier attempt stopped; returns how many bytes were sent.

        :param sent: called with (bytes on the box, bytes in all) after each piece; may raise to stop.
        :param state: what the box has of it, where it was asked a moment ago.
        """
        size, pace, count = path.stat().st_size, pace or Pace(), 0
        have = state or self.object_state(sha256, size)
        offset = size if have.complete else min(have.have, size)
        until = size if have.gap is None else min(offset + have.gap, size)
        sent(offset, size)
        with path.open("rb") as file:
            while not have.complete and offset < size:
                file.seek(offset)
                piece = file.read(min(pace.size, until - offset) if offset < until else pace.size)
                here = pace.send(piece, partial(self._put_piece, sha256, offset, size, piece))
                if here <= offset:
                    raise BoxRefused(f"The box at {self.address} stopped taking {path.name} at {offset} bytes.")
                count += len(piece)
                offset = here
                sent(offset, size)
        return count

    def object_state(self, sha256: str, size: int) -> ObjectState:
        """How much of a file of ``size`` bytes the box has."""
        return self._ask(
            "GET", f"/v1/objects/{sha256}", ObjectState, query={"size": str(size)}, timeout_s=LOOK_TIMEOUT_S
        )

    def make_object(self, sha256: str, request: MakeRequest) -> None:
        """Have the box make a file from one that it has and a patch that was delivered.

        :raises PatchUnusable, ObjectCorrupt, NotFound: it cannot; nothing was changed.
        """
        body = wire.encode(request)
        self._ask("POST", f"/v1/objects/{sha256}/make", Stored, body=body, timeout_s=PROBE_TIMEOUT_S)

    def admit_guest(self, request: GuestRequest) -> None:
        """Let another box read one file there for a while, or not any more.

        :raises NotFound: the box does not have the file.
        :raises BoxRefused: it hands files to many others already.
        """
        self._call("POST", "/v1/guests", body=wire.encode(request), timeout_s=LOOK_TIMEOUT_S)

    def fetch_object(self, sha256: str, request: FetchRequest) -> None:
        """Have the box begin to fetch a file from another one; how it gets on, :meth:`object_state` says.

        :raises BoxRefused: it fetches another file.
        """
        self._call("POST", f"/v1/objects/{sha256}/fetch", body=wire.encode(request))

    def _put_piece(self, sha256: str, offset: int, size: int, piece: bytes) -> int:
        query = {"offset": str(offset), "size": str(size)}
        return self._ask("PUT", f"/v1/objects/{sha256}", Stored, query=query, body=piece, bulk=True).have

    def witnessed(self) -> Witnessed:
        """How far the chain of the desktop that asks had come, as the box was told.

        :raises NotFound: a box of before, which keeps nothing of the kind.
        """
        return self._ask("GET", "/v1/witness", Witnessed)

    def tell_head(self, head: ActivityHead, after: str) -> Witnessed:
        """Have the box keep how far this desktop's chain has come; returns what it keeps then."""
        return self._ask("PUT", "/v1/witness", Witnessed, body=wire.encode(TellRequest(head=head, after=after)))

    def newest_root(self) -> int:
        """Number of the newest root that the box has accepted."""
        return self._ask("GET", "/v1/roots", RootStatus).newest

    def root(self, version: int) -> bytes:
        """A root that the box has accepted; unchecked."""
        return self._call("GET", f"/v1/roots/{version}")

    def put_root(self, version: int, body: bytes) -> None:
        """Bring the box a root.

        :raises TrustRefused: it does not follow from the newest one there.
        """
        self._call("PUT", f"/v1/roots/{version}", body=body)

    def put_metadata(self, name: str, body: bytes) -> None:
        """Send one file of the release repository's metadata."""
        self._call("PUT", f"/v1/metadata/{quote(name)}", body=body, bulk=True)

    def probe(self, bundle_sha256: str) -> ProbeReport:
        """Try a delivered bundle in the box's sandbox; changes nothing there."""
        body = wire.encode(ProbeRequest(sha256=bundle_sha256))
        return self._ask("POST", "/v1/probe", ProbeReport, body=body, timeout_s=PROBE_TIMEOUT_S)

    def install(self, target: str) -> None:
        """Start the update to a signed target; its way shows in ``status().slots``."""
        self._call("POST", "/v1/install", body=wire.encode(InstallRequest(target=target)))

    def withdraw(self, bundle: str, reason: str) -> bool:
        """End the trial of this bundle, and of no other; False where it is not on trial."""
        body = wire.encode(WithdrawRequest(bundle=bundle, reason=reason))
        return self._ask("POST", "/v1/withdraw", Changed, body=body).changed

    def forget(self, bundle: str) -> bool:
        """Let a bundle come again that was refused there; False where it was not refused."""
        return self._ask("POST", "/v1/forget", Changed, body=wire.encode(ForgetRequest(bundle=bundle))).changed

    def measure(self, body: bytes) -> None:
        """Send bytes that are thrown away there; the caller times it.

        :raises NotFound: a box of before, which does not know this.
        """
        self._ask("POST", "/v1/measure", Measured, body=body, timeout_s=PROBE_TIMEOUT_S, bulk=True)

    def shadow(self, target: str | None) -> None:
        """Let a signed target see the line beside the model that answers, or end that; the sandbox tries it first."""
        body = wire.encode(ShadowRequest(target=target))
        self._call("POST", "/v1/shadow", body=body, timeout_s=PROBE_TIMEOUT_S)

    def neighbours(self, asked: NeighboursRequest) -> Neighbours:
        """What the box finds in its own networks, and at the addresses that are named."""
        body = wire.encode(asked)
        return self._ask("POST", "/v1/neighbours", Neighbours, body=body, timeout_s=PROBE_TIMEOUT_S)

    def clock(self) -> BoxClock:
        """What the box's clock says."""
        return self._ask("GET", "/v1/clock", BoxClock)

    def set_clock(self, at_ms: int) -> BoxClock:
        """Set the box's clock to what the time will be there when this arrives.

        :raises ClockRefused: it is before what the box knows to have happened.
        :raises ClockForbidden: the system does not let it.
        """
        return self._ask("POST", "/v1/clock", BoxClock, body=wire.encode(SetClock(at_ms=at_ms)))

    def begin_drill(self, request: DrillRequest) -> DrillAnswer:
        """Have the box make a fault on purpose; again with the same request: the same drill.

        :raises DrillRefused: not now, or not there; nothing was done.
        """
        return self._ask("POST", "/v1/drill", DrillAnswer, body=wire.encode(request))

    def drill(self) -> DrillAnswer:
        """How the last drill goes, or went; unchecked but for its form."""
        return self._ask("GET", "/v1/drill", DrillAnswer)

    def runtime(self) -> RuntimeAnswer:
        """What there is of its own program.

        :raises NotFound: a box of before, which cannot change it.
        """
        return self._ask("GET", "/v1/runtime", RuntimeAnswer)

    def install_runtime(self, request: RuntimeRequest) -> None:
        """Start the update of its own program; its way shows in ``status().runtime``."""
        self._call("POST", "/v1/runtime", body=wire.encode(request))

    def return_runtime(self) -> None:
        """Have the version before the one that runs; it is started anew for that."""
        self._call("POST", "/v1/runtime/roll-back")

    def logs(self, after: int = 0, limit: int = 2000) -> BoxLog:
        """What the box logged last."""
        query = {"after": str(after), "limit": str(limit)}
        return self._ask("GET", "/v1/logs", BoxLog, query=query, bulk=True)

    def config(self, version: int | None = None) -> ConfigText:
        """Its ``edge.toml`` as it stands, or one of before; secrets are hidden."""
        path = "/v1/config" if version is None else f"/v1/config/versions/{version}"
        return self._ask("GET", path, ConfigText)

    def config_history(self) -> ConfigHistory:
        """The versions that the box keeps, and how a trial goes."""
        return self._ask("GET", "/v1/config/versions", ConfigHistory)

    def set_config(self, change: ConfigChange) -> ConfigHistory:
        """Put a text on trial.

        :raises ConfigInvalid, ConfigMoved, BoxRefused: nothing was changed.
        """
        return self._ask("PUT", "/v1/config", ConfigHistory, body=wire.encode(change))

    def return_config(self, wanted: ConfigReturn) -> ConfigHistory:
        """Put an older text on trial; errors as :meth:`set_config`."""
        return self._ask("POST", "/v1/config/roll-back", ConfigHistory, body=wire.encode(wanted))

    def prepare_identity(self, request: RenewRequest) -> NewIdentity:
        """Have the box make a new key; again with the same request: the same key."""
        return self._ask("POST", "/v1/identity", NewIdentity, body=wire.encode(request), timeout_s=PROBE_TIMEOUT_S)

    def take_identity(self, request: str) -> NewIdentity:
        """Have the box go on with the key that it made. This connection is its last under the old one."""
        body = wire.encode(TakeRequest(request=request))
        return self._ask("PUT", "/v1/identity", NewIdentity, body=body, timeout_s=PROBE_TIMEOUT_S)

    def roll_back(self, reason: str) -> None:
        """Return to the other committed model."""
        self._call("POST", "/v1/rollback", body=json.dumps({"reason": reason}).encode())

    def _ask(
        self,
        method: Literal["GET", "PUT", "POST"],
        path: str,
        kind: type[T],
        *,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        limit: int = MAX_BODY_BYTES,
        bulk: bool = False,
    ) -> T:
        answer = self._call(method, path, query=query, body=body, timeout_s=timeout_s, limit=limit, bulk=bulk)
        with reading_answer(self.address):
            return wire.decode(answer, kind, what=f"answer of {self.address}")

    def _call(
        self,
        method: Literal["GET", "PUT", "POST"],
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        limit: int = MAX_BODY_BYTES,
        bulk: bool = False,
    ) -> bytes:
        """:param timeout_s: for all of it, from the connecting to the last byte of the answer.
        :param bulk: the time grows with what is carried, up to ``limit``; see :class:`Deadline`.
        """
        sent = request(method, f"{path}?{urlencode(query)}" if query else path, body)
        with self._lock:
            deadline = Deadline(timeout_s, earns=len(sent) + MAX_HEAD_BYTES + limit if bulk else 0)
            try:
                try:
                    answer = self._exchange(sent, deadline, limit)
                except (ConnectionError, ssl.SSLEOFError):
                    # An idle connection that the box has closed says so only now; every call may be repeated.
                    self._drop()
                    answer = self._exchange(sent, deadline, limit)
            except AnswerInvalid as error:
                self._drop()
                raise no_box(self.address, error) from error
            except OSError as error:
                self._drop()
                raise no_answer(self.address, error, heard=self._heard) from error
        self._heard = answer.status != FORBIDDEN
        if answer.status >= 400:
            raise refusal(self.address, answer.status, bytes(answer.body))
        return bytes(answer.body)

    def _exchange(self, sent: bytes, deadline: Deadline, limit: int) -> AnswerReader:
        sock = self._connection or self._connect(deadline)
        sock.deadline = deadline
        sock.sendall(sent)
        answer = AnswerReader(limit)
        while not answer.complete:
            answer.feed(sock.recv(READ_BYTES))
        if not answer.keeps_open:
            self._drop()
        return answer

    def _connect(self, deadline: Deadline) -> TimedSocket:
        sock = dial(self._host, self._port, self._context, deadline, most_s=ANSWER_TIMEOUT_S)
        if sock.getpeercert(binary_form=True) != self._pinned:
            sock.close()
            raise wrong_key(self.address)
        self._connection = sock
        return sock

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class BoxLog:
    """Lines of the box's log, and the number of the last of them."""

    lines: tuple[str, ...]
    cursor: int
