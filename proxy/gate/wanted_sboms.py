"""Which bills of materials are to lie beside an image, recorded with its admission: none is lost, and no push waits.

Registries that the gate only reads get none.
"""

from proxy.gate.judgement import Judgement
from proxy.upstream.port import Upstream, UpstreamReadOnlyError
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Repository
from scanning.verdict import Outcome
from storage import sboms
from storage.database import Transaction


async def want_sboms(tx: Transaction, upstream: Upstream, repository: Repository, judgement: Judgement) -> None:
    """Record what is to be attached to an image that was admitted, and to those that an index lists. Call it once the
    manifest is recorded as no longer held.
    """
    for child in judgement.children:
        await want_sboms(tx, upstream, repository, child)
    rule = judgement.policy.policy.rule_for(repository.name)
    verdict = judgement.verdict
    if rule is None or verdict.kind is not ManifestKind.IMAGE or verdict.enforced is not Outcome.ADMIT:
        return
    if verdict.inputs.facts is None or not rule.sbom.attach:
        return
    try:
        upstream.check_writable(repository)
    except UpstreamReadOnlyError:
        return
    for form in dict.fromkeys(rule.sbom.attach):
        await sboms.want(tx, repository, verdict.digest, form, verdict=verdict.id, facts=verdict.inputs.facts)
