/* query_exec.h - a statement run: rows read, filtered, held or streamed, written.
 *
 * Threads: a run belongs to one thread at a time.
 */
#ifndef REMFS_QUERY_EXEC_H
#define REMFS_QUERY_EXEC_H

#include "store/answer.h"
#include "store/query_ast.h"

/* Takes q over, also when it fails. Nothing is read before the answer is. */
int query_run(struct store *st, struct coll asked, struct query *q, struct answer **out);

#endif
