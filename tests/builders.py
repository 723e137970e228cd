"""Images as builders write them that cannot run here, byte for byte where a reader could stumble.

Each is put together from what the builder documents or is known to write: names, modes, times, owners and link targets
in tar headers, the header of the compression, media types, annotations, and what its configuration leaves out.
"""

import base64
import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import zstandard

from scanning.oci import media_types
from scanning.oci.digest import Digest
from tests.images import OS_RELEASE_12, PASSWD, TestImage, descriptor, dpkg_status
from tests.scanning.layers.archives import END, GNU, header, pax
from tests.scanning.layers.lazy import Member, estargz, zstd_chunked

OCI_TAR = "application/vnd.oci.image.layer.v1.tar"
DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH = b"00000000000\x00"
ROOT = b"0000000\x00"
LONG_NAME = "-".join(["a-library-with-a-long-name"] * 4)
AMD64 = {"architecture": "amd64", "os": "linux"}

GO_GZIP, JAVA_GZIP = b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x1f\x8b\x08\0\0\0\0\0\0\0"
"""The first ten bytes that compress/gzip of Go and GZIPOutputStream of Java 8 write: no time, and another system."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob of a manifest with the digest of the archive in it."""

    media_type: str
    blob: bytes
    diff_id: Digest
    annotations: Mapping[str, str]


def layer(media_type: str, archive: bytes, pack: Callable[[bytes], bytes], **annotations: str) -> Layer:
    """An archive, packed."""
    return Layer(media_type, pack(archive), Digest.of(archive), annotations)


def image_of(
    layers: Sequence[Layer],
    config: Mapping[str, Any],
    *,
    media_type: str = media_types.OCI_MANIFEST,
    leave_out_media_type: bool = False,
    annotations: Mapping[str, str] | None = None,
) -> TestImage:
    """An image whose configuration is `config` and its rootfs."""
    rootfs = {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]}
    written = json.dumps(AMD64 | dict(config) | {"rootfs": rootfs}).encode()
    docker = media_type == media_types.DOCKER_MANIFEST
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(written, media_types.DOCKER_CONFIG if docker else media_types.OCI_CONFIG),
        "layers": [
            descriptor(layer.blob, layer.media_type) | ({"annotations": layer.annotations} if layer.annotations else {})
            for layer in layers
        ],
    }
    if leave_out_media_type:
        del document["mediaType"]
    if annotations:
        document["annotations"] = annotations
    blobs = {Digest.of(content): content for content in (written, *(layer.blob for layer in layers))}
    return TestImage(json.dumps(document).encode(), media_type, blobs)


def gzip_with(head: bytes) -> Callable[[bytes], bytes]:
    """Packs with gzip, under a header of ten bytes or more."""

    def pack(archive: bytes) -> bytes:
        deflate = zlib.compressobj(9, wbits=-15)
        trailer = struct.pack("<II", zlib.crc32(archive), len(archive))
        return head + deflate.compress(archive) + deflate.flush() + trailer

    return pack


def unpacked(archive: bytes) -> bytes:
    """Leaves an archive as it is."""
    return archive


def entry(
    name: bytes, content: bytes = b"", *, mode: int, kind: bytes = b"0", mtime: bytes = EPOCH, **more: bytes
) -> bytes:
    """A member of root's, with its data."""
    owner = {"uid": ROOT, "gid": ROOT, "mtime": mtime, "mode": b"%07o\x00" % mode}
    return header(name, kind, len(content), **owner | more) + content + bytes(-len(content) % 512)


def jar(group: str, artifact: str, version: str) -> bytes:
    """A Java archive that Maven has built."""
    properties = f"groupId={group}\nartifactId={artifact}\nversion={version}\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
        archive.writestr(f"META-INF/maven/{group}/{artifact}/pom.properties", properties)
    return buffer.getvalue()


def debian_base() -> Layer:
    """A small Debian as `docker build` leaves it: numbers of six digits, folders with a slash, `run` behind a link."""
    now = b"14712345670\x00"
    archive = b"".join(
        (
            entry(b"etc/", kind=b"5", mode=0o755, mtime=now),
            entry(b"etc/os-release", OS_RELEASE_12, mode=0o644, mtime=now),
            entry(b"etc/passwd", PASSWD, mode=0o644, mtime=now),
            entry(b"run/", kind=b"5", mode=0o755, mtime=now),
            entry(b"tmp/", kind=b"5", mode=0o1777, mtime=now),
            entry(b"tmp/gone", b"x", mode=0o644, mtime=now),
            entry(b"usr/", kind=b"5", mode=0o755, mtime=now),
            entry(b"usr/bin/", kind=b"5", mode=0o755, mtime=now),
            entry(b"bin", kind=b"2", link=b"usr/bin", mode=0o777, mtime=now),
            entry(b"var/", kind=b"5", mode=0o755, mtime=now),
            entry(b"var/lib/dpkg/status", dpkg_status(("base-files", "12.4")), mode=0o644, mtime=now),
            entry(b"var/run", kind=b"2", link=b"/run", mode=0o777, mtime=now),
            END,
        )
    )
    return layer(DOCKER_GZIP, archive, gzip_with(GO_GZIP))


def kaniko() -> TestImage:
    """A snapshot of all files: an entry for `/`, whiteouts without a mode, hard links with a slash in front."""
    now = b"14712345670\x00"
    status = dpkg_status(("base-files", "12.4"), ("libthing1", "1.0-2", "thing"))
    archive = b"".join(
        (
            entry(b"/", kind=b"5", mode=0o755, mtime=now),
            entry(b"tmp/", kind=b"5", mode=0o1777, mtime=now),
            entry(b"tmp/.wh.gone", mode=0, mtime=EPOCH),
            entry(b"usr/", kind=b"5", mode=0o755, mtime=now),
            entry(b"usr/bin/", kind=b"5", mode=0o755, mtime=now),
            entry(b"usr/bin/thing", b"#!/bin/sh\n", mode=0o755, mtime=now),
            entry(b"usr/bin/thing-1", kind=b"1", link=b"/usr/bin/thing", mode=0o755, mtime=now),
            entry(b"var/lib/dpkg/", kind=b"5", mode=0o755, mtime=now),
            entry(b"var/lib/dpkg/status", status, mode=0o644, mtime=now),
            END,
        )
    )
    config = {
        "config": {"User": "app", "Env": ["PATH=/usr/bin"], "Cmd": ["thing"]},
        "history": [
            {"created": "2026-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:base in / "},
            {"author": "kaniko", "created": "0001-01-01T00:00:00Z", "created_by": "RUN apt-get install thing"},
        ],
    }
    layers = (debian_base(), layer(DOCKER_GZIP, archive, gzip_with(GO_GZIP)))
    return image_of(layers, config, media_type=media_types.DOCKER_MANIFEST)


def _of_commons_compress(files: Mapping[str, bytes]) -> bytes:
    """Apache Commons Compress under jib: type bits in the mode, device numbers of files, one second after the epoch."""
    second = b"00000000001 "
    owner = {"uid": b"0000000 ", "gid": b"0000000 ", "major": b"0000000 ", "minor": b"0000000 "}
    parts: list[bytes] = []
    for name, content in files.items():
        folder = name.endswith("/")
        mode = b"%06o " % (0o040755 if folder else 0o100644)
        raw = name.encode()
        if len(raw) > 100:
            parts.append(_commons_pax(raw))
            raw = raw[:100]
        kind = b"5" if folder else b"0"
        parts.append(header(raw, kind, len(content), mode=b"0" + mode, mtime=second, **owner))
        parts.append(content + bytes(-len(content) % 512))
    return b"".join(parts) + END


def _commons_pax(name: bytes) -> bytes:
    """The extended header that it writes before a long name: in a folder of its own, cut to a hundred bytes."""
    written = pax((b"path", name))
    block = bytearray(written[:512])
    own = b"./PaxHeaders.X/" + name
    block[:100] = own[:100]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block) + written[512:]


def jib() -> TestImage:
    """Layers of dependencies, classes and arguments, each with its parents, below a base."""
    library = f"app/libs/{LONG_NAME}-1.2.3.jar"
    parents = {"app/": b""}
    dependencies = parents | {
        "app/libs/": b"",
        library: jar("org.yaml", "snakeyaml", "1.33"),
        "app/libs/commons-text-1.10.0.jar": jar("org.apache.commons", "commons-text", "1.10.0"),
    }
    classes = parents | {"app/classes/": b"", "app/classes/Main.class": b"\xca\xfe\xba\xbe\0\0\0\x3d"}
    arguments = parents | {
        "app/jib-classpath-file": f"/app/resources:/app/classes:/{library}".encode(),
        "app/jib-main-class-file": b"com.example.Main",
    }
    java = [
        layer(DOCKER_GZIP, _of_commons_compress(files), gzip_with(JAVA_GZIP))
        for files in (dependencies, classes, arguments)
    ]
    built = {"created": "1970-01-01T00:00:00Z", "author": "Jib", "created_by": "jib-maven-plugin:3.4.4"}
    config = {
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["java", "-cp", "@/app/jib-classpath-file", "@/app/jib-main-class-file"],
            "User": "app",
            "ExposedPorts": {},
            "Labels": {},
            "Volumes": {},
        },
        "history": [
            {"created_by": "base"},
            *({**built, "comment": name} for name in ("dependencies", "classes", "jvm arg files")),
        ],
    }
    return image_of((debian_base(), *java), config, media_type=media_types.DOCKER_MANIFEST)


def bazel() -> TestImage:
    """rules_oci over rules_pkg: GNU headers, `./` before every name, no folders, one layer as it is and one packed."""
    then = b"07033256400\x00"  # 2000-01-01, rules_pkg's portable_mtime

    def archive(files: Mapping[bytes, bytes]) -> bytes:
        members = (entry(name, content, mode=0o555, mtime=then, magic=GNU) for name, content in files.items())
        blocks = b"".join(members) + END
        return blocks + bytes(-len(blocks) % 10240)  # tarfile fills the last record

    base = archive(
        {
            b"./etc/os-release": OS_RELEASE_12,
            b"./etc/passwd": PASSWD,
            b"./var/lib/dpkg/status.d/base-files": dpkg_status(("base-files", "12.4")),
        }
    )
    files = {
        b"./app/bin.runfiles/_main/app.py": b"print()\n",
        b"./app/requests-2.32.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: requests\nVersion: 2.32.0\n",
    }
    named = b"\x1f\x8b\x08\x08\0\0\0\0\x02\xff" + b"app.tar.gz\x00"  # GzipFile writes the name of the file
    layers = (
        layer(OCI_TAR, base, unpacked),
        layer(f"{OCI_TAR}+gzip", archive(files), gzip_with(named)),
    )
    config = {"config": {"User": "app", "Env": ["PATH=/usr/bin"]}, "created": "1970-01-01T00:00:00Z"}
    return image_of(layers, config)


def apko() -> TestImage:
    """One layer, sorted, all of root's, with the database below usr and links from where it used to be."""
    installed = (
        b"C:Q1ZkMx2NfhJTxdJMGZeCKYbE0JB5s=\nP:wolfi-baselayout\nV:20230201-r24\nA:x86_64\no:wolfi-baselayout\n"
        b"L:MIT\nF:etc\nR:os-release\nZ:Q1NgLwW4wI6E9aXjtxLXYTlfEGh0o=\n\n"
        b"C:Q1aMx2NfhJTxdJMGZeCKYbE0JB5sZ=\nP:glibc\nV:2.41-r3\nA:x86_64\no:glibc\nL:LGPL-2.1-or-later\n\n"
    )
    release = b'ID=wolfi\nNAME="Wolfi"\nPRETTY_NAME="Wolfi"\nVERSION_ID="20230201"\n'
    folders = (b"etc", b"usr", b"usr/lib", b"usr/lib/apk", b"usr/lib/apk/db", b"var", b"var/lib")
    owner = {"tail": b""}
    members = [
        *(entry(folder, kind=b"5", mode=0o755, **owner) for folder in folders),
        entry(b"etc/os-release", release, mode=0o644),
        entry(
            b"etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532::/home/nonroot:/bin/sh\n", mode=0o644
        ),
        entry(b"lib", kind=b"2", link=b"usr/lib", mode=0o777),
        entry(b"usr/lib/apk/db/installed", installed, mode=0o644),
        entry(b"usr/lib/apk/db/scripts.tar", tarfile.NUL * 1024, mode=0o644),
        pax((b"SCHILY.xattr.user.pax.flags", b"epm")) + entry(b"usr/lib/libc.so.6", b"\x7fELF", mode=0o755),
    ]
    only = layer(f"{OCI_TAR}+gzip", b"".join(members) + END, gzip_with(GO_GZIP))
    config = {
        "author": "github.com/chainguard-dev/apko",
        "created": "1970-01-01T00:00:00Z",
        "config": {"User": "65532", "Env": ["PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]},
        "history": [
            {
                "author": "apko",
                "created": "1970-01-01T00:00:00Z",
                "created_by": "apko",
                "comment": "This is an apko single-layer image",
            }
        ],
    }
    return image_of((only,), config, annotations={"org.opencontainers.image.vendor": "Wolfi"})


def _of_python(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """What Python's tarfile writes to a stream: extended headers where needed, records of 10 KiB."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _of_store(
    name: str, content: bytes = b"", *, mode: int = 0o444, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(content), link
    info.mtime, info.uname, info.gname = 1, "root", "root"
    return info, content


def nix() -> TestImage:
    """dockerTools.streamLayeredImage: absolute names in the store, and a last layer of links to it."""
    glibc = "/nix/store/3n58xw4373jp0ljirf06d8077j15pc4j-glibc-2.40-66"
    hello = "/nix/store/zhl06z4lrfrkw5rp0hnjjfrgsclzvxpm-hello-2.12.1"
    long_name = f"{hello}/share/locale/" + "a-folder-of-translations/" * 4 + "hello.mo"
    first = (("/nix", 0o755), ("/nix/store", 0o755))

    def store(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
        folders = (_of_store(name, mode=mode, kind=tarfile.DIRTYPE) for name, mode in first)
        return _of_python((*folders, *members))

    layers = [
        store(
            _of_store(glibc, mode=0o555, kind=tarfile.DIRTYPE),
            _of_store(f"{glibc}/lib/libc.so.6", b"\x7fELF", mode=0o555),
        ),
        store(
            _of_store(hello, mode=0o555, kind=tarfile.DIRTYPE),
            _of_store(f"{hello}/bin/hello", b"\x7fELF", mode=0o555),
            _of_store(long_name, b"\xde\x12\x04\x95"),
        ),
    ]
    links = b"".join(
        (
            entry(b"./", kind=b"5", mode=0o755, mtime=b"00000000001\x00", magic=GNU),
            entry(b"./bin", kind=b"2", link=f"{hello}/bin".encode(), mode=0o777, mtime=b"00000000001\x00", magic=GNU),
            entry(b"./etc/passwd", PASSWD, mode=0o444, mtime=b"00000000001\x00", magic=GNU),
            END,
        )
    )
    config = {
        "created": "1970-01-01T00:00:01+00:00",
        "config": {"Cmd": ["/bin/hello"], "User": "app"},
        "history": [
            {"created": "1970-01-01T00:00:01+00:00", "comment": f"store paths: {number}"} for number in range(3)
        ],
    }
    return image_of([layer(OCI_TAR, archive, unpacked) for archive in (*layers, links)], config)


def buildkit(architecture: str = "amd64") -> TestImage:
    """One layer packed with zstd and one as eStargz, below annotations of their own."""
    base = debian_base()
    plain = gzip.decompress(base.blob)
    metadata = b"Metadata-Version: 2.1\nName: flask\nVersion: 3.0.0\n"
    path = "usr/lib/python3/dist-packages/flask-3.0.0.dist-info/METADATA"
    lazy = estargz(
        (
            Member(".no.prefetch.landmark", b"\x0f", mode=0o444),
            Member("usr/", kind="dir", mode=0o755),
            Member(path, metadata),
        ),
        after_end=True,
    )
    uncompressed = {"io.containers.estargz.uncompressed-size": str(len(lazy.archive))}
    layers = (
        layer(f"{OCI_TAR}+zstd", plain, zstandard.ZstdCompressor(level=3).compress),
        Layer(f"{OCI_TAR}+gzip", lazy.blob, Digest.of(lazy.archive), {**lazy.annotations, **uncompressed}),
    )
    config = {
        "architecture": architecture,
        "config": {"User": "app", "Env": ["PATH=/usr/bin"], "WorkingDir": "/", "ArgsEscaped": True},
        "created": "2026-01-01T00:00:00.123456789Z",
        "history": [
            {
                "created": "2026-01-01T00:00:00Z",
                "created_by": "COPY / / # buildkit",
                "comment": "buildkit.dockerfile.v0",
            },
            {
                "created": "2026-01-01T00:00:00Z",
                "created_by": "USER app",
                "comment": "buildkit.dockerfile.v0",
                "empty_layer": True,
            },
            {
                "created": "2026-01-01T00:00:00Z",
                "created_by": "RUN pip install flask # buildkit",
                "comment": "buildkit.dockerfile.v0",
            },
        ],
    }
    return image_of(layers, config)


def buildkit_index() -> TestImage:
    """Two platforms, and what is attested of each: statements in a manifest for a platform called unknown/unknown."""
    children: list[TestImage] = []
    entries: list[dict[str, Any]] = []
    for architecture in ("amd64", "arm64"):
        built = buildkit(architecture)
        statement = json.dumps(
            {
                "_type": "https://in-toto.io/Statement/v0.1",
                "predicateType": "https://slsa.dev/provenance/v0.2",
                "subject": [
                    {"name": "pkg:docker/app@latest?platform=linux%2Famd64", "digest": {"sha256": built.digest.hex}}
                ],
                "predicate": {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1"},
            }
        ).encode()
        config = json.dumps(
            {
                "architecture": "unknown",
                "os": "unknown",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(statement))]},
            }
        ).encode()
        attested = {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
        body = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": descriptor(config, media_types.OCI_CONFIG),
            "layers": [descriptor(statement, media_types.IN_TOTO) | {"annotations": attested}],
        }
        blobs = {Digest.of(content): content for content in (config, statement)}
        attestation = TestImage(json.dumps(body).encode(), media_types.OCI_MANIFEST, blobs)
        children += [built, attestation]
        reference = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(built.digest),
        }
        unknown = {"architecture": "unknown", "os": "unknown"}
        entries.append(
            descriptor(built.manifest, built.media_type) | {"platform": AMD64 | {"architecture": architecture}}
        )
        entries.append(
            descriptor(attestation.manifest, attestation.media_type) | {"annotations": reference, "platform": unknown}
        )
    body = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}
    return TestImage(json.dumps(body).encode(), media_types.OCI_INDEX, {}, tuple(children))


def podman_chunked() -> TestImage:
    """zstd:chunked as podman pushes it: a frame for each file, then a table of them in frames that are skipped."""
    lazy = zstd_chunked(
        (
            Member("etc/", kind="dir", mode=0o755),
            Member("etc/os-release", OS_RELEASE_12),
            Member("etc/passwd", PASSWD),
            Member("var/lib/dpkg/status", dpkg_status(("base-files", "12.4"))),
            Member("bin", kind="symlink", link="usr/bin", mode=0o777),
        )
    )
    only = Layer(f"{OCI_TAR}+zstd", lazy.blob, Digest.of(lazy.archive), lazy.annotations)
    config = {"config": {"User": "app", "Env": None, "Cmd": None}, "history": None}
    return image_of(
        (only,),
        config,
        annotations={"org.opencontainers.image.base.digest": "", "org.opencontainers.image.base.name": ""},
    )


def windows_of_ko() -> TestImage:
    """ko for Windows: Hives beside Files, and a descriptor of who may run the program in an extended header."""
    permission = base64.b64encode(bytes.fromhex("01000480140000002400000000000000")).replace(b"=", b"")
    program = b"MZ" + bytes(510)
    archive = b"".join(
        (
            entry(b"Hives", kind=b"5", mode=0o555),
            entry(b"Files", kind=b"5", mode=0o555),
            entry(b"Files/ko-app", kind=b"5", mode=0o555),
            pax((b"MSWINDOWS.rawsd", permission)) + entry(b"Files/ko-app/app.exe", program, mode=0o555),
            END,
        )
    )
    config = {
        "os": "windows",
        "os.version": "10.0.20348.2113",
        "author": "github.com/ko-build/ko",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": "ContainerUser",
            "Env": ["PATH=C:\\Windows", "KO_DATA_PATH=C:\\var\\run\\ko"],
            "Entrypoint": ["C:\\ko-app\\app.exe"],
        },
        "history": [{"author": "ko", "created": "0001-01-01T00:00:00Z", "created_by": "ko build ko://example.com/app"}],
    }
    return image_of((layer(f"{OCI_TAR}+gzip", archive, gzip_with(GO_GZIP)),), config)
