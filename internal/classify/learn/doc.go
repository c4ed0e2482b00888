// Package learn trains the models of package classify from labelled prompts,
// and reads the files that hold them.
//
// Training is a convex problem, solved in one way: the same rows give the same
// model, however many processors there are. Scores and calibration come from
// rows that were held out.
package learn
