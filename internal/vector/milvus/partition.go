package milvus

import (
	"context"
	"encoding/hex"
	"strings"

	"freehold/internal/vector/milvus/wire"
)

// Namespaces are partitions: ids are a partition's own, for Milvus upserts and
// deletes by them in the partition that is named. Names of partitions have letters,
// digits and underscores only; others are written in bytes.

const (
	defaultPartition = "_default"
	coded            = "_ns_"
	// maxPartitions is what a collection may have, in its default settings.
	maxPartitions = 1024
)

// partitionName is the partition of a namespace.
func partitionName(namespace string) string {
	if namespace == "" {
		return defaultPartition
	}
	if plainName(namespace) && namespace != defaultPartition && !strings.HasPrefix(namespace, coded) {
		return namespace
	}
	var b strings.Builder
	b.WriteString(coded)
	for i := range len(namespace) {
		c := namespace[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('_')
		b.WriteString(hex.EncodeToString([]byte{c}))
	}
	return b.String()
}

// namespaceOf is the namespace of a partition: of one that nobody here has named, its
// name.
func namespaceOf(partition string) string {
	if partition == defaultPartition {
		return ""
	}
	rest, ok := strings.CutPrefix(partition, coded)
	if !ok {
		return partition
	}
	var b []byte
	for i := 0; i < len(rest); i++ {
		if rest[i] != '_' {
			b = append(b, rest[i])
			continue
		}
		if i+3 > len(rest) {
			return partition
		}
		c, err := hex.DecodeString(rest[i+1 : i+3])
		if err != nil {
			return partition
		}
		b = append(b, c[0])
		i += 2
	}
	if partitionName(string(b)) != partition {
		return partition
	}
	return string(b)
}

// space is where the records of a namespace are.
type space struct {
	*schema
	namespace string
	partition string // empty: all, by a partition key
	only      string // an expression that holds for its records; empty: all of them
	there     bool
}

// names are the partitions to ask.
func (p *space) names() []string {
	if p.partition == "" {
		return nil
	}
	return []string{p.partition}
}

// space finds a namespace.
func (s *Store) space(ctx context.Context, doing, namespace string) (*space, error) {
	found, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	p := &space{schema: found, namespace: namespace}
	if own := s.options.Namespace; own != nil && namespace != *own {
		return nil, s.invalid(doing, "the URL names namespace %q, and %q was asked for", *own, namespace)
	}
	if found.by != "" {
		p.there = true
		if s.options.Namespace == nil && namespace != "" {
			return nil, s.invalid(doing, "the collection has no namespaces but a partition key, %s, which is a field of records; namespace=VALUE in the URL reads those with one value", found.by)
		}
		if s.options.Namespace != nil {
			p.only, err = s.keyEquals(found, namespace)
		}
		return p, err
	}
	p.partition = partitionName(namespace)
	p.there, err = s.hasPartition(ctx, found, p.partition)
	return p, err
}

func (s *Store) hasPartition(ctx context.Context, found *schema, name string) (bool, error) {
	if name == defaultPartition {
		return true, nil
	}
	s.mu.Lock()
	there := s.partitions[name]
	s.mu.Unlock()
	if there {
		return true, nil
	}
	all, err := s.listPartitions(ctx, found)
	if err != nil {
		return false, err
	}
	for _, p := range all {
		if p == name {
			return true, nil
		}
	}
	return false, nil
}

func (s *Store) listPartitions(ctx context.Context, found *schema) ([]string, error) {
	var answer wire.ShowPartitionsResponse
	if err := s.call(ctx, wire.ShowPartitions, &wire.ShowPartitionsRequest{Database: s.options.Database, Collection: found.name}, &answer); err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, p := range answer.GetPartitions() {
		all[p] = true
	}
	s.mu.Lock()
	s.partitions = all
	s.mu.Unlock()
	return answer.GetPartitions(), nil
}

// makePartition makes the partition of a namespace that is written to first.
func (s *Store) makePartition(ctx context.Context, p *space) error {
	if p.there {
		return nil
	}
	if len(p.partition) > 255 {
		return s.invalid("createpartition", "the name of namespace %q is too long for a partition", p.namespace)
	}
	made := s.call(ctx, wire.CreatePartition, &wire.CreatePartitionRequest{Database: s.options.Database, Collection: p.name, Partition: p.partition}, &wire.Status{})
	there, err := s.hasPartition(ctx, p.schema, p.partition)
	if err != nil || there { // another one may have made it meanwhile
		return err
	}
	return made
}
