"""Templates and what they show: everything from outside is text, escaped and printable, whatever it says."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scanning.oci.digest import Digest
from storage.printable import printable

STYLE = "style.css"
ICON = "icon.svg"
_TEMPLATES = "templates"


@cache
def read_static(name: str) -> bytes:
    """A file that is sent as it is."""
    return resources.files(__package__).joinpath("static", name).read_bytes()


async def render(template: str, values: Mapping[str, object]) -> str:
    """A page. Rendering is work, so it is done in a thread."""
    return await asyncio.to_thread(_render, template, values)


def _render(template: str, values: Mapping[str, object]) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__, _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"style": _address(STYLE), "icon": _address(ICON)}
    made.filters["time"] = partial(_time, "%Y-%m-%d %H:%M")
    made.filters["seconds"] = partial(_time, "%Y-%m-%d %H:%M:%S")
    return made


def _address(name: str) -> str:
    """Where a file is; another one when its content is another."""
    return f"/console/{name}?v={sha256(read_static(name)).hexdigest()[:12]}"


def _shown(value: object) -> object:
    """What an expression shows: texts as the terminal shows them, digests by their beginning."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    if isinstance(value, Digest):
        return value.abbreviated
    return "\n".join(map(printable, str(value).split("\n")))


def _time(form: str, value: datetime | None) -> Markup:
    """A moment as the commands write it; UTC, which the heading says."""
    if value is None:
        return Markup("")
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(timespec="seconds"), value.strftime(form))
