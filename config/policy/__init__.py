"""The policy document: what may be pushed to and pulled from which repositories, and who must have signed it.

A repository is judged by the one rule whose pattern is the most specific; a repository that no rule covers
is refused. A check that a rule does not name is not made; that a layer or manifest cannot be read is always
a refusal.
"""

from config.policy.deny import Deny, DenyFindings, DenyHardening
from config.policy.document import Policy
from config.policy.require import Require
from config.policy.rule import RepositoryRule
from config.policy.signers import Signer
from config.policy.waivers import Waiver

__all__ = ["Deny", "DenyFindings", "DenyHardening", "Policy", "RepositoryRule", "Require", "Signer", "Waiver"]
