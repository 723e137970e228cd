"""What makes runtimes that pull lazily show other files than the archives hold that were inspected (threat 88).

A layer's own table of contents is compared with its archive when it is inspected (`scanning.layers.toc`). The others:

    SOCI           an artifact with a table for each layer of an image, found by its subject, by an annotation of the
                   image or by the snapshotter's settings; known by its type (soci-snapshotter, `soci_index.go`)
    Nydus          a layer `containerd.io/snapshot/nydus-bootstrap` with the table of all, in an image or a referrer
    eStargz        tables of other layers, `containerd.io/snapshot/stargz/layer.digest`, in an image called `*-esgztoc`
    OverlayBD      layers `containerd.io/snapshot/overlaybd/...` whose only file is a block device

containerd hands every annotation of a layer that begins with `containerd.io/snapshot/` to the snapshotter, as a label
that it goes by (containerd, `FilterInheritedLabels`). So whatever is not known there is taken for such an order.
"""

from config.vocabulary import Effect
from scanning.hardening.catalogue import CHECKS
from scanning.layers.toc import annotations
from scanning.rules.question import Answers, Question
from scanning.verdict import Violation

_AMBIGUOUS = CHECKS["H26"]
_ORDERS = ("containerd.io/snapshot/", "containerd.io/snapshot.ref")
_COMPARED = frozenset({annotations.TABLE})
_SOCI = "application/vnd.amazon.soci.index."


def lazy_pulling(question: Question) -> Answers:
    """Nothing that leads lazily pulling runtimes elsewhere, whatever the policy says; an index of SOCI where it names
    that type in `artifacts`.
    """
    yield from _snapshotters_orders(question)
    yield from _soci_index(question)


def _snapshotters_orders(question: Question) -> Answers:
    found = [
        (number, names[0])
        for number, layer in enumerate(question.case.manifest.layers, start=1)
        if (names := [name for name in layer.annotations if name.startswith(_ORDERS) and name not in _COMPARED])
    ]
    if not found:
        return
    number, name = found[0]
    others = len(found) - 1
    yield Violation(
        "inspection",
        Effect.REJECT,
        f"{_AMBIGUOUS.id} {_AMBIGUOUS.title}",
        f"layer {number}" + (f" and {others} more" if others else ""),
        f"its annotation {name[:100]!a} tells containerd's snapshotters (Nydus, OverlayBD, SOCI) to show something else"
        " than the archive that was inspected",
        "push the image as it was before it was converted for lazy pulling, or convert it to eStargz or zstd:chunked,"
        " which can be compared",
        _AMBIGUOUS.id,
    )


def _soci_index(question: Question) -> Answers:
    manifest, allowed = question.case.manifest, question.rule.artifacts
    types = {manifest.artifact_type, manifest.config.media_type if manifest.config else ""}
    named = set() if isinstance(allowed, bool) else set(allowed)
    for media_type in sorted(types):
        if media_type.lower().startswith(_SOCI) and media_type not in named:
            yield Violation(
                "artifacts",
                Effect.REJECT,
                media_type,
                "",
                "it is a SOCI index: runtimes that use it take names, owners, modes and places of an image's files from"
                " it and never from the layers, and it cannot be compared with these",
                "convert the image to eStargz or zstd:chunked instead, whose tables are compared; or, if everybody who"
                f" can push here is trusted, let an admin name {media_type} in artifacts of the policy",
            )
