package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"freehold/internal/ledger"
)

// OTelOptions say where and what to export over OTLP/HTTP.
type OTelOptions struct {
	Endpoint string // http://127.0.0.1:4318
	Headers  map[string]string
	Traces   bool
	Metrics  bool
	// Sample is the share of requests traced where the caller has not decided.
	Sample  float64
	Service string
	Version string
}

// otel exports requests under the OpenTelemetry semantic conventions for
// generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/): a
// server span for the request and below it a client span for each attempt,
// with the metrics gen_ai.client.token.usage and
// gen_ai.client.operation.duration. No prompt and no answer is in them.
type otel struct {
	traces     *sdktrace.TracerProvider
	metrics    *sdkmetric.MeterProvider
	tracer     trace.Tracer
	tokens     metric.Int64Histogram
	duration   metric.Float64Histogram
	firstToken metric.Float64Histogram
	propagator propagation.TraceContext
}

func newOTel(ctx context.Context, o OTelOptions) (*otel, error) {
	res := resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version))
	t := &otel{}
	if o.Traces {
		exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint+"/v1/traces"), otlptracehttp.WithHeaders(o.Headers))
		if err != nil {
			return nil, fmt.Errorf("server.telemetry.otlp: %w", err)
		}
		t.traces = sdktrace.NewTracerProvider(
			sdktrace.WithBatcher(exporter), sdktrace.WithResource(res),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Sample))),
		)
		t.tracer = t.traces.Tracer("freehold")
	}
	if o.Metrics {
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(o.Endpoint+"/v1/metrics"), otlpmetrichttp.WithHeaders(o.Headers))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("server.telemetry.otlp: %w", err), t.close(ctx))
		}
		t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)), sdkmetric.WithResource(res))
		m := t.metrics.Meter("freehold")
		var errs [3]error
		t.tokens, errs[0] = m.Int64Histogram("gen_ai.client.token.usage", metric.WithUnit("{token}"),
			metric.WithDescription("Tokens used, by type"), metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864))
		bounds := metric.WithExplicitBucketBoundaries(.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
		t.duration, errs[1] = m.Float64Histogram("gen_ai.client.operation.duration", metric.WithUnit("s"),
			metric.WithDescription("Duration of the operation"), bounds)
		t.firstToken, errs[2] = m.Float64Histogram("gen_ai.server.time_to_first_token", metric.WithUnit("s"),
			metric.WithDescription("Time to the first token of a streamed answer"), bounds)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, errors.Join(err, t.close(ctx))
		}
	}
	return t, nil
}

func (t *otel) close(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	var errs []error
	if t.traces != nil {
		errs = append(errs, t.traces.Shutdown(ctx))
	}
	if t.metrics != nil {
		errs = append(errs, t.metrics.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

func (t *otel) done(r *ledger.Row, h http.Header) {
	ctx := t.propagator.Extract(context.Background(), propagation.HeaderCarrier(h))
	if t.tracer != nil {
		ctx = t.span(ctx, r)
	}
	if t.metrics == nil {
		return
	}
	attrs := attribute.NewSet(
		attribute.String("gen_ai.operation.name", operation(r.Operation)), attribute.String("gen_ai.provider.name", r.Provider),
		attribute.String("gen_ai.request.model", r.Model), attribute.String("freehold.workload", r.Workload),
	)
	set := metric.WithAttributeSet(attrs)
	t.duration.Record(ctx, r.Total.Seconds(), set)
	if r.FirstToken > 0 {
		t.firstToken.Record(ctx, r.FirstToken.Seconds(), set)
	}
	if r.Tokens.In > 0 {
		t.tokens.Record(ctx, r.Tokens.In, set, metric.WithAttributes(attribute.String("gen_ai.token.type", "input")))
	}
	if r.Tokens.Out > 0 {
		t.tokens.Record(ctx, r.Tokens.Out, set, metric.WithAttributes(attribute.String("gen_ai.token.type", "output")))
	}
}

// span makes the request's span, and one for each attempt, as they were.
func (t *otel) span(ctx context.Context, r *ledger.Row) context.Context {
	ctx, s := t.tracer.Start(ctx, operation(r.Operation)+" "+r.Asked, trace.WithTimestamp(r.Time),
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("gen_ai.operation.name", operation(r.Operation)),
			attribute.String("gen_ai.request.model", r.Asked), attribute.String("gen_ai.response.model", r.Answerer()),
			attribute.String("gen_ai.provider.name", r.Provider),
			attribute.Int64("gen_ai.usage.input_tokens", r.Tokens.In), attribute.Int64("gen_ai.usage.output_tokens", r.Tokens.Out),
			attribute.String("freehold.request_id", r.ID), attribute.String("freehold.workload", r.Workload),
			attribute.String("freehold.route", r.Route), attribute.String("freehold.outcome", string(r.Outcome)),
			attribute.Int("freehold.seams", len(r.Seams)), attribute.Int("http.response.status_code", r.Status),
		))
	if s.IsRecording() {
		for i := range r.Attempts {
			t.attempt(ctx, r, &r.Attempts[i])
		}
	}
	if r.Outcome.Err() {
		s.SetStatus(codes.Error, r.ErrorCode)
		s.SetAttributes(attribute.String("error.type", r.ErrorCode))
	}
	s.End(trace.WithTimestamp(r.Time.Add(r.Total)))
	return ctx
}

func (t *otel) attempt(ctx context.Context, r *ledger.Row, a *ledger.Attempt) {
	_, s := t.tracer.Start(ctx, operation(r.Operation)+" "+a.ProviderModel, trace.WithTimestamp(a.Start),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("gen_ai.operation.name", operation(r.Operation)),
			attribute.String("gen_ai.provider.name", a.Provider), attribute.String("gen_ai.request.model", a.ProviderModel),
			attribute.String("freehold.deployment", a.Deployment), attribute.String("freehold.cause", a.Cause),
			attribute.Int64("gen_ai.usage.input_tokens", a.Tokens.In), attribute.Int64("gen_ai.usage.output_tokens", a.Tokens.Out),
			attribute.Int("http.response.status_code", a.Status),
		))
	if a.Fault != "" {
		s.SetStatus(codes.Error, a.Fault)
		s.SetAttributes(attribute.String("error.type", a.Fault))
	}
	s.End(trace.WithTimestamp(a.Start.Add(a.Total)))
}

// operation is the conventions' name of one of ours.
func operation(op string) string {
	switch op {
	case "completion":
		return "text_completion"
	case "embedding":
		return "embeddings"
	}
	return op
}
