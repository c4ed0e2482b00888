// Package classify tells from a prompt, in process and in microseconds, which
// task it asks for, and how likely a cheap model's answer would be worse than a
// strong one's.
//
// Words, pairs of words and hand-made counts of a prompt ([Read]) go into
// linear heads, whose outputs are calibrated on held-out rows, so that what is
// called 0.8 holds in 8 of 10 cases. However long a prompt, only its begin and
// its end are read. Weights are part of the binary ([Embedded]); package learn
// trains others, and [Load] reads them.
package classify
