/* name_set.h - inside the store: which names a type surely does not have, while entities are
 * inserted in bulk.
 *
 * A look-up in the engine costs more than anything else that is done for a new entity. So an
 * inserter that goes on for a while keeps a set of 32-bit fingerprints (of the names' hashes) of
 * all names in the type: a name that is not in it is new; one that is in it is looked up. Names
 * that went stay in it, which costs a look-up and nothing else. Open addressing, at most half full:
 * 8 to 16 bytes a name.
 *
 * Threads: it hangs at the type's cat_dir and belongs to the leader of the commit queue.
 */
#ifndef REMFS_NAME_SET_H
#define REMFS_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_SET_MAX ((size_t)2 << 20) /* names; a larger type goes without */

struct name_set {
    uint32_t *v; /* 0: free */
    size_t cap, n;
};

struct name_set *name_set_new(size_t names); /* room for so many; NULL: out of memory */
void name_set_free(struct name_set *s);
/* false: it is full or out of memory, and of no more use. hash: key_name_hash(). */
bool name_set_add(struct name_set *s, uint64_t hash);
bool name_set_has(const struct name_set *s, uint64_t hash);

#endif
