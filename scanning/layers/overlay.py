"""Layers become an image: what a container would see, and what any layer has given away.

    manifest, configuration, layers agree?      order, number, digest, diffID, compression
    LayerFacts... -> FileSystem -> Survey       what is still there
                                -> packages, tools, distribution, accounts
    every layer, environment, labels, history   -> secrets: a deleted one can still be pulled

A layer may be given several times, since images repeat them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest

from scanning.errors import LimitExceededError
from scanning.facts import Account, ImageFacts, LayerFacts, LayerRefusal, Secret, Weakness
from scanning.files.secrets import find_in_environment, find_in_text
from scanning.hardening import accounts as account_checks
from scanning.hardening import configuration as configuration_checks
from scanning.hardening import environment as environment_checks
from scanning.hardening import filesystem as filesystem_checks
from scanning.hardening import jobs as job_checks
from scanning.hardening import starting as starting_checks
from scanning.layers.belongings import Belongings
from scanning.layers.filesystem import FileSystem
from scanning.layers.history import build_steps
from scanning.layers.inventory import inventory, told
from scanning.layers.limits import MOST_PACKAGES
from scanning.layers.replaced import replaced
from scanning.layers.survivors import Survey
from scanning.layers.toc import annotations as toc_annotations
from scanning.layers.toolbox import gather
from scanning.oci.manifest import ImageConfig, Manifest
from scanning.oci.media_types import FOREIGN_LAYER_COMPRESSION, LAYER_COMPRESSION
from scanning.packages.purl import purl

MAX_PROBLEMS = 20
"""Problems told of one image; one is enough to refuse it."""
MAX_WEAKNESSES = 500
"""Weaknesses of its files that one check tells of one image: if every file is one, all describe it no better. Counted
by check, so that many of one cannot hide another.
"""

_UID = re.compile(r"[0-9]{1,10}", re.ASCII)
_MAX_UID = 0x7FFF_FFFF
"""Runtimes refuse more, or keep 32 bits of it, so that 4294967296 is root (CVE-2024-40635)."""


def assemble(
    manifest: Manifest,
    config: ImageConfig,
    layers: Sequence[LayerFacts],
    *,
    most_packages: int = MOST_PACKAGES,
) -> ImageFacts:
    """Make one image of `layers`, which are in the manifest's order, the lowest first. If it tells of more than
    `most_packages`, that is a problem, and no more of them are in it.

    `files` and `executables` count regular files under all their names; `size` is what the layers weigh as stored,
    in bytes. Whatever is ambiguous or does not agree is among `refusals` or `problems`. Nothing is raised.
    """
    tree = FileSystem()
    for layer in layers:
        tree.apply(layer)
    survey = Survey(tree, layers)
    distribution = survey.os_release()
    listed = tuple(islice(told(survey, tree, layers), most_packages + 1))
    is_crowded = len(listed) > most_packages
    listed = listed[:most_packages]
    packages = tuple(replace(package, purl=purl(package, distribution)) for package in inventory(survey, listed))
    accounts = survey.accounts()
    jobs = job_checks.jobs(tree)
    preloads = environment_checks.preloads(config, tree)
    further = (*(job.path for job in jobs), *(one.path for one in preloads if one.path))
    belongings = Belongings(tree, layers, survey.survivors, packages, further)
    found = ImageFacts(
        manifest=manifest.digest,
        config=manifest.config.digest if manifest.config else manifest.digest,
        platform=config.platform,
        layers=tuple(layer.digest for layer in layers),
        diff_ids=tuple(layer.diff_id for layer in layers),
        user=config.user,
        runs_as_root=runs_as_root(config.user, accounts),
        distribution=distribution,
        packages=packages,
        tools=gather(survey.survivors, packages, belongings.owner),
        secrets=tuple(dict.fromkeys((*_in_layers(layers), *_in_configuration(config), *_in_annotations(manifest)))),
        weaknesses=(
            *configuration_checks.weaknesses(config),
            *_a_few_of_each(
                replace(one, layer=survey.layer_of(one.where))
                for one in account_checks.weaknesses(accounts, survey.open_accounts())
            ),
            *_a_few_of_each(
                chain(
                    filesystem_checks.weaknesses(tree, layers),
                    job_checks.weaknesses(jobs, layers, belongings.brought),
                    environment_checks.weaknesses(preloads, config, tree, layers, belongings.brought),
                    starting_checks.weaknesses(config, tree, layers, survey.found_through),
                )
            ),
        ),
        unowned=tuple(belongings.unowned()),
        changed=belongings.changed,
        replaced=tuple(replaced(tree, layers, belongings)),
        files=survey.files,
        executables=survey.executables,
        size=sum(layer.size for layer in layers),
        refusals=tuple(dict.fromkeys((*_disagreements(manifest, config, layers), *tree.refusals)))[:MAX_PROBLEMS],
        created_by=build_steps(config, len(layers)),
    )
    # Last, when all links were followed that anything asks about: were there too many, that is one of them.
    problems = (*_miscounted(manifest, config, layers), *tree.problems, *survey.problems)
    if is_crowded:
        problems = (crowded(most_packages), *problems)
    return replace(found, problems=_bounded(problems))


def crowded(most_packages: int) -> str:
    """What is told of an image or artifact with more packages than that."""
    return str(LimitExceededError("packages", most_packages))


def runs_as_root(user: str, accounts: Sequence[Account]) -> bool:
    """Whether a process of `user` (`name|uid[:group|gid]`, config.md of the image specification) is root.

    Runtimes look for an account of that name or uid first, so that an account called 1000 can be root. A user
    that nobody can place counts as root.
    """
    name = user.partition(":")[0]
    matching = [account for account in accounts if name in {account.name, str(account.uid)}]
    if matching:
        return any(account.uid == 0 for account in matching)
    return _UID.fullmatch(name) is None or not 0 < int(name) <= _MAX_UID


def _miscounted(manifest: Manifest, config: ImageConfig, layers: Sequence[LayerFacts]) -> Iterator[str]:
    if not len(manifest.layers) == len(config.diff_ids) == len(layers):
        yield (
            f"the manifest lists {len(manifest.layers)} layers, its configuration {len(config.diff_ids)} and"
            f" {len(layers)} were inspected; rebuild the image so that they agree"
        )


def _disagreements(manifest: Manifest, config: ImageConfig, layers: Sequence[LayerFacts]) -> Iterator[LayerRefusal]:
    for number, (descriptor, diff_id, layer) in enumerate(
        zip_longest(manifest.layers, config.diff_ids, layers), start=1
    ):
        if layer is None:
            continue
        if diff_id is not None and diff_id.algorithm != layer.diff_id.algorithm:
            yield LayerRefusal(
                layer.digest,
                f"the configuration gives layer {number} a diffID by {diff_id.algorithm}, and runtimes compute it by"
                f" {layer.diff_id.algorithm}: name it {layer.diff_id} there",
            )
        elif diff_id is not None and layer.diff_id != diff_id:
            yield LayerRefusal(
                layer.digest, f"layer {number} has the diffID {layer.diff_id} and the configuration says {diff_id}"
            )
        if descriptor is None:
            continue
        if layer.digest != descriptor.digest:
            yield LayerRefusal(
                layer.digest, f"layer {number} is {layer.digest} and the manifest says {descriptor.digest}"
            )
        untrue = toc_annotations.disagreement(descriptor.annotations, layer.table)
        if untrue:
            yield LayerRefusal(layer.digest, f"layer {number} {untrue}")
        media_type = descriptor.media_type
        declared = LAYER_COMPRESSION.get(media_type) or FOREIGN_LAYER_COMPRESSION.get(media_type)
        if declared is None:
            yield LayerRefusal(
                layer.digest, f"layer {number} has the media type {media_type!r}, which no image layer has"
            )
        elif declared != layer.compression:
            yield LayerRefusal(
                layer.digest,
                f"layer {number} has the media type {media_type}, and its content is compressed with"
                f" {layer.compression}; push it under the media type it has",
            )


def _in_layers(layers: Sequence[LayerFacts]) -> Iterator[Secret]:
    for layer in layers:
        for found in layer.finds:
            for secret in found.secrets:
                yield replace(secret, layer=layer.digest)


def _in_configuration(config: ImageConfig) -> Iterator[Secret]:
    for number, entry in enumerate(config.environment, start=1):
        for kind, _ in find_in_environment(entry):
            yield Secret(kind, f"env {_name(entry.partition('=')[0], number)}")
    yield from _in_names_and_values("label", config.labels)
    for number, step in enumerate(config.history, start=1):
        for kind, _ in find_in_text(f"{step.created_by}\n{step.comment}"):
            yield Secret(kind, f"history {number}")


def _in_annotations(manifest: Manifest) -> Iterator[Secret]:
    yield from _in_names_and_values("annotation", manifest.annotations)
    for blob in manifest.blobs:
        yield from _in_names_and_values("annotation", blob.annotations)


def _in_names_and_values(what: str, pairs: Mapping[str, str]) -> Iterator[Secret]:
    for number, (key, value) in enumerate(pairs.items(), start=1):
        for kind, _ in find_in_text(f"{key}={value}"):
            yield Secret(kind, f"{what} {_name(key, number)}")


def _name(name: str, number: int) -> str:
    """How the entry is told: by its number where its name is the secret."""
    return str(number) if find_in_text(name) else name


def _a_few_of_each(weaknesses: Iterable[Weakness]) -> Iterator[Weakness]:
    told: Counter[str] = Counter()
    for weakness in weaknesses:
        told[weakness.check] += 1
        if told[weakness.check] <= MAX_WEAKNESSES:
            yield weakness


def _bounded(problems: Sequence[str]) -> tuple[str, ...]:
    different = tuple(dict.fromkeys(problems))
    if len(different) <= MAX_PROBLEMS:
        return different
    return (*different[:MAX_PROBLEMS], f"and {len(different) - MAX_PROBLEMS} more problems of this kind")
