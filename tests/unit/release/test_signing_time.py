"""Which clocks are believed when a desktop signs, and how a site heals where one was wrong."""

from __future__ import annotations

import datetime
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import SSlibKey

from cloud_sync.release.root_key import open_key
from cloud_sync.release.sign import ReleaseRepository, load_signing_key, new_signing_key
from cloud_sync.release.signing_time import LAST_S, QUIET_S, SKEW_S, require_clock, require_seen, signing_time
from cloud_sync.release.site_roots import Desktop, SiteRoots
from edge_runtime.contracts.errors import ClockDoubtful, LinesideError, SignedInFuture, TrustRefused
from edge_runtime.identity import create_identity
from edge_runtime.service.trust import TrustStore
from tests.fakes.site import FakeBox, FakeSite

DAY_S = 86_400
YEAR_2040 = int(datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC).timestamp())
MOMENTS = st.integers(-(2**70), 2**70) | st.integers(0, LAST_S)


@given(now=MOMENTS, newest=MOMENTS, seen=MOMENTS, root=MOMENTS, end=MOMENTS, confirmed=st.booleans())
def test_what_is_signed_is_newer_than_all_before_and_never_far_beyond_the_clock(
    now: int, newest: int, seen: int, root: int, end: int, confirmed: bool
) -> None:
    try:
        second = signing_time(now_s=now, newest_s=newest, seen_s=seen, root_s=root, root_end_s=end, confirmed=confirmed)
    except LinesideError as error:
        assert error.code in ("clock.doubtful", "trust.future")
        return
    assert second > max(newest, seen)
    assert now <= second <= now + SKEW_S + 1
    assert now < end
    assert confirmed or now - max(newest, root) <= QUIET_S


def test_a_clock_far_ahead_of_everything_signed_needs_a_persons_word() -> None:
    now = 1_900_000_000
    far = now - QUIET_S - 1
    sign = partial(signing_time, now_s=now, newest_s=far, seen_s=0, root_s=far, root_end_s=now + 1)
    with pytest.raises(ClockDoubtful, match="180 days"):
        sign()
    assert sign(confirmed=True) == now
    assert sign(root_s=now - QUIET_S) == now
    with pytest.raises(ClockDoubtful, match="root has expired"):
        sign(root_end_s=now, confirmed=True)


@pytest.mark.parametrize("seen", [2**62, 2**200, YEAR_2040])
def test_a_box_cannot_push_this_desktops_signatures(seen: int) -> None:
    now = int(time.time())
    with pytest.raises(SignedInFuture, match="press-4 says"):
        require_seen(now, seen_s=seen, who="press-4")
    require_seen(now, seen_s=now + SKEW_S, who="press-4")


@pytest.mark.parametrize("now", [-1, LAST_S, 253_370_764_800, 2**80])
def test_a_clock_in_a_far_age_signs_nothing(now: int, tmp_path: Path) -> None:
    with pytest.raises(ClockDoubtful):
        require_clock(now, newest_s=0)
    with pytest.raises(ClockDoubtful):
        ReleaseRepository.create(
            tmp_path / "r",
            root_key_path=tmp_path / "root.pem",
            desktop_key_path=tmp_path / "key",
            passphrase="a long passphrase",
            clock=lambda: now,
        )
    assert list(tmp_path.iterdir()) == []


def reopened(site: FakeSite, at_s: float) -> ReleaseRepository:
    return ReleaseRepository.open(
        site.folder / "repository", desktop_key_path=site.folder / "signing.key", clock=lambda: at_s
    )


def test_a_clock_that_is_wrong_signs_nothing_until_somebody_says_that_it_is_right(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    delivery, now = site.release(), int(time.time())
    signed = site.repository.signed_s
    for wrong in (YEAR_2040, now + QUIET_S + DAY_S, now - 2 * DAY_S):
        repository = reopened(site, wrong)
        for sign in (
            partial(repository.add, delivery.file, delivery.manifest, {}),
            partial(repository.next_release, "parts"),
            partial(repository.make_ready, seen_s=signed + 1, who="press-4"),
        ):
            with pytest.raises(LinesideError) as caught:
                sign()
            assert caught.value.code in ("clock.doubtful", "trust.future")
    assert site.repository.signed_s == signed
    late = now + QUIET_S + DAY_S
    repository = reopened(site, late)
    repository.confirm_date()
    assert repository.signed_s == late
    assert repository.next_release("parts") == late
    with pytest.raises(ClockDoubtful):
        reopened(site, YEAR_2040).confirm_date()


def test_what_was_signed_too_far_ahead_goes_nowhere_and_new_keys_heal_it(tmp_path: Path) -> None:
    """A clock that was wrong by five months, and believed; then it is right again."""
    site = FakeSite(tmp_path / "site")
    box = FakeBox(tmp_path / "box", site)
    ahead = int(time.time()) + 150 * DAY_S
    site.repository = reopened(site, ahead)
    box.commit(site.release("1.0.0"))
    assert ahead <= box.signed_s() <= ahead + 1
    site.repository = reopened(site, time.time())
    with pytest.raises(ClockDoubtful, match="signed as of") as caught:
        site.repository.make_ready(seen_s=0, who="press-4")
    assert "rotate-key" in caught.value.hint
    # New keys: the next root does not list those of before.
    identity = create_identity(tmp_path / "id", "desktop")
    key = new_signing_key(tmp_path / "site" / "fresh.key")
    root_key = open_key((tmp_path / "site" / "root.key.pem").read_bytes(), "a long passphrase", "root key")
    fresh = Desktop("desktop", identity.certificate_pem, SSlibKey.from_crypto(key.public_key()))
    roots = SiteRoots(tmp_path / "site" / "repository")
    roots.change({identity.fingerprint: fresh}, root_key, now_s=int(time.time()))
    (tmp_path / "site" / "fresh.key").replace(tmp_path / "site" / "signing.key")
    site.repository = ReleaseRepository.open(
        tmp_path / "site" / "repository", desktop_key_path=tmp_path / "site" / "signing.key"
    )
    assert site.repository.signed_s <= time.time()
    assert load_signing_key(tmp_path / "site" / "signing.key")
    assert TrustStore(box.home).accept(SiteRoots(tmp_path / "site" / "repository").newest) is not None
    assert box.signed_s() == 0
    # The model's own counter still stands where the wrong clock put it, and the next one goes above it.
    newer = site.release("1.0.1")
    assert newer.manifest.release > ahead
    box.commit(newer)
    assert box.signed_s() <= time.time() + 1


def test_signing_anew_replaces_no_file_that_the_timestamp_of_before_needs(tmp_path: Path) -> None:
    """In the same second, cut off before the new timestamp: the old files must still fit together."""
    site = FakeSite(tmp_path)
    second = site.repository.signed_s
    repository = reopened(site, second)
    before = {path.name: path.read_bytes() for path in (tmp_path / "repository").glob("*.json")}
    repository._sign_again(repository._roles(), counting=False)
    assert repository.signed_s == second + 1
    for name, body in before.items():
        if name != "timestamp.json":
            assert (tmp_path / "repository" / name).read_bytes() == body


def test_a_model_below_the_one_that_ran_stays_refused_after_the_keys_changed(tmp_path: Path) -> None:
    site = FakeSite(tmp_path / "site")
    box = FakeBox(tmp_path / "box", site)
    older = site.candidate("0.9.0", release=7)
    site.repository.add(older.file, older.manifest, {})
    box.commit(site.release("1.0.0"))
    box.deliver(older)
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.installer.install(older.target, baseline=None)
