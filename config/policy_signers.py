"""Signers are added to and taken out of the text of a policy, which stays as it was written otherwise."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import yaml

from config.errors import ConfigurationError, ImagegateError, Location
from config.patterns import RepositoryPattern
from config.policy import Policy, Signer
from config.policy_file import load_policy
from config.yaml_edit import add_item, add_pair, remove
from config.yaml_source import read_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_NOT_ALONE = (
    "the policy is written in a way in which this cannot be changed alone; write signers and of in lines of their own,"
    " or make the change in the file (imagegate policy set)"
)
_Data = dict[str, Any]


class SignerChangeError(ImagegateError):
    """A change of signers that the policy does not allow, or in whose text it cannot be made."""


class UnknownSignerError(SignerChangeError):
    """There is no such signer."""


def is_name(text: str) -> bool:
    """Whether a new signer may be called so: its name can stand in an address as it is."""
    return _NAME.fullmatch(text) is not None


def counting(policy: Policy, name: str) -> tuple[RepositoryPattern, ...]:
    """The patterns of the rules that count a signer's signatures."""
    rules = (rule for rule in policy.rules if rule.require.signatures and name in rule.require.signatures.of)
    return tuple(pattern for rule in rules for pattern in rule.repositories)


def counting_nobody(
    policy: Policy, patterns: Iterable[RepositoryPattern], now: datetime
) -> tuple[RepositoryPattern, ...]:
    """Those of the `patterns` of rules that ask for signatures while nobody whom they name is trusted at `now`."""
    trusted = {name for name, one in policy.signers.items() if not one.has_ended(now)}
    asked = {pattern: rule.require.signatures for rule in policy.rules for pattern in rule.repositories}
    return tuple(one for one in patterns if (asks := asked.get(one)) and trusted.isdisjoint(asks.of))


def with_signer(
    text: str, source: str, name: str, signer: Signer | None, repositories: Iterable[RepositoryPattern]
) -> str:
    """The `text` of a policy in which the rules with these patterns count the signatures of `signer`.

    None stands for one that the policy has already. Raises `ConfigurationError` for a text that is no policy, and
    `SignerChangeError`.
    """
    policy = load_policy(text, source)
    wanted: _Data = copy.deepcopy(dict(read_yaml(text, source).data))
    known = policy.signers.get(name)
    if known is None:
        if signer is None:
            raise SignerChangeError(f"the policy has no signer {name[:40]!r}, so its public key is needed to add it")
        if not is_name(name):
            raise SignerChangeError(
                f"{name[:40]!r} cannot name a signer; write letters, digits and . _ @ - such as release@example.com"
            )
        with _edited():
            text = _added(text, wanted, name, signer)
    elif signer is not None and signer != known:
        raise SignerChangeError(
            f"the policy has a signer {name} with another key or end; to change a key, add the new one under a second"
            " name, sign again, and remove the old one"
        )
    for number in _rules(policy, repositories):
        with _edited():
            text = _counted(text, wanted, number, name)
    return _checked(text, source, wanted)


def without_signer(text: str, source: str, name: str) -> str:
    """The `text` of a policy that knows no such signer any more, in no rule.

    Raises `ConfigurationError` for a text that is no policy, and `SignerChangeError`.
    """
    policy = load_policy(text, source)
    if name not in policy.signers:
        there_are = ", ".join(policy.signers) or "none"
        raise UnknownSignerError(f"the policy has no signer {name[:40]!r}; there are: {there_are}")
    wanted: _Data = copy.deepcopy(dict(read_yaml(text, source).data))
    with _edited():
        del wanted["signers"][name]
        text = remove(text, ("signers", name))
        for number, rule in enumerate(wanted["rules"]):
            names = rule.get("require", {}).get("signatures", {}).get("of", [])
            for at in reversed([at for at, one in enumerate(names) if one == name]):
                del names[at]
                text = remove(text, ("rules", number, "require", "signatures", "of", at))
    return _checked(text, source, wanted)


@contextmanager
def _edited() -> Iterator[None]:
    """What one edit made of an unusual layout may be no YAML for the next one, or not hold what that is to change."""
    try:
        yield
    except (yaml.YAMLError, LookupError, ValueError) as error:
        raise SignerChangeError(_NOT_ALONE) from error


def _added(text: str, wanted: _Data, name: str, signer: Signer) -> str:
    written = {"key": signer.key} | ({"not_after": signer.not_after.isoformat()} if signer.not_after else {})
    if "signers" in wanted:
        wanted["signers"][name] = written
        return add_pair(text, ("signers",), name, written)
    wanted["signers"] = {name: written}
    return add_pair(text, (), "signers", {name: written})


def _rules(policy: Policy, repositories: Iterable[RepositoryPattern]) -> Iterator[int]:
    """Which rules have these patterns. Raises `SignerChangeError` for a pattern that no rule has that asks for
    signatures.
    """
    rules = [(at, rule) for at, rule in enumerate(policy.rules) if rule.require.signatures]
    asking = {pattern: at for at, rule in rules for pattern in rule.repositories}
    for pattern in repositories:
        if pattern in asking:
            yield asking[pattern]
            continue
        if any(pattern in rule.repositories for rule in policy.rules):
            raise SignerChangeError(
                f"the rule for {pattern} asks for no signatures, so none would count; write require.signatures into it"
                " (imagegate policy set)"
            )
        there_are = ", ".join(map(str, asking)) or "none"
        raise SignerChangeError(
            f"no rule of the policy is for {pattern}, and rules are told by their patterns; those that ask for"
            f" signatures are for: {there_are}"
        )


def _counted(text: str, wanted: _Data, rule: int, name: str) -> str:
    place: Location = ("rules", rule, "require", "signatures")
    asked: Mapping[str, Any] = wanted["rules"][rule]["require"]["signatures"]
    if name in asked.get("of", ()):
        return text
    if "of" in asked:
        asked["of"].append(name)
        return add_item(text, (*place, "of"), name)
    wanted["rules"][rule]["require"]["signatures"]["of"] = [name]
    return add_pair(text, place, "of", [name])


def _checked(text: str, source: str, wanted: _Data) -> str:
    """`text`, if it says what is `wanted` and that is a policy."""
    try:
        says = read_yaml(text, source).data
    except ConfigurationError:
        says = {}
    if says != wanted:
        raise SignerChangeError(_NOT_ALONE)
    try:
        load_policy(text, source)
    except ConfigurationError as error:
        said = "; ".join(problem.message for problem in error.problems)
        raise SignerChangeError(f"the policy would not hold any more: {said}") from error
    return text
