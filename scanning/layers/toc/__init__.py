"""Tables of contents: what runtimes that pull lazily read instead of the archive (threat 88).

    eStargz        a gzip member for each file, the table as the last member of the archive, a footer
    zstd:chunked   a zstd frame for each chunk of a file; the table, data of tar-split and a footer in frames to skip

    locate      last bytes of the blob           -> the table
    read        JSON                             -> entries
    record      the archive, as it passes        -> what is in which frame, and digests
    compare     entries, record                  -> nothing, or a refusal: the table says what the archive says
    tar_split   tar-split's data, record         -> the same, for what podman writes archives by

stargz-snapshotter, docs/estargz.md; containers/storage, docs/containers-storage-zstd-chunked.md.
"""
