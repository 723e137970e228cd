"""Threat 87: values are never read as SQL."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from scanning.facts import LayerRefusal
from scanning.verdict import Outcome
from storage import audit, documents, grants, layers, manifests, schema, signing_keys, verdicts
from storage.audit import AuditRecord, Event
from storage.database import Database
from storage.grants import Grant
from storage.signing_keys import SigningKey
from tests.storage.values import APP, NOW, digest, image, verdict

HOSTILE = [
    "'; DROP TABLE audit; --",
    "' OR '1'='1",
    '"; DELETE FROM grants; --',
    "x' UNION SELECT secret FROM signing_keys --",
    "%s %(name)s :name ? $1 {0}",
    "\\'; DROP TABLE verdicts; --",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_t87_hostile_text_is_kept_as_text(database: Database, text: str) -> None:
    made = verdict("v1", why=text)
    record = AuditRecord(NOW, Event.PUSH, text, text, "denied", detail=text)
    grant = Grant("g1", text, "operator", (text,), "00" * 32, NOW, text)
    manifest = replace(image("image"), artifact_type=text)
    async with database.transaction() as tx:
        kept = await documents.put(tx, text.encode())
        await layers.record_refusal(tx, LayerRefusal(digest("layer"), text), NOW)
        await manifests.record(tx, APP, manifest, text.encode(), held=True, facts=kept, now=NOW)
        await verdicts.append(tx, made)
        await audit.append(tx, record)
        await grants.add(tx, grant)
        await signing_keys.add(tx, SigningKey("k1", "tokens", b"secret", NOW))

    async with database.snapshot() as tx:
        assert await documents.get(tx, kept) == text.encode()
        assert await layers.find(tx, [digest("layer")]) == {digest("layer"): LayerRefusal(digest("layer"), text)}
        found = await manifests.find(tx, APP, digest("image"))
        assert found is not None
        assert (found.artifact_type, found.body) == (text, text.encode())
        assert await verdicts.get(tx, "v1") == made
        assert [entry for _, entry in await audit.newest(tx, limit=9)] == [record]
        assert await grants.get(tx, "g1") == grant


@pytest.mark.parametrize("text", HOSTILE)
async def test_t87_hostile_look_ups_find_and_change_nothing(database: Database, text: str) -> None:
    async with database.transaction() as tx:
        await verdicts.append(tx, verdict("v1", outcome=Outcome.ADMIT))
        await grants.add(tx, Grant("g1", "ci", "operator", (), "00" * 32, NOW, "admin"))
        await signing_keys.add(tx, SigningKey("k1", "tokens", b"secret", NOW))

        assert await verdicts.get(tx, text) is None
        assert await grants.get(tx, text) is None
        assert await grants.revoke(tx, text, NOW) is False
        assert await signing_keys.of(tx, text) == ()

    async with database.snapshot() as tx:
        counts = {
            table.name: await tx.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (schema.verdicts, schema.grants, schema.signing_keys, schema.audit)
        }
        grant = await grants.get(tx, "g1")
        assert counts == {"verdicts": 1, "grants": 1, "signing_keys": 1, "audit": 0}
        assert grant is not None
        assert grant.revoked_at is None
