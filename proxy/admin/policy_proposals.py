"""What a policy that an admin proposes would change: the same for every face of the gate. Nothing is recorded."""

from collections.abc import Sequence

from config.policy import Policy
from proxy.gate.policy_trial import Trial, TriedImage, images_to_try, try_policy
from proxy.identity.principal import Action
from proxy.routing import Call


async def read_proposed(call: Call, text: str) -> Policy:
    """The policy in `text`, with the exceptions on record, which will hold under it as well.

    Raises `ConfigurationError` with every mistake.
    """
    desk = call.services.policy
    return (await desk.read_sent(text)).policy.with_waivers(desk.exceptions)


async def images_of(call: Call) -> Sequence[TriedImage]:
    """The images that the caller's token covers, in the order of their names."""
    images, principal = await images_to_try(call.services.database), call.caller.principal
    return [image for image in images if principal.granted(Action.PULL, image.repository)]


async def tried(call: Call, proposed: Policy, images: Sequence[TriedImage]) -> Trial:
    """What a proposed policy would change for some images, now and beside the one in force."""
    services = call.services
    now = services.policy.current.policy
    return await try_policy(services.database, services.replay, images, now, proposed, services.clock())
