"""Whose home it is, and what root's hand does in it: the box's user is unprivileged, and may have been taken over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.ssh import machine
from app.fleet.ssh.machine import meet
from app.fleet.ssh.preflight import Facts
from app.fleet.ssh.session import open_session
from app.fleet.ssh.sign_in import SignIn
from app.usecases import boxes, clones, enrolment
from app.usecases.progress import CancelToken
from app.usecases.release import ReleaseStep, Rows
from edge_runtime.contracts.errors import BoxWrongKey, Cancelled
from edge_runtime.identity import create_identity
from tests.fakes.bare_machine import PASSWORD, needed
from tests.fakes.light_bundles import light_bundle
from tests.fakes.visits import NAME, Visit, at, visit

pytestmark = needed
HOME = "/var/lib/lineside-edge"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bare(tmp_path: Path, bundle: Path, first_desktop: Path) -> Iterator[Visit]:
    with visit(tmp_path, bundle, first_desktop) as made:
        yield made


def as_box(bare: Visit, script: str) -> None:
    """What somebody does who has taken over the box's user."""
    words = ("setpriv", "--reuid=lineside-edge", "--regid=lineside-edge", "--clear-groups", "sh", "-c", script)
    bare.machine.run(*words)


def look(bare: Visit) -> Facts:
    sign_in = SignIn(password=PASSWORD)
    with open_session(bare.target, bare.machine.fingerprint(), sign_in, check=lambda: None) as session:
        hand = meet(session, sign_in, offer=lambda _probe: ())
        return hand.as_root("look", Facts, home=hand.probe.home, waiting=True)


def test_a_box_with_a_new_identity_is_known_by_it(bare: Visit) -> None:
    enrolled = bare.enrol().box
    renewed = clones.renew(bare.ctx, NAME, enrolled.address, new_name="line-2b")
    assert renewed.box != enrolled.box
    other = create_identity(bare.folder / "other", "other")
    boxes.enter_box(
        bare.ctx, box=other.fingerprint, name="line-9", address="192.0.2.1:7443", certificate=other.certificate_pem
    )
    with pytest.raises(BoxWrongKey, match=f"lives the box {renewed.box[:12]}"):
        bare.release(Rows.DISCARD, name="line-9")
    again = bare.enrol(name=None)
    assert (again.box.box, again.box.name, again.changed) == (renewed.box, "line-2b", ())
    assert bare.release(Rows.DISCARD, name="line-2b").box == renewed.box


@pytest.mark.parametrize(
    "damage", ["rm keys/identity.crt", "rm -r keys", "echo ../../x > keys/current", "chmod 0 keys/identity.crt"]
)
def test_a_home_whose_key_cannot_be_read_is_left_alone(bare: Visit, damage: str) -> None:
    bare.enrol()
    as_box(bare, f"cd {HOME}; {damage}")
    with pytest.raises(BoxWrongKey, match="cannot be read"):
        bare.release(Rows.DISCARD)
    assert (bare.machine.root / HOME[1:] / "spool.db").exists()
    assert (bare.machine.root / "opt/lineside-edge").exists()


def test_a_release_that_is_cut_anywhere_still_knows_whose_home_it_was(bare: Visit) -> None:
    before = bare.machine.written()
    bare.enrol()
    token = CancelToken()
    with pytest.raises(Cancelled):
        bare.release(Rows.DISCARD, hook=at(ReleaseStep.REMOVE, token.cancel), cancel=token)
    # The power goes while the home is taken away.
    home = bare.machine.root / HOME[1:]
    home.rename(home.with_name(".lineside-edge.gone"))
    bare.release()
    assert bare.machine.changes(before) == {}


def test_links_lead_root_nowhere(bare: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.enrol()
    root = bare.machine.root
    links = (
        f"cd {HOME}; rm -r log keys/identity.crt trust/root.json; mkdir log; chmod 500 log; rm -f log/*",
        "ln -s /etc/nologin .leaving",
        "ln -s /etc/shadow keys/identity.crt",
        "ln -s /etc/shadow trust/root.json",
        "chmod 700 log; ln -s /etc/shadow log/edge.log; ln -s /etc/shadow log/supervise.log; chmod 500 log",
    )
    as_box(bare, "; ".join(links))
    home = look(bare).home
    assert home is not None
    assert (home.lived_in, home.certificate, home.root) == (True, None, None)
    monkeypatch.setattr(enrolment, "CONFIRM_S", 0.0)
    told = {}
    sign_in = SignIn(password=PASSWORD)
    with open_session(bare.target, bare.machine.fingerprint(), sign_in, check=lambda: None) as session:
        hand = meet(session, sign_in, offer=lambda _probe: ())
        told["said"] = hand.as_root("last-words", enrolment._LastWords).said
        with hand.claimed(bare.ctx.identity.fingerprint):
            hand.as_root("stop", enrolment._Changed)
    assert told["said"] == ()
    assert not (root / "etc/nologin").exists()


def test_nothing_in_the_home_holds_up_the_look(bare: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DEED_S", 120.0)
    bare.enrol()
    box = ("-u", "lineside-edge", "-f", "lineside-edge run")
    # One that runs puts its files back.
    bare.machine.run("pkill", "-STOP", *box)
    names = ("edge.toml", "keys/identity.crt", "keys/current", "trust/root.json", "spool.db")
    for trap in ("mkfifo {}", "ln -s /dev/zero {}", "mkdir {}"):
        for name in names:
            as_box(bare, f"cd {HOME}; mv {name} kept; {trap.format(name)}; true")
            home = look(bare).home
            assert home is not None
            told = (home.certificate is not None, home.name == NAME, home.root is not None, home.waiting is not None)
            hidden = {"edge.toml": 1, "keys/identity.crt": 0, "keys/current": 0, "trust/root.json": 2, "spool.db": 3}
            assert [number for number, one in enumerate(told) if not one] == [hidden[name]], (trap, name)
            as_box(bare, f"cd {HOME}; rm -rf {name}; mv kept {name}; true")
    bare.machine.run("pkill", "-CONT", *box)
