package qdrant

import (
	"context"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

var _ vector.Aliased = (*Store)(nil)

// Alias implements [vector.Aliased]: all actions of one request are one step.
func (s *Store) Alias(ctx context.Context, name string) (was string, err error) {
	collection, err := s.collection(ctx)
	if err != nil {
		return "", err
	}
	all, err := s.collections.ListAliases(ctx, &pb.ListAliasesRequest{})
	if err != nil {
		return "", err
	}
	for _, a := range all.GetAliases() {
		if a.GetAliasName() == name {
			was = a.GetCollectionName()
		}
	}
	if was == collection {
		return "", nil
	}
	var steps []*pb.AliasOperations
	if was != "" {
		steps = append(steps, &pb.AliasOperations{Action: &pb.AliasOperations_DeleteAlias{DeleteAlias: &pb.DeleteAlias{AliasName: name}}})
	}
	steps = append(steps, &pb.AliasOperations{Action: &pb.AliasOperations_CreateAlias{CreateAlias: &pb.CreateAlias{CollectionName: collection, AliasName: name}}})
	_, err = s.collections.UpdateAliases(ctx, &pb.ChangeAliases{Actions: steps})
	return was, err
}
