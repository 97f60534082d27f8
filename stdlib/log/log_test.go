package log_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/log"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLog(t *testing.T) {
	s := scriptingtest.Serve(t, []scripting.Module{log.Module}, `local log = require "log"
log.notice("top level", { n = 1 })
function onReceive() end
function onWorkerStart(server, id)
  log.debug("d") log.info("i", { b = 2, a = "x y", [1] = true }) log.notice("n") log.warning("w") log.warn("w2") log.error("e")
  log.info(12) log.info(nil) log.info(setmetatable({}, { __tostring = function() return "object" end }))
  log.info("two\nlines\n", { t = { 1, "a b", k = { x = 1.5 } }, deep = { { { { { 1 } } } } }, ["bad name="] = false, f = 0.1 })
  local l = log.with{ id = 7 }
  l:info("with") l:warn("with", { more = 1 }) l:with{ x = "y" }:error("both") l:info("again")
  print(log.enabled("debug"), log.enabled("warn"))
  print(pcall(log.enabled, "warnin"))
  print(pcall(log.info, "x", 1))
  print(pcall(function() log.infos("x") end))
  print(pcall(l.info, "x"))
end`, [2]string{"worker_num", "1"})
	s.Out.Wait(t, "with a colon")
	for _, want := range []string{
		"INFO+2 top level n=1 generation=1\n", "\nINFO+2 top level n=1 worker=0 generation=1\n",
		"\nDEBUG d worker=0 generation=1\nINFO i 1=true a=x y b=2 worker=0 generation=1\nINFO+2 n worker=0 generation=1\nWARN w worker=0 generation=1\nWARN w2 worker=0 generation=1\nERROR e worker=0 generation=1\n",
		"\nINFO 12 worker=0 generation=1\nINFO nil worker=0 generation=1\nINFO object worker=0 generation=1\n",
		"\nINFO two\n    lines bad_name_=false deep={{{{{...}}}}} f=0.1 t={1, \"a b\", k={x=1.5}} worker=0 generation=1\n",
		"\nINFO with id=7 worker=0 generation=1\nWARN with id=7 more=1 worker=0 generation=1\nERROR both id=7 x=y worker=0 generation=1\nINFO again id=7 worker=0",
	} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("no %q in\n%s", want, s.Log)
		}
	}
	for _, want := range []string{"true\ttrue\n", "unknown level 'warnin' (did you mean 'warning'?)", "bad argument #2 'fields' to 'log.info' (table expected, got number)",
		"module 'log' has no 'infos' (did you mean 'info'?)", "calling 'info' without its log.logger"} {
		if !strings.Contains(s.Out.String(), want) {
			t.Errorf("no %q in\n%s", want, s.Out)
		}
	}
}
