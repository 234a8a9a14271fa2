// Package config turns the connector's one YAML file into typed values. It is
// strict: an unknown key, a wrong type or a missing secret is a mistake, and all
// mistakes of a file are told in one go, each with its line and column and with
// what was probably meant. It knows no vendor: what stands under settings is kept
// as [Settings] for the adapter to decode.
//
// Start with [Load] and [Config]. [Problems] is the error of both Load and
// [Settings.Decode].
package config
