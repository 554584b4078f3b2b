"""Many simulated boxes in one process: real keys, real TLS 1.3, the real status answer. Started by the measurements.

    python -m tests.bench.many_boxes FOLDER COUNT DESKTOP-CERTIFICATE [--announce] [--takes FILE]

Prints one line of JSON with each box's id, port and certificate, then serves until it is killed. With ``--takes`` they
take that file and no other bytes, metadata and installations, in the way of the management channel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import httptools
import uvloop
from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from edge_runtime.contracts import wire
from edge_runtime.contracts.delivery import ObjectState, Stored
from edge_runtime.contracts.status import Announcement, BoxStatus, PipelineStatus, SlotStatus, SpoolStatus
from edge_runtime.identity import Identity, create_identity, server_context
from edge_runtime.service.announce import SERVICE_TYPE, to_txt
from edge_runtime.service.http import parse_query

OBJECTS = b"/v1/objects/"


@dataclass
class SimulatedBox:
    """One box's identity and what it says."""

    name: str
    identity: Identity
    status: BoxStatus
    wanted: bytes
    """The file that it takes."""
    have: int = 0
    """Of it, bytes that have come."""
    asked: int = 0
    """How often; its serial tells, so that whoever follows it can be counted by what came in."""

    def answer(self) -> object:
        self.asked += 1
        now_ms = time.time_ns() // 1_000_000
        return replace(self.status, at_ms=now_ms, serial=self.asked, uptime_s=time.monotonic())

    def take(self, body: bytes) -> None:
        """Some bytes of the file, which are those that come next."""
        if self.wanted.startswith(body, self.have):
            self.have += len(body)


def simulate(folder: Path, number: int, wanted: bytes) -> SimulatedBox:
    name = f"line-{number:03d}"
    identity = create_identity(folder / name, name)
    line = PipelineStatus(
        name="camera",
        source="rtsp://10.0.0.2/stream",
        state="running",
        frames=123_456,
        frames_per_s=24.8,
        stages_ms={"decode": 1.2, "preprocess": 0.4, "infer": 3.1, "answer": 0.1},
    )
    slot = SlotStatus(slot="a", state="COMMITTED", bundle="a" * 64, name="scratches", version="1.0.0", active=True)
    status = BoxStatus(
        box=identity.fingerprint,
        name=name,
        version="0.1.0",
        boot="0123456789abcdef",
        at_ms=0,
        uptime_s=0,
        serial=0,
        pipelines=(line, replace(line, name="scanner")),
        slots=(slot, replace(slot, slot="b", active=False)),
        spool=SpoolStatus(disk_free_bytes=20_000_000_000),
    )
    return SimulatedBox(name, identity, status, wanted)


class Conversation(asyncio.Protocol):
    """Answers every request: of the file, of installations, and of everything else with the box's status."""

    def __init__(self, box: SimulatedBox) -> None:
        self._box = box
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._piece = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_headers_complete(self) -> None:
        self._piece = self._parser.get_method() == b"PUT" and self._url.startswith(OBJECTS)
        if self._piece:
            # A piece that was sent before is none of those that come next.
            self._piece = int(parse_query(httptools.parse_url(self._url).query)["offset"]) == self._box.have

    def on_body(self, body: bytes) -> None:
        if self._piece:
            self._box.take(body)

    def on_message_complete(self) -> None:
        body = wire.encode(self._answer())
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    def _answer(self) -> object:
        box, asks = self._box, self._parser.get_method() == b"GET"
        if not self._url.startswith(OBJECTS):
            return box.answer() if asks else {}
        return ObjectState(have=box.have, complete=box.have == len(box.wanted) > 0) if asks else Stored(have=box.have)


async def serve(boxes: list[SimulatedBox], desktop_pem: str, *, announce: bool) -> None:
    loop = asyncio.get_running_loop()
    told, infos = [], []
    servers = []
    for box in boxes:
        context: ssl.SSLContext = server_context(box.identity, [desktop_pem])
        server = await loop.create_server(partial(Conversation, box), "127.0.0.1", 0, ssl=context)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        told.append({"box": box.identity.fingerprint, "port": port, "certificate": box.identity.certificate_pem})
        said = Announcement(box=box.identity.fingerprint, name=box.name, host="127.0.0.1", port=port, enrolled=True)
        label = f"lineside-{said.box[:16]}"
        infos.append(
            ServiceInfo(
                SERVICE_TYPE,
                f"{label}.{SERVICE_TYPE}",
                port=port,
                parsed_addresses=["127.0.0.1"],
                properties=to_txt(said),
                server=f"{label}.local.",
            )
        )
    if announce:
        zeroconf = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
        waiting = [await zeroconf.async_register_service(info, cooperating_responders=True) for info in infos]
        await asyncio.gather(*waiting)
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("desktop", type=Path)
    parser.add_argument("--announce", action="store_true")
    parser.add_argument("--takes", type=Path)
    options = parser.parse_args()
    wanted = options.takes.read_bytes() if options.takes else b""
    boxes = [simulate(options.folder, number, wanted) for number in range(options.count)]
    uvloop.run(serve(boxes, options.desktop.read_text("ascii"), announce=options.announce))


if __name__ == "__main__":
    main()
