package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is where the figures were measured.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Memory  string `json:"memory"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	Load    string `json:"load_average"` // when the run began
	Version string `json:"version"`      // of the source
	Date    string `json:"date"`
}

func describeMachine() (Machine, error) {
	if runtime.GOOS != "linux" {
		return Machine{}, fmt.Errorf("this program reads /proc, which %s does not have: run it on Linux", runtime.GOOS)
	}
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Date: time.Now().UTC().Format("2006-01-02 15:04 UTC")}
	var err error
	if m.CPU, err = field("/proc/cpuinfo", "model name"); err != nil {
		m.CPU = runtime.GOARCH // arm64 kernels give no model name
	}
	if m.Memory, err = field("/proc/meminfo", "MemTotal"); err != nil {
		return m, err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel = strings.TrimSpace(string(kernel))
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	m.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	m.Version = "unknown" // outside a checkout
	if out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		m.Version = strings.TrimSpace(string(out))
	}
	return m, nil
}

// field is the value of the first line "name : value" of a file.
func field(path, name string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("%s has no %q", path, name)
}
