"""Who may look at which image, and at who pulled it: the same for every face of the gate."""

from proxy.errors import NotFoundError
from proxy.gate import approving
from proxy.identity.principal import Action, Principal, Role
from proxy.routing import Call
from scanning.oci.digest import Digest
from scanning.oci.names import ImageReference, Reference, Repository


def may_see_pulls(principal: Principal) -> bool:
    """Whether somebody is told who else pulled an image, where they may see the image."""
    return principal.role is Role.ADMIN


def check_may_pull(call: Call, repository: Repository) -> None:
    """Raises `NotFoundError` unless the caller may pull from `repository`: nobody else is told whether it is there."""
    if not call.caller.principal.may(Action.PULL, repository):
        raise NotFoundError(f"there is no repository {repository}, or it is not yours to see")


async def meant(call: Call, repository: Repository, reference: Reference) -> Digest:
    """What a reference means. Whoever may not have the image is told so, and why, as for a pull; admins look at what
    was refused, too, by its digest.
    """
    principal = call.caller.principal
    if isinstance(reference, Digest) and principal.role is Role.ADMIN and principal.scopes is None:
        return reference
    return (await call.services.gate.pull_manifest(call.caller, repository, reference, head=True)).digest


async def meant_as_base(call: Call, image: ImageReference) -> Digest:
    """The image that an admin wants to approve as a base: a digest must be there to be pulled, and what a tag means is
    for `approving.meant` to say. Raises as these do.
    """
    check_may_pull(call, image.repository)
    if isinstance(image.reference, Digest):
        await call.services.gate.pull_manifest(call.caller, image.repository, image.reference, head=True)
    return await approving.meant(call.services.database, call.services.upstream, image)
