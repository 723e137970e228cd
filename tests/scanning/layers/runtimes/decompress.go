package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"

	containerd "github.com/containerd/containerd/v2/pkg/archive/compression"
	docker "github.com/moby/go-archive/compression"
	umoci "github.com/opencontainers/umoci/oci/casext/blobcompress"
	podman "go.podman.io/storage/pkg/archive"
)

var decompressors = map[string]func(io.Reader) (io.ReadCloser, error){
	"containerd": func(blob io.Reader) (io.ReadCloser, error) { return containerd.DecompressStream(blob) },
	"docker":     func(blob io.Reader) (io.ReadCloser, error) { return docker.DecompressStream(blob) },
	"podman":     podman.DecompressStream,
	"umoci":      asItsMediaTypeSays,
}

// asItsMediaTypeSays stands in for umoci's look at the media type, which the gate holds to the content.
func asItsMediaTypeSays(blob io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReader(blob)
	start, _ := buffered.Peek(10)
	switch containerd.DetectCompression(start) {
	case containerd.Gzip:
		return umoci.Gzip.Decompress(buffered)
	case containerd.Zstd:
		return umoci.Zstd.Decompress(buffered)
	default:
		return umoci.Noop.Decompress(buffered)
	}
}

type decompressed struct {
	Error string `json:"error"`
	Sum   string `json:"sum"`
}

func decompress(blob []byte, one func(io.Reader) (io.ReadCloser, error)) decompressed {
	reader, err := one(bytes.NewReader(blob))
	if err != nil {
		return decompressed{Error: err.Error()}
	}
	sum := sha256.New()
	_, err = io.Copy(sum, reader)
	if err := errors.Join(err, reader.Close()); err != nil {
		return decompressed{Error: err.Error()}
	}
	if result := sum.Sum(nil); !bytes.Equal(result, digest(blob)) {
		return decompressed{Sum: hex.EncodeToString(result)}
	}
	// It was taken for a plain archive; whether it is one shows next.
	if _, err := tar.NewReader(bytes.NewReader(blob)).Next(); err != nil && !errors.Is(err, io.EOF) {
		return decompressed{Error: err.Error()}
	}
	return decompressed{Sum: hex.EncodeToString(digest(blob))}
}

func digest(content []byte) []byte {
	sum := sha256.Sum256(content)
	return sum[:]
}

// serveBlobs answers for images of one blob each what the runtimes' decompressors make of it.
func serveBlobs() error {
	input, output := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		blobs, err := read(input)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := map[string]decompressed{}
		for name, one := range decompressors {
			answer[name] = decompress(blobs[0], one)
		}
		if err := output.Encode(answer); err != nil {
			return err
		}
	}
}
