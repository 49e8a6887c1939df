package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Request is one call with one message.
type Request struct {
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"`
	// The message in its gRPC envelope.
	Body []byte `json:"body"`
}

const (
	window   = 1<<31 - 1
	topUp    = 1 << 24
	envelope = 5
)

// Connection is one HTTP/2 connection of a gRPC client.
type Connection struct {
	socket  net.Conn
	framer  *http2.Framer
	writer  *bufio.Writer
	address string

	// Guards what writes.
	mutex   sync.Mutex
	headers bytes.Buffer
	encoder *hpack.Encoder
	nextID  uint32
	buffers map[uint32][]byte
	taken   uint32

	onMessage func(stream uint32, message []byte)
	calls     chan error
}

// Dial connects, and shows onMessage every message of every stream, from one goroutine.
func Dial(address string, onMessage func(stream uint32, message []byte)) (*Connection, error) {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &Connection{
		socket: socket, address: address, writer: bufio.NewWriterSize(socket, 4096), nextID: 1,
		buffers: map[uint32][]byte{}, onMessage: onMessage, calls: make(chan error, 1),
	}
	c.framer = http2.NewFramer(c.writer, bufio.NewReaderSize(socket, 16<<10))
	c.framer.SetReuseFrames()
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.headers)
	if _, err := c.writer.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	settings := []http2.Setting{
		{ID: http2.SettingEnablePush, Val: 0},
		{ID: http2.SettingInitialWindowSize, Val: window},
	}
	if err := c.framer.WriteSettings(settings...); err != nil {
		return nil, err
	}
	if err := c.framer.WriteWindowUpdate(0, window-65_535); err != nil {
		return nil, err
	}
	if err := c.writer.Flush(); err != nil {
		return nil, err
	}
	go func() { c.calls <- c.read() }()
	return c, nil
}

// Start opens a stream.
func (c *Connection) Start(request Request, keepsOpen bool) (uint32, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	id := c.nextID
	c.nextID += 2
	c.headers.Reset()
	fields := [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":authority", c.address}, {":path", request.Path},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	}
	for _, field := range append(fields, request.Headers...) {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return 0, err
		}
	}
	head := http2.HeadersFrameParam{StreamID: id, BlockFragment: c.headers.Bytes(), EndHeaders: true}
	if err := c.framer.WriteHeaders(head); err != nil {
		return 0, err
	}
	if err := c.framer.WriteData(id, !keepsOpen, request.Body); err != nil {
		return 0, err
	}
	return id, c.writer.Flush()
}

// Call makes a unary call and waits for its good end.
func (c *Connection) Call(request Request, patience time.Duration) error {
	if _, err := c.Start(request, false); err != nil {
		return err
	}
	select {
	case err := <-c.calls:
		return err
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer in %s", request.Path, patience)
	}
}

// Ended gives what ended the connection.
func (c *Connection) Ended() <-chan error { return c.calls }

func (c *Connection) read() error {
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			err = c.take(frame)
		case *http2.MetaHeadersFrame:
			c.end(frame)
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = c.write(c.framer.WriteSettingsAck)
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = c.write(func() error { return c.framer.WritePing(true, frame.Data) })
			}
		case *http2.RSTStreamFrame:
			err = fmt.Errorf("a stream was reset: %s", frame.ErrCode)
		case *http2.GoAwayFrame:
			err = fmt.Errorf("the server said goodbye: %s", frame.ErrCode)
		}
		if err != nil {
			return err
		}
	}
}

// A stream of the herd never ends by itself, so an end is that of a call.
func (c *Connection) end(frame *http2.MetaHeadersFrame) {
	for _, field := range frame.Fields {
		if field.Name != "grpc-status" {
			continue
		}
		var err error
		if field.Value != "0" {
			err = fmt.Errorf("grpc-status %s: %v", field.Value, frame.Fields)
		}
		c.calls <- err
	}
}

func (c *Connection) take(frame *http2.DataFrame) error {
	c.taken += frame.Length
	if c.taken > topUp {
		update := c.taken
		c.taken = 0
		if err := c.write(func() error { return c.framer.WriteWindowUpdate(0, update) }); err != nil {
			return err
		}
	}
	if c.onMessage == nil {
		return nil
	}
	pending := frame.Data()
	if kept := c.buffers[frame.StreamID]; len(kept) > 0 {
		pending = append(kept, pending...)
	}
	for len(pending) >= envelope {
		end := envelope + int(binary.BigEndian.Uint32(pending[1:]))
		if len(pending) < end {
			break
		}
		if pending[0] != 0 {
			return errors.New("a message is compressed")
		}
		c.onMessage(frame.StreamID, pending[envelope:end])
		pending = pending[end:]
	}
	if len(pending) == 0 {
		delete(c.buffers, frame.StreamID)
	} else {
		c.buffers[frame.StreamID] = append([]byte(nil), pending...)
	}
	return nil
}

func (c *Connection) write(work func() error) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := work(); err != nil {
		return err
	}
	return c.writer.Flush()
}
