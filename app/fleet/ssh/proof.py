"""Signing in over SSH: a key, a password, or both, in the order in which the server wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.keys import agent_keys, is_public, load_key
from app.fleet.ssh.sign_in import Check, SignIn, expired
from edge_runtime.contracts.enrolment_errors import SshRefused
from edge_runtime.contracts.text import one_line

if TYPE_CHECKING:
    import paramiko


def prove(
    target: SshTarget,
    transport: paramiko.Transport,
    knock: Callable[[], paramiko.Transport],
    sign_in: SignIn,
    check: Check,
) -> tuple[paramiko.Transport, str | None]:
    """Returns the connection that is signed in, and the password, where one was given that it took.

    :param knock: connects anew: a server closes the connection after some keys that it does not know, or a long wait.
    """
    with ExitStack() as opened:
        proof = _Proof(target, transport, knock, sign_in, check, opened)
        while not proof.given():
            pass
        return proof.transport, proof.password


class _Proof:
    """Of who a person is, in as many steps as the server wants."""

    def __init__(
        self,
        target: SshTarget,
        transport: paramiko.Transport,
        knock: Callable[[], paramiko.Transport],
        sign_in: SignIn,
        check: Check,
        opened: ExitStack,
    ) -> None:
        self.transport = transport
        self.password: str | None = None
        self._target, self._knock, self._sign_in, self._check, self._opened = target, knock, sign_in, check, opened
        self._wanted: Sequence[str] | None = None
        """What the server still wants after what it took; None: it has taken nothing."""
        self._no_key_first = False
        """It takes something else before a key."""
        self._took: list[str] = []
        self._rejected: dict[str, None] = {}
        """What it looked at and did not take, in this order."""
        self._left_out = 0
        """Keys of the agent that were not tried."""
        keys_first = sign_in.key is not None or sign_in.password is None
        self._ways = (
            [self._give_keys, self._give_a_password] if keys_first else [self._give_a_password, self._give_keys]
        )

    def given(self) -> bool:
        """Take one step; True: the person is in.

        :raises SshRefused: there is none that the server takes.
        """
        for way in self._ways:
            self._check()
            wanted = way()
            if wanted is not None:
                self._ways.remove(way)
                self._took.append("the key" if way == self._give_keys else "the password")
                self._wanted = wanted
                return not wanted
        raise self._refused()

    def _give_keys(self) -> Sequence[str] | None:
        """What is wanted next, nothing where that was all; None: no key was taken."""
        import paramiko

        if self._wanted is not None and "publickey" not in self._wanted:
            return None
        for key in self._keys:
            self._check()
            if not self._is_open():
                return None
            try:
                wanted: Sequence[str] = self.transport.auth_publickey(self._target.user, key)
                return wanted
            except paramiko.BadAuthenticationType:
                self._no_key_first = True
                return None
            except paramiko.AuthenticationException:
                self._rejected["the key" if self._sign_in.key else "the agent's keys"] = None
                continue
            except (paramiko.SSHException, EOFError):
                if self.transport.is_active():
                    raise
        return None

    @cached_property
    def _keys(self) -> Sequence[paramiko.PKey]:
        import paramiko

        sign_in = self._sign_in
        if sign_in.key is not None and not is_public(sign_in.key):
            return load_key(sign_in.key, lambda: sign_in.ask("passphrase"))
        if not sign_in.agent:
            return ()
        agent = paramiko.Agent()
        self._opened.callback(agent.close)
        keys, self._left_out = agent_keys(agent, sign_in.key)
        return keys

    def _give_a_password(self) -> Sequence[str] | None:
        """As :meth:`_give_keys`."""
        import paramiko

        if self._wanted is not None and not {"password", "keyboard-interactive"} & set(self._wanted):
            return None
        if self._wanted is None and self._sign_in.key is not None and not self._no_key_first:
            # Whoever chose a key gives a password only where the server wants both.
            return None
        password = self._sign_in.password if self._sign_in.password is not None else self._sign_in.ask("password")
        if password is None or not self._is_open():
            return None
        try:
            wanted = _give_password(self._target, self.transport, password, self._wanted)
        except paramiko.BadAuthenticationType:
            # It did not look at it.
            return None
        except paramiko.AuthenticationException:
            self._rejected["the password"] = None
            return None
        self.password = password
        return wanted

    def _is_open(self) -> bool:
        """A new connection, where this one was ended; what was proved on it would be lost with it."""
        if not self.transport.is_active() and self._wanted is None:
            self.transport = self._knock()
        active: bool = self.transport.is_active()
        return active

    def _refused(self) -> SshRefused:
        host, user, sign_in = self._target.host, self._target.user, self._sign_in
        rejected = " and ".join(self._rejected)
        # An answer that is typed may be another than the password.
        if self._wanted is not None and rejected and {"publickey", "password"} & set(self._wanted):
            return SshRefused(f"{host} took {' and '.join(self._took)} of {user}, and did not accept {rejected}.")
        if self._wanted is not None:
            return SshRefused(
                f"{host} took {' and '.join(self._took)} of {user}, and still wants {_in_words(self._wanted)}.",
                hint="Give both the key and the password; an answer that is new each time cannot be given here: have "
                "an account without it. Nothing was changed there.",
            )
        given = "the key" if sign_in.key else "the password" if sign_in.password else "what was tried"
        tried = rejected or given
        if self._left_out:
            return SshRefused(
                f"{host} does not let {user} in with {tried}; {self._left_out} more keys of the agent were not tried.",
                hint="Say which is the right one: give the file of its public half as the key. Nothing was changed "
                "there.",
            )
        return SshRefused(f"{host} does not let {user} in with {tried}.")


def _in_words(wanted: Sequence[str]) -> str:
    """Ways to prove who one is, as a server names them."""
    words = {
        "publickey": "a key",
        "password": "a password",
        "keyboard-interactive": "an answer that is typed, as a password or a one-time code",
    }
    return " or ".join(words.get(way) or one_line(way)[:40] for way in wanted[:5])


def _give_password(
    target: SshTarget, transport: paramiko.Transport, password: str, wanted: Sequence[str] | None
) -> Sequence[str]:
    """Also to a server that asks for it in words of its own; returns what it wants after it."""
    import paramiko

    if wanted is None or "password" in wanted:
        try:
            after: Sequence[str] = transport.auth_password(target.user, password, fallback=False)
            return after
        except paramiko.BadAuthenticationType as error:
            if "keyboard-interactive" not in error.allowed_types:
                raise
    given: list[str] = []

    def answer(_title: str, _instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        """Once; whoever asks on wants a new password."""
        answers = [password if not given else "" for _prompt in prompts]
        given.extend(prompt for prompt, _echo in prompts)
        return answers

    try:
        after_answers: Sequence[str] = transport.auth_interactive(target.user, answer)
    except paramiko.AuthenticationException as error:
        if any("new password" in prompt.lower() or "current password" in prompt.lower() for prompt in given[1:]):
            raise expired(target) from error
        raise
    return after_answers
