/* query.h - the query language: text → tokens → tree → plan → rows. doc/contract.md section 4.
 *
 * query_lex.c, query_parse.c (text to struct query), query_plan.c (struct query to a plan),
 * query_exec.c (a plan over ent_scan), query_value.c (three-valued logic and order over JSON values),
 * query_format.c (rows to JSON Lines, CSV, …). One stage a file; each sees the one before.
 *
 * Threads: a parsed struct query is read-only and may be shared; a run belongs to one thread.
 */
#ifndef REMFS_QUERY_H
#define REMFS_QUERY_H

#include "store/entity.h"

struct query;

/* 0 and *out; 1: unfinished (err_msg() says what is missing; *out NULL); -ERR_INVAL with line, column, the
 * line itself, a caret and what was expected. tenant_level: FROM is needed where a type is to be known. */
int query_parse(struct slice text, bool tenant_level, struct query **out);
void query_free(struct query *q);

/* A filter on its own, for .search's "where" and for tests. */
struct query_filter;
int query_filter_parse(struct slice text, struct query_filter **out); /* as query_parse */
/* 1 true, 0 false or unknown, negative an error. */
int query_filter_match(const struct query_filter *f, const struct ent_row *row);
void query_filter_free(struct query_filter *f);

/* Appends the row in the manner of SELECT *: {"_path":…, [extra,] own members} and a newline. path is
 * relative to the directory of the file asked; extra is "" or members such as "\"_score\":0.5". */
int query_put_row(struct buf *out, const struct ent_row *row, bool tenant_level, struct slice extra);

/* A path into an entity for .search's "fields": compiled once. (query_value.c) */

#endif
