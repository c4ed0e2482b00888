package ledger

import (
	"fmt"
	"math"
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
	fCascade
	fPart
	fRoutingModel
	fParameter
	fLanguage
	fDrill
	fFinish

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
	faDetail
	faVariant
	faPlayed
)

// Fields of a detection.
const (
	fdDetector = iota + 1
	fdKind
	fdCount
	fdAction
)

// Fields of a cascade.
const (
	fcModel = iota + 1
	fcBy
	fcAttempts
	fcDecision
	fcCause
	fcMargin // in millionths
)

// Fields of a part.
const (
	fpRollout = iota + 1
	fpArm
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
	if c := r.Cascade; c != nil {
		at := e.open(fCascade)
		e.text(fcModel, c.Model)
		e.text(fcBy, c.By)
		e.int(fcAttempts, int64(c.Attempts))
		e.text(fcDecision, c.Decision)
		e.text(fcCause, c.Cause)
		e.int(fcMargin, int64(math.Round(c.Margin*1e6)))
		e.close(at)
	}
	if p := r.Part; p != nil {
		at := e.open(fPart)
		e.text(fpRollout, p.Rollout)
		e.text(fpArm, string(p.Arm))
		e.close(at)
	}
	e.text(fRoutingModel, r.RoutingModel)
	e.text(fDrill, r.Drill)
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
	e.texts(fParameter, r.Parameters)
	e.text(fLanguage, r.Language)
	e.text(fFinish, r.Finish)
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
		case fCascade | fBytes:
			r.Cascade = d.cascade()
		case fDrill | fBytes:
			r.Drill = d.text()
		case fPart | fBytes:
			r.Part = d.part()
		case fRoutingModel | fBytes:
			r.RoutingModel = d.text()
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
		case fParameter | fBytes:
			r.Parameters = append(r.Parameters, d.text())
		case fLanguage | fBytes:
			r.Language = d.text()
		case fFinish | fBytes:
			r.Finish = d.text()
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
	e.text(faVariant, a.Variant)
	e.text(faCause, a.Cause)
	e.time(fTime, a.Start)
	e.duration(fFirstToken, a.FirstByte)
	e.duration(fTotal, a.Total)
	e.text(fOutcome, string(a.Outcome))
	e.text(faFault, a.Fault)
	e.text(faDetail, a.Detail)
	e.int(fStatus, int64(a.Status))
	e.text(faRequestID, a.RequestID)
	e.bool(faPlayed, a.Played)
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
		case faVariant | fBytes:
			a.Variant = in.text()
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
		case faDetail | fBytes:
			a.Detail = in.text()
		case fStatus:
			a.Status = int(in.int)
		case faRequestID | fBytes:
			a.RequestID = in.text()
		case faPlayed:
			a.Played = in.int != 0
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

func (d *decoder) cascade() *Cascade {
	c := &Cascade{}
	in := decoder{s: d.text()}
	for in.next() {
		switch in.field {
		case fcModel | fBytes:
			c.Model = in.text()
		case fcBy | fBytes:
			c.By = in.text()
		case fcAttempts:
			c.Attempts = int(in.int)
		case fcDecision | fBytes:
			c.Decision = in.text()
		case fcCause | fBytes:
			c.Cause = in.text()
		case fcMargin:
			c.Margin = float64(in.int) / 1e6
		}
	}
	d.fail(in.err)
	return c
}

func (d *decoder) part() *Part {
	p := &Part{}
	in := decoder{s: d.text()}
	for in.next() {
		switch in.field {
		case fpRollout | fBytes:
			p.Rollout = in.text()
		case fpArm | fBytes:
			p.Arm = Arm(in.text())
		}
	}
	d.fail(in.err)
	return p
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
