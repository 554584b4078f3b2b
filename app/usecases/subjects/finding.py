"""From the row of a rollout to what it brings, and to what people call that."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store import models as model_store
from app.store import rollouts as rollout_store
from app.store.records import Rollout, SubjectKind
from app.usecases import models
from app.usecases.subjects.base import Subject
from app.usecases.subjects.sealing import SealedSubject, require_sealed
from edge_runtime.contracts.errors import InputInvalid, NotFound, ObjectCorrupt

if TYPE_CHECKING:
    from app.context import Context


def find_subject(ctx: Context, rollout: Rollout) -> Subject | None:
    """What is to be brought; None until a sync has brought it to this desktop.

    :raises TrustRefused: nobody of the site has started it.
    :raises EdgeBundleInvalid, InputInvalid: what came is not what it should be.
    """
    if not is_here(ctx, rollout):
        return None
    with suppress(NotFound, ObjectCorrupt):
        if rollout.subject == "model":
            from app.usecases.subjects.model import ModelSubject

            return ModelSubject(ctx, models.get_model(ctx, rollout.model))
        require_sealed(ctx, rollout)
        return SealedSubject(ctx, rollout.rollout, _bare_subject(ctx, rollout))
    return None


def _bare_subject(ctx: Context, rollout: Rollout) -> Subject:
    if rollout.subject == "configuration":
        from app.usecases.subjects.configuration import ConfigurationSubject

        return ConfigurationSubject.of(ctx.blobs.get(rollout.object or ""))
    from app.usecases.subjects.program import ProgramSubject

    return ProgramSubject(ctx, ctx.blobs.checked(rollout.object or ""), rollout.model)


def is_here(ctx: Context, rollout: Rollout) -> bool:
    """Whether the file with it is on this desktop."""
    file = _file_of(ctx, rollout)
    return file is not None and ctx.blobs.has(file)


def is_damaged(ctx: Context, rollout: Rollout) -> bool:
    """Whether the file with it was found damaged on this desktop, and has not come again."""
    file = _file_of(ctx, rollout)
    return file is not None and ctx.blobs.lacks_damaged(file)


def _file_of(ctx: Context, rollout: Rollout) -> str | None:
    if rollout.subject != "model":
        return rollout.object
    row = ctx.database.read_one("SELECT sha256 FROM models WHERE model = ?", (rollout.model,))
    return row["sha256"] if row is not None else None


def change_of(ctx: Context, rollout: Rollout) -> str | None:
    """The fields that a configuration's rollout sets, as they were written; None of others, or if they are not here."""
    if rollout.subject != "configuration":
        return None
    with suppress(NotFound, ObjectCorrupt):
        return ctx.blobs.get(rollout.object or "").decode("utf-8", "replace")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The subject of rollouts that a person means."""

    subject: SubjectKind
    key: str
    title: str

    @property
    def words(self) -> str:
        """Its kind, what it is called and the beginning of its id: nobody takes it for another one."""
        called = self.title if self.title.startswith(f"{self.subject} ") else f"{self.subject} {self.title}"
        return f"{called} (id {self.key[:12]})"


def find_named(ctx: Context, words: str) -> Named:
    """A model by the beginning of its id, ``NAME@VERSION`` or its version; a configuration or a program that was rolled
    out by the beginning of its id, as rollouts show it, or its version.

    :raises NotFound, InputInvalid: there is none, or more than one.
    """
    others = {one.model: one for one in rollout_store.list_rollouts(ctx.database) if one.subject != "model"}
    found = [
        Named(subject=one.subject, key=key, title=title_of(ctx, one))
        for key, one in others.items()
        if words and (key.startswith(words) or one.version == words)
    ]
    try:
        model = models.get_model(ctx, words)
    except NotFound as error:
        if not found:
            raise NotFound(
                f"There is no model {words[:80]!r}, and no configuration or program of that name was rolled out.",
                hint="`lineside models list` and `lineside rollouts list` show what there is.",
            ) from error
    else:
        found.append(Named(subject="model", key=model.model, title=f"{model.name} {model.version}"))
    if len(found) > 1:
        raise InputInvalid(
            f"{words[:80]!r} is more than one thing: {'; '.join(one.words for one in found)}.",
            hint="Name it by the beginning of its id, or a model as NAME@VERSION.",
        )
    return found[0]


def titles_of(ctx: Context) -> dict[str, str]:
    """Name and version of each model in the library, by its id."""
    return {model.model: f"{model.name} {model.version}" for model in model_store.list_models(ctx.database)}


def title_of(ctx: Context, rollout: Rollout) -> str:
    """What people call that which a rollout brings."""
    return title(rollout.subject, rollout.model, rollout.version, titles_of(ctx))


def title(subject: SubjectKind, key: str, version: str, models_by_id: dict[str, str]) -> str:
    """As :func:`title_of`, from what is known."""
    if subject == "model":
        return models_by_id.get(key, f"{key[:12]} {version}")
    return f"{subject} {version}"
