"""Structured logs on standard error: text for people, JSON for collectors. Libraries' logs take the same way."""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from proxy.telemetry.redaction import redact
from proxy.telemetry.request_log import RequestRecord


def configure_logging(level: str, style: Literal["text", "json"], stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for this process. Call it once, at the start.

    `stream` defaults to standard error.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process,
    ]
    render: Processor = structlog.processors.JSONRenderer()
    if style == "text":
        render = structlog.dev.ConsoleRenderer(colors=False)
    ending: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        render,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(style, processors=ending, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(max(root.level, logging.WARNING))  # it tells of every start
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _add_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say which process speaks: several may serve, and write to one place."""
    return {**event, "process": os.getpid()}


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Knows how requests are written; everything else goes through the processors."""

    def __init__(self, style: Literal["text", "json"], **options: Any) -> None:
        super().__init__(**options)
        self._as_json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, RequestRecord):
            return record.as_json() if self._as_json else record.as_text()
        return super().format(record)
