"""Advisories in OSV form, and what they say of the packages in an image."""
