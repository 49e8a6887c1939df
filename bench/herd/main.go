// Herd holds many server streams open over plain HTTP/2, or watches of a key over NATS, and tells when each of them has heard of a change. It is a
// program of its own because thousands of watchers must cost their machine less than the server that is measured.
//
// The first line of standard input says what to open; each further one is a call to make. Every answer is one line of
// JSON on standard output: times in microseconds, all of one clock. It ends when its input does.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"
)

// Opening is the first line of the input.
type Opening struct {
	Address string `json:"address"`
	// Connections, and streams on each.
	Connections int     `json:"connections"`
	Streams     int     `json:"streams"`
	Request     Request `json:"request"`
	// Whether it speaks NATS instead; then paths are subjects.
	IsNats bool `json:"isNats"`
	// Whether the client's side of a stream stays open, as that of a bidirectional call does.
	KeepsOpen bool `json:"keepsOpen"`
	// Messages that each stream has at its start.
	FirstMessages int `json:"firstMessages"`
}

// Change is a call, and what each stream is to hear of it.
type Change struct {
	Request Request `json:"request"`
	// Bytes that no message before had.
	Marker []byte `json:"marker"`
}

// Told is how long the change took to reach the watchers.
type Told struct {
	Watchers int `json:"watchers"`
	// From the call to its answer.
	AcknowledgedUs float64 `json:"acknowledgedUs"`
	// From the answer to the message, of half of them, of 99 in 100, and of the last. Negative: before the answer.
	P50Us  float64 `json:"p50Us"`
	P99Us  float64 `json:"p99Us"`
	LastUs float64 `json:"lastUs"`
	// From the call to the last message.
	SentToLastUs float64 `json:"sentToLastUs"`
}

const patience = 60 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "herd:", err)
		os.Exit(1)
	}
}

func run() error {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 64<<20)
	output := json.NewEncoder(os.Stdout)
	if !input.Scan() {
		return fmt.Errorf("no input")
	}
	var opening Opening
	if err := json.Unmarshal(input.Bytes(), &opening); err != nil {
		return err
	}
	began := time.Now()
	herd, err := Open(opening)
	if err != nil {
		return err
	}
	opened := map[string]float64{"openedUs": microseconds(time.Since(began))}
	if err := output.Encode(opened); err != nil {
		return err
	}
	caller, err := connect(opening, nil)
	if err != nil {
		return err
	}
	for input.Scan() {
		var change Change
		if err := json.Unmarshal(input.Bytes(), &change); err != nil {
			return err
		}
		told, err := tell(herd, caller, change)
		if err != nil {
			return err
		}
		if err := output.Encode(told); err != nil {
			return err
		}
	}
	return input.Err()
}

func tell(herd *Herd, caller Client, change Change) (Told, error) {
	herd.Expect(change.Marker)
	sent := time.Now()
	if err := caller.Call(change.Request, patience); err != nil {
		return Told{}, err
	}
	answered := time.Now()
	heard, err := herd.Heard()
	if err != nil {
		return Told{}, err
	}
	sort.Slice(heard, func(a, b int) bool { return heard[a].Before(heard[b]) })
	last := len(heard) - 1
	since := func(at int) float64 { return microseconds(heard[at].Sub(answered)) }
	return Told{
		Watchers:       len(heard),
		AcknowledgedUs: microseconds(answered.Sub(sent)),
		P50Us:          since(last / 2),
		P99Us:          since(last * 99 / 100),
		LastUs:         since(last),
		SentToLastUs:   microseconds(heard[last].Sub(sent)),
	}, nil
}

func microseconds(duration time.Duration) float64 { return float64(duration.Nanoseconds()) / 1e3 }
