"""The database's schema as a list of steps; a step that was released is never edited, only followed by another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.noting import note_all

if TYPE_CHECKING:
    import sqlite_utils


@dataclass(frozen=True, slots=True)
class Step:
    """One migration: applied once, in one transaction, and remembered by its name."""

    name: str
    apply: Callable[[sqlite_utils.Database], None]


_FOUNDATION = (
    """CREATE TABLE boxes (
        box TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, certificate TEXT NOT NULL,
        enrolled_ms INTEGER NOT NULL) STRICT""",
    # What a box said last is this desktop's own view: another desktop reaches it at another address and time.
    """CREATE TABLE box_status (
        box TEXT PRIMARY KEY REFERENCES boxes ON DELETE CASCADE,
        address TEXT, last_seen_ms INTEGER, problem TEXT, status TEXT) STRICT""",
    """CREATE TABLE cursors (
        box TEXT NOT NULL REFERENCES boxes ON DELETE CASCADE, stream TEXT NOT NULL, cursor INTEGER NOT NULL,
        PRIMARY KEY (box, stream)) WITHOUT ROWID, STRICT""",
    """CREATE TABLE results (
        box TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, pipeline TEXT NOT NULL,
        frame TEXT NOT NULL, sample TEXT NOT NULL, model TEXT NOT NULL, label TEXT NOT NULL,
        confidence REAL NOT NULL, margin REAL NOT NULL, latency_us INTEGER NOT NULL,
        PRIMARY KEY (box, boot, seq)) WITHOUT ROWID, STRICT""",
    "CREATE INDEX results_by_time ON results (box, at_ms, boot, seq)",
    """CREATE TABLE alerts (
        box TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
        message TEXT NOT NULL, pipeline TEXT, model TEXT, facts TEXT NOT NULL,
        PRIMARY KEY (box, boot, seq)) WITHOUT ROWID, STRICT""",
    "CREATE INDEX alerts_by_time ON alerts (at_ms)",
    """CREATE TABLE losses (
        box TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, stream TEXT NOT NULL,
        count INTEGER NOT NULL, bytes INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
        reason TEXT NOT NULL, PRIMARY KEY (box, boot, seq)) WITHOUT ROWID, STRICT""",
    # presence: 0 the bytes are awaited, 1 they are here, 2 they are gone for good.
    """CREATE TABLE samples (
        sample TEXT PRIMARY KEY, origin TEXT NOT NULL, box TEXT, pipeline TEXT, frame TEXT NOT NULL,
        at_ms INTEGER NOT NULL, media TEXT NOT NULL, size INTEGER NOT NULL, reason TEXT NOT NULL,
        model TEXT, predicted TEXT, confidence REAL, margin REAL, presence INTEGER NOT NULL DEFAULT 0,
        label TEXT, labelled_ms INTEGER, label_clock TEXT, label_replica TEXT) STRICT""",
    "CREATE INDEX samples_by_time ON samples (at_ms, sample)",
    "CREATE INDEX samples_by_box ON samples (box, at_ms, sample)",
    "CREATE INDEX samples_by_reason ON samples (reason, at_ms, sample)",
    "CREATE INDEX samples_by_label ON samples (label, at_ms, sample)",
    "CREATE INDEX samples_labelled ON samples (at_ms, sample) WHERE label IS NOT NULL",
    "CREATE INDEX samples_awaited ON samples (box) WHERE presence = 0",
    """CREATE TABLE label_events (
        event TEXT PRIMARY KEY, sample TEXT NOT NULL, label TEXT, who TEXT NOT NULL, at_ms INTEGER NOT NULL,
        clock TEXT NOT NULL, replica TEXT NOT NULL) STRICT""",
    "CREATE INDEX label_events_by_sample ON label_events (sample, clock, replica)",
    # The label that stands is the newest event's, in whatever order events and samples arrive.
    """CREATE TRIGGER label_stands AFTER INSERT ON label_events BEGIN
        UPDATE samples SET label = NEW.label, labelled_ms = NEW.at_ms, label_clock = NEW.clock,
            label_replica = NEW.replica
        WHERE sample = NEW.sample
          AND (label_clock IS NULL OR (label_clock, label_replica) < (NEW.clock, NEW.replica));
    END""",
    """CREATE TRIGGER sample_finds_label AFTER INSERT ON samples BEGIN
        UPDATE samples SET (label, labelled_ms, label_clock, label_replica) =
            (SELECT label, at_ms, clock, replica FROM label_events WHERE sample = NEW.sample
             ORDER BY clock DESC, replica DESC LIMIT 1)
        WHERE sample = NEW.sample;
    END""",
    """CREATE TABLE datasets (
        dataset TEXT PRIMARY KEY, name TEXT NOT NULL, created_ms INTEGER NOT NULL, train INTEGER NOT NULL,
        held_out INTEGER NOT NULL, labels TEXT NOT NULL, size INTEGER NOT NULL) STRICT""",
    """CREATE TABLE dataset_items (
        dataset TEXT NOT NULL, sample TEXT NOT NULL, label TEXT NOT NULL, split TEXT NOT NULL,
        PRIMARY KEY (dataset, sample)) WITHOUT ROWID, STRICT""",
    """CREATE TABLE bursts (
        burst TEXT PRIMARY KEY, recipe TEXT NOT NULL, host TEXT NOT NULL, dataset TEXT NOT NULL, base_model TEXT,
        state TEXT NOT NULL, created_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, cap_usd REAL NOT NULL,
        cost_usd REAL NOT NULL, worst_case_usd REAL NOT NULL, attempt INTEGER NOT NULL, started_ms INTEGER,
        finished_ms INTEGER, progress REAL NOT NULL DEFAULT 0, step TEXT NOT NULL DEFAULT '', message TEXT,
        model TEXT) STRICT""",
    "CREATE INDEX bursts_by_time ON bursts (created_ms)",
    """CREATE TABLE burst_points (
        burst TEXT NOT NULL, step INTEGER NOT NULL, loss REAL NOT NULL, accuracy REAL,
        PRIMARY KEY (burst, step)) WITHOUT ROWID, STRICT""",
    """CREATE TABLE burst_log (
        burst TEXT NOT NULL, line INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (burst, line)) WITHOUT ROWID, STRICT""",
    "CREATE TABLE burst_records (burst TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT",
    """CREATE TABLE models (
        model TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
        release INTEGER NOT NULL, state TEXT NOT NULL, created_ms INTEGER NOT NULL, burst TEXT, dataset TEXT,
        gate TEXT) STRICT""",
    "CREATE INDEX models_by_time ON models (created_ms)",
    """CREATE TABLE proofs (
        model TEXT NOT NULL, box TEXT NOT NULL, report TEXT NOT NULL,
        PRIMARY KEY (model, box)) WITHOUT ROWID, STRICT""",
    """CREATE TABLE rollouts (
        rollout TEXT PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, state TEXT NOT NULL,
        created_ms INTEGER NOT NULL, finished_ms INTEGER, reason TEXT, boxes TEXT NOT NULL) STRICT""",
    "CREATE INDEX rollouts_by_time ON rollouts (created_ms)",
    # AUTOINCREMENT remembers the highest number ever given, so that a cut-off end of the chain is seen.
    """CREATE TABLE activity (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
        subject TEXT NOT NULL, message TEXT NOT NULL, digest TEXT NOT NULL) STRICT""",
    # Files that this desktop has (present = 1) or has read of in another's journal (present = 0).
    """CREATE TABLE objects (
        sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, kind TEXT NOT NULL, present INTEGER NOT NULL,
        synced_ms INTEGER) STRICT""",
    "CREATE INDEX objects_to_send ON objects (sha256) WHERE present = 1 AND synced_ms IS NULL",
    "CREATE INDEX objects_to_fetch ON objects (sha256) WHERE present = 0",
    """CREATE TABLE changes (
        id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, row_key TEXT NOT NULL, body TEXT,
        clock TEXT NOT NULL) STRICT""",
    # When each row that may change was last written, by whom; rows that were deleted leave theirs behind.
    """CREATE TABLE row_clocks (
        table_name TEXT NOT NULL, row_key TEXT NOT NULL, clock TEXT NOT NULL, replica TEXT NOT NULL,
        PRIMARY KEY (table_name, row_key)) WITHOUT ROWID, STRICT""",
    "CREATE TABLE positions (replica TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT",
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT) STRICT",
)


_KEY = "box TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL"
_MORE_STREAMS = (
    # objects, areas, labels: JSON.
    "ALTER TABLE results ADD COLUMN value REAL",
    "ALTER TABLE results ADD COLUMN objects TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE results ADD COLUMN areas TEXT NOT NULL DEFAULT '{}'",
    f"""CREATE TABLE audits ({_KEY}, kind TEXT NOT NULL, who TEXT NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (box, boot, seq)) WITHOUT ROWID, STRICT""",
    f"""CREATE TABLE shadows ({_KEY}, pipeline TEXT NOT NULL, frame TEXT NOT NULL, sample TEXT NOT NULL,
        model TEXT NOT NULL, shadow TEXT NOT NULL, label TEXT NOT NULL, shadow_label TEXT NOT NULL,
        confidence REAL NOT NULL, shadow_confidence REAL NOT NULL, latency_us INTEGER NOT NULL,
        shadow_latency_us INTEGER NOT NULL, PRIMARY KEY (box, boot, seq)) WITHOUT ROWID, STRICT""",
    f"""CREATE TABLE rollups ({_KEY}, span_ms INTEGER NOT NULL, pipeline TEXT NOT NULL, model TEXT NOT NULL,
        frames INTEGER NOT NULL, errors INTEGER NOT NULL, kept INTEGER NOT NULL, confidence_mean REAL NOT NULL,
        latency_us_p50 INTEGER NOT NULL, latency_us_p99 INTEGER NOT NULL, labels TEXT NOT NULL, value_mean REAL,
        shadow TEXT, shadow_frames INTEGER NOT NULL, shadow_agreed INTEGER NOT NULL,
        shadow_latency_us_p50 INTEGER NOT NULL, PRIMARY KEY (box, boot, seq)) WITHOUT ROWID, STRICT""",
    "CREATE INDEX audits_by_time ON audits (at_ms)",
    "CREATE INDEX shadows_by_time ON shadows (at_ms)",
    "CREATE INDEX rollups_by_time ON rollups (at_ms)",
    "CREATE INDEX losses_by_time ON losses (at_ms)",
)

_STREAMS_BY_BOX = tuple(
    f"CREATE INDEX {stream}_by_box ON {stream} (box, at_ms, boot, seq)"
    for stream in ("audits", "alerts", "shadows", "rollups", "losses")
)
"""One box's rows are turned over page by page, however many the others have."""


_CLOCKS_COPIES_CHAINS = (
    "ALTER TABLE audits ADD COLUMN entry INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE audits ADD COLUMN previous TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE audits ADD COLUMN chain TEXT NOT NULL DEFAULT ''",
    # How far each box's chain was told to reach, and up to where its entries had left before this desktop came.
    """CREATE TABLE audit_chains (
        box TEXT NOT NULL, beginning TEXT NOT NULL, entry INTEGER NOT NULL, digest TEXT NOT NULL,
        anchor INTEGER NOT NULL, taken_back INTEGER, PRIMARY KEY (box, beginning)) WITHOUT ROWID, STRICT""",
    "CREATE INDEX audits_by_entry ON audits (box, entry)",
    "ALTER TABLE box_status ADD COLUMN skew_ms REAL",
    "ALTER TABLE box_status ADD COLUMN skew_error_ms REAL",
    # asked and heard count sightings, for clocks jump: whatever was heard as n was asked for after n sightings at most.
    """CREATE TABLE sightings (
        box TEXT NOT NULL REFERENCES boxes ON DELETE CASCADE, address TEXT NOT NULL, boot TEXT NOT NULL,
        machine TEXT NOT NULL, host_key TEXT NOT NULL, kernel_boot TEXT NOT NULL,
        first_asked INTEGER NOT NULL, first_heard INTEGER NOT NULL, last_asked INTEGER NOT NULL,
        last_heard INTEGER NOT NULL, last_ms INTEGER NOT NULL,
        PRIMARY KEY (box, address, boot)) WITHOUT ROWID, STRICT""",
)


def _foundation(database: sqlite_utils.Database) -> None:
    for statement in _FOUNDATION:
        database.execute(statement)


def _more_streams(database: sqlite_utils.Database) -> None:
    for statement in _MORE_STREAMS:
        database.execute(statement)


def _streams_by_box(database: sqlite_utils.Database) -> None:
    for statement in _STREAMS_BY_BOX:
        database.execute(statement)


def _clocks_copies_chains(database: sqlite_utils.Database) -> None:
    for statement in _CLOCKS_COPIES_CHAINS:
        database.execute(statement)


_SSH_ACCESS = """CREATE TABLE box_ssh (
    box TEXT PRIMARY KEY REFERENCES boxes ON DELETE CASCADE, user TEXT NOT NULL, host TEXT NOT NULL,
    port INTEGER NOT NULL, host_key TEXT NOT NULL) STRICT"""


def _ssh_access(database: sqlite_utils.Database) -> None:
    database.execute(_SSH_ACCESS)


def _notes_of_audits(database: sqlite_utils.Database) -> None:
    """What came before audits were noted is noted as it stands now."""
    database.execute("ALTER TABLE activity ADD COLUMN facts TEXT NOT NULL DEFAULT ''")
    note_all(database.conn)


_ROLLOUTS = (
    # One row for each box of a rollout, which travels by itself; boxes was the JSON of all of them.
    """CREATE TABLE rollout_boxes (
        rollout TEXT NOT NULL, box TEXT NOT NULL, wave INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT,
        updated_ms INTEGER NOT NULL, PRIMARY KEY (rollout, box)) WITHOUT ROWID, STRICT""",
    """INSERT INTO rollout_boxes (rollout, box, wave, state, reason, updated_ms)
        SELECT r.rollout, json_extract(p.value, '$.box'), json_extract(p.value, '$.wave'),
            json_extract(p.value, '$.state'), json_extract(p.value, '$.reason'),
            COALESCE(json_extract(p.value, '$.updated_ms'), 0)
        FROM rollouts r, json_each(r.boxes) p""",
    "ALTER TABLE rollouts DROP COLUMN boxes",
    "ALTER TABLE rollouts ADD COLUMN plan TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE rollouts ADD COLUMN replica TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE rollouts ADD COLUMN stamp TEXT NOT NULL DEFAULT ''",
    "UPDATE rollouts SET stamp = printf('%015d.000000', created_ms)",
    "CREATE INDEX rollout_boxes_by_box ON rollout_boxes (box)",
    """CREATE TABLE box_labels (
        box TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (box, label)) WITHOUT ROWID, STRICT""",
    """CREATE TABLE decisions (
        box TEXT NOT NULL, bundle TEXT NOT NULL, choice TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL,
        decided_ms INTEGER NOT NULL, PRIMARY KEY (box, bundle)) WITHOUT ROWID, STRICT""",
    # How fast bytes went to a box the last time that enough of them went there, from this desktop.
    """CREATE TABLE links (
        box TEXT PRIMARY KEY REFERENCES boxes ON DELETE CASCADE, bytes_per_s REAL NOT NULL,
        at_ms INTEGER NOT NULL) STRICT""",
)


def _rollouts(database: sqlite_utils.Database) -> None:
    for statement in _ROLLOUTS:
        database.execute(statement)


_VISITS = """CREATE TABLE visit_entries (
    visit TEXT NOT NULL, seq INTEGER NOT NULL, replica TEXT NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    who TEXT NOT NULL, desktop TEXT NOT NULL, certificate TEXT NOT NULL, body TEXT NOT NULL, previous TEXT NOT NULL,
    digest TEXT NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (visit, seq)) WITHOUT ROWID, STRICT"""


def _visits(database: sqlite_utils.Database) -> None:
    database.execute(_VISITS)


_DOTS = (
    # What each writer of a row had seen, which columns are whose, and what was beaten unseen: see
    # cloud_sync.journal.rows. held: the columns of a row that is gone.
    "ALTER TABLE row_clocks ADD COLUMN seen TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE row_clocks ADD COLUMN stamps TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE row_clocks ADD COLUMN lost TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE row_clocks ADD COLUMN held TEXT",
    # Of a row that was written before, everything older counts as seen.
    "UPDATE row_clocks SET seen = json_object('*', clock)",
    "CREATE INDEX row_clocks_lost ON row_clocks (table_name, row_key) WHERE lost <> ''",
    # state: what a change says beside its body; NULL: a whole row, or a fact. replica: whose it is, where not ours.
    "ALTER TABLE changes ADD COLUMN state TEXT",
    "ALTER TABLE changes ADD COLUMN replica TEXT",
    # Which segments of this desktop stand in the object store, with the last change and the digest of each.
    """CREATE TABLE own_segments (
        seq INTEGER PRIMARY KEY, through INTEGER NOT NULL, digest TEXT NOT NULL) STRICT""",
    # Desktops that go on under another id; void: digests of segments of the former one, which went out again.
    """CREATE TABLE replicas (
        replica TEXT PRIMARY KEY, former TEXT NOT NULL, void TEXT NOT NULL, at_ms INTEGER NOT NULL,
        reason TEXT NOT NULL) STRICT""",
    # base: ids of the label events that its writer had before them, joined by commas; NULL: all that are older.
    "ALTER TABLE label_events ADD COLUMN base TEXT",
    "ALTER TABLE label_events ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0",
    """UPDATE label_events SET superseded = 1 WHERE EXISTS (SELECT 1 FROM label_events o
        WHERE o.sample = label_events.sample AND (o.clock, o.replica) > (label_events.clock, label_events.replica))""",
    "CREATE INDEX label_events_standing ON label_events (sample, label) WHERE superseded = 0",
    """CREATE TRIGGER label_supersedes AFTER INSERT ON label_events BEGIN
        UPDATE label_events SET superseded = 1
        WHERE sample = NEW.sample AND event <> NEW.event AND superseded = 0 AND (instr(NEW.base, event) > 0
            OR (NEW.base IS NULL AND (clock, replica) < (NEW.clock, NEW.replica)));
        UPDATE label_events SET superseded = 1
        WHERE event = NEW.event AND EXISTS (SELECT 1 FROM label_events o
            WHERE o.sample = NEW.sample AND o.event <> NEW.event AND (instr(o.base, NEW.event) > 0
                OR (o.base IS NULL AND (o.clock, o.replica) > (NEW.clock, NEW.replica))));
    END""",
    # presence 3: the bytes are in the object store, and fetched when somebody wants them.
    "CREATE INDEX samples_stored ON samples (sample) WHERE presence = 3",
)


def _dots(database: sqlite_utils.Database) -> None:
    for statement in _DOTS:
        database.execute(statement)


def _problem_codes(database: sqlite_utils.Database) -> None:
    """What kind of problem the last contact with a box had; of those before nobody knows."""
    database.execute("ALTER TABLE box_status ADD COLUMN problem_code TEXT")


_METRICS = (
    "ALTER TABLE rollups ADD COLUMN latency_first INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE rollups ADD COLUMN latency_counts TEXT NOT NULL DEFAULT '[]'",
    # rolled: it was added to its hour and day. elsewhere: another desktop has brought it to the bucket as well.
    "ALTER TABLE rollups ADD COLUMN rolled INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE rollups ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX rollups_to_roll ON rollups (box, boot, seq) WHERE rolled = 0",
    # Which rows came when, stretch by stretch: what waits for the bucket, and how old is what is there already.
    """CREATE TABLE arrivals (
        id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, box TEXT NOT NULL, boot TEXT NOT NULL,
        first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, rows INTEGER NOT NULL, came_ms INTEGER NOT NULL,
        in_bucket INTEGER NOT NULL DEFAULT 0) STRICT""",
    "CREATE INDEX arrivals_by_state ON arrivals (stream, in_bucket, box, came_ms)",
    *(
        f"""INSERT INTO arrivals (stream, box, boot, first_seq, last_seq, rows, came_ms)
        SELECT '{stream}', box, boot, min(seq), max(seq), count(*), unixepoch() * 1000 FROM
            (SELECT box, boot, seq, (row_number() OVER (PARTITION BY box, boot ORDER BY seq) - 1) / 20000 AS part
             FROM {stream}) GROUP BY box, boot, part ORDER BY box, boot, part"""  # noqa: S608 - names of ours
        for stream in ("results", "rollups")
    ),
    """CREATE TABLE metric_rollups (
        span TEXT NOT NULL, box TEXT NOT NULL, pipeline TEXT NOT NULL, model TEXT NOT NULL, at_ms INTEGER NOT NULL,
        minutes INTEGER NOT NULL, frames INTEGER NOT NULL, errors INTEGER NOT NULL, kept INTEGER NOT NULL,
        confidence REAL NOT NULL, latency_first INTEGER NOT NULL, latency_counts TEXT NOT NULL, labels TEXT NOT NULL,
        value REAL NOT NULL, value_frames INTEGER NOT NULL, shadow_frames INTEGER NOT NULL,
        shadow_agreed INTEGER NOT NULL, version INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (span, box, pipeline, model, at_ms)) WITHOUT ROWID, STRICT""",
    "CREATE INDEX metric_rollups_to_send ON metric_rollups (span, box, at_ms) WHERE version > sent",
    """CREATE TABLE metric_files (
        number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind TEXT NOT NULL, box TEXT NOT NULL,
        period TEXT NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL, state TEXT NOT NULL) STRICT""",
    "CREATE INDEX metric_files_by_partition ON metric_files (kind, box, period)",
    "CREATE INDEX metric_files_unfinished ON metric_files (state) WHERE state <> 'written'",
)


def _metrics(database: sqlite_utils.Database) -> None:
    for statement in _METRICS:
        database.execute(statement)


_TRANSFERS = (
    # Uploads in parts that were begun in the object store, and downloads of which some parts lie beside their place.
    """CREATE TABLE uploads (
        sha256 TEXT PRIMARY KEY, upload TEXT NOT NULL, part_bytes INTEGER NOT NULL,
        begun_ms INTEGER NOT NULL) STRICT""",
    """CREATE TABLE downloads (
        sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, part_bytes INTEGER NOT NULL,
        begun_ms INTEGER NOT NULL) STRICT""",
    """CREATE TABLE download_parts (
        sha256 TEXT NOT NULL REFERENCES downloads ON DELETE CASCADE, number INTEGER NOT NULL,
        PRIMARY KEY (sha256, number)) WITHOUT ROWID, STRICT""",
)


def _transfers(database: sqlite_utils.Database) -> None:
    for statement in _TRANSFERS:
        database.execute(statement)


_SUBJECTS = (
    # What a rollout brings; a row of before, or of a desktop of before, means a model. object: the file with it, where
    # the subject is none of the library; signature: of the desktop that started it, over what it brings.
    "ALTER TABLE rollouts ADD COLUMN subject TEXT NOT NULL DEFAULT 'model'",
    "ALTER TABLE rollouts ADD COLUMN object TEXT",
    "ALTER TABLE rollouts ADD COLUMN size INTEGER",
    "ALTER TABLE rollouts ADD COLUMN signature TEXT",
    # Of configurations: the box's number of the version that was in force at the start, and of the one that it tried.
    "ALTER TABLE rollout_boxes ADD COLUMN base INTEGER",
    "ALTER TABLE rollout_boxes ADD COLUMN mark INTEGER",
    "ALTER TABLE decisions ADD COLUMN subject TEXT NOT NULL DEFAULT 'model'",
)


def _subjects(database: sqlite_utils.Database) -> None:
    for statement in _SUBJECTS:
        database.execute(statement)


_FILES_BY_TURNS = (
    # A sync asks for each of these, whatever there is beside: samples in the object store alone are the most.
    "DROP INDEX objects_to_fetch",
    "CREATE INDEX objects_to_come ON objects (sha256) WHERE present = 0 AND kind <> 'sample'",
    """CREATE INDEX objects_always_checked ON objects (sha256)
        WHERE present = 1 AND synced_ms IS NOT NULL AND kind IN ('bundle', 'dataset')""",
    """CREATE INDEX objects_checked_by_turns ON objects (sha256)
        WHERE present = 1 AND synced_ms IS NOT NULL AND kind NOT IN ('bundle', 'dataset')""",
)


def _files_by_turns(database: sqlite_utils.Database) -> None:
    for statement in _FILES_BY_TURNS:
        database.execute(statement)


_PROMISES = (
    # Of the desktop that started the rollout, over what this box gets, in which wave and by which plan.
    "ALTER TABLE rollout_boxes ADD COLUMN signature TEXT",
)


def _promises(database: sqlite_utils.Database) -> None:
    for statement in _PROMISES:
        database.execute(statement)


STEPS = (
    Step("0001_foundation", _foundation),
    Step("0002_more_streams", _more_streams),
    Step("0003_streams_by_box", _streams_by_box),
    Step("0004_clocks_copies_chains", _clocks_copies_chains),
    Step("0005_ssh_access", _ssh_access),
    Step("0006_notes_of_audits", _notes_of_audits),
    Step("0007_rollouts", _rollouts),
    Step("0008_visits", _visits),
    Step("0009_problem_codes", _problem_codes),
    Step("0010_metrics", _metrics),
    Step("0011_dots", _dots),
    Step("0012_transfers", _transfers),
    Step("0013_subjects", _subjects),
    Step("0014_files_by_turns", _files_by_turns),
    Step("0015_promises", _promises),
)
