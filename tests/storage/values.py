"""Values that the tests of this floor store."""

from datetime import UTC, datetime, timedelta

from config.vocabulary import Effect, Mode
from scanning.facts import EntryKind, FileEntry, FileFinds, LayerFacts, Package
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest, ManifestKind
from scanning.oci.media_types import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict, VerdictInputs, Violation

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
APP = Repository("team/app")
OTHER = Repository("team/other")


def digest(word: str) -> Digest:
    """A digest that is always the same for a word."""
    return Digest.of(word.encode())


def descriptor(word: str, media_type: str = OCI_CONFIG) -> Descriptor:
    """A descriptor of a blob or manifest called `word`."""
    return Descriptor(media_type, digest(word), len(word))


def image(word: str, *layers: str, config: str = "config", subject: str = "") -> Manifest:
    """An image manifest called `word`."""
    return Manifest(
        digest=digest(word),
        media_type=OCI_MANIFEST,
        size=len(word),
        kind=ManifestKind.IMAGE,
        config=descriptor(config),
        layers=tuple(descriptor(layer) for layer in layers),
        subject=descriptor(subject, OCI_MANIFEST) if subject else None,
        artifact_type="application/x.test",
    )


def index(word: str, *children: str) -> Manifest:
    """An index called `word`."""
    return Manifest(
        digest=digest(word),
        media_type=OCI_INDEX,
        size=len(word),
        kind=ManifestKind.INDEX,
        children=tuple(descriptor(child, OCI_MANIFEST) for child in children),
    )


def layer_facts(word: str, files: int = 2) -> LayerFacts:
    """Facts of a layer called `word`."""
    return LayerFacts(
        digest=digest(word),
        diff_id=digest(f"{word}, unpacked"),
        compression="gzip",
        size=10,
        uncompressed_size=20,
        entries=tuple(FileEntry(f"usr/bin/{number}", EntryKind.FILE, 0o755) for number in range(files)),
        whiteouts=("etc/passwd",),
        finds=(FileFinds("var/lib/dpkg/status", (Package("deb", "b", "1", "s", "1", "var/lib/dpkg/status"),)),),
    )


def verdict(
    name: str,
    repository: Repository = APP,
    manifest: str = "image",
    outcome: Outcome = Outcome.REJECT,
    why: str = "is denied",
) -> Verdict:
    """A verdict whose id is `name`."""
    violation = Violation("deny.tools", Effect.REJECT, "ssh", "usr/bin/ssh", why, "remove it")
    return Verdict(
        id=name,
        repository=repository.name,
        digest=digest(manifest),
        kind=ManifestKind.IMAGE,
        outcome=outcome,
        mode=Mode.ENFORCE,
        violations=(violation,),
        warnings=(),
        waived=("CVE-2026-1 until spring",),
        counts=(("packages", 3),),
        inputs=VerdictInputs(digest(manifest), OCI_MANIFEST, digest("policy"), digest("signatures")),
        judged_at=NOW,
        valid_until=LATER,
        runnable=True,
    )
