"""Hardening: what makes an image easier to attack though nothing in it is vulnerable.

catalogue        every check: its id, how bad, why, what to do, which benchmark asks for it
configuration    checks of the image configuration
accounts         checks of passwd and shadow
filesystem       checks of the files a container would see
"""
