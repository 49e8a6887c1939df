package main

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Herd is the watchers.
type Herd struct {
	connections []Client
	size        int
	marker      atomic.Pointer[[]byte]

	mutex sync.Mutex
	heard []time.Time
	first int
	fresh chan struct{}
}

// Client is one connection to what is watched.
type Client interface {
	Start(request Request, keepsOpen bool) (uint32, error)
	Call(request Request, patience time.Duration) error
	Ended() <-chan error
}

func connect(opening Opening, onMessage func(stream uint32, message []byte)) (Client, error) {
	if opening.IsNats {
		return DialNats(opening.Address, onMessage)
	}
	return Dial(opening.Address, onMessage)
}

// Open opens all streams and waits until each has its first messages.
func Open(opening Opening) (*Herd, error) {
	h := &Herd{size: opening.Connections * opening.Streams, fresh: make(chan struct{}, 1)}
	for range opening.Connections {
		connection, err := connect(opening, h.onMessage)
		if err != nil {
			return nil, err
		}
		h.connections = append(h.connections, connection)
		for range opening.Streams {
			if _, err := connection.Start(opening.Request, opening.KeepsOpen); err != nil {
				return nil, err
			}
		}
	}
	expected := h.size * opening.FirstMessages
	return h, h.until(func() bool { return h.first >= expected }, func() string {
		return fmt.Sprintf("%d of %d first messages", h.first, expected)
	})
}

// Expect starts to wait for a message that holds the marker.
func (h *Herd) Expect(marker []byte) {
	h.mutex.Lock()
	h.heard = make([]time.Time, 0, h.size)
	h.mutex.Unlock()
	h.marker.Store(&marker)
}

// Heard gives the times at which the streams had the message, once all of them have.
func (h *Herd) Heard() ([]time.Time, error) {
	err := h.until(func() bool { return len(h.heard) >= h.size }, func() string {
		return fmt.Sprintf("%d of %d watchers heard", len(h.heard), h.size)
	})
	return h.heard, err
}

func (h *Herd) onMessage(_ uint32, message []byte) {
	now := time.Now()
	marker := h.marker.Load()
	h.mutex.Lock()
	if marker == nil {
		h.first++
	} else if bytes.Contains(message, *marker) {
		h.heard = append(h.heard, now)
	}
	isDone := len(h.heard) >= h.size || marker == nil
	h.mutex.Unlock()
	if !isDone {
		return
	}
	select {
	case h.fresh <- struct{}{}:
	default:
	}
}

func (h *Herd) until(isTrue func() bool, state func() string) error {
	deadline := time.After(patience)
	for {
		h.mutex.Lock()
		done := isTrue()
		h.mutex.Unlock()
		if done {
			return nil
		}
		select {
		case <-h.fresh:
		case <-time.After(time.Second):
			for _, connection := range h.connections {
				select {
				case err := <-connection.Ended():
					return fmt.Errorf("a connection of the herd has ended: %w", err)
				default:
				}
			}
		case <-deadline:
			return fmt.Errorf("not within %s: %s", patience, state())
		}
	}
}
