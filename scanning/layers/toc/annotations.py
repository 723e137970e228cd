"""What a manifest says of a layer's table of contents: runtimes take the table that the annotations of a layer lead to.

containerd.io/snapshot/stargz/toc.digest                     the table's digest
io.github.containers.zstd-chunked.manifest-checksum          that of the table as it lies in the blob, packed
io.github.containers.zstd-chunked.manifest-position          where: offset:packed size:plain size:1
io.github.containers.zstd-chunked.tarsplit-position          where tar-split's data are: offset:packed size:plain size
io.containers.zstd-chunked....                               the same of podman before 2023
"""

from collections.abc import Mapping

from scanning.facts import ContentsTable

TABLE = "containerd.io/snapshot/stargz/toc.digest"
_CHUNKED = ("io.github.containers.zstd-chunked.", "io.containers.zstd-chunked.")
_PACKED, _PLACE, _TAR_SPLIT = "manifest-checksum", "manifest-position", "tarsplit-position"


def disagreement(annotations: Mapping[str, str], table: ContentsTable | None) -> str:
    """How the annotations of a layer contradict the table that it has, "" if they do not.

    The digest of a table that is not there is left from before the layer was packed anew, and harmless: whoever looks
    for one looks at the end of the layer. The annotations of zstd:chunked lead anywhere in it.
    """
    true: dict[str, str] = {}
    if table is not None:
        true = {TABLE: str(table.digest)}
        for prefix in _CHUNKED:
            true[prefix + _PACKED] = str(table.packed or "")
            true[prefix + _PLACE], true[prefix + _TAR_SPLIT] = table.place, table.tar_split
    for name, said in annotations.items():
        if name == TABLE and table is None:
            continue
        if (name == TABLE or name.startswith(_CHUNKED)) and said != true.get(name, ""):
            has = f"which is {true[name]}" if true.get(name) else "and has none"
            return (
                f"is said to have a table of contents with {name} {said[:100]!a}, {has}: podman and others that pull"
                " lazily go by it; push the layer with the annotations that its builder wrote, or with none"
            )
    return ""
