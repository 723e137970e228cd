"""Which kinds of content a repository takes, and where it lies."""

from config.vocabulary import ArtifactKind, Effect
from scanning.artifacts import declared_type
from scanning.oci import media_types
from scanning.oci.manifest import ManifestKind
from scanning.rules.question import Answers, Question
from scanning.verdict import Violation

_KINDS = {
    ArtifactKind.HELM_CHART: "a Helm chart",
    ArtifactKind.WASM: "a WebAssembly module",
    ArtifactKind.SBOM: "an SBOM",
    ArtifactKind.OTHER: "an artifact of no kind that is known",
}


def artifacts(question: Question) -> Answers:
    """`artifacts`: nothing but images, signatures of them, and the artifacts that are named."""
    manifest, allowed = question.case.manifest, question.rule.artifacts
    if manifest.kind is not ManifestKind.ARTIFACT or allowed is True:
        return
    facts = question.case.facts
    kind = (facts.artifact if facts else None) or ArtifactKind.OTHER
    if allowed and (kind in allowed or declared_type(manifest) in allowed):
        return
    yield Violation(
        "artifacts",
        Effect.REJECT,
        declared_type(manifest) or "artifact",
        "",
        f"its content is that of {_KINDS[kind]}, and this repository takes"
        f" {', '.join(allowed) if allowed else 'images only'}",
        "push it to a repository whose policy allows such artifacts",
    )


def foreign_layers(question: Question) -> Answers:
    """`foreign_layers: false`: no layer whose content lies elsewhere (threat 44)."""
    for layer in () if question.rule.foreign_layers else question.case.manifest.layers:
        if layer.urls or layer.media_type in media_types.FOREIGN_LAYERS:
            yield Violation(
                "foreign_layers",
                Effect.REJECT,
                f"layer {layer.digest}",
                layer.urls[0] if layer.urls else "",
                "its content may lie at another address, where it can change after it was judged",
                "push it as an ordinary layer, without urls",
            )
