// Command gonet echoes with package net alone: a goroutine for each
// connection, as most servers in Go are written.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9602", "address and port to listen on")
	frames := flag.Bool("frames", false, "messages have their length in front, four bytes of it")
	flag.Parse()
	if err := run(*addr, *frames); err != nil {
		fmt.Fprintln(os.Stderr, "gonet:", err)
		os.Exit(1)
	}
}

func run(addr string, frames bool) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	serve := echo
	if frames {
		serve = echoFrames
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}

func echo(c net.Conn) {
	b := make([]byte, 16<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

const maxFrame = 1 << 20

// echoFrames answers message by message; what answers to one read leaves at once.
func echoFrames(c net.Conn) {
	r, w := bufio.NewReaderSize(c, 16<<10), bufio.NewWriterSize(c, 16<<10)
	var b []byte
	for {
		head, err := r.Peek(4)
		if err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head)
		if n > maxFrame {
			return
		}
		if b = append(b[:0], make([]byte, 4+n)...); len(b) > 0 {
			if _, err := io.ReadFull(r, b); err != nil {
				return
			}
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return
			}
		}
	}
}
