/* search_req.h - inside the store: what was written to a .search, read and checked.
 *
 * search_req.c turns the text into a struct search_req, search.c runs it.
 *
 * Ownership: a request owns all that it points to. Threads: read-only once parsed.
 */
#ifndef REMFS_SEARCH_REQ_H
#define REMFS_SEARCH_REQ_H

#include "store/query.h"

#define SEARCH_LIMIT_DEFAULT 10
#define SEARCH_LIMIT_MAX 10000

struct search_req {
    bool empty;      /* an answer copied back (`cp -r`): no question, no rows */
    struct buf text; /* to be embedded; empty when a vector was given */
    float *vector;   /* or NULL */
    int dim;         /* components of vector */
    int limit;       /* rows at most */
    bool has_min_score;
    double min_score;           /* rows below it are left out */
    struct query_filter *where; /* or NULL */
    struct query *fields;       /* SELECT of the members to show, or NULL: all */
};

/* One line of text, or one JSON object when the first character is '{'. 0 and *out; 1: unfinished
 * (*out is NULL, err_msg() says what is missing); -ERR_INVAL, -ERR_TOOBIG, -ERR_NOMEM. */
int search_req_parse(struct slice text, struct search_req **out);
void search_req_free(struct search_req *req); /* NULL is fine */

#endif
