// Command gotar lists archives as Go's archive/tar reads them, for the tests of the gate's own reader.
//
// It reads pairs of a length (4 bytes, big endian) and an archive from standard input, and writes for each one line of
// JSON: {"error": "...", "entries": [{"type", "name", "link", "size", "mode", "uid", "gid", "sum"}]}.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
)

type entry struct {
	Type string `json:"type"`
	Name []byte `json:"name"`
	Link []byte `json:"link"`
	Size int64  `json:"size"`
	Mode int64  `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Sum  string `json:"sum"`
}

type listing struct {
	Error   string  `json:"error"`
	Entries []entry `json:"entries"`
}

func list(archive []byte) listing {
	result := listing{Entries: []entry{}}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return result
		}
		if err != nil {
			result.Error = err.Error()
			return result
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, reader); err != nil {
			result.Error = err.Error()
			return result
		}
		result.Entries = append(result.Entries, entry{
			Type: string(header.Typeflag), Name: []byte(header.Name), Link: []byte(header.Linkname),
			Size: header.Size, Mode: header.Mode, UID: header.Uid, GID: header.Gid,
			Sum: hex.EncodeToString(sum.Sum(nil)),
		})
	}
}

func main() {
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for {
		var length uint32
		if err := binary.Read(input, binary.BigEndian, &length); err != nil {
			return
		}
		archive := make([]byte, length)
		if _, err := io.ReadFull(input, archive); err != nil {
			os.Exit(1)
		}
		if err := encoder.Encode(list(archive)); err != nil {
			os.Exit(1)
		}
		if err := output.Flush(); err != nil {
			os.Exit(1)
		}
	}
}
