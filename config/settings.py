"""The settings of one gate: what it listens on, what stands behind it, and its bounds.

Where they come from is `config.settings_file`'s business; here is what they may be. Every key has a default, so
that an empty file is a complete configuration.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from config.by_repository import ties
from config.errors import Location, MisplacedValueError
from config.patterns import RepositoryPattern
from config.prefixes import by_longest_prefix
from config.setting_values import (
    BaseUrl,
    BucketPrefix,
    ClamdAddress,
    DatabaseUrl,
    FilePath,
    Names,
    Origins,
    OriginUrl,
    ProxyNetworks,
    RepositoryPrefix,
    StateFolder,
    default_state_folder,
)

ENVIRONMENT_PREFIX = "IMAGEGATE_"
ENVIRONMENT_DELIMITER = "__"
"""The variable of `listen.port` is IMAGEGATE_LISTEN__PORT."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listen(_Section):
    """Where clients reach the gate."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.", min_length=1)
    port: int = Field(5000, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that serve; bounds of the gate are shared among them.")
    tls_cert_file: FilePath = Field(
        "", description="PEM: the gate's certificate and those below it; empty for plain HTTP. Read again when renewed."
    )
    tls_key_file: FilePath = Field("", description="PEM: the private key of that certificate, without a passphrase.")
    tls_client_ca_file: FilePath = Field(
        "", description="PEM: clients must show a certificate that one of these signed; empty asks for none."
    )
    tls_minimum_version: Literal["1.2", "1.3"] = Field("1.2", description="The oldest TLS that is spoken.")
    drain_delay_seconds: float = Field(
        0.0, ge=0, le=300, description="Time after SIGTERM to go on serving while /readyz says 503, for balancers."
    )
    drain_seconds: float = Field(
        30.0, ge=0, le=3600, description="Time that running requests have to finish after that, in seconds."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mistakes: list[tuple[Location, str]] = []
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            missing, given = (
                ("tls_key_file", "tls_cert_file") if self.tls_cert_file else ("tls_cert_file", "tls_key_file")
            )
            mistakes.append(((given,), f"goes together with {missing}, which is missing"))
        if self.tls_client_ca_file and not self.tls_cert_file:
            mistakes.append((("tls_client_ca_file",), "asks for TLS; give tls_cert_file and tls_key_file too"))
        if mistakes:
            raise MisplacedValueError(mistakes)
        return self


class Upstream(_Section):
    """The registry behind the gate."""

    kind: Literal["embedded", "remote"] = Field(
        "embedded", description="embedded: kept in state_dir. remote: any OCI registry, at url."
    )
    url: OriginUrl = Field("", description="remote: its address, such as https://registry.example.com.")
    namespace: RepositoryPrefix = Field(
        "", description="remote: what stands before every repository name there: with team, app is team/app there."
    )
    access: Literal["read-write", "read-only"] = Field(
        "read-write", description="read-only: nothing is pushed to it or deleted from it."
    )
    username: str = Field("", description="remote: the account the gate uses; empty for none.")
    password: SecretStr = Field(SecretStr(""), description="remote: its password; better in password_file.")
    password_file: FilePath = Field("", description="remote: a file that holds the password.")
    token: SecretStr = Field(
        SecretStr(""), description="remote: a token the gate sends as it is (Bearer), instead; better in token_file."
    )
    token_file: FilePath = Field("", description="remote: a file that holds the token.")
    docker_config_file: FilePath = Field(
        "",
        description="remote: a config.json of docker that has the login under auths, instead; it may change.",
    )
    ecr: bool = Field(False, description="remote: Amazon ECR; the gate's AWS credentials get the login, instead.")
    ecr_region: str = Field("", description="remote: its region, where url does not say it.")
    ecr_endpoint: BaseUrl = Field("", description="remote: where to ask AWS; empty for the region's public address.")
    ca_file: FilePath = Field("", description="remote: PEM certificates to trust besides the system's.")
    redirect_hosts: Names = Field(
        (), description="remote: hosts, or host:port, it may redirect blobs to though their addresses are private."
    )
    client_redirect_hosts: Names = Field(
        (),
        description="remote: hosts, or host:port, where clients fetch blobs by themselves when it redirects there;"
        " empty: blobs go through the gate.",
    )
    token_origins: Origins = Field(
        (), description="remote: its token service, such as https://auth.example.com, where that is elsewhere."
    )
    unsafe_skip_verify: bool = Field(False, description="remote: accept any certificate. For tests only.")
    connect_timeout_seconds: float = Field(10.0, gt=0, le=300, description="Time to connect, in seconds.")
    read_timeout_seconds: float = Field(
        60.0, gt=0, le=3600, description="Silence after which an answer is given up, in seconds."
    )

    max_connections: int = Field(256, ge=1, le=100_000, description="remote: requests that run there at once.")
    retries: int = Field(
        3, ge=0, le=10, description="remote: how often a request that does no harm twice is sent again when it fails."
    )
    retry_seconds: float = Field(
        20.0, ge=0, le=300, description="remote: for how many seconds it is; a longer Retry-After is passed on."
    )
    breaker_failures: int = Field(
        10, ge=0, description="remote: failures in a row after which it is left alone for a while; 0: never."
    )
    breaker_seconds: float = Field(
        30.0, gt=0, le=3600, description="remote: the longest such while, in seconds. It begins with one, and doubles."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mistakes: list[tuple[Location, str]] = []
        if self.kind == "remote" and not self.url:
            mistakes.append((("url",), "a remote upstream needs its address"))
        if self.kind == "embedded" and self.url:
            mistakes.append((("kind",), "is embedded, and url names a registry; write kind: remote or remove url"))
        if bool(self.username) != bool(self.password.get_secret_value()):
            mistakes.append((("username",), "username and password go together; one of them is missing"))
        if ":" in self.username:
            mistakes.append((("username",), "a user name cannot hold a colon (RFC 7617)"))
        if self.kind == "embedded" and self.namespace:
            mistakes.append((("namespace",), "is for remote upstreams; the embedded one holds nothing but its own"))
        ways = {
            "username": bool(self.username),
            "token": bool(self.token.get_secret_value()),
            "docker_config_file": bool(self.docker_config_file),
            "ecr": self.ecr,
        }
        given = [key for key, is_given in ways.items() if is_given]
        mistakes += [((key,), f"{given[0]} is given too; the gate has one login there: keep one") for key in given[1:]]
        if mistakes:
            raise MisplacedValueError(mistakes)
        return self


class PrefixedUpstream(Upstream):
    """A registry behind the gate whose repositories are known under a prefix of their own."""

    prefix: RepositoryPrefix = Field(
        description="PREFIX/NAME at the gate is NAME there; the longest prefix decides.", min_length=1
    )


class S3(_Section):
    """kind s3: the bucket. Credentials come from where boto3 looks for them."""

    bucket: str = Field("", description="Its name.")
    prefix: BucketPrefix = Field("", description="What the names of objects begin with, such as imagegate/.")
    region: str = Field("", description="Its region; empty: what boto3 finds.")
    endpoint_url: BaseUrl = Field("", description="For stores that are not Amazon's, such as https://minio.internal.")
    uploads_folder: FilePath = Field(
        "",
        description="Unfinished uploads; gates that share it go on with each other's; empty: in state_dir.",
    )
    presigned_seconds: int = Field(
        0, ge=0, le=3600, description="Redirect blob GETs to an address that is good for so long; 0: stream them."
    )
    public_endpoint_url: BaseUrl = Field("", description="The store's address for clients; empty: endpoint_url.")


class _QuotaOfRepositories(_Section):
    repositories: tuple[RepositoryPattern, ...] = Field(
        description="Repository patterns; the most specific decides, as in the policy.", min_length=1
    )

    @property
    def named(self) -> str:
        """Its patterns, to be told."""
        return ", ".join(pattern.text for pattern in self.repositories)


class Quota(_QuotaOfRepositories):
    """How many bytes of blobs some repositories may hold together."""

    bytes: int = Field(ge=0, description="How many, for all that the patterns cover together.")


class RecordQuota(_QuotaOfRepositories):
    """How many manifests and tags some repositories may have on record together."""

    records: int = Field(ge=0, description="How many, for all that the patterns cover together.")


def _check_told_apart(name: str, quotas: Sequence[_QuotaOfRepositories]) -> None:
    """Return if it is clear for every repository which quota of the list `name` it is under. Raises
    `MisplacedValueError`.
    """
    mistakes = list(ties(name, quotas))
    if mistakes:
        raise MisplacedValueError(mistakes)


class Content(_Section):
    """The embedded registry: where its blobs are, how many it takes, and when those that nobody needs go."""

    kind: Literal["filesystem", "s3"] = Field(
        "filesystem", description="filesystem: a folder in state_dir. s3: a bucket of anything that speaks S3."
    )
    s3: S3 = Field(default_factory=S3)
    quotas: tuple[Quota, ...] = Field(
        (), description='A list, such as [{"repositories": ["team/**"], "bytes": 10737418240}]; none: no bound.'
    )
    collect_hours: int = Field(
        24,
        ge=0,
        description="Remove blobs that no manifest refers to, and old records, after so many hours, again and again; 0:"
        " never.",
    )
    grace_hours: int = Field(
        24, ge=1, description="How long a blob stays that no manifest refers to: pushes must be done by then."
    )

    @model_validator(mode="after")
    def _quotas_are_told_apart(self) -> Self:
        _check_told_apart("quotas", self.quotas)
        return self

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.kind == "s3" and not self.s3.bucket:
            raise MisplacedValueError([(("s3", "bucket"), "a content store of kind s3 needs its bucket")])
        if self.kind == "filesystem" and self.s3.bucket:
            raise MisplacedValueError([(("kind",), "is filesystem, and s3 names a bucket; write kind: s3")])
        return self


class Records(_Section):
    """How long the gate knows of what it judged. What is old goes when `content.collect_hours` say."""

    keep_days: int = Field(
        365,
        ge=0,
        description="Days for which a verdict stays, with what it was made of. What is in force stays anyway; 0: all"
        " stay, for ever.",
    )
    unasked_days: int = Field(
        180,
        ge=0,
        description="Days after which an image of a remote upstream that nobody pulled, nor pushed under a tag, is"
        " known no more; it is inspected anew when somebody pulls it; 0: never.",
    )


class Cache(_Section):
    """Copies of remote upstreams' blobs on the local disk."""

    size_bytes: int = Field(0, ge=0, description="Most bytes of them; 0: no cache.")
    folder: FilePath = Field("", description="Where they are; empty: cache in state_dir.")


class Tokens(_Section):
    """The short-lived tokens clients get from /auth/token."""

    lifetime_seconds: int = Field(300, ge=60, le=3600, description="How long one is valid, in seconds.")
    issuer: str = Field("imagegate", description="Who issues them (iss).", min_length=1)
    service: str = Field("imagegate", description="Whom they are for (aud).", min_length=1)


class Registry(_Section):
    """The registry API."""

    delete_enabled: bool = Field(False, description="Whether manifests, tags and blobs can be deleted.")
    catalog_page: int = Field(1000, ge=1, le=10_000, description="Most names in one page of a list.")
    fresh_seconds: int = Field(
        300,
        ge=0,
        le=86_400,
        description="How long a manifest that the upstream had is served by its digest without asking there again; one"
        " that is deleted past the gate is served so long; 0: it is asked.",
    )
    records_per_repository: int = Field(
        100_000,
        ge=1,
        description="Most manifests and tags of one repository that can be pushed, without those deleted.",
    )
    record_quotas: tuple[RecordQuota, ...] = Field(
        (),
        description='In place of that, a list such as [{"repositories": ["team/**"], "records": 5000}]: each is for all'
        " repositories together that its patterns cover.",
    )

    @model_validator(mode="after")
    def _quotas_are_told_apart(self) -> Self:
        _check_told_apart("record_quotas", self.record_quotas)
        return self


class Inspection(_Section):
    """How layers are inspected. An image that passes a bound is refused, by a sentence that names the bound."""

    mode: Literal["inline", "deferred"] = Field(
        "inline",
        description="inline: uploads pass at the pace of their inspection; deferred: they are taken as fast as they"
        " come and inspected behind, and their manifest waits.",
    )
    workers: int = Field(0, ge=0, le=256, description="Processes that inspect; 0: one more than processors.")
    uploads: int = Field(
        0,
        ge=0,
        le=256,
        description="Uploads that are inspected on their way at a time; beyond `workers`, processes that come and go do"
        " it. 0: four for each processor, or what `workers` allow if they are set.",
    )
    uncompressed_bytes: int = Field(16 << 30, ge=1, description="Bytes of the archive after decompression.")
    ratio: int = Field(200, ge=1, description="Uncompressed bytes for each compressed byte.")
    ratio_grace_bytes: int = Field(64 << 20, ge=0, description="Bytes that come out before ratio counts.")
    window_bytes: int = Field(128 << 20, ge=1 << 20, description="Largest zstd window, kept in memory.")
    entries: int = Field(500_000, ge=1, description="Archive members.")
    path_length: int = Field(4096, ge=1, le=65_536, description="Bytes of one path or link target.")
    path_depth: int = Field(128, ge=1, le=4096, description="Components of one path.")
    path_bytes: int = Field(128 << 20, ge=1, description="Characters of all paths and link targets together.")
    pax_bytes: int = Field(1 << 20, ge=1, description="Bytes of one extended header or long name.")
    file_bytes: int = Field(128 << 20, ge=1, description="Bytes of one package database or Java archive.")
    packages: int = Field(50_000, ge=1, description="Packages of one layer, and of one image.")
    archive_depth: int = Field(4, ge=1, le=32, description="Java archives in each other.")
    archive_entries: int = Field(200_000, ge=1, description="Entries of one Java archive and of those in it.")
    archive_bytes: int = Field(512 << 20, ge=1, description="Bytes read of one Java archive and of those in it.")
    clamd: ClamdAddress = Field(
        "",
        description="The clamd that looks for malware: unix:/run/clamav/clamd.ctl or tcp://HOST:3310; empty: none.",
    )
    clamd_file_bytes: int = Field(
        100 << 20,
        ge=1,
        lt=2 << 30,
        description="Bytes of the largest file given to clamd, no more than its own StreamMaxLength and MaxFileSize; a"
        " layer or an artifact with a larger one is refused.",
    )
    clamd_rescan_hours: int = Field(
        24,
        ge=0,
        description="After so many hours clamd looks again at what it called clean, where its signatures are newer by"
        " then; 0: never.",
    )
    cpu_seconds: int = Field(600, ge=1, description="Processor time for one layer, in seconds.")
    memory_bytes: int = Field(1 << 30, ge=64 << 20, description="Memory of one worker, in bytes.")
    idle_seconds: int = Field(60, ge=1, description="Silence of a client after which its worker is freed.")
    waiting_per_token: int = Field(
        32, ge=1, description="Layers of one token that may wait for a worker; what comes on top is answered 429."
    )


class Feeds(_Section):
    """Where advisories come from, and how old they may get."""

    url: BaseUrl = Field(
        "https://osv-vulnerabilities.storage.googleapis.com",
        description="Base address of OSV archives: the gate fetches URL/ECOSYSTEM/all.zip.",
    )
    ecosystems: Names = Field(
        ("Debian", "Alpine", "PyPI", "npm"), description="The OSV ecosystems to fetch.", min_length=1
    )
    kev_url: BaseUrl = Field(
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        description="The catalogue of vulnerabilities that are known to be exploited, as CISA makes it; empty: none.",
    )
    epss_url: BaseUrl = Field(
        "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
        description="Forecasts of attacks, as FIRST makes them; empty: none.",
    )
    end_of_life_url: BaseUrl = Field(
        "https://endoflife.date/api/v1/products/full",
        description="How long distributions are supported, as endoflife.date tells it, or debian.csv or ubuntu.csv of"
        " distro-info-data; empty: none.",
    )
    refresh_hours: int = Field(0, ge=0, description="Fetch again after so many hours; 0: only by command.")
    keep_days: int = Field(
        7,
        ge=1,
        description="Days for which old data stays, the last of each. What verdicts in force name stays anyway.",
    )
    warn_after_hours: int = Field(24, ge=1, description="With older data /readyz warns; the policy decides more.")


class Network(_Section):
    """How clients are heard."""

    trusted_proxies: ProxyNetworks = Field(
        (), description="Networks of the proxies whose forwarded_header is believed, such as 10.0.0.0/8."
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for", description="The header in which they say who the client is. The other one is never read."
    )
    proxy_protocol_from: ProxyNetworks = Field(
        (), description="Networks whose connections must begin with a PROXY header (v1 or v2), such as a balancer's."
    )
    header_timeout_seconds: float = Field(10.0, gt=0, le=300, description="Time to send a request's head.")
    read_timeout_seconds: float = Field(
        60.0, gt=0, le=3600, description="Silence in a request's body after which it is given up."
    )
    write_timeout_seconds: float = Field(
        120.0, gt=0, le=3600, description="Time in which a client must take some of what waits for it, or be cut off."
    )


class Logging(_Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["text", "json"] = Field("text", description="text for people, json for collectors.")


class Audit(_Section):
    """The records of who did what."""

    spool_bytes: int = Field(
        64 << 20, ge=1 << 16, description="Bytes of records of pulls that may wait for the database; then it is 503."
    )


class Throttle(_Section):
    """What stops the guessing of credentials, counted by account and client address, and floods of what is refused."""

    failures: int = Field(10, ge=1, description="Failed logins after which 429 is the answer.")
    refusals: int = Field(
        600,
        ge=1,
        description="Refused pushes of one token after which 429 is the answer, and denied requests after which their"
        " number is recorded in place of each.",
    )
    window_seconds: int = Field(60, ge=1, description="Time over which they are counted, in seconds.")


class Settings(_Section):
    """Everything one gate is told. Read by `config.settings_file.load_settings`."""

    public_url: BaseUrl = Field(
        "", description="The address clients use, such as https://gate.example.com; empty: made of listen."
    )
    state_dir: StateFolder = Field(
        default_factory=default_state_folder,
        description="The folder for everything that must survive a restart; empty: the user's data folder.",
    )
    database_url: DatabaseUrl = Field(
        SecretStr(""),
        description="postgresql+asyncpg://USER:PASSWORD@HOST/NAME; empty: SQLite in state_dir.",
    )
    database_url_file: FilePath = Field("", description="A file that holds database_url.")
    policy_file: FilePath = Field("", description="The policy; empty: policy.yaml in state_dir.")
    console: bool = Field(True, description="Whether the web console is served, under /console/.")
    listen: Listen = Field(default_factory=Listen)
    upstream: Upstream = Field(default_factory=Upstream)
    upstreams: tuple[PrefixedUpstream, ...] = Field(
        (),
        description="More registries: a list of the keys of upstream, each with a prefix besides, such as hub."
        " PREFIX/NAME at the gate is NAME there; what has none of the prefixes is at upstream.",
    )
    content: Content = Field(default_factory=Content)
    records: Records = Field(default_factory=Records)
    cache: Cache = Field(default_factory=Cache)
    tokens: Tokens = Field(default_factory=Tokens)
    registry: Registry = Field(default_factory=Registry)
    inspection: Inspection = Field(default_factory=Inspection)
    feeds: Feeds = Field(default_factory=Feeds)
    network: Network = Field(default_factory=Network)
    logging: Logging = Field(default_factory=Logging)
    audit: Audit = Field(default_factory=Audit)
    throttle: Throttle = Field(default_factory=Throttle)

    @model_validator(mode="after")
    def _upstreams_are_told_apart(self) -> Self:
        mistakes: list[tuple[Location, str]] = []
        prefixes = [upstream.prefix for upstream in self.upstreams]
        for index, prefix in enumerate(prefixes):
            if prefix in prefixes[:index]:
                mistakes.append(
                    (("upstreams", index, "prefix"), f"{prefix} is the prefix of another upstream; choose another")
                )
        embedded = [index for index, upstream in enumerate(self.upstreams) if upstream.kind == "embedded"]
        for index in embedded if self.upstream.kind == "embedded" else embedded[1:]:
            place = ("upstreams", index, "kind")
            mistakes.append((place, "one upstream can be embedded, and another one is (upstream is unless it says so)"))
        if mistakes:
            raise MisplacedValueError(mistakes)
        return self

    def upstream_of(self, repository: str) -> Upstream:
        """The upstream that has a repository: the one with the longest prefix that fits, else `upstream`."""
        by_prefix: dict[str, Upstream] = {each.prefix: each for each in self.upstreams}
        return by_longest_prefix(repository, by_prefix, self.upstream)

    @property
    def public_origin(self) -> str:
        """The address clients use, without a slash at the end."""
        if self.public_url:
            return self.public_url
        host = "localhost" if self.listen.host in ("0.0.0.0", "::") else self.listen.host  # noqa: S104  # not bound
        scheme = "https" if self.listen.tls_cert_file else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.listen.port}"

    @property
    def database(self) -> str:
        """The database's URL, for SQLAlchemy. It can hold a password."""
        return self.database_url.get_secret_value() or f"sqlite+aiosqlite:///{self._own_database}"

    @property
    def may_have_replicas(self) -> bool:
        """Whether other machines may serve from the same database."""
        return not self.database.startswith("sqlite")

    @property
    def has_database(self) -> bool:
        """Whether a database is named, or the one in the state folder is there already."""
        return bool(self.database_url.get_secret_value()) or self._own_database.exists()

    @property
    def _own_database(self) -> Path:
        return self.state_dir / "imagegate.sqlite3"

    @property
    def policy_path(self) -> Path:
        """Where the policy is."""
        return Path(self.policy_file) if self.policy_file else self.state_dir / "policy.yaml"

    @property
    def advisories_path(self) -> Path:
        """Where the advisory snapshots are."""
        return self.state_dir / "advisories"

    @property
    def audit_path(self) -> Path:
        """Where audit records are until the database has them."""
        return self.state_dir / "audit"

    @property
    def content_path(self) -> Path:
        """Where the embedded registry keeps its blobs, or with S3 the uploads that are not blobs yet."""
        return self.state_dir / "content"

    @property
    def cache_path(self) -> Path:
        """Where the copies of remote upstreams' blobs are."""
        return Path(self.cache.folder) if self.cache.folder else self.state_dir / "cache"
