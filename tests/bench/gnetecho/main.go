// Command gnetecho echoes with gnet: what a good event library in Go costs
// that runs no script.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
)

type echo struct{ gnet.BuiltinEventEngine }

func (*echo) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err := c.Write(b); err != nil {
		return gnet.Close
	}
	return gnet.None
}

const maxFrame = 1 << 20

// echoFrames is for messages that have their length in front, four bytes of it.
// It answers message by message, but writes what answers to one read at once.
type echoFrames struct {
	gnet.BuiltinEventEngine
	answers [][]byte // of the one loop there is
}

func (e *echoFrames) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	e.answers = e.answers[:0]
	used := 0
	for len(b)-used >= 4 {
		n := binary.BigEndian.Uint32(b[used:])
		if n > maxFrame {
			return gnet.Close
		}
		end := used + 4 + int(n)
		if end > len(b) {
			break
		}
		e.answers = append(e.answers, b[used:end])
		used = end
	}
	if len(e.answers) > 0 {
		if _, err := c.Writev(e.answers); err != nil {
			return gnet.Close
		}
	}
	if _, err := c.Discard(used); err != nil {
		return gnet.Close
	}
	return gnet.None
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9601", "address and port to listen on")
	frames := flag.Bool("frames", false, "messages have their length in front, four bytes of it")
	flag.Parse()
	var handler gnet.EventHandler = &echo{}
	if *frames {
		handler = &echoFrames{}
	}
	err := gnet.Run(handler, "tcp://"+*addr,
		gnet.WithNumEventLoop(1),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay),
		gnet.WithLogLevel(logging.ErrorLevel))
	if err != nil {
		fmt.Fprintln(os.Stderr, "gnetecho:", err)
		os.Exit(1)
	}
}
