package front

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// mend writes what Pinecone has refused since the cutover once more, as those records
// are now: whoever wrote them anew, or deleted them, has mended them. What cannot be
// mended stays on record. (Before a cutover a copy does this.)
func (ix *Index) mend(ctx context.Context) error {
	refused, err := ix.Ledger.Writes(ctx, ix.Name, Refused, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	for i := range refused {
		w := &refused[i]
		ids := w.IDs
		if w.whole() {
			if ids, err = ix.everything(ctx, w.Namespace); err != nil {
				return err
			}
		}
		err := ix.again(ctx, w.Namespace, ids)
		if definite(err) {
			continue
		}
		if err == nil {
			err = ix.Ledger.Forget(ctx, ix.Name, []int64{w.Seq})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mendRecords is how many records are written at once: few, so that their writers wait
// briefly, and that they are not too large for one request.
const mendRecords = 10

// again writes records to the store that follows as the authority has them now.
func (ix *Index) again(ctx context.Context, namespace string, ids []string) error {
	for some := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), mendRecords) {
		if err := ix.someAgain(ctx, namespace, some); err != nil {
			return err
		}
	}
	return nil
}

func (ix *Index) someAgain(ctx context.Context, namespace string, ids []string) error {
	of := make([]vector.ID, len(ids))
	for i := range ids {
		of[i] = vector.IDOf(ids[i])
	}
	release, err := ix.Hold(ctx, namespace, of)
	if err != nil {
		return err
	}
	defer release()
	phase := ix.Move().Phase
	got, err := ix.authority(phase).Fetch(ctx, &wire.FetchRequest{Namespace: namespace, Ids: ids})
	if err != nil {
		return err
	}
	in, gone := &wire.UpsertRequest{Namespace: namespace}, []string(nil)
	for _, id := range ids {
		if v := got.GetVectors()[id]; v != nil {
			in.Vectors = append(in.Vectors, v)
		} else {
			gone = append(gone, id)
		}
	}
	if len(in.GetVectors()) > 0 && ix.Models != nil {
		why, err := ix.refashion(ctx, !phase.Newer(), in)
		if err != nil {
			return err
		}
		if why != "" {
			return untold(ix.Models.of(!phase.Newer()), why)
		}
	}
	if len(in.GetVectors()) > 0 {
		if _, err := ix.follower(phase).Upsert(ctx, in); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		_, err = ix.follower(phase).Delete(ctx, &wire.DeleteRequest{Namespace: namespace, Ids: gone})
		if status.Code(err) == codes.NotFound { // a namespace that is not there has nothing
			err = nil
		}
	}
	return err
}

// everything is the ids that either store has in a namespace.
func (ix *Index) everything(ctx context.Context, namespace string) (ids []string, err error) {
	phase := ix.Move().Phase
	for _, s := range []wire.Server{ix.authority(phase), ix.follower(phase)} {
		in := &wire.ListRequest{Namespace: namespace}
		for {
			page, err := s.List(ctx, in)
			if status.Code(err) == codes.NotFound {
				break
			}
			if err != nil {
				return nil, err
			}
			for _, v := range page.GetVectors() {
				ids = append(ids, v.GetId())
			}
			next := page.GetPagination().GetNext()
			if next == "" {
				break
			}
			in.PaginationToken = &next
		}
	}
	return ids, nil
}

// unmended says what is in the way of a rollback.
func (ix *Index) unmended(ctx context.Context, n int64) error {
	first, err := ix.Ledger.Writes(ctx, ix.Name, Refused, 0, 1)
	if err != nil || len(first) == 0 {
		return err
	}
	w := &first[0]
	return &StageError{
		fmt.Sprintf("Pinecone cannot hold what came of %s, the first in namespace %s, %s: %s", some(n, "write"), shown(w.Namespace), strings.Join(w.IDs, ", "), w.Why),
		"write those records so that it can hold them, or delete them, and roll back once more; freehold vectors status " + ix.Name + " names them",
	}
}
