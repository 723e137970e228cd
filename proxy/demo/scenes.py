"""The four images: who does what to each, and what must come of it."""

from dataclasses import dataclass
from pathlib import Path

from proxy.demo.client import Client
from proxy.demo.contents import AGENT_PATH, BASE, installed_package, old_jinja2, renamed_ssh
from proxy.demo.gate import SIGNER
from proxy.demo.images import File, Image, build_image
from proxy.demo.signing import SigningKey
from proxy.demo.stage import Expected, Stage
from proxy.upstream.origin import Origin
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from scanning.signatures.discover import signature_tag

_PACKAGE = "packaging"
_TAG = Tag("1.0")
_CREATED = Expected(201)
_SERVED = Expected(200)
_UNKNOWN = Expected(404, "MANIFEST_UNKNOWN", ("has no manifest",))


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: two clients of the gate at `origin`, and the key the policy trusts."""

    origin: Origin
    developer: Client
    operator: Client
    key: SigningKey

    def signature(self, repository: Repository, image: Image) -> Image:
        """A signature of `image`, as cosign would make it."""
        return self.key.sign(image.digest, f"{self.origin.host}:{self.origin.port}/{repository}")


async def signed_and_clean(stage: Stage, cast: Cast) -> None:
    """Signed before it is pushed, so that it is admitted at once."""
    content, repository = installed_package(_PACKAGE), Repository("release/hello")
    image = build_image(BASE, content.files)
    stage.scene("A clean image, signed before it is pushed", content.origin, f"signed by the key {SIGNER!r}")
    signature = cast.signature(repository, image)
    tag = signature_tag(image.digest)
    stage.step("developer", _push(repository, tag), await cast.developer.push(repository, tag, signature), _CREATED)
    stage.step("developer", _push(repository, _TAG), await cast.developer.push(repository, _TAG, image), _CREATED)
    stage.step("operator", _pull(repository, _TAG), await cast.operator.pull(repository, _TAG), _SERVED)


async def ssh_inside(stage: Stage, cast: Cast) -> None:
    """Recognised by what is in the file, whatever it is called."""
    clean, agent, repository = installed_package(_PACKAGE), renamed_ssh(), Repository("team/backup")
    stage.scene("The same, with an ssh client under another name", agent.origin)
    pushed = await cast.developer.push(repository, _TAG, build_image(BASE, clean.files, agent.files))
    refused = Expected(
        403, "DENIED", ("team/backup:1.0 is refused", AGENT_PATH, "ssh-client", "imagegate verdict show")
    )
    stage.step("developer", _push(repository, _TAG), pushed, refused)
    stage.step("operator", _pull(repository, _TAG), await cast.operator.pull(repository, _TAG), _UNKNOWN)


async def unpatched(stage: Stage, cast: Cast, folder: Path, *, fetch: bool) -> None:
    """A package that an advisory says is vulnerable, and that a newer version mends."""
    old, repository = await old_jinja2(folder, fetch=fetch), Repository("team/website")
    stage.scene("An unpatched package", old.origin, "advisory PYSEC-2019-217, as `imagegate feeds import` takes it in")
    pushed = await cast.developer.push(repository, _TAG, build_image(BASE, old.files))
    named = ("CVE-2019-10906", "jinja2 2.10 of layer", "fixed in 2.10.1", "imagegate verdict show")
    stage.step("developer", _push(repository, _TAG), pushed, Expected(403, "DENIED", named))
    stage.step("operator", _pull(repository, _TAG), await cast.operator.pull(repository, _TAG), _UNKNOWN)


async def unsigned(stage: Stage, cast: Cast) -> None:
    """Waits in quarantine until somebody signs it, through the gate."""
    content, repository = installed_package(_PACKAGE), Repository("release/report")
    image = build_image(BASE, content.files, {"srv/report.py": File(b"import packaging\n")})
    layer = tuple(image.blobs)[-1]
    held = ("require.signatures",)
    stage.scene("A clean image that nobody has signed yet", content.origin, "and srv/report.py")
    pushed = await cast.developer.push(repository, _TAG, image)
    stage.step("developer", _push(repository, _TAG), pushed, Expected(201, mentions=("in quarantine", *held)))
    refused = await cast.operator.pull(repository, _TAG)
    stage.step("operator", _pull(repository, _TAG), refused, Expected(403, "DENIED", held))
    withheld = await cast.operator.pull_blob(repository, layer)
    stage.step("operator", _pull(repository, layer), withheld, Expected(403, "DENIED", ("no admitted image",)))
    stage.step("developer", _pull(repository, _TAG), await cast.developer.pull(repository, _TAG), _SERVED)
    stage.say(f"   now it is signed by the key {SIGNER!r}; cosign sign --key does the same", "dim")
    tag = signature_tag(image.digest)
    signed = await cast.developer.push(repository, tag, cast.signature(repository, image))
    stage.step("developer", _push(repository, tag), signed, _CREATED)
    for reference in (_TAG, image.digest):
        served = await cast.operator.pull(repository, reference)
        stage.step("operator", _pull(repository, reference), served, _SERVED)
    stage.step("operator", _pull(repository, layer), await cast.operator.pull_blob(repository, layer), _SERVED)


def _push(repository: Repository, reference: Reference) -> str:
    return f"push {_named(repository, reference)}"


def _pull(repository: Repository, reference: Reference) -> str:
    return f"pull {_named(repository, reference)}"


def _named(repository: Repository, reference: Reference) -> str:
    """The reference as clients write it, digests cut short."""
    if isinstance(reference, Digest):
        return f"{repository}@{reference.abbreviated}"
    name = reference.name if len(reference.name) < 20 else f"{reference.name[:14]}….sig"
    return f"{repository}:{name}"
