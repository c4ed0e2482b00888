// Package meter turns token counts and a price list entry into money, and
// estimates token counts where a provider reported none.
//
// Money is decimal (USD), never a float, and never rounded: a cost is the exact
// sum of count x price. A price that is not known makes the cost not known; it
// is never read as 0. An estimate is marked as one.
//
// The package is pure but for the tokenizer tables, which Estimate loads on
// first use and nothing else touches.
package meter
