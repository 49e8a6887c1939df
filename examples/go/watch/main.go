// Follows the messaging configuration, keeps the last good copy, and tells the hub what became of each change.
// With stubs made as for ../main.go: go run ./watch localhost:7000 trading-engine last-good.bin
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	configv1 "example.com/topics/stubs/centralhub/config/v1"
)

// The hub sends a bookmark every 15 s; after three that are missing the connection is dead.
const silence = 45 * time.Second

var (
	address, service, path = os.Args[1], os.Args[2], os.Args[3]
	instance               = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	header                 *configv1.ConfigHeader // The last that the hub sent,
	nonce                  string                 // and the content that it stands for.
)

// follow goes on from the last message until the connection ends.
func follow(hub configv1.ConfigServiceClient) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	request := &configv1.WatchMessagingConfigRequest{Service: service, Instance: instance}
	if header != nil {
		request.Resume = &configv1.ResumePoint{Epoch: header.Epoch, Revision: header.Revision}
	}
	stream, err := hub.WatchMessagingConfig(ctx, request)
	for first := true; err == nil; first = false {
		var message *configv1.WatchMessagingConfigResponse
		if message, err = stream.Recv(); err != nil {
			break
		}
		watchdog.Reset(silence)
		if message.Header.Epoch == header.GetEpoch() && message.Header.Revision < header.GetRevision() {
			return errors.New("the hub is behind") // What is older is never used.
		}
		header = message.Header
		if message.GetSnapshot() != nil {
			nonce = message.Nonce
			take(message)
		} else if !first || header.Etag != nonce {
			continue
		}
		// Also after the first bookmark: a hub that has started anew wants to hear of it again.
		report := &configv1.ReportAppliedRequest{Service: service, Instance: instance, Epoch: header.Epoch,
			Revision: header.Revision, Nonce: nonce, Outcome: configv1.AppliedOutcome_APPLIED_OUTCOME_APPLIED}
		if refused[nonce] != "" {
			report.Outcome, report.Error = configv1.AppliedOutcome_APPLIED_OUTCOME_REJECTED, refused[nonce]
		}
		_, err = hub.ReportApplied(ctx, report)
	}
	return err
}

func main() {
	dialing := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.5, MaxDelay: 10 * time.Second}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: dialing, MinConnectTimeout: 10 * time.Second}))
	if err != nil {
		panic(err)
	}
	if running = load(path); running != nil && apply(running, "cache") == nil {
		header, nonce = running.Header, running.Nonce
	}
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 10*time.Second) {
		start := time.Now()
		err := follow(configv1.NewConfigServiceClient(connection))
		fmt.Fprintln(os.Stderr, err)
		if status.Code(err) == codes.OutOfRange {
			header = nil // The history is gone: start again from a snapshot.
		}
		if time.Since(start) > silence {
			delay = 100 * time.Millisecond
		}
		time.Sleep(rand.N(delay))
	}
}
