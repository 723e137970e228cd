"""The use cases of the gate: what happens when somebody pushes, pulls or signs, and when policy or advisories change.

push      read strictly -> inspect -> judge -> admit (upstream), hold (quarantine) or refuse
pull      resolve once -> verdict under today's policy -> serve exactly the bytes that were judged
promote   a signature arrived or the policy changed -> judge again -> what was held goes upstream
"""
