package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"swoon/cmd/swoon/internal/load"
)

// bytesOf reads a number of bytes.
func bytesOf(s string) (int, error) {
	digits, times := s, 1
	switch {
	case strings.HasSuffix(s, "k") || strings.HasSuffix(s, "K"):
		digits, times = s[:len(s)-1], 1<<10
	case strings.HasSuffix(s, "M"):
		digits, times = s[:len(s)-1], 1<<20
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > load.MaxSize || n < 0 {
		return 0, errors.New("it is no number of bytes from 1 to 64M, such as 64, 1k or 2M")
	}
	return n * times, nil
}

// unescape reads what cannot be typed.
func unescape(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, errors.New(`it ends in a single \; write \\`)
		}
		switch s[i] {
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case '0':
			out = append(out, 0)
		case '\\':
			out = append(out, '\\')
		case 'x':
			v, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
			if err != nil || i+3 > len(s) {
				return nil, errors.New(`two hexadecimal digits must follow \x`)
			}
			out = append(out, byte(v))
			i += 2
		default:
			return nil, fmt.Errorf(`\%c is none of \n, \r, \t, \0, \xHH and \\`, s[i])
		}
	}
	return out, nil
}
