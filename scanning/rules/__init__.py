"""The rules a policy can hold: each takes a question and gives what is not kept, and what is waived."""

from collections.abc import Callable

from scanning.rules.advisories import findings, malicious
from scanning.rules.advisory_data import advisory_data
from scanning.rules.ages import minimum_age
from scanning.rules.artifacts import artifacts, foreign_layers
from scanning.rules.bases import base
from scanning.rules.files import secrets, tools
from scanning.rules.hardening import hardening, root_user
from scanning.rules.indexes import children
from scanning.rules.inspection import uninspected
from scanning.rules.lazy_pulling import lazy_pulling
from scanning.rules.licences import allowed_licences, denied_licences
from scanning.rules.lifecycle import end_of_life
from scanning.rules.malware import malware, malware_scan
from scanning.rules.names import typosquats
from scanning.rules.packages import denied_packages, unvetted
from scanning.rules.question import Answers, Question
from scanning.rules.signatures import signatures
from scanning.rules.tags import downgrade

RULES: tuple[Callable[[Question], Answers], ...] = (
    lazy_pulling,
    uninspected,
    artifacts,
    foreign_layers,
    tools,
    secrets,
    malware,
    malicious,
    findings,
    end_of_life,
    denied_packages,
    denied_licences,
    typosquats,
    unvetted,
    allowed_licences,
    minimum_age,
    base,
    root_user,
    hardening,
    advisory_data,
    malware_scan,
    downgrade,
    children,
    signatures,
)
