"""The settings that a command gets from the options before it, and who gives it."""

import getpass
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from config.settings import Settings
from config.settings_file import load_settings
from proxy.cli.global_options import GlobalOptions

if TYPE_CHECKING:
    from proxy.identity.administrator import Administrator


def settings_for(
    context: typer.Context, overrides: Mapping[str, Any] | None = None, *, config: Path | None = None
) -> Settings:
    """The settings for a command; `overrides` are its own flags, nested like the settings file.

    `config` is a settings file the command itself was given. Raises `ConfigurationError`.
    """
    options = context.ensure_object(GlobalOptions)
    flags = dict(overrides or {})
    if options.state_dir is not None:
        flags["state_dir"] = str(options.state_dir)
    return load_settings(config or options.config, flags)


def administrator() -> "Administrator":
    """The person at this terminal, for the audit."""
    from proxy.identity.administrator import Administrator  # noqa: PLC0415 - brings the database's libraries

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without an account
        name = f"uid {os.getuid()}"
    return Administrator(name, socket.gethostname())
