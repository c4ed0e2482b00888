package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/ledger"
)

const (
	spendKey  = `hour, key_id, workload, tenant, model`
	spendSums = `tokens, cost, unpriced`
)

// addSpends adds to what the table has. Decimals do not add up in SQL, so each
// sum is read and written back.
func (st *statements) addSpends(ctx context.Context, tx *sql.Tx, spends []ledger.Spend) error {
	for i := range spends {
		if err := st.addSpend(ctx, tx, &spends[i]); err != nil {
			return fmt.Errorf("spends: %w", err)
		}
	}
	return nil
}

func (st *statements) addSpend(ctx context.Context, tx *sql.Tx, s *ledger.Spend) error {
	keyed := []any{s.Hour.UnixMicro(), s.KeyID, s.Workload, s.Tenant, s.Model}
	var id int64
	have, err := scanSpend(tx.StmtContext(ctx, st.getSpend).QueryRowContext(ctx, keyed...), &id)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.StmtContext(ctx, st.newSpend).ExecContext(ctx, append(keyed, s.Tokens, s.Cost.String(), s.Unpriced)...)
		return err
	}
	if err != nil {
		return err
	}
	have.Add(s)
	_, err = tx.StmtContext(ctx, st.changeSpend).ExecContext(ctx, have.Tokens, have.Cost.String(), have.Unpriced, id)
	return err
}

// scanSpend reads the columns spendSums behind those that lead points to.
func scanSpend(row interface{ Scan(...any) error }, lead ...any) (*ledger.Spend, error) {
	var s ledger.Spend
	var cost string
	if err := row.Scan(append(lead, &s.Tokens, &cost, &s.Unpriced)...); err != nil {
		return nil, err
	}
	var err error
	if s.Cost, err = decimal.NewFromString(cost); err != nil {
		return nil, fmt.Errorf("cost of a spend: %w", err)
	}
	return &s, nil
}

// Spends implements [ledger.Store].
func (l *Ledger) Spends(ctx context.Context, since time.Time) iter.Seq2[*ledger.Spend, error] {
	var c conditions
	c.between("hour", since, time.Time{})
	query := `SELECT ` + spendKey + `, ` + spendSums + ` FROM spends` + c.where()
	return func(yield func(*ledger.Spend, error) bool) {
		for rows, err := range each(ctx, l.db.read, query, c.args) {
			var s *ledger.Spend
			if err == nil {
				var hour int64
				var key ledger.SpendKey
				if s, err = scanSpend(rows, &hour, &key.KeyID, &key.Workload, &key.Tenant, &key.Model); err == nil {
					key.Hour = time.UnixMicro(hour).UTC()
					s.SpendKey = key
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}
