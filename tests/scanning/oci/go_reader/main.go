// Decodes manifests and image configurations as Go's registries and runtimes do: encoding/json into structs.
//
// Each line on standard input is one document, base64. For each it prints one line of JSON: what was decoded, or an
// error.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
)

type descriptor struct {
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	URLs      []string `json:"urls,omitempty"`
}

type document struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
	Subject       *descriptor  `json:"subject"`
}

type manifest struct {
	document
	Config *descriptor `json:"config"`
}

type image struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Config       struct {
		User       string            `json:"User"`
		Env        []string          `json:"Env"`
		Entrypoint []string          `json:"Entrypoint"`
		Cmd        []string          `json:"Cmd"`
		Labels     map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

type answer struct {
	Manifest *manifest `json:"manifest,omitempty"`
	Image    *image    `json:"image,omitempty"`
	Error    string    `json:"error,omitempty"`
}

func decode(kind string, body []byte) answer {
	var found answer
	var err error
	if kind == "manifest" {
		found.Manifest = &manifest{}
		err = json.Unmarshal(body, found.Manifest)
	} else {
		found.Image = &image{}
		err = json.Unmarshal(body, found.Image)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	return found
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		body, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			panic(err)
		}
		if err := out.Encode(decode(os.Args[1], body)); err != nil {
			panic(err)
		}
	}
}
