package milvus

import (
	"context"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

var _ vector.Aliased = (*Store)(nil)

// Alias implements [vector.Aliased].
func (s *Store) Alias(ctx context.Context, name string) (was string, err error) {
	found, err := s.look(ctx)
	if err != nil {
		return "", err
	}
	var d wire.DescribeCollectionResponse
	err = s.call(ctx, wire.DescribeCollection, &wire.DescribeCollectionRequest{Database: s.options.Database, Collection: name}, &d)
	method := wire.AlterAlias
	switch {
	case is(err, vector.Missing):
		method = wire.CreateAlias
	case err != nil:
		return "", err
	default:
		if was = read(&d, nil).name; was == name {
			return "", s.invalid("alias", "%s is a collection, and no alias can have its name", name)
		}
		if was == found.name {
			return "", nil
		}
	}
	return was, s.call(ctx, method, &wire.AliasRequest{Database: s.options.Database, Collection: found.name, Alias: name}, &wire.Status{})
}
