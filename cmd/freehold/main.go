// Command freehold is a gateway between applications and whoever serves their
// language models.
package main

import (
	"os"

	"freehold/internal/cli"
	"freehold/internal/engine"
)

func main() {
	engine.RunSupervisorIfAsked()
	os.Exit(cli.Main())
}
