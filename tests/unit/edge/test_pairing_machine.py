"""The exchange without sockets: it comes to its end with the same code on both sides, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_runtime.contracts.errors import LinesideError, TrustRefused
from edge_runtime.identity import create_identity
from edge_runtime.pairing.machine import BoxSide, CodeDiffers, DesktopSide
from edge_runtime.pairing.messages import (
    GREETING,
    HEADER_BYTES,
    MOST_BYTES,
    BoxFacts,
    BoxHello,
    DesktopFacts,
    Kind,
    Message,
    Refusal,
    Rubbish,
    read_header,
    read_refusal,
)

CODE, OTHER = "7K3M-X9PD", "7K3M-X9PE"
STEPS = 8
Meddle = Callable[[int, Message], Message]
ORDER_2 = b"A" + (2**255 - 20).to_bytes(32, "little")
"""The point (0, -1), of order 2."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[BoxHello, BoxFacts, DesktopFacts]:
    folder = tmp_path_factory.mktemp("keys")
    box, desktop = create_identity(folder / "box", "line-9"), create_identity(folder / "desktop", "laptop")
    return (
        BoxHello(box=box.fingerprint, name="line-9", tries_left=3),
        BoxFacts(certificate=box.certificate_pem, name="line-9", port=7443),
        DesktopFacts(certificate=desktop.certificate_pem, root=b'{"signed": {}}'),
    )


class Exchange:
    """Both sides, and what goes between them.

    :param meddle: what stands in between; it gets each message with its step, from 1.
    """

    def __init__(
        self,
        keys: tuple[BoxHello, BoxFacts, DesktopFacts],
        *,
        box_code: str = CODE,
        meddle: Meddle = lambda _step, message: message,
        error: LinesideError | None = None,
    ) -> None:
        hello, facts, self._desktop_facts = keys
        self._box, self._desktop = BoxSide(hello, facts), DesktopSide(CODE, self._desktop_facts)
        self._box_code, self._meddle, self._error = box_code, meddle, error
        self.said: list[Message] = []
        self.learned: BoxFacts | None = None
        self.accepted: DesktopFacts | None = None
        self.verdict: LinesideError | str | None = "none came"

    def run(self) -> None:
        box, desktop = self._box, self._desktop
        hello = self._over(box.greet(self._over(desktop.greeting())))
        key = self._over(box.agree(self._over(desktop.start(hello)), self._box_code))
        proof = self._over(box.prove(self._over(desktop.prove(key))))
        self.learned = desktop.learn(proof)
        self.accepted = box.accept(self._over(desktop.kept()))
        self.verdict = desktop.end(self._over(box.end(self._error)))

    def _over(self, message: Message) -> Message:
        self.said.append(message)
        return self._meddle(len(self.said), message)


def test_the_same_code_lets_both_learn_each_other(keys: tuple[BoxHello, BoxFacts, DesktopFacts]) -> None:
    exchange = Exchange(keys)
    exchange.run()
    assert (exchange.learned, exchange.accepted, exchange.verdict) == (keys[1], keys[2], None)
    assert len(exchange.said) == STEPS


def test_what_goes_over_the_wire_shows_neither_code_nor_certificate(
    keys: tuple[BoxHello, BoxFacts, DesktopFacts],
) -> None:
    exchange = Exchange(keys)
    exchange.run()
    wire = b"".join(message.encode() for message in exchange.said)
    assert CODE.encode() not in wire
    assert b"CERTIFICATE" not in wire
    assert b"signed" not in wire


def test_another_code_is_found_out_by_the_box_before_it_shows_anything(
    keys: tuple[BoxHello, BoxFacts, DesktopFacts],
) -> None:
    exchange = Exchange(keys, box_code=OTHER)
    with pytest.raises(CodeDiffers):
        exchange.run()
    assert len(exchange.said) == 5
    assert exchange.learned is None


def test_why_a_box_does_not_trust_a_desktop_reaches_it_sealed(keys: tuple[BoxHello, BoxFacts, DesktopFacts]) -> None:
    exchange = Exchange(keys, error=TrustRefused("another site", hint="look"))
    exchange.run()
    assert isinstance(exchange.verdict, TrustRefused)
    assert (exchange.verdict.message, exchange.verdict.hint) == ("another site", "look")


@settings(max_examples=150)
@given(step=st.integers(1, STEPS), data=st.data())
def test_whatever_is_changed_on_the_way_ends_it(
    keys: tuple[BoxHello, BoxFacts, DesktopFacts], step: int, data: st.DataObject
) -> None:
    said: list[Message] = []

    def meddle(at: int, message: Message) -> Message:
        said.append(message)
        if at != step:
            return message
        position = data.draw(st.integers(0, max(len(message.body) - 1, 0)))
        flipped = bytearray(message.body or b"\0")
        flipped[position] ^= data.draw(st.integers(1, 255))
        changed = data.draw(
            st.one_of(
                st.just(Message(message.kind, bytes(flipped))),
                st.just(Message(message.kind, message.body[:position])),
                st.just(Message(message.kind, message.body + b"\0")),
                st.sampled_from(said),
                st.builds(Message, st.sampled_from(Kind), st.binary(max_size=64)),
            )
        )
        assume(changed != message)
        return changed

    exchange = Exchange(keys, meddle=meddle)
    with pytest.raises((Rubbish, CodeDiffers)):
        exchange.run()
    # Neither believes what was changed; the box trusts nobody unless all that the desktop said came as it was said.
    assert exchange.accepted is None or step == STEPS
    assert exchange.learned is None or step > 6
    assert exchange.verdict == "none came"


def test_a_changed_name_or_count_gives_other_keys(keys: tuple[BoxHello, BoxFacts, DesktopFacts]) -> None:
    def meddle(step: int, message: Message) -> Message:
        return Message(message.kind, message.body.replace(b"line-9", b"line-8")) if step == 2 else message

    with pytest.raises(CodeDiffers):
        Exchange(keys, meddle=meddle).run()


def test_somebody_in_between_who_guesses_wrong_learns_from_neither_side(
    keys: tuple[BoxHello, BoxFacts, DesktopFacts],
) -> None:
    hello, facts, desktop_facts = keys
    box, desktop = BoxSide(hello, facts), DesktopSide(CODE, desktop_facts)
    to_desktop, to_box = BoxSide(hello, facts), DesktopSide(OTHER, desktop_facts)
    greeting = box.greet(to_box.greeting())
    with pytest.raises(CodeDiffers):
        box.agree(to_box.start(greeting), CODE)
        box.prove(to_box.prove(box_key(hello, facts, to_box, greeting)))
    key = to_desktop.agree(desktop.start(to_desktop.greet(desktop.greeting())), OTHER)
    with pytest.raises(CodeDiffers):
        to_desktop.prove(desktop.prove(key))


def box_key(hello: BoxHello, facts: BoxFacts, desktop: DesktopSide, greeting: Message) -> Message:
    """A key of another run of the same box: of no use either."""
    other = BoxSide(hello, facts)
    other.greet(DesktopSide.greeting())
    return other.agree(DesktopSide(CODE, DesktopFacts(certificate="", root=b"")).start(greeting), CODE)


def test_a_box_with_another_certificate_than_it_greeted_with_is_found_out(
    keys: tuple[BoxHello, BoxFacts, DesktopFacts], tmp_path: Path
) -> None:
    other = create_identity(tmp_path, "line-9").certificate_pem
    lying = (keys[0], BoxFacts(certificate=other, name="line-9", port=7443), keys[2])
    with pytest.raises(Rubbish):
        Exchange(lying).run()


@pytest.mark.parametrize(
    "key", [b"", b"A", b"B" + bytes(32), b"A" + bytes(32), b"A\1" + bytes(31), ORDER_2, b"A" + b"\xff" * 32, b"S" * 33]
)
def test_a_key_that_is_none_is_rubbish(keys: tuple[BoxHello, BoxFacts, DesktopFacts], key: bytes) -> None:
    box = BoxSide(keys[0], keys[1])
    box.greet(DesktopSide.greeting())
    with pytest.raises(Rubbish):
        box.agree(Message(Kind.KEY, key), CODE)
    with pytest.raises(Rubbish):
        box.agree(Message(Kind.KEY, key), CODE)


def test_steps_out_of_turn_are_rubbish(keys: tuple[BoxHello, BoxFacts, DesktopFacts]) -> None:
    hello, facts, desktop_facts = keys
    sealed = Message(Kind.SEALED, bytes(64))
    for early in (
        lambda: BoxSide(hello, facts).agree(Message(Kind.KEY, bytes(33)), CODE),
        lambda: BoxSide(hello, facts).prove(sealed),
        lambda: BoxSide(hello, facts).accept(sealed),
        lambda: BoxSide(hello, facts).end(None),
        lambda: DesktopSide(CODE, desktop_facts).prove(Message(Kind.KEY, bytes(33))),
        lambda: DesktopSide(CODE, desktop_facts).learn(sealed),
        lambda: DesktopSide(CODE, desktop_facts).kept(),
        lambda: DesktopSide(CODE, desktop_facts).end(sealed),
    ):
        with pytest.raises(Rubbish):
            early()


@given(header=st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_a_header_is_one_of_ours_and_small_or_rubbish(header: bytes) -> None:
    try:
        kind, length = read_header(header, *Kind)
    except Rubbish:
        return
    assert length <= MOST_BYTES[kind]
    assert Message(kind, bytes(length)).encode()[:HEADER_BYTES] == header


@given(kind=st.sampled_from(Kind), body=st.binary(max_size=33))
def test_a_message_comes_back_as_it_was(kind: Kind, body: bytes) -> None:
    encoded = Message(kind, body).encode()
    assert read_header(encoded[:HEADER_BYTES], kind) == (kind, len(body))
    for other in set(Kind) - {kind}:
        with pytest.raises(Rubbish):
            read_header(encoded[:HEADER_BYTES], other)
    assert encoded[HEADER_BYTES:] == body


@given(body=st.binary(max_size=64))
def test_a_refusal_can_be_read_or_is_rubbish(body: bytes) -> None:
    try:
        refusal = read_refusal(Message(Kind.REFUSED, body))
    except Rubbish:
        return
    assert read_refusal(refusal.message()) == refusal


def test_a_refusal_comes_back_as_it_was() -> None:
    for refusal in (Refusal(reason="wrong-code", tries_left=2), Refusal(reason="paused", wait_s=5)):
        assert read_refusal(refusal.message()) == refusal
    with pytest.raises(Rubbish):
        read_refusal(Message(Kind.HELLO, GREETING))
