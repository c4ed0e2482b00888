package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// MaxText is the longest text that a record keeps, in bytes.
const MaxText = 4096

// A row is encoded as a sequence of fields: one byte that names the field,
// with the top bit set for bytes, then a zigzag varint or a length and the
// bytes. Fields that have their zero value are left out. A number once given
// to a field is never given to another: old journals and stores are read for
// as long as they are kept, and a reader skips fields that it does not know.
const (
	fID = iota + 1
	fClientID
	fTime
	fKeyID
	fKeyName
	fWorkload
	fAsked
	fModel
	fDeployment
	fProvider
	fProviderModel
	fDialect
	fOperation
	fStream
	fStatus
	fOutcome
	fErrorCode
	fTokensIn
	fTokensOut
	fTokensCached
	fTokensCacheWrite
	fTokensReasoning
	fTokensEstimated
	fCost
	fPriceSource
	fPriceDate
	fFirstToken
	fTotal
	fRoute
	fDataClass
	fSeam
	fFeature
	fDropped
	fConversation
	fBytesIn
	fBytesOut
	fConfigVersion
	fTag
	fAttempt
	fPlan
	fTenant
	fDetection

	fBytes = 0x80 // set in the name of a field of bytes
)

// Fields of an attempt that a row has not.
const (
	faN = iota + 64
	faCause
	faFault
	faRequestID
	faEstimateIn
	faEstimateOut
	faEstimatePriceIn
	faEstimatePriceOut
	faEstimateSource
	faEstimateDate
	faSent
	faRegion
	faJurisdiction
	faInside
)

// Fields of a detection.
const (
	fdDetector = iota + 1
	fdKind
	fdCount
	fdAction
)

// Fields of a seam.
const (
	fsOffset = iota + 1
	fsFrom
	fsTo
	fsMethod
	fsCause
)

// AppendBinary appends the row's encoding to b. It implements
// [encoding.BinaryAppender]; the error is always nil.
func (r *Row) AppendBinary(b []byte) ([]byte, error) {
	e := encoder{b}
	e.text(fID, r.ID)
	e.text(fClientID, r.ClientID)
	e.time(fTime, r.Time)
	e.text(fKeyID, r.KeyID)
	e.text(fKeyName, r.KeyName)
	e.text(fTenant, r.Tenant)
	e.text(fWorkload, r.Workload)
	e.text(fAsked, r.Asked)
	e.text(fModel, r.Model)
	e.text(fDeployment, r.Deployment)
	e.text(fProvider, r.Provider)
	e.text(fProviderModel, r.ProviderModel)
	e.text(fDialect, r.Dialect)
	e.text(fOperation, r.Operation)
	e.bool(fStream, r.Stream)
	e.int(fStatus, int64(r.Status))
	e.text(fOutcome, string(r.Outcome))
	e.text(fErrorCode, r.ErrorCode)
	e.tokens(&r.Tokens)
	e.money(r.Cost)
	e.text(fPriceSource, r.PriceSource)
	e.text(fPriceDate, r.PriceDate)
	e.duration(fFirstToken, r.FirstToken)
	e.duration(fTotal, r.Total)
	e.text(fRoute, r.Route)
	e.texts(fDataClass, r.DataClasses)
	for i := range r.Detected {
		d := &r.Detected[i]
		at := e.open(fDetection)
		e.text(fdDetector, d.Detector)
		e.text(fdKind, d.Kind)
		e.int(fdCount, d.Count)
		e.text(fdAction, d.Action)
		e.close(at)
	}
	for i := range r.Seams {
		s := &r.Seams[i]
		at := e.open(fSeam)
		e.int(fsOffset, s.Offset)
		e.text(fsFrom, s.From)
		e.text(fsTo, s.To)
		e.text(fsMethod, s.Method)
		e.text(fsCause, s.Cause)
		e.close(at)
	}
	e.texts(fFeature, r.Features)
	e.texts(fDropped, r.Dropped)
	e.text(fConversation, r.Conversation)
	e.int(fBytesIn, r.BytesIn)
	e.int(fBytesOut, r.BytesOut)
	e.text(fConfigVersion, r.ConfigVersion)
	e.texts(fTag, r.Tags)
	e.text(fPlan, r.Plan)
	for i := range r.Attempts {
		at := e.open(fAttempt)
		e.attempt(&r.Attempts[i])
		e.close(at)
	}
	return e.b, nil
}

// UnmarshalBinary sets the row to what data encodes, which [Row.AppendBinary]
// made. It implements [encoding.BinaryUnmarshaler].
func (r *Row) UnmarshalBinary(data []byte) error {
	*r = Row{}
	// One string for all texts of the row: they are parts of it.
	d := decoder{s: string(data)}
	for d.next() {
		switch d.field {
		case fID | fBytes:
			r.ID = d.text()
		case fClientID | fBytes:
			r.ClientID = d.text()
		case fTime:
			r.Time = d.time()
		case fKeyID | fBytes:
			r.KeyID = d.text()
		case fKeyName | fBytes:
			r.KeyName = d.text()
		case fTenant | fBytes:
			r.Tenant = d.text()
		case fDetection | fBytes:
			r.Detected = append(r.Detected, d.detection())
		case fWorkload | fBytes:
			r.Workload = d.text()
		case fAsked | fBytes:
			r.Asked = d.text()
		case fModel | fBytes:
			r.Model = d.text()
		case fDeployment | fBytes:
			r.Deployment = d.text()
		case fProvider | fBytes:
			r.Provider = d.text()
		case fProviderModel | fBytes:
			r.ProviderModel = d.text()
		case fDialect | fBytes:
			r.Dialect = d.text()
		case fOperation | fBytes:
			r.Operation = d.text()
		case fStream:
			r.Stream = d.int != 0
		case fStatus:
			r.Status = int(d.int)
		case fOutcome | fBytes:
			r.Outcome = Outcome(d.text())
		case fErrorCode | fBytes:
			r.ErrorCode = d.text()
		case fPriceSource | fBytes:
			r.PriceSource = d.text()
		case fPriceDate | fBytes:
			r.PriceDate = d.text()
		case fFirstToken:
			r.FirstToken = d.duration()
		case fTotal:
			r.Total = d.duration()
		case fRoute | fBytes:
			r.Route = d.text()
		case fDataClass | fBytes:
			r.DataClasses = append(r.DataClasses, d.text())
		case fSeam | fBytes:
			r.Seams = append(r.Seams, d.seam())
		case fFeature | fBytes:
			r.Features = append(r.Features, d.text())
		case fDropped | fBytes:
			r.Dropped = append(r.Dropped, d.text())
		case fConversation | fBytes:
			r.Conversation = d.text()
		case fBytesIn:
			r.BytesIn = d.int
		case fBytesOut:
			r.BytesOut = d.int
		case fConfigVersion | fBytes:
			r.ConfigVersion = d.text()
		case fTag | fBytes:
			r.Tags = append(r.Tags, d.text())
		case fPlan | fBytes:
			r.Plan = d.text()
		case fAttempt | fBytes:
			r.Attempts = append(r.Attempts, d.attempt())
		case fCost | fBytes:
			r.Cost = d.decimal()
		default:
			d.tokens(&r.Tokens)
		}
	}
	if d.err != nil {
		return fmt.Errorf("ledger record: %w", d.err)
	}
	return nil
}

func (e *encoder) attempt(a *Attempt) {
	e.int(faN, int64(a.N))
	e.text(fDeployment, a.Deployment)
	e.text(fProvider, a.Provider)
	e.text(fProviderModel, a.ProviderModel)
	e.text(faCause, a.Cause)
	e.time(fTime, a.Start)
	e.duration(fFirstToken, a.FirstByte)
	e.duration(fTotal, a.Total)
	e.text(fOutcome, string(a.Outcome))
	e.text(faFault, a.Fault)
	e.int(fStatus, int64(a.Status))
	e.text(faRequestID, a.RequestID)
	e.int(faSent, a.Sent)
	e.text(faRegion, a.Region)
	e.text(faJurisdiction, a.Jurisdiction)
	e.bool(faInside, a.Inside)
	e.tokens(&a.Tokens)
	e.money(a.Cost)
	if a.Outcome != "" {
		return
	}
	e.int(faEstimateIn, a.Estimate.TokensIn)
	e.int(faEstimateOut, a.Estimate.TokensOut)
	e.text(faEstimatePriceIn, a.Estimate.PriceIn)
	e.text(faEstimatePriceOut, a.Estimate.PriceOut)
	e.text(faEstimateSource, a.Estimate.Source)
	e.text(faEstimateDate, a.Estimate.Date)
}

func (d *decoder) attempt() (a Attempt) {
	in := decoder{s: d.text()}
	for in.next() {
		switch in.field {
		case faN:
			a.N = int(in.int)
		case fDeployment | fBytes:
			a.Deployment = in.text()
		case fProvider | fBytes:
			a.Provider = in.text()
		case fProviderModel | fBytes:
			a.ProviderModel = in.text()
		case faCause | fBytes:
			a.Cause = in.text()
		case fTime:
			a.Start = in.time()
		case fFirstToken:
			a.FirstByte = in.duration()
		case fTotal:
			a.Total = in.duration()
		case fOutcome | fBytes:
			a.Outcome = Outcome(in.text())
		case faFault | fBytes:
			a.Fault = in.text()
		case fStatus:
			a.Status = int(in.int)
		case faRequestID | fBytes:
			a.RequestID = in.text()
		case faEstimateIn:
			a.Estimate.TokensIn = in.int
		case faEstimateOut:
			a.Estimate.TokensOut = in.int
		case faEstimatePriceIn | fBytes:
			a.Estimate.PriceIn = in.text()
		case faEstimatePriceOut | fBytes:
			a.Estimate.PriceOut = in.text()
		case faEstimateSource | fBytes:
			a.Estimate.Source = in.text()
		case faSent:
			a.Sent = in.int
		case faRegion | fBytes:
			a.Region = in.text()
		case faJurisdiction | fBytes:
			a.Jurisdiction = in.text()
		case faInside:
			a.Inside = in.int != 0
		case faEstimateDate | fBytes:
			a.Estimate.Date = in.text()
		case fCost | fBytes:
			a.Cost = in.decimal()
		default:
			in.tokens(&a.Tokens)
		}
	}
	d.fail(in.err)
	return a
}

func (d *decoder) seam() (s Seam) {
	in := decoder{s: d.text()}
	for in.next() {
		switch in.field {
		case fsOffset:
			s.Offset = in.int
		case fsFrom | fBytes:
			s.From = in.text()
		case fsTo | fBytes:
			s.To = in.text()
		case fsMethod | fBytes:
			s.Method = in.text()
		case fsCause | fBytes:
			s.Cause = in.text()
		}
	}
	d.fail(in.err)
	return s
}

func (d *decoder) detection() (x Detection) {
	in := decoder{s: d.text()}
	for in.next() {
		switch in.field {
		case fdDetector | fBytes:
			x.Detector = in.text()
		case fdKind | fBytes:
			x.Kind = in.text()
		case fdCount:
			x.Count = in.int
		case fdAction | fBytes:
			x.Action = in.text()
		}
	}
	d.fail(in.err)
	return x
}

// tokens reads the fields of tokens, which a row and an attempt share.
func (d *decoder) tokens(t *Tokens) {
	switch d.field {
	case fTokensIn:
		t.In = d.int
	case fTokensOut:
		t.Out = d.int
	case fTokensCached:
		t.Cached = d.int
	case fTokensCacheWrite:
		t.CacheWrite = d.int
	case fTokensReasoning:
		t.Reasoning = d.int
	case fTokensEstimated:
		t.Estimated = d.int != 0
	}
}

// encoder appends fields to b.
type encoder struct{ b []byte }

func (e *encoder) int(field byte, v int64) {
	if v != 0 {
		e.b = binary.AppendVarint(append(e.b, field), v)
	}
}

func (e *encoder) bool(field byte, v bool) {
	if v {
		e.int(field, 1)
	}
}

func (e *encoder) time(field byte, t time.Time) {
	if !t.IsZero() {
		e.int(field, t.UnixMicro())
	}
}

func (e *encoder) duration(field byte, d time.Duration) { e.int(field, d.Microseconds()) }

func (e *encoder) text(field byte, s string) {
	if s != "" {
		e.always(field, s)
	}
}

func (e *encoder) texts(field byte, list []string) {
	for _, s := range list {
		e.always(field, s)
	}
}

func (e *encoder) always(field byte, s string) {
	if n := len(s); n < 0x80 && cap(e.b)-len(e.b) >= n+2 {
		// The usual case: one length byte, and there is room.
		b := e.b[len(e.b):][:n+2]
		b[0], b[1] = field|fBytes, byte(n)
		copy(b[2:], s)
		e.b = e.b[:len(e.b)+n+2]
		return
	}
	s = cut(s)
	e.b = binary.AppendUvarint(append(e.b, field|fBytes), uint64(len(s)))
	e.b = append(e.b, s...)
}

// cut returns at most MaxText bytes of s, not splitting a character.
func cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	n := MaxText
	for n > MaxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (e *encoder) tokens(t *Tokens) {
	e.int(fTokensIn, t.In)
	e.int(fTokensOut, t.Out)
	e.int(fTokensCached, t.Cached)
	e.int(fTokensCacheWrite, t.CacheWrite)
	e.int(fTokensReasoning, t.Reasoning)
	e.bool(fTokensEstimated, t.Estimated)
}

func (e *encoder) money(d decimal.NullDecimal) {
	if d.Valid {
		var room [32]byte
		text := appendMoney(room[:0], d.Decimal)
		e.b = binary.AppendUvarint(append(e.b, fCost|fBytes), uint64(len(text)))
		e.b = append(e.b, text...)
	}
}

// nestedLen is how many bytes the length of a nested value takes, padded so
// that it can be filled in afterwards. It suffices for 256 MiB.
const nestedLen = 4

// open begins a nested value; the result is for close.
func (e *encoder) open(field byte) int {
	e.b = append(e.b, field|fBytes, 0, 0, 0, 0)
	return len(e.b)
}

func (e *encoder) close(at int) {
	n := len(e.b) - at
	for i := range nestedLen {
		e.b[at-nestedLen+i] = byte(n>>(7*i))&0x7f | 0x80
	}
	e.b[at-1] &= 0x7f
}

// decoder reads the fields of s one by one.
type decoder struct {
	s     string
	field byte
	int   int64 // of a field of numbers
	from  int   // where the bytes of a field begin in s
	end   int   // where the field ends
	err   error
}

var errTruncated = errors.New("the encoding is truncated")

// next reads the next field and reports whether there was one.
func (d *decoder) next() bool {
	if d.err != nil || d.end == len(d.s) {
		return false
	}
	d.field = d.s[d.end]
	u, n := uvarint(d.s[d.end+1:])
	d.from = d.end + 1 + n
	if n == 0 {
		d.err = errTruncated
		return false
	}
	if d.field&fBytes == 0 {
		d.int = int64(u>>1) ^ -int64(u&1)
		d.end = d.from
		return true
	}
	if u > uint64(len(d.s)-d.from) {
		d.err = errTruncated
		return false
	}
	d.end = d.from + int(u)
	return true
}

// text returns the bytes of a field of bytes.
func (d *decoder) text() string { return d.s[d.from:d.end] }

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) time() time.Time         { return time.UnixMicro(d.int).UTC() }
func (d *decoder) duration() time.Duration { return time.Duration(d.int) * time.Microsecond }

// uvarint is [binary.Uvarint] for strings; n is 0 where s holds no whole number
// of 64 bits.
func uvarint(s string) (u uint64, n int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	for i := range min(len(s), binary.MaxVarintLen64) {
		u |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return u, i + 1
		}
	}
	return 0, 0
}
