package main

import (
	"swoon/cmd/swoon/internal/bench"
	"swoon/scripting"
	"swoon/stdlib/client"
	"swoon/stdlib/co"
	"swoon/stdlib/crypto"
	"swoon/stdlib/fs"
	"swoon/stdlib/json"
	"swoon/stdlib/log"
	"swoon/stdlib/pack"
	"swoon/stdlib/php"
	"swoon/stdlib/pool"
	"swoon/stdlib/regex"
	"swoon/stdlib/shared"
	"swoon/stdlib/swoole"
	"swoon/stdlib/time"
	"swoon/stdlib/timer"
	"swoon/stdlib/url"
)

// modules are the Lua modules of a script, one line each.
var modules = []scripting.Module{
	bench.Module(nil),
	client.Module,
	co.Module,
	crypto.Module,
	fs.Module,
	json.Module,
	log.Module,
	pack.Module,
	php.Module,
	pool.Module,
	regex.Module,
	shared.Module,
	swoole.Module,
	time.Module,
	timer.Module,
	url.Module,
}
