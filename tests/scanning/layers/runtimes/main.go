// Command runtimes unpacks images with the libraries that container runtimes are made of, and lists what each shows.
//
// It reads images from standard input, each a number of layers (4 bytes, big endian), then every layer's length (the
// same) and its archive, the lowest first. For each image it writes one line of JSON, an object of runtime names:
//
//	{"error": "...", "entries": [{"path", "type", "mode", "uid", "gid", "size", "link", "sum", "capability", "inode"}]}
//
// Called with a folder, it unpacks there. That needs root, to set owners and to mount overlay file systems, and a mount
// namespace of its own. Called without, it only decompresses, and answers {"error": "...", "sum": "..."}.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/apex/log"
	"github.com/apex/log/handlers/discard"
	containerd "github.com/containerd/containerd/v2/pkg/archive"
	docker "github.com/moby/go-archive"
	umoci "github.com/opencontainers/umoci/oci/layer"
	"github.com/sirupsen/logrus"
	podman "go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// A runtime unpacks one layer into a folder. Where isOverlay is set, that folder holds this layer only, parents are
// those of the layers below, the highest first, and an overlay file system shows them together.
type runtime struct {
	name      string
	isOverlay bool
	unpack    func(folder string, layer io.Reader, parents []string) error
}

var runtimes = []runtime{
	{"containerd", false, func(folder string, layer io.Reader, _ []string) error {
		_, err := containerd.Apply(context.Background(), folder, layer)
		return err
	}},
	{"containerd overlay", true, func(folder string, layer io.Reader, parents []string) error {
		options := []containerd.ApplyOpt{containerd.WithConvertWhiteout(containerd.OverlayConvertWhiteout)}
		if len(parents) > 0 {
			options = append(options, containerd.WithParents(parents))
		}
		_, err := containerd.Apply(context.Background(), folder, layer, options...)
		return err
	}},
	{"docker", false, func(folder string, layer io.Reader, _ []string) error {
		_, err := docker.UnpackLayer(folder, layer, &docker.TarOptions{})
		return err
	}},
	{"docker overlay", true, func(folder string, layer io.Reader, _ []string) error {
		return docker.Unpack(layer, folder, &docker.TarOptions{WhiteoutFormat: docker.OverlayWhiteoutFormat})
	}},
	{"podman", false, func(folder string, layer io.Reader, _ []string) error {
		_, err := podman.UnpackLayer(folder, layer, &podman.TarOptions{})
		return err
	}},
	{"podman overlay", true, func(folder string, layer io.Reader, _ []string) error {
		return podman.Unpack(layer, folder, &podman.TarOptions{WhiteoutFormat: podman.OverlayWhiteoutFormat})
	}},
	{"umoci", false, func(folder string, layer io.Reader, _ []string) error {
		return umoci.UnpackLayer(folder, layer, &umoci.UnpackOptions{OnDiskFormat: umoci.DirRootfs{}})
	}},
	{"umoci overlay", true, func(folder string, layer io.Reader, _ []string) error {
		return umoci.UnpackLayer(folder, layer, &umoci.UnpackOptions{OnDiskFormat: umoci.OverlayfsRootfs{}})
	}},
}

type entry struct {
	Path       []byte `json:"path"`
	Type       string `json:"type"`
	Mode       uint32 `json:"mode"`
	UID        uint32 `json:"uid"`
	GID        uint32 `json:"gid"`
	Size       int64  `json:"size"`
	Link       []byte `json:"link"`
	Sum        string `json:"sum"`
	Capability []byte `json:"capability"`
	Inode      uint64 `json:"inode"`
}

type listing struct {
	Error   string  `json:"error"`
	Entries []entry `json:"entries"`
}

var types = map[uint32]string{
	unix.S_IFREG: "file", unix.S_IFDIR: "directory", unix.S_IFLNK: "symlink", unix.S_IFIFO: "fifo",
	unix.S_IFCHR: "character-device", unix.S_IFBLK: "block-device",
}

// show unpacks layers below the empty folder and lists the result.
func (one runtime) show(folder string, layers [][]byte) (listing, error) {
	root := filepath.Join(folder, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return listing{}, err
	}
	var parents []string
	for number, layer := range layers {
		target := root
		if one.isOverlay {
			target = filepath.Join(folder, fmt.Sprint(number))
			if err := os.Mkdir(target, 0o755); err != nil {
				return listing{}, err
			}
		}
		if err := one.unpack(target, bytes.NewReader(layer), parents); err != nil {
			reason := strings.ReplaceAll(err.Error(), folder, "")
			return listing{Error: fmt.Sprintf("layer %d: %s", number+1, reason)}, nil
		}
		parents = append([]string{target}, parents...)
	}
	if !one.isOverlay {
		return list(root)
	}
	// One folder alone cannot be mounted so.
	below := filepath.Join(folder, "empty")
	if err := os.Mkdir(below, 0o755); err != nil {
		return listing{}, err
	}
	options := "lowerdir=" + strings.Join(append(parents, below), ":")
	if err := unix.Mount("overlay", root, "overlay", unix.MS_RDONLY, options); err != nil {
		return listing{Error: fmt.Sprintf("mount: %s", err)}, nil
	}
	result, err := list(root)
	return result, errors.Join(err, unix.Unmount(root, 0))
}

// list tells everything below root. What can be seen in its folder and not looked at is no file: overlay file systems
// show deletions so that lie in a folder which hides all below it.
func list(root string) (listing, error) {
	result := listing{Entries: []entry{}}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if path == root || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		one := entry{
			Path: []byte(path[len(root)+1:]), Type: types[stat.Mode&unix.S_IFMT], Mode: stat.Mode & 0o7777,
			UID: stat.Uid, GID: stat.Gid, Inode: stat.Ino,
		}
		switch one.Type {
		case "file":
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(content)
			one.Size, one.Sum = stat.Size, hex.EncodeToString(sum[:])
			one.Capability = capability(path)
		case "symlink":
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			one.Link = []byte(target)
		}
		result.Entries = append(result.Entries, one)
		return nil
	})
	return result, err
}

func capability(path string) []byte {
	value := make([]byte, 64)
	length, err := unix.Lgetxattr(path, "security.capability", value)
	if err != nil {
		return nil
	}
	return value[:length]
}

func read(input io.Reader) ([][]byte, error) {
	var number uint32
	if err := binary.Read(input, binary.BigEndian, &number); err != nil {
		return nil, err
	}
	layers := make([][]byte, number)
	for place := range layers {
		var length uint32
		if err := binary.Read(input, binary.BigEndian, &length); err != nil {
			return nil, err
		}
		layers[place] = make([]byte, length)
		if _, err := io.ReadFull(input, layers[place]); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

func serve(folder string) error {
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	input, output := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		layers, err := read(input)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := map[string]listing{}
		for _, one := range runtimes {
			image := filepath.Join(folder, "image")
			if err := os.Mkdir(image, 0o755); err != nil {
				return err
			}
			shown, err := one.show(image, layers)
			if err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			answer[one.name] = shown
			if err := os.RemoveAll(image); err != nil {
				return err
			}
		}
		if err := output.Encode(answer); err != nil {
			return err
		}
	}
}

func main() {
	log.SetHandler(discard.Default)
	logrus.SetOutput(io.Discard)
	unix.Umask(0)
	work := serveBlobs
	if len(os.Args) > 1 {
		work = func() error { return serve(os.Args[1]) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
