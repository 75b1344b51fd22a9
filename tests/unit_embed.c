/* unit_embed.c - the built-in embedder, the choice of an entity's text, and stored vectors.
 *
 * What is asserted of the embedder is order (this is nearer than that) and identity, never a number
 * that a change of weights would move.
 */
#include "store/embed.h"
#include "store/vec.h"
#include "store/base/clock.h"
#include "store/base/err.h"
#include "store/base/cleanup.h"

#include <check.h>
#include <math.h>

#define DIM 256

static struct embedder *open_embedder(const char *name)
{
    struct embedder *e = NULL;
    ck_assert_msg(embed_open(name, &e) == 0, "%s", err_msg());
    return e;
}

static float cosine_of(const char *a, const char *b)
{
    struct embedder *e = open_embedder(NULL);
    struct slice t[2] = {slice_str(a), slice_str(b)};
    float v[2][DIM], sum = 0;
    ck_assert_int_eq(embed_texts(e, t, 2, v[0]), 0);
    for (int i = 0; i < DIM; i++)
        sum += v[0][i] * v[1][i];
    embed_close(e);
    return sum;
}

static float length(const float *v, int dim)
{
    float sum = 0;
    for (int i = 0; i < dim; i++)
        sum += v[i] * v[i];
    return sqrtf(sum);
}

/* ---- the provider ---------------------------------------------------------------------------- */

START_TEST(embed_unit_length_and_same_again)
{
    struct embedder *e = open_embedder("hash");
    ck_assert_int_eq(embed_dim(e), DIM);
    ck_assert_str_eq(embed_name(e), "hash");
    struct slice t[3] = {slice_str("vector search in databases"), slice_str(""),
                         slice_str("vector search in databases")};
    float v[3][DIM];
    ck_assert_int_eq(embed_texts(e, t, 3, v[0]), 0);
    ck_assert(fabsf(length(v[0], DIM) - 1) < 1e-5F);
    ck_assert(length(v[1], DIM) == 0);
    ck_assert_mem_eq(v[0], v[2], sizeof v[0]);
    embed_close(e);
}
END_TEST

START_TEST(embed_nothing_to_embed)
{
    static const char *const empty[] = {" ", "!?;-- \t\n", "\xe2\x80\xa6", "\xff\xfe\x80", "\xc3"};
    struct embedder *e = open_embedder(NULL);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        float v[DIM];
        struct slice t = slice_str(empty[i]);
        ck_assert_int_eq(embed_texts(e, &t, 1, v), 0);
        if (i != 3 && i != 4) /* broken UTF-8 may count as nothing or not; it may not crash */
            ck_assert_msg(length(v, DIM) == 0, "case %zu", i);
    }
    embed_close(e);
}
END_TEST

START_TEST(embed_dimensions)
{
    struct embedder *e = open_embedder("hash:512");
    ck_assert_int_eq(embed_dim(e), 512);
    float v[512];
    struct slice t = slice_str("gardening in spring");
    ck_assert_int_eq(embed_texts(e, &t, 1, v), 0);
    ck_assert(fabsf(length(v, 512) - 1) < 1e-5F);
    embed_close(e);
    static const char *const bad[] = {"hash:0", "hash:5000", "hash:12x", "hash:-3", "word2vec", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(embed_open(bad[i], &e), -ERR_INVAL);
        ck_assert_ptr_nonnull(strstr(err_msg(), i < 4 ? "16 to 4096" : "there are: hash"));
    }
}
END_TEST

START_TEST(embed_near_is_nearer)
{
    const char *q = "how to train a neural network";
    float same = cosine_of(q, "training neural networks with gradient descent");
    float other = cosine_of(q, "a recipe for sourdough bread and butter");
    ck_assert_msg(same > other + 0.2F, "%f %f", (double)same, (double)other);
    /* Forms of a word and typing errors are nearer than other words. */
    ck_assert(cosine_of("indexing", "indexes") > cosine_of("indexing", "gardening") + 0.1F);
    ck_assert(cosine_of("databse", "database") > cosine_of("kitchen", "database") + 0.1F);
    /* Stop words hardly count. */
    ck_assert(cosine_of("the cat and the hat", "cat hat") > 0.9F);
    ck_assert(cosine_of("what is the kernel", "what is the recipe") < 0.4F);
    ck_assert(cosine_of("the", "the") > 0.99F);
    /* Numbers are words, not spellings. */
    ck_assert(cosine_of("123456", "123457") < 0.5F);
}
END_TEST

START_TEST(embed_unicode)
{
    ck_assert(cosine_of("HELLO World", "hello, world!") > 0.999F);
    ck_assert(cosine_of("ÉCOLE Straße", "école STRASSE") > 0.999F);
    ck_assert(cosine_of("caf\xc3\xa9", "cafe\xcc\x81") > 0.999F); /* composed or not */
    ck_assert(cosine_of("ПРИВЕТ МИР", "привет мир") > 0.999F);
    ck_assert(cosine_of("naïve Bayes", "Naïve bayes") > 0.999F);
    /* No spaces: parts are found. */
    ck_assert(cosine_of("数据库设计", "数据库") > cosine_of("数据库设计", "天文学") + 0.3F);
    ck_assert(cosine_of("データベース", "データ") > 0.2F);
    /* A change of script ends a word. */
    ck_assert(cosine_of("SQL数据库", "sql 数据库") > 0.999F);
}
END_TEST

START_TEST(embed_long_and_odd)
{
    struct embedder *e = open_embedder(NULL);
    auto_buf text = BUF_INIT;
    for (int i = 0; i < 50000; i++)
        ck_assert_int_eq(buf_putf(&text, "word%d ", i), 0);
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(buf_puts(&text, "longlongword\xc3\xa9"), 0);
    struct slice t[2] = {slice_buf(&text), slice_str("word1 word2")};
    float v[2][DIM], alone[DIM];
    ck_assert_int_eq(embed_texts(e, t, 2, v[0]), 0);
    ck_assert(fabsf(length(v[0], DIM) - 1) < 1e-4F);
    /* What came before in the same call leaves nothing behind. */
    ck_assert_int_eq(embed_texts(e, t + 1, 1, alone), 0);
    ck_assert_mem_eq(v[1], alone, sizeof alone);
    /* Every byte sequence is a text. */
    unsigned char bytes[512];
    uint64_t x = 88172645463325252U;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            bytes[i] = (unsigned char)(round % 2 ? x : x | 0x80);
        }
        struct slice s = slice_of(bytes, (size_t)(x % sizeof bytes));
        ck_assert_int_eq(embed_texts(e, &s, 1, alone), 0);
        float len = length(alone, DIM);
        ck_assert(len == 0 || fabsf(len - 1) < 1e-4F);
    }
    embed_close(e);
}
END_TEST

/* ---- an entity's text ------------------------------------------------------------------------ */

static void check_text(const char *json, const char *expected)
{
    auto_buf text = BUF_INIT;
    ck_assert_int_eq(embed_entity_text(slice_str(json), &text), 0);
    ck_assert_str_eq(text.n ? buf_cstr(&text) : "", expected);
}

START_TEST(embed_entity_fields)
{
    check_text("{\"name\":\"n\",\"content\":\"c\"}", "c");
    check_text("{\"name\":\"n\",\"summary\":\"s\",\"text\":\"t\"}", "t");
    check_text("{\"name\":\"n\",\"properties\":{\"description\":\"d\"}}", "d");
    check_text("{\"metadata\":{\"text\":\"m\"},\"properties\":{\"name\":\"p\"}}", "m");
    check_text("{\"metadata\":{\"name\":\"m\"},\"properties\":{\"name\":\"p\"}}", "p");
    check_text("{\"description\":\"\",\"name\":\"n\"}", "n");
    check_text("{\"content\":7,\"text\":null,\"name\":\"n\"}", "n");
    check_text("{\"content\":\"a\\n\\u00e9\\\"b\"}", "a\n\xc3\xa9\"b");
    check_text("{\"title\":\"t\",\"properties\":[\"text\"]}", "");
    check_text("{}", "");
    check_text("[1]", "");
    check_text("", "");
}
END_TEST

START_TEST(embed_entity_row)
{
    struct embedder *e = open_embedder(NULL);
    auto_buf row = BUF_INIT;
    ck_assert_int_eq(embed_entity(e, slice_str("{\"title\":\"no text\"}"), &row), 0);
    ck_assert_uint_eq(row.n, 0);
    ck_assert_int_eq(embed_entity(e, slice_str("{\"name\":\"?!\"}"), &row), 0);
    ck_assert_uint_eq(row.n, 0);
    ck_assert_int_eq(embed_entity(e, slice_str("{\"name\":\"Ada Lovelace\"}"), &row), 0);
    struct vec_view v;
    ck_assert(vec_decode(slice_buf(&row), &v));
    ck_assert_int_eq(v.dim, DIM);
    ck_assert(vec_cosine(&v, &v) > 0.9999F);
    embed_close(e);
}
END_TEST

/* ---- stored vectors -------------------------------------------------------------------------- */

START_TEST(vec_dot_forms_agree)
{
    enum { N = 300 };
    int8_t a[N + 16], b[N + 16];
    uint32_t x = 1;
    for (int i = 0; i < N + 16; i++) {
        x = x * 1664525 + 1013904223;
        a[i] = (int8_t)((int)(x >> 24) % 255 - 127);
        x = x * 1664525 + 1013904223;
        b[i] = i % 7 ? (int8_t)((int)(x >> 24) % 255 - 127) : (int8_t)(i % 2 ? 127 : -127);
    }
    for (int n = 0; n <= N; n++) {
        for (int shift = 0; shift < 4; shift++) {
            int32_t want = 0;
            for (int i = 0; i < n; i++)
                want += a[i + shift] * b[i + 5];
            ck_assert_int_eq(vec_dot_scalar(a + shift, b + 5, n), want);
            ck_assert_int_eq(vec_dot(a + shift, b + 5, n), want);
            if (vec_has_avx2())
                ck_assert_int_eq(vec_dot_avx2(a + shift, b + 5, n), want);
        }
    }
    static int8_t most[VEC_DIM_MAX];
    memset(most, -127, sizeof most);
    ck_assert_int_eq(vec_dot(most, most, VEC_DIM_MAX), 127 * 127 * VEC_DIM_MAX);
}
END_TEST

START_TEST(vec_encode_keeps_cosines)
{
    float v[3][DIM];
    uint32_t x = 7;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < DIM; i++) {
            x = x * 1664525 + 1013904223;
            v[k][i] = (float)(x >> 8) / (1 << 23) - 1 + (k == 1 ? v[0][i] : 0);
        }
    struct vec_view q[3];
    struct buf rows[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(vec_encode(v[k], DIM, &rows[k]), 0);
        ck_assert_uint_eq(rows[k].n, 8 + DIM);
        ck_assert(vec_decode(slice_buf(&rows[k]), &q[k]));
    }
    for (int k = 0; k < 3; k++) {
        float dot = 0;
        for (int i = 0; i < DIM; i++)
            dot += v[0][i] * v[k][i];
        float want = dot / (length(v[0], DIM) * length(v[k], DIM));
        ck_assert(fabsf(vec_cosine(&q[0], &q[k]) - want) < 0.01F);
    }
    for (int k = 0; k < 3; k++)
        buf_free(&rows[k]);
}
END_TEST

START_TEST(vec_refuses)
{
    auto_buf row = BUF_INIT;
    float v[4] = {0, 0, 0, 0};
    ck_assert_int_eq(vec_encode(v, 4, &row), 0);
    ck_assert_uint_eq(row.n, 0); /* zero: no row */
    v[2] = NAN;
    ck_assert_int_eq(vec_encode(v, 4, &row), -ERR_INVAL);
    v[2] = INFINITY;
    ck_assert_int_eq(vec_encode(v, 4, &row), -ERR_INVAL);
    v[2] = 1e-42F; /* smaller than any normal float */
    ck_assert_int_eq(vec_encode(v, 4, &row), 0);
    struct vec_view d;
    ck_assert(vec_decode(slice_buf(&row), &d));
    ck_assert_int_eq(d.q[2], 127);
    struct vec_view other = d;
    other.dim = 3;
    ck_assert(vec_cosine(&d, &other) == 0);
    ck_assert_int_eq(vec_encode(v, VEC_DIM_MAX + 1, &row), -ERR_INVAL);
    for (size_t n = 0; n < row.n; n++)
        ck_assert(!vec_decode(slice_of(row.p, n), &d));
    row.p[0] = 2;
    ck_assert(!vec_decode(slice_buf(&row), &d));
    row.p[0] = 1;
    memset(row.p + 4, 0, 4); /* a norm of zero */
    ck_assert(!vec_decode(slice_buf(&row), &d));
}
END_TEST

/* Prints the rate; a bound would fail on a busy machine. */
START_TEST(embed_rate)
{
    struct embedder *e = open_embedder(NULL);
    static const char text[] =
        "This is entity number 4711 with various properties, a team and a status of its own.";
    enum { N = 64, ROUNDS = 200 };
    struct slice t[N];
    static float v[N * DIM];
    for (int i = 0; i < N; i++)
        t[i] = slice_of(text, sizeof text - 1);
    int64_t start = clock_mono_ns();
    for (int r = 0; r < ROUNDS; r++)
        ck_assert_int_eq(embed_texts(e, t, N, v), 0);
    double s = (double)(clock_mono_ns() - start) / 1e9;
    printf("# embed: %.0f texts of %zu bytes a second\n", N * ROUNDS / s, sizeof text - 1);
    embed_close(e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("embed");
    TCase *tc = tcase_create("embed");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, embed_unit_length_and_same_again);
    tcase_add_test(tc, embed_nothing_to_embed);
    tcase_add_test(tc, embed_dimensions);
    tcase_add_test(tc, embed_near_is_nearer);
    tcase_add_test(tc, embed_unicode);
    tcase_add_test(tc, embed_long_and_odd);
    tcase_add_test(tc, embed_entity_fields);
    tcase_add_test(tc, embed_entity_row);
    tcase_add_test(tc, vec_dot_forms_agree);
    tcase_add_test(tc, vec_encode_keeps_cosines);
    tcase_add_test(tc, vec_refuses);
    tcase_add_test(tc, embed_rate);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
