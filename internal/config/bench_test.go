package config

import (
	"os"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	src, err := os.ReadFile("testdata/design.good.yml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ds := Parse("config.yaml", src, testEnv()); ds.Err() != nil {
			b.Fatal(ds)
		}
	}
}
