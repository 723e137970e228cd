"""What of a policy concerns one repository has a name of its own, which is cheap to ask for."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from config.policy import Policy, Waiver
from config.policy_file import load_policy
from proxy.gate import policy as policies
from proxy.gate.policy import in_force
from tests.proxy.gate.world import policy_text

PLAIN = load_policy(policy_text(), "policy")
HERE = "team/app"


def waiver(*repositories: str, **more: Any) -> Waiver:
    """An exception that holds in these repositories."""
    values = {
        "repositories": repositories,
        "findings": ("CVE-2026-1",),
        "reason": "until it is mended",
        "author": "bob",
        "expires": datetime(2027, 1, 1, tzinfo=UTC),
    }
    return Waiver.model_validate(values | more)


def named(*waivers: Waiver, base: Policy = PLAIN, repository: str = HERE) -> str:
    """The name of what concerns a repository in a policy with these exceptions."""
    return str(in_force(base.with_waivers(waivers)).digest_in(repository))


ONE, OTHER = waiver("team/**"), waiver("team/*", HERE)
ELSEWHERE = waiver("other/**")


def test_exceptions_that_hold_elsewhere_change_nothing() -> None:
    assert named() == str(in_force(PLAIN).digest) == named(ELSEWHERE)
    assert named(ONE, OTHER) == named(ELSEWHERE, ONE, ELSEWHERE, OTHER)


def test_whatever_concerns_it_changes_the_name() -> None:
    changed = PLAIN.model_copy(update={"name": "another"})
    names = [
        *(named(*some, base=base) for base in (PLAIN, changed) for some in ((), (ONE,), (OTHER,), (ONE, OTHER))),
        *(named(waiver("team/**", **more)) for more in ({"reason": "why not"}, {"id": "1"}, {"findings": ("CVE-2",)})),
        named(ONE, ONE),
    ]
    assert len(set(names)) == len(names)


def test_it_is_the_same_in_every_process_that_reads_the_same() -> None:
    again = load_policy(policy_text(), "elsewhere")
    assert named(waiver("team/**"), waiver("team/*", HERE), base=again) == named(ONE, OTHER)


def test_asking_writes_out_neither_the_policy_nor_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for each image on the event loop, and policies are long."""
    current = in_force(PLAIN.with_waivers((ONE, ELSEWHERE)))
    expected = named(ONE)
    for each in (Policy, Waiver):
        monkeypatch.setattr(each, "model_dump_json", lambda _: pytest.fail("it is written out"))
    assert str(current.digest_in(HERE)) == expected
    assert current.digest_in("team/another") == current.digest_in(HERE)


def test_exceptions_for_the_same_repositories_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = watched(monkeypatch)
    in_force(PLAIN.with_waivers(tuple(waiver("team/**", id=str(number)) for number in range(1000)))).digest_in(HERE)
    assert asked == [HERE]


def test_the_repositories_that_were_asked_for_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_MOST_REMEMBERED", 3)
    asked = watched(monkeypatch)
    current = in_force(PLAIN.with_waivers((ONE,)))

    def looked_for(repositories: Iterable[str]) -> list[str]:
        asked.clear()
        for repository in repositories:
            current.digest_in(repository)
        return list(asked)

    assert looked_for("abcabc") == ["a", "b", "c"]
    assert looked_for("ad") == ["d"]
    assert looked_for("acd") == []
    assert looked_for("b") == ["b"]


def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The repositories for which an exception is asked whether it holds there, from now on."""
    asked: list[str] = []
    holds_in = Waiver.holds_in

    def hear(one: Waiver, repository: str) -> bool:
        asked.append(repository)
        return holds_in(one, repository)

    monkeypatch.setattr(Waiver, "holds_in", hear)
    return asked
