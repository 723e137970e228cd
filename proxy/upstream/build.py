"""Makes the upstreams the settings ask for."""

import time
from datetime import timedelta

from config.settings import PrefixedUpstream, Settings
from config.settings import Upstream as UpstreamSettings
from proxy.clock import utc_now
from proxy.upstream.cached import CachedUpstream
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.interrupted import InterruptedUploads
from proxy.upstream.port import Upstream
from proxy.upstream.quotas import Quotas
from proxy.upstream.remote import RemoteUpstream
from proxy.upstream.remote_settings import places, remote_options
from proxy.upstream.routed import Route, RoutedUpstream
from storage.blob_cache import BlobCache
from storage.content.port import ContentStore
from storage.database import Database


def build_upstream(settings: Settings, database: Database, content: ContentStore) -> RoutedUpstream:
    """Make all upstreams, routed by prefix; call it inside the event loop that will use them.

    `content` serves the embedded registry only. Raises `ConfigurationError`.
    """
    # All are read before the first is made: what is made must be closed.
    remotes = remote_options(settings)
    cache = BlobCache(settings.cache_path, settings.cache.size_bytes, utc_now) if settings.cache.size_bytes else None

    def route(upstream: UpstreamSettings, place: str) -> Route:
        made = _remote(remotes[place], cache, database) if place in remotes else _embedded(settings, database, content)
        prefix = upstream.prefix if isinstance(upstream, PrefixedUpstream) else ""
        return Route(made, prefix, upstream.namespace, read_only=upstream.access == "read-only")

    default, *prefixed = (route(upstream, place) for place, upstream in places(settings))
    return RoutedUpstream(default, prefixed)


def _embedded(settings: Settings, database: Database, content: ContentStore) -> EmbeddedUpstream:
    grace = timedelta(hours=settings.content.grace_hours)
    return EmbeddedUpstream(database, content, quotas=Quotas(settings.content.quotas), grace=grace)


def _remote(options: RemoteOptions, cache: BlobCache | None, database: Database) -> Upstream:
    remote = RemoteUpstream(options, interrupted=InterruptedUploads(database, options.origin, utc_now))
    return remote if cache is None else CachedUpstream(remote, cache, time.monotonic)
