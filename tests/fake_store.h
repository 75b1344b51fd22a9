/* fake_store.h - the store as a few arrays, for tests of what stands on store/entity.h.
 *
 * Rows are as they were put, in order of type and id; the n-th row put was created n seconds after
 * 2026-01-01 and modified an hour after that. One tenant, number 1, "acme"; types are numbered from
 * 1 as they come. Defines what entity.h and answer.h declare, so that the real ones are not linked.
 */
#ifndef REMFS_FAKE_STORE_H
#define REMFS_FAKE_STORE_H

#include "store/answer.h"
#include "store/entity.h"

#define FAKE_TENANT 1

struct store *fake_new(void);
void fake_free(struct store *st);
uint32_t fake_type(struct store *st, const char *name); /* makes it when it is new */
void fake_put(struct store *st, const char *type, struct slice id, struct slice json);
struct store_options *fake_options(struct store *st);
/* Rows handed out so far, by scans and by ids. */
uint64_t fake_rows_read(const struct store *st);
/* The answer_poll() after so many calls gives rc; 0: never. */
void fake_poll_fails(struct store *st, uint64_t calls, int rc);

#endif
