"""Counters for Prometheus. No label has a value that a client can choose (threat 76)."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """The gate's own registry of metrics; others may add theirs to `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "imagegate_requests",
            "Requests answered, by method, route of the table and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "imagegate_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._recalled = Counter(
            "imagegate_requests_recalled",
            "Requests among them that were answered from memory, without being read anew.",
            registry=self.registry,
        )
        self._running = Gauge("imagegate_requests_running", "Requests being answered.", registry=self.registry)

    def began(self) -> None:
        """A request came in."""
        self._running.inc()

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """It was answered. `route` is a pattern of the table, or `NO_ROUTE`."""
        self._running.dec()
        self.answered(method, route, status, (seconds,))

    def answered(self, method: str, route: str, status: int, seconds: Sequence[float]) -> None:
        """Requests of one kind were answered; what each took."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc(len(seconds))
        observe = self._seconds.labels(route).observe
        for each in seconds:
            observe(each)

    def recalled(self, count: int) -> None:
        """So many of them were like requests of a moment ago, and not read anew."""
        self._recalled.inc(count)

    def watch_audit(self, waiting: Callable[[], int]) -> None:
        """Show how many bytes of audit records the database does not have yet."""
        gauge = Gauge(
            "imagegate_audit_waiting_bytes",
            "Bytes of audit records that wait for the database.",
            registry=self.registry,
        )
        gauge.set_function(waiting)

    def text(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return generate_latest(self.registry)
