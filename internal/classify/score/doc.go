// Package score measures routers between a weak and a strong model, and
// classifiers of tasks. The measures of routers are those of RouteLLM (arXiv
// 2406.18665).
package score
