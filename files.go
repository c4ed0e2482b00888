// Package freehold holds the files that the program brings along, for who has
// nothing but the program.
package freehold

import _ "embed"

// Schema is the JSON Schema of config.yaml, for editors.
//
//go:embed config.schema.json
var Schema []byte

// Example is a config.yaml with every key there is, explained.
//
//go:embed config.example.yaml
var Example []byte
