package app

import (
	"context"
	"io"
	"net/http"
	"slices"

	"github.com/shopspring/decimal"

	"freehold/internal/config"
	"freehold/internal/fault"
	"freehold/internal/ledger"
	"freehold/internal/server"
	"freehold/internal/vector/front"
)

// indexDialect is what the clients of indexes speak, by its name in the ledger.
const indexDialect = "pinecone"

// recorded is an answer to a client of an index, with what its row needs.
type recorded struct {
	http.ResponseWriter
	status  int
	in, out int64
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorded) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (r *recorded) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.out += int64(n)
	return n, err
}

// Flush implements [http.Flusher], which gRPC asks for.
func (r *recorded) Flush() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).Flush() // whoever is gone reads nothing
}

// Unwrap is for [http.ResponseController].
func (r *recorded) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// counted counts what is read of a body.
type counted struct {
	io.ReadCloser
	n *int64
}

// Read implements [io.Reader].
func (c counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	*c.n += int64(n)
	return n, err
}

// Serve implements [server.Vectors].
func (i indexes) Serve(w http.ResponseWriter, r *http.Request, v *server.Visit) {
	ctx, asked := front.Watch(r.Context(), i.app.Clock)
	out := &recorded{ResponseWriter: w}
	bound, f := i.bound(r.WithContext(ctx), v)
	if f != nil {
		i.Refuse(w, r, v, f)
		return
	}
	in := r.WithContext(bound)
	if in.Body != nil {
		in.Body = counted{in.Body, &out.in}
	}
	i.Keeper.Serve(out, in, v.May)
	facts := asked.Facts()
	i.done(r, v, out, &facts, nil)
}

// done puts a request on record, and tells of it, once it is answered but for the last of its bytes. refused is
// why it was not let in; nil: it was.
func (i indexes) done(r *http.Request, v *server.Visit, out *recorded, f *front.Facts, refused *fault.Error) {
	row := i.row(r, v, f)
	row.Status, row.BytesIn, row.BytesOut = front.Status(out.status, out.Header()), out.in, out.out
	row.Total, row.Outcome = i.app.Clock().Sub(v.Received), indexOutcome(r.Context(), row.Status)
	if refused != nil && (refused.Kind == fault.Shed || refused.Kind == fault.Draining) {
		row.Outcome = ledger.Shed
	}
	if len(row.Attempts) > 0 {
		a := &row.Attempts[0]
		a.Status, a.Sent, a.Outcome = row.Status, out.in, row.Outcome
	}
	if err := i.app.Ledger.Note(row); err != nil {
		i.app.Log.Error("a request of an index is not on record", "request", row.ID, "index", row.Asked, "error", err)
	}
	i.observer.DoneIndex(row)
}

// indexOutcome is how a request has ended.
func indexOutcome(ctx context.Context, status int) ledger.Outcome {
	switch {
	case status < http.StatusBadRequest:
		return ledger.OK
	case ctx.Err() != nil:
		return ledger.Canceled
	case status == http.StatusForbidden: // by its key, or by the perimeter
		return ledger.Refused
	case status == http.StatusTooManyRequests:
		return ledger.Shed
	case status < http.StatusInternalServerError:
		return ledger.ClientError
	}
	return ledger.Failed
}

// row is what is on record of a request of an index: who asked what of which one,
// and by whom it was answered; never a vector, an id, or a namespace. Its workload is
// what a key must be allowed. There are no tokens, and what Pinecone takes for a request
// is not known here.
func (i indexes) row(r *http.Request, v *server.Visit, f *front.Facts) *ledger.Row {
	name := i.Keeper.Index(r)
	row := &ledger.Row{
		ID: v.ID, ClientID: v.ClientID, Time: v.Received, KeyID: v.Caller.KeyID, KeyName: v.Caller.KeyName, Tags: v.Tags,
		Asked: name, Dialect: indexDialect, Operation: i.Keeper.Operation(r), Cost: decimal.NewNullDecimal(decimal.Zero),
	}
	fleet := i.app.Fleet()
	row.ConfigVersion = fleet.Version
	if t, err := fleet.Tenants.Find(row.KeyID, row.KeyName, r.Header); err == nil && t != nil {
		row.Tenant = t.Name
	}
	x := i.app.Config().Indexes[name]
	if x == nil {
		return row
	}
	row.Workload = server.IndexScope + x.Name
	for _, class := range slices.Concat(x.Data, x.Source.Data, v.Governing) {
		if !slices.Contains(row.DataClasses, class) {
			row.DataClasses = append(row.DataClasses, class)
		}
	}
	if f.Phase != "" {
		row.Route = string(f.Phase) + ": " + f.Phase.About()
	}
	var store *config.Store
	switch f.Side {
	case front.AtPinecone:
		store = x.Source
	case front.AtStore:
		store = x.Target
	default:
		return row
	}
	if f.Side == front.AtPinecone || f.Phase == front.Cut && writes(row.Operation) {
		row.Cost = decimal.NullDecimal{}
	}
	row.Deployment, row.Provider, row.ProviderModel = store.Address.Store, storeName(store), store.Address.Name
	at := ledger.Attempt{
		N: 1, Deployment: row.Deployment, Provider: row.Provider, ProviderModel: row.ProviderModel, Start: f.Began, Total: f.Waited,
		Cost:  decimal.NewNullDecimal(decimal.Zero), // budgets are for models
		Place: ledger.Place{Region: store.Region, Jurisdiction: store.Jurisdiction, Inside: store.Inside},
	}
	if at.Start.IsZero() {
		at.Start = v.Received
	}
	row.Attempts = []ledger.Attempt{at}
	return row
}

// storeName is a store's under stores, or where it is.
func storeName(s *config.Store) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Address.Store + "://" + s.Address.Host
}

// writes reports whether an operation changes what an index has.
func writes(op string) bool {
	switch op {
	case "upsert", "update", "delete", "delete_namespace", "create_namespace":
		return true
	}
	return false
}
