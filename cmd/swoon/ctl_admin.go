package main

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"swoon/scripting"
)

// openAdmin opens the control socket of a server and answers on it. Only one
// that was asked for by its path must be had; without one the server serves,
// and signals reload and stop it.
func openAdmin(h *scripting.Host, log *slog.Logger, script, path string) (*scripting.Admin, error) {
	l, err := openControl(script, path)
	if err != nil && path != "" {
		return nil, fmt.Errorf("--socket: %w", err)
	}
	if err != nil {
		log.Warn("there is no control socket: swoon reload, stop and status do not find this server", "error", err)
		return nil, nil
	}
	if real, err := realPath(script); path == "" && err == nil && filepath.Base(l.Addr().String()) != socketName(real, 1) {
		log.Warn("another server of this script is running: swoon reload and stop need --socket", "socket", l.Addr().String())
	}
	return h.ServeAdmin(l, version, log), nil
}
