package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/ledger"
)

const rollupKey = `hour, workload, model, provider, key_id, tenant, outcome`

const rollupSums = `requests, streams, attempts, seams,
	tokens_in, tokens_out, tokens_cached, tokens_cache_write, tokens_reasoning, estimated,
	cost, cost_unknown, bytes_in, bytes_out, first_token, total, features`

// addRollups adds sums to the rollups that the table has and returns the ids of
// their rows. Histograms and decimals do not add up in SQL, so each is read and
// written back.
func (st *statements) addRollups(ctx context.Context, tx *sql.Tx, sums map[ledger.RollupKey]*ledger.Sums) (ids map[ledger.RollupKey]int64, err error) {
	ids = make(map[ledger.RollupKey]int64, len(sums))
	for key, s := range sums {
		if ids[key], err = st.rollUp(ctx, tx, key, s); err != nil {
			return nil, fmt.Errorf("rollups: %w", err)
		}
	}
	return ids, nil
}

func (st *statements) rollUp(ctx context.Context, tx *sql.Tx, key ledger.RollupKey, s *ledger.Sums) (id int64, err error) {
	keyed := []any{key.Hour.UnixMicro(), key.Workload, key.Model, key.Provider, key.KeyID, key.Tenant, string(key.Outcome)}
	have, err := scanSums(tx.StmtContext(ctx, st.getRollup).QueryRowContext(ctx, keyed...), &id)
	known := err == nil
	switch {
	case known:
		s.Merge(have)
	case !errors.Is(err, sql.ErrNoRows):
		return 0, err
	}
	first, ferr := s.FirstToken.AppendBinary([]byte{})
	total, terr := s.Total.AppendBinary([]byte{})
	features, jerr := json.Marshal(s.Features)
	if err := errors.Join(ferr, terr, jerr); err != nil {
		return 0, err
	}
	columns := []any{
		s.Requests, s.Streams, s.Attempts, s.Seams,
		s.Tokens.In, s.Tokens.Out, s.Tokens.Cached, s.Tokens.CacheWrite, s.Tokens.Reasoning, s.Estimated,
		s.Cost.String(), s.CostUnknown, s.BytesIn, s.BytesOut, first, total, string(features),
	}
	if known {
		_, err := tx.StmtContext(ctx, st.changeRollup).ExecContext(ctx, append(columns, id)...)
		return id, err
	}
	result, err := tx.StmtContext(ctx, st.addRollup).ExecContext(ctx, append(columns, keyed...)...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// scanSums reads the columns rollupSums behind those that lead points to.
func scanSums(row interface{ Scan(...any) error }, lead ...any) (*ledger.Sums, error) {
	var s ledger.Sums
	var cost, features string
	var first, total []byte
	err := row.Scan(append(lead, &s.Requests, &s.Streams, &s.Attempts, &s.Seams,
		&s.Tokens.In, &s.Tokens.Out, &s.Tokens.Cached, &s.Tokens.CacheWrite, &s.Tokens.Reasoning, &s.Estimated,
		&cost, &s.CostUnknown, &s.BytesIn, &s.BytesOut, &first, &total, &features)...)
	if err != nil {
		return nil, err
	}
	s.Tokens.Estimated = s.Estimated > 0
	if s.Cost, err = decimal.NewFromString(cost); err != nil {
		return nil, fmt.Errorf("cost of a rollup: %w", err)
	}
	err = errors.Join(s.FirstToken.UnmarshalBinary(first), s.Total.UnmarshalBinary(total),
		json.Unmarshal([]byte(features), &s.Features))
	return &s, err
}

// Rollups implements [ledger.Store].
func (l *Ledger) Rollups(ctx context.Context, q ledger.Query) iter.Seq2[*ledger.Rollup, error] {
	var c conditions
	c.between("hour", q.Since, q.Until)
	c.key(q)
	query := `SELECT ` + rollupKey + `, ` + rollupSums + ` FROM tenant_rollups` + c.where()
	return func(yield func(*ledger.Rollup, error) bool) {
		for rows, err := range each(ctx, l.db.read, query, c.args) {
			var r ledger.Rollup
			if err == nil {
				var hour int64
				var sums *ledger.Sums
				sums, err = scanSums(rows, &hour, &r.Key.Workload, &r.Key.Model, &r.Key.Provider, &r.Key.KeyID, &r.Key.Tenant, &r.Key.Outcome)
				if err == nil {
					r.Key.Hour, r.Sums = time.UnixMicro(hour).UTC(), *sums
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&r, nil) {
				return
			}
		}
	}
}
