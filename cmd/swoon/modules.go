package main

import (
	"swoon/scripting"
	"swoon/stdlib/co"
	"swoon/stdlib/json"
	"swoon/stdlib/pack"
	"swoon/stdlib/php"
	"swoon/stdlib/regex"
	"swoon/stdlib/shared"
	"swoon/stdlib/swoole"
	"swoon/stdlib/timer"
	"swoon/stdlib/url"
)

// modules are the Lua modules of a script, one line each.
var modules = []scripting.Module{
	co.Module,
	json.Module,
	pack.Module,
	php.Module,
	regex.Module,
	shared.Module,
	swoole.Module,
	timer.Module,
	url.Module,
}
