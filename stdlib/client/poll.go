package client

import "swoon/stdlib/internal/socket"

// What swoole.event needs of a client. Baton holder.

// Callbacks reports whether the client is one with callbacks.
func (c *Client) Callbacks() bool { return c.events() }

// Descriptor is the number of its descriptor, and what is closed with it.
func (c *Client) Descriptor() (fd int, closed <-chan struct{}, err error) {
	s, err := c.usable()
	if err != nil {
		return -1, nil, err
	}
	return s.Descriptor(), s.Closed(), nil
}

// Pending is how many bytes have been read and not received.
func (c *Client) Pending() int {
	if s := c.open(); s != nil {
		return s.Pending()
	}
	return 0
}

// Queue sends data without waiting.
func (c *Client) Queue(data string) error {
	s, err := c.usable()
	if err == nil && data == "" {
		err = socket.ErrEmpty
	}
	if err == nil {
		err = s.Queue(data, c.o.room)
	}
	if err != nil {
		return c.failed(err)
	}
	return nil
}
