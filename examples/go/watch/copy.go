package main

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	configv1 "example.com/topics/stubs/centralhub/config/v1"
)

// load reads the last good copy; nil when there is none, or a damaged one.
func load(path string) *configv1.WatchMessagingConfigResponse {
	data, err := os.ReadFile(path)
	if err != nil || len(data) < 32 || sha256.Sum256(data[32:]) != [32]byte(data[:32]) {
		return nil
	}
	message := &configv1.WatchMessagingConfigResponse{}
	if proto.Unmarshal(data[32:], message) != nil {
		return nil
	}
	return message
}

// save writes the last good copy: the old one or the new one is there, never a part.
func save(path string, message *configv1.WatchMessagingConfigResponse) error {
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "copy-*")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	_, err = file.Write(append(sum[:], data...))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), path)
}
