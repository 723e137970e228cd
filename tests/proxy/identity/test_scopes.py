"""What is granted of what is asked, and how a challenge asks for it."""

import pytest

from config.patterns import RepositoryPattern
from proxy.identity.challenge import Challenger, repository_scope
from proxy.identity.principal import Action, Principal, Role, Scope
from proxy.identity.scopes import Access, grant_access
from scanning.oci.names import Repository

DEVELOPER = Principal("g1", "ci", Role.DEVELOPER, (RepositoryPattern("team/**"),))
BOTH = frozenset({Action.PULL, Action.PUSH})


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("repository:team/app:pull,push", (Scope("team/app", BOTH),)),
        ("repository:team/app:*", (Scope("team/app", BOTH),)),
        ("repository:team/app:pull,delete,fly", (Scope("team/app", frozenset({Action.PULL})),)),
        ("repository:team/app:delete", ()),
        ("repository:other/app:pull", ()),
        ("repository:Team/App:pull", ()),
        ("repository:team/app", ()),
        ("repository(plugin):team/app:pull", ()),
        ("", ()),
        ("::", ()),
    ],
)
def test_what_is_granted_is_asked_and_allowed(asked: str, granted: tuple[Scope, ...]) -> None:
    assert grant_access([asked], DEVELOPER) == Access(granted)


def test_scopes_of_one_repository_add_up() -> None:
    access = grant_access(["repository:team/app:pull", "repository:team/app:push"], DEVELOPER)
    assert access.scopes == (Scope("team/app", BOTH),)


def test_the_claim_reads_back() -> None:
    access = grant_access(["repository:team/app:pull,push", "registry:catalog:*"], DEVELOPER)
    assert Access.from_claim(access.claim) == access
    assert access.claim[0] == {"type": "repository", "name": "team/app", "actions": ["pull", "push"]}


def test_who_pushes_is_sent_for_pull_as_well() -> None:
    assert repository_scope(Repository("team/app"), Action.PUSH) == "repository:team/app:pull,push"
    assert repository_scope(Repository("team/app"), Action.PULL) == "repository:team/app:pull"


def test_every_value_of_a_challenge_is_quoted() -> None:
    challenger = Challenger("https://gate.example/auth/token", 'a "service"\r\nX: y')
    assert challenger.bearer("repository:a:pull", "invalid_token") == (
        'Bearer realm="https://gate.example/auth/token",service="a \\"service\\"??X: y",'
        'scope="repository:a:pull",error="invalid_token"'
    )
