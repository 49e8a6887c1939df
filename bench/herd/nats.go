package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// NatsConnection is one connection of a client of NATS that watches a key of a bucket, as its libraries do: with a
// consumer of its own for each watch. Of a request it takes the path for a subject.
type NatsConnection struct {
	socket net.Conn
	reader *bufio.Reader

	// Guards what writes.
	mutex  sync.Mutex
	writer *bufio.Writer
	nextID uint32

	inbox     string
	onMessage func(stream uint32, message []byte)
	calls     chan error
}

// DialNats connects, and shows onMessage every message of every watch, from one goroutine.
func DialNats(address string, onMessage func(stream uint32, message []byte)) (*NatsConnection, error) {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &NatsConnection{
		socket: socket, reader: bufio.NewReaderSize(socket, 16<<10), writer: bufio.NewWriterSize(socket, 4096),
		nextID: 1, inbox: fmt.Sprintf("_INBOX.herd.%d", time.Now().UnixNano()), onMessage: onMessage, calls: make(chan error, 1),
	}
	options := `{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"go","version":"1","name":"herd"}`
	// The first subscription takes the answers of calls.
	if err := c.say("CONNECT %s\r\nSUB %s.0 0\r\nPING\r\n", options, c.inbox); err != nil {
		return nil, err
	}
	go func() { c.calls <- c.read() }()
	return c, nil
}

// Start opens a watch of the key with the subject.
func (c *NatsConnection) Start(request Request, _ bool) (uint32, error) {
	c.mutex.Lock()
	id := c.nextID
	c.nextID++
	c.mutex.Unlock()
	parts := strings.SplitN(request.Path, ".", 3)
	if len(parts) < 3 {
		return 0, fmt.Errorf("%s is not the subject of a key", request.Path)
	}
	stream := "KV_" + parts[1]
	name := strings.ReplaceAll(strings.TrimPrefix(c.inbox, "_INBOX."), ".", "_") + "_" + strconv.Itoa(int(id))
	deliver := fmt.Sprintf("%s.%d", c.inbox, id)
	body, err := json.Marshal(map[string]any{
		"stream_name": stream,
		"config": map[string]any{
			"name": name, "deliver_subject": deliver, "deliver_policy": "last_per_subject", "ack_policy": "none",
			"max_deliver": 1, "filter_subject": request.Path, "replay_policy": "instant", "flow_control": true,
			"idle_heartbeat": int64(5 * time.Second), "inactive_threshold": int64(2 * time.Second),
			"num_replicas": 1, "mem_storage": true,
		},
	})
	if err != nil {
		return 0, err
	}
	api := fmt.Sprintf("$JS.API.CONSUMER.CREATE.%s.%s.%s", stream, name, request.Path)
	return id, c.say("SUB %s %d\r\nPUB %s %s.0 %d\r\n%s\r\n", deliver, id, api, c.inbox, len(body), body)
}

// Call sets the key with the subject and waits until that is acknowledged.
func (c *NatsConnection) Call(request Request, wait time.Duration) error {
	if err := c.say("PUB %s %s.0 %d\r\n%s\r\n", request.Path, c.inbox, len(request.Body), request.Body); err != nil {
		return err
	}
	select {
	case err := <-c.calls:
		return err
	case <-time.After(wait):
		return fmt.Errorf("%s: no answer in %s", request.Path, wait)
	}
}

// Ended gives what ended the connection.
func (c *NatsConnection) Ended() <-chan error { return c.calls }

func (c *NatsConnection) read() error {
	for {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return err
		}
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "PING":
			err = c.say("PONG\r\n")
		case "-ERR":
			err = errors.New(strings.TrimSpace(line))
		case "MSG":
			err = c.take(fields[1:], false)
		case "HMSG":
			err = c.take(fields[1:], true)
		}
		if err != nil {
			return err
		}
	}
}

// subject, subscription, then where to answer to if anywhere, then the length of the headers if there are any, and of all.
func (c *NatsConnection) take(fields []string, hasHeaders bool) error {
	if len(fields) < 3 {
		return errors.New("a message is malformed")
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return err
	}
	total, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return err
	}
	lengths := 1
	headers := 0
	if hasHeaders {
		lengths = 2
		if headers, err = strconv.Atoi(fields[len(fields)-2]); err != nil {
			return err
		}
	}
	reply := ""
	if len(fields) == 3+lengths {
		reply = fields[2]
	}
	payload := make([]byte, total+2)
	for read := 0; read < len(payload); {
		n, err := c.reader.Read(payload[read:])
		if err != nil {
			return err
		}
		read += n
	}
	head, message := payload[:headers], payload[headers:total]
	if id == 0 {
		return c.answered(head, message)
	}
	if bytes.HasPrefix(head, []byte("NATS/1.0 100")) {
		// A request to go on has a place to answer to; a heartbeat has none.
		if reply == "" {
			return nil
		}
		return c.say("PUB %s 0\r\n\r\n", reply)
	}
	c.onMessage(uint32(id), message)
	return nil
}

// An answer of the API or of a publish. Those of watches that have begun need no more than not to be refused.
func (c *NatsConnection) answered(head, message []byte) error {
	var answer struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"error"`
		Seq   uint64          `json:"seq"`
	}
	if err := json.Unmarshal(message, &answer); err != nil || answer.Error != nil {
		return fmt.Errorf("refused: %s%s", head, message)
	}
	if answer.Seq > 0 {
		c.calls <- nil
	}
	return nil
}

func (c *NatsConnection) say(format string, values ...any) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, err := fmt.Fprintf(c.writer, format, values...); err != nil {
		return err
	}
	return c.writer.Flush()
}
