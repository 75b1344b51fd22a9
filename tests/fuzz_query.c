/* fuzz_query.c - any bytes as a query (libFuzzer).
 *
 * Nothing may crash; a statement runs on a few rows, and every answer is valid JSON where its form
 * is JSON. And the property that writers rely on: no beginning of a whole statement is refused for
 * good.
 */
#include "store/base/cleanup.h"
#include "store/json.h"
#include "store/query_ast.h"
#include "tests/fake_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIXES_MAX 300 /* bytes of a text that is tried in all its lengths */

static struct store *make_rows(void)
{
    static const char *const rows[] = {
        "{\"name\":\"a\",\"n\":1,\"tags\":[\"x\",2],\"properties\":{\"status\":\"on\"}}",
        "{\"name\":\"b\\n\",\"n\":2.5,\"metadata\":{\"status\":\"off\"}}",
        "{\"name\":null,\"n\":-9223372036854775808,\"o\":{\"p\":[{\"q\":true}]}}",
        "{}",
    };
    struct store *st = fake_new();
    fake_options(st)->query_memory = 1 << 20;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        fake_put(st, "t", slice_of(&"abcd"[i], 1), slice_str(rows[i]));
    return st;
}

static void check_lines(struct slice text)
{
    while (text.n) {
        const char *eol = memchr(text.p, '\n', text.n);
        if (!eol || json_validate(slice_of(text.p, (size_t)(eol - text.p)), true) < 0)
            abort();
        size_t n = (size_t)(eol - text.p) + 1;
        text = slice_of(text.p + n, text.n - n);
    }
}

static void run(struct store *st, struct coll c, struct slice text)
{
    struct query *q = NULL;
    struct answer *a = NULL;
    auto_buf out = BUF_INIT;
    char piece[4096];
    ssize_t n = 0;
    if (query_parse(text, c.type == 0, &q) != 0)
        abort();
    if (store_query(st, c, text, &a) < 0)
        abort();
    while ((n = answer_read(a, piece, sizeof piece)) > 0)
        if (buf_put(&out, piece, (size_t)n) < 0)
            abort();
    if (n == 0 && (q->format == FORMAT_JSONL || q->explain))
        check_lines(slice_buf(&out));
    if (n == 0 && q->format == FORMAT_JSON && !q->explain && !q->empty &&
        json_validate(slice_buf(&out), false) < 0)
        abort();
    answer_free(a);
    query_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct store *st;
    struct slice text = slice_of(data, size);
    struct query_filter *f = NULL;
    if (!st)
        st = make_rows();
    if (query_filter_parse(text, &f) == 0)
        query_filter_free(f);
    for (uint32_t type = 0; type < 2; type++) {
        struct coll c = {FAKE_TENANT, type};
        if (store_query_check(st, c, text) != 0)
            continue;
        for (size_t n = 0; size <= PREFIXES_MAX && n < size; n++)
            if (store_query_check(st, c, slice_of(data, n)) < 0)
                abort();
        run(st, c, text);
    }
    return 0;
}
