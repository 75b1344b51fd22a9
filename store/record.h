/* record.h - every value of the store, encoded and decoded. The bytes are drawn in doc/FORMAT.md.
 *
 * Values are little-endian with fixed places, and start with a form byte, so that a later form can
 * stand beside an older one. Nothing here reads or writes the engine. Vectors are embed.h's.
 *
 * Errors: a decoder gives ERR_CORRUPT for bytes that no encoder here wrote. Threads: no state.
 */
#ifndef REMFS_RECORD_H
#define REMFS_RECORD_H

#include "store/store.h"

#define REC_FORMAT 1 /* of the whole store; a program refuses a greater one */

/* ---- 'm': the store itself ---- */

struct rec_meta {
    uint32_t format;
    char uuid[16];
    uint64_t ino_high;     /* inode numbers from here on were never used */
    uint64_t version_high; /* nor versions */
    uint64_t tenant_next;
    uint32_t mode, uid, gid; /* of the root directory */
    int64_t atime, mtime, ctime, btime;
};

#define REC_META_BYTES 92
void rec_meta_put(char out[REC_META_BYTES], const struct rec_meta *m);
/* ERR_VERSION when the format is greater than REC_FORMAT: then only format is set. */
int rec_meta_get(struct slice v, struct rec_meta *m);

/* ---- 't': a tenant, 'c': a type ---- */

struct rec_dir {
    uint64_t id; /* tenant or type */
    uint64_t ino;
    uint32_t mode, uid, gid;
    uint32_t type_next;                 /* tenants */
    int64_t atime, mtime, ctime, btime; /* a type's mtime and ctime are in its counters */
};

#define REC_DIR_BYTES 68
void rec_dir_put(char out[REC_DIR_BYTES], const struct rec_dir *d);
int rec_dir_get(struct slice v, struct rec_dir *d);

/* ---- 's': a type's counters ---- */

struct type_counts {
    uint64_t entities, bytes; /* bytes: of the texts as written */
    uint64_t drafts;
    uint64_t scratch, scratch_bytes; /* files with a name only */
    int64_t mtime, ctime;
};

#define REC_COUNTS_BYTES 64
void rec_counts_put(char out[REC_COUNTS_BYTES], const struct type_counts *c);
int rec_counts_get(struct slice v, struct type_counts *c);

/* ---- 'h' and 'o': a file's header ---- */

#define REC_HEADER_BYTES 68
void rec_header_put(char out[REC_HEADER_BYTES], const struct file_attr *a);
int rec_header_get(struct slice v, struct file_attr *a);

/* ---- 'b': an entity's body ---- */

/* The compact form (one line) is stored, and beside it the white space that was taken out of the
 * text as written: from both the text comes back byte by byte. So what queries read lies there
 * ready, and nothing is stored twice. */
struct rec_body {
    uint64_t ino;
    int64_t created, modified; /* ns */
    struct slice compact;
    struct slice gaps; /* empty: the text is the compact form */
    size_t text_len;
};

#define REC_BODY_HEAD 36
/* Appends the body of a text and its compact form (json.h); inode number and times are zero. */
int rec_body_put(struct buf *out, struct slice text, struct slice compact);
/* Sets the three in an encoded body. */
void rec_body_stamp(char *body, uint64_t ino, int64_t created, int64_t modified);
/* The slices point into v. */
int rec_body_get(struct slice v, struct rec_body *b);
/* Appends the text as it was written. */
int rec_body_text(const struct rec_body *b, struct buf *out);

#endif
