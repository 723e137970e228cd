// Command packers makes layers with a table of contents, with the libraries that builders are made of.
//
//	packers estargz|shared|chunked FOLDER < archive
//
// In shared, files go on in a gzip member until it has 50,000 bytes.
//
// It writes FOLDER/blob, and FOLDER/annotations, a JSON object.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/stargz-snapshotter/estargz"
	"go.podman.io/storage/pkg/chunked/compressor"
)

const chunkSize = 64 << 10

func makeEstargz(archive []byte) ([]byte, map[string]string, error) {
	return estargzWith(archive, estargz.WithChunkSize(chunkSize))
}

func makeShared(archive []byte) ([]byte, map[string]string, error) {
	return estargzWith(archive, estargz.WithMinChunkSize(50_000))
}

func estargzWith(archive []byte, options ...estargz.Option) ([]byte, map[string]string, error) {
	section := io.NewSectionReader(bytes.NewReader(archive), 0, int64(len(archive)))
	made, err := estargz.Build(section, options...)
	if err != nil {
		return nil, nil, err
	}
	blob, err := io.ReadAll(made)
	if err != nil {
		return nil, nil, err
	}
	return blob, map[string]string{estargz.TOCJSONDigestAnnotation: made.TOCDigest().String()}, made.Close()
}

func makeChunked(archive []byte) ([]byte, map[string]string, error) {
	var blob bytes.Buffer
	annotations := map[string]string{}
	writer, err := compressor.ZstdCompressor(&blob, annotations, nil)
	if err != nil {
		return nil, nil, err
	}
	if _, err := writer.Write(archive); err != nil {
		return nil, nil, err
	}
	err = writer.Close() // the table comes last
	return blob.Bytes(), annotations, err
}

func run(format, folder string) error {
	archive, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	pack := map[string]func([]byte) ([]byte, map[string]string, error){
		"estargz": makeEstargz, "shared": makeShared, "chunked": makeChunked,
	}[format]
	blob, annotations, err := pack(archive)
	if err != nil {
		return err
	}
	written, err := json.Marshal(annotations)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "annotations"), written, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "blob"), blob, 0o644)
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
