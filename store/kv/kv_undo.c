/* kv_undo.c - the state before a failed write; see kv_undo.h. */
#include "store/kv/kv_undo.h"
#include "store/base/err.h"

DEFINE_CLEANUP(struct kv_batch, kv_batch_free)

static int note_batch(const struct kv_batch *b, kv_undo_get_fn *get, void *ctx,
                      struct kv_batch *undo)
{
    for (int i = 0; i < b->writes.n; i++) {
        struct slice k = kv_op_key(b, &b->writes.v[i]);
        auto_buf v = BUF_INIT;
        bool found;
        int rc = get(ctx, k, &v, &found);
        if (rc < 0)
            return rc;
        kv_batch_tenant(undo, get_be64(k.p));
        if (found)
            kv_put(undo, kv_key_bare(k), slice_buf(&v));
        else
            kv_del(undo, kv_key_bare(k));
        if (undo->rc < 0)
            return undo->rc;
    }
    return 0;
}

int kv_undo_note(const struct kv_batch *const *b, int n, kv_undo_get_fn *get, void *ctx,
                 struct kv_batch **out)
{
    cleanup(kv_batch_free) struct kv_batch *undo = kv_batch_new(0);
    int rc = undo ? 0 : err_set(ERR_NOMEM, "out of memory");
    for (int i = 0; i < n && rc == 0; i++)
        rc = note_batch(b[i], get, ctx, undo);
    *out = rc == 0 ? steal(&undo) : NULL;
    return rc;
}

int kv_undo_needed(const struct kv_batch *undo, kv_undo_get_fn *get, void *ctx)
{
    for (int i = 0; i < undo->writes.n; i++) {
        const struct kv_op *op = &undo->writes.v[i];
        auto_buf v = BUF_INIT;
        bool found;
        int rc = get(ctx, kv_op_key(undo, op), &v, &found);
        if (rc < 0)
            return rc;
        if (found != (op->kind == KV_OP_PUT) ||
            (found && !slice_eq(slice_buf(&v), kv_op_value(undo, op))))
            return 1;
    }
    return 0;
}
