"""Signatures found beside an image, verified against the keys the policy trusts."""
