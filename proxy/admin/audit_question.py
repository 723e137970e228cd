"""Which records of the audit somebody asks for, and may have: the same for every face of the gate."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.patterns import EVERY_REPOSITORY, RepositoryPattern
from proxy.admin.administering import administrator
from proxy.admin.parameters import one_of
from proxy.errors import BadRequestError
from proxy.routing import Call
from scanning.oci.names import Repository
from storage import audit
from storage.audit import AuditRecord, Event


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """Which records are wanted; `before` is the number that all of them are below."""

    repository: Repository | None
    event: Event | None
    actor: str
    before: int | None

    @property
    def concerns(self) -> RepositoryPattern:
        """What an admin's token has to cover: what is about no repository (tokens, policies) is for admins of all."""
        return RepositoryPattern(self.repository.name) if self.repository else EVERY_REPOSITORY


def read_question(query: Mapping[str, str]) -> AuditQuestion:
    """The question in the parameters `repository`, `event`, `actor` and `last`. Raises `BadRequestError`."""
    name = query.get("repository", "")
    return AuditQuestion(
        repository=Repository(name) if name else None,
        event=one_of(query.get("event", ""), Event, "event"),
        actor=query.get("actor", ""),
        before=_number(query.get("last", "")),
    )


async def answer(call: Call, question: AuditQuestion, limit: int) -> tuple[tuple[int, AuditRecord], ...]:
    """The newest records that are wanted, each with its number, for whoever may have them. Raises `DeniedError`."""
    await administrator(call, (question.concerns,))
    async with call.services.database.snapshot() as tx:
        return await audit.newest(
            tx,
            event=question.event,
            repository=question.repository,
            actor=question.actor,
            before=question.before,
            limit=limit,
        )


def _number(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise BadRequestError(f"last is {text[:20]!r}; write the number of a record")
    return int(text) if text else None
