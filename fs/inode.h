/* inode.h - inode numbers and nodes: who is meant by a number that the kernel sends.
 *
 * Number ranges (st_ino and, but for one case, the FUSE node id):
 *   1                       the root
 *   [2, 2^56)               tenants, types, files: given out by the store, kept for ever
 *   [2^57, 2^58)            a further node id of a file, see "parting" below; never an st_ino
 *   bit 63                  control files: 1 | directory's number << 6 | kind
 *
 * Directories need no table: the store's catalogue is in memory. Control files need none: the
 * number says it all. A file that the kernel knows has a struct node here, from its first lookup to
 * the last forget; it keeps where the file is (type and name), since the kernel speaks of it by
 * number alone.
 *
 * Parting. The kernel has one page cache and one size for a node id, but an open entity keeps the
 * version that it opened. So a node id with cached readers is never written through: an open for
 * writing (or a batch that replaced the entity) parts the file from that node id; readers go on
 * with the old one and its attributes, and the next lookup gets a fresh node id. An opener that
 * comes with the old one is answered ESTALE, upon which the kernel looks the name up again and
 * comes back, once. For that moment the file is reserved for it: nobody else uses its page cache,
 * so that it cannot part a second time.
 *
 * Threads: one mutex (inodes.lock) guards the tables and every struct node; it is a leaf lock, held
 * for look-ups and small updates only, never over a call of the store or of libfuse.
 */
#ifndef REMFS_INODE_H
#define REMFS_INODE_H

#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define INO_CTL_BIT (UINT64_C(1) << 63)
#define INO_PARTED_BASE (UINT64_C(1) << 57)
#define INO_CTL_KINDS 64

static inline bool ino_is_ctl(uint64_t ino)
{
    return (ino & INO_CTL_BIT) != 0;
}

static inline uint64_t ino_ctl(uint64_t dir_ino, unsigned kind)
{
    return INO_CTL_BIT | dir_ino << 6 | kind;
}

static inline uint64_t ino_ctl_dir(uint64_t ino)
{
    return (ino & ~INO_CTL_BIT) >> 6;
}

static inline unsigned ino_ctl_kind(uint64_t ino)
{
    return (unsigned)(ino & (INO_CTL_KINDS - 1));
}

struct node;
struct inodes;

/* The text of one version of an entity, shared by all handles that have it open and, for a while,
 * kept for the next one. Counted; immutable. */
struct blob {
    atomic_uint refs;
    size_t n;
    char text[];
};

struct blob *blob_new(struct slice text); /* NULL: out of memory. One reference: the caller's. */
void blob_put(struct blob *b);

/* Where a node's file is, copied out so that no lock is held while the store works on it. */
struct file_ref {
    uint64_t nodeid, ino;
    struct coll coll;
    enum file_kind kind;
    bool gone;    /* unlinked, or replaced by a rename: pinned holds its last attributes */
    bool parted;  /* readers of an older version; pinned holds that version's attributes */
    bool writing; /* open for writing by somebody: attributes must not be cached */
    bool has_pinned;
    struct file_attr pinned; /* also of the version that readers opened */
    size_t name_len;
    char name[STORE_FILE_NAME_MAX + 1];
};

static inline struct slice ref_name(const struct file_ref *r)
{
    return slice_of(r->name, r->name_len);
}

struct inodes *inodes_new(void); /* NULL: out of memory */
void inodes_free(struct inodes *t);

/* The kernel gets an entry for this file: one more look-up is counted. *nodeid is what to tell it.
 */
int inodes_lookup(struct inodes *t, struct coll c, struct slice name, const struct file_attr *attr,
                  uint64_t *nodeid, bool *writing);
void inodes_forget(struct inodes *t, uint64_t nodeid, uint64_t n);
/* false: not a file that the kernel knows (a directory, perhaps). */
bool inodes_ref(struct inodes *t, uint64_t nodeid, struct file_ref *out);

/* The current version's text if it is kept, with a reference for the caller, and its attributes;
 * else NULL. */
struct blob *inodes_text(struct inodes *t, uint64_t nodeid, struct file_attr *attr);
/* Keeps a text that was read from the store, unless content changed since `stamp` was taken from
 * *changes (see fs_stamp()). At most INODES_TEXT_BYTES are kept, the latest. */
#define INODES_TEXT_BYTES (16u << 20)
#define INODES_TEXT_MAX (256u << 10) /* of one text */
void inodes_keep_text(struct inodes *t, uint64_t nodeid, struct blob *b,
                      const struct file_attr *attr, const atomic_ulong *changes,
                      unsigned long stamp);
/* The file has new content: whatever is kept of it goes. Call it after *changes has grown. */
void inodes_drop_text(struct inodes *t, uint64_t ino);

/* An open by thread pid for reading: *keep when the kernel may keep the page cache it has; *direct
 * when it must be bypassed: a writer is there, or a reservation, or what was read is not fresh.
 * Counted until inodes_close_read(). */
void inodes_open_read(struct inodes *t, uint64_t nodeid, pid_t pid, const struct file_attr *attr,
                      bool fresh, bool *keep, bool *direct);
void inodes_close_read(struct inodes *t, uint64_t nodeid, bool direct);
/* An open of an entity for writing. false: the node has cached readers, and parted from
 * the file; the open is to be answered with ESTALE, after inodes_reserve(). */
bool inodes_open_write(struct inodes *t, uint64_t nodeid, pid_t pid, int64_t *mtime_override);
/* Reserves the file that the thread will find when it looks the name up again. */
void inodes_reserve(struct inodes *t, uint64_t ino, pid_t pid, bool writer);
void inodes_close_write(struct inodes *t, uint64_t nodeid, int64_t *mtime_override);
/* The kernel was told attributes of a file that is being written. Such an answer may be taken up
 * late, after the commit: true, once, if it was so and the kernel has to be told to drop them. */
void inodes_told_beside(struct inodes *t, uint64_t nodeid);
bool inodes_take_told_beside(struct inodes *t, uint64_t nodeid);
/* utimens on a file with open write handles: their commit keeps this mtime. */
void inodes_set_mtime(struct inodes *t, uint64_t nodeid, int64_t mtime);

/* Open scratch handles of a node (they keep an unlinked file's bytes). Returns the new count; when
 * a gone file's last handle closes, *drop says that its bytes may go. */
void inodes_open_scratch(struct inodes *t, uint64_t nodeid);
void inodes_close_scratch(struct inodes *t, uint64_t nodeid, bool *drop);
bool inodes_scratch_open(struct inodes *t, uint64_t ino);

/* The file has moved, or its kind changed. */
void inodes_renamed(struct inodes *t, struct coll c, struct slice name,
                    const struct file_attr *attr);
/* The file has no name any more. text (a reference that is taken over, or NULL) of that version
 * is what an open of it finds that was under way meanwhile. */
void inodes_gone(struct inodes *t, const struct file_attr *last, struct blob *text,
                 uint64_t version);
bool inodes_known(struct inodes *t, uint64_t ino);

/* A batch replaced this file behind the kernel's back. What has to be told to it: */
enum inode_stale { STALE_NONE, STALE_ATTR, STALE_ENTRY };
enum inode_stale inodes_replaced(struct inodes *t, uint64_t ino, uint64_t *nodeid);

/* Names that the kernel was told do not exist (a set that may err towards yes). */
void inodes_note_absent(struct inodes *t, uint64_t dir_ino, struct slice name);
bool inodes_maybe_absent(struct inodes *t, uint64_t dir_ino, struct slice name);

/* What the kernel's cached listing of a directory was made from: true when it is still `changes`,
 * which is noted otherwise. */
bool inodes_listing_current(struct inodes *t, uint64_t dir_ino, uint64_t changes);
/* A name in the directory was looked up. true, once after an opendir: so many in a row that an `ls
 * -l` goes through a listing which the kernel has cached without attributes; without that cache it
 * asks for names and attributes together, by the hundred. */
bool inodes_listing_walked(struct inodes *t, uint64_t dir_ino);

size_t inodes_count(struct inodes *t);

#endif
