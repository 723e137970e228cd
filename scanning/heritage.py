"""What an image has from an approved base image, and what it adds.

An image is built on a base when its layers begin with all of the base's, by diffID: the digests of their unpacked
content, which the gate computes itself. Of several bases the longest one counts.

What lies in a layer of the base is the base's. Package managers write their whole database anew into the layer that
adds a package, so a package that the base has in the same version is the base's as well, whatever layer tells of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from scanning.approvals import ApprovedBase
from scanning.facts import ImageFacts, Package, ReplacedFile
from scanning.oci.digest import Digest
from scanning.verdict import Violation


@dataclass(frozen=True, slots=True)
class Heritage:
    """The approved base an image is built on; `base` is None where it is built on none of them."""

    base: ApprovedBase | None = None
    layers: frozenset[Digest] = field(default=frozenset(), repr=False)

    @property
    def name(self) -> str:
        """The base as people call it; "" without one."""
        return self.base.name if self.base else ""

    def attribute(self, violation: Violation) -> Violation:
        """`violation`, saying whether the base or the image itself brought what it is about, where that is known."""
        if self.base is None or not (violation.layer or violation.purl):
            return violation
        inherited = self.has_layer(violation.layer) or self.has_purl(violation.purl)
        return replace(violation, base=self.name, inherited=inherited)

    def has_program(self, sha256: str) -> bool:
        """Whether the base has, in some place, this executable that no package owns."""
        return self.base is not None and sha256 in self.base.content.programs

    def replaced(self, files: Iterable[ReplacedFile]) -> Iterator[ReplacedFile]:
        """Programs of the base that the image put something else in the place of, and that no package which the base
        has not, or not in this version, claims to have installed. What claims the base's own version lies.
        """
        for file in files:
            is_ours = self.has_layer(file.brought_by) and not self.has_layer(file.ended_by)
            if is_ours and (not file.purl or self.has_purl(file.purl)):
                yield file

    def has_layer(self, layer: Digest | None) -> bool:
        """Whether the base brought what lies in `layer` of the image."""
        return layer in self.layers

    def has_purl(self, purl: str) -> bool:
        """Whether the base has this package, in this version."""
        return self.base is not None and purl in self.base.packages

    def has(self, package: Package) -> bool:
        """Whether the base brought a package of the image."""
        return self.has_layer(package.layer) or self.has_purl(package.purl)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The approved base that comes nearest to an image not built on it: how many of its layers the image begins with,
    and which of its packages the image has not, or in another version.
    """

    base: ApprovedBase
    shared_layers: int
    missing: tuple[str, ...]


def trace(facts: ImageFacts, bases: Iterable[ApprovedBase]) -> Heritage:
    """Which of `bases` the image is built on."""
    fitting = [base for base in bases if _shared(facts, base) == len(base.content.diff_ids) > 0]
    if not fitting:
        return Heritage()
    base = max(fitting, key=lambda base: (len(base.content.diff_ids), base.approval.id))
    return Heritage(base, frozenset(facts.layers[: len(base.content.diff_ids)]))


def nearest(facts: ImageFacts, bases: Iterable[ApprovedBase]) -> Nearest | None:
    """The base that shares the most layers with the image, then the most packages; None if there is none to compare."""
    purls = frozenset(package.purl for package in facts.packages)
    ranked = sorted(
        bases,
        key=lambda base: (-_shared(facts, base), -len(base.packages & purls), base.approval.id),
    )
    if not ranked:
        return None
    base = ranked[0]
    return Nearest(base, _shared(facts, base), tuple(sorted(base.packages - purls)))


def _shared(facts: ImageFacts, base: ApprovedBase) -> int:
    """How many layers both begin with."""
    shared = 0
    for own, theirs in zip(facts.diff_ids, base.content.diff_ids, strict=False):
        if own != theirs:
            break
        shared += 1
    return shared
