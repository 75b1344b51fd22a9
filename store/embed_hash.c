/* embed_hash.c - the built-in embedder: words and parts of words, hashed into a vector.
 *
 * Feature hashing (Weinberger, Dasgupta, Langford, Smola, Attenberg: "Feature Hashing for Large
 * Scale Multitask Learning", ICML 2009): a feature's hash (XXH3) chooses its component and its
 * sign, so there is no vocabulary, nothing to load, and the same text gives the same vector
 * everywhere. Features are the words and, lighter, their runs of 3 to 5 characters with the word's
 * edges, so that "index", "indexes" and "indexing" are near one another and a typing error costs
 * little. It knows spelling, not meaning: "car" and "automobile" have nothing in common.
 *
 * A word that comes n times counts 1 + ln n; the commonest English words count little. ASCII is
 * read by a table; anything else is split by Unicode's general categories and folded (full case
 * folding and NFKC) by libunistring. Ideographs and kana, written without spaces, give runs of 1
 * to 3.
 *
 * Knows neither entities nor JSON. Threads: a struct hasher is constant after open.
 */
#include "store/embed.h"
#include "store/base/cleanup.h"
#include "store/base/err.h"

#include <math.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define DIM_DEFAULT 256
#define DIM_MIN 16
#define DIM_MAX 4096
#define TEXT_BYTES ((size_t)1 << 20) /* what follows in a longer text does not count */
#define WORD_BYTES 96                /* of a longer word, the start */
#define WORD_CHARS 40                /* the runs of a word are taken from its first characters */
#define WORDS_MAX 32768              /* distinct words of one text */

/* Weights of features, chosen on the generated documents: their topic as the question, hits among
 * the first ten. */
#define W_WORD 1.0F
#define W_RUNS 1.4F  /* all runs of a word together: more than the word, each far less */
#define W_STOP 0.12F /* of a stop word; it has no runs */

#define SEED_WORD 0x776f7264
#define SEED_RUN 0x72756e73

#define STOP_SLOTS 512 /* a power of two, well over the number of stop words */

struct hasher {
    int dim;
    uint64_t stop[STOP_SLOTS]; /* hashes of the stop words, open addressing; 0: free */
};

static const char stop_words[] =
    "a about after all also am an and any are as at be because been before being between both but "
    "by can could did do does doing down during each few for from further had has have having he "
    "her here hers him his how i if in into is it its itself just me more most my no nor not now "
    "of off on once only or other our ours out over own s same she should so some such t than that "
    "the their theirs them then there these they this those through to too under until up very was "
    "we were what when where which while who whom why will with would you your yours";

struct word {
    uint64_t hash;
    uint32_t off;   /* in words.bytes, where it stands as " word " */
    uint16_t len;   /* bytes of the word itself */
    bool unspaced;  /* ideographs or kana */
    uint32_t count; /* times in the text */
};

/* The distinct words of one text. */
struct words {
    struct buf bytes;
    struct word *v;
    int n, cap;
    int32_t *slots; /* index into v + 1, by hash; 0: free */
    uint32_t mask;
};

static void words_free(struct words *w)
{
    buf_free(&w->bytes);
    free(w->v);
    free(w->slots);
}

/* ---- distinct words -------------------------------------------------------------------------- */

static int words_grow(struct words *w)
{
    int cap = w->cap ? w->cap * 4 : 128;
    struct word *v = realloc(w->v, (size_t)cap * sizeof *v);
    if (!v)
        return err_set(ERR_NOMEM, "out of memory for the words of a text");
    w->v = v;
    int32_t *slots = calloc((size_t)cap * 2, sizeof *slots);
    if (!slots)
        return err_set(ERR_NOMEM, "out of memory for the words of a text");
    free(w->slots);
    w->slots = slots;
    w->mask = (uint32_t)cap * 2 - 1;
    w->cap = cap;
    for (int i = 0; i < w->n; i++) {
        uint32_t s = (uint32_t)v[i].hash & w->mask;
        while (slots[s])
            s = (s + 1) & w->mask;
        slots[s] = i + 1;
    }
    return 0;
}

/* For the next text: memory stays, words go. */
static void words_clear(struct words *w)
{
    for (int i = 0; i < w->n; i++) /* each run of taken slots, from where its words belong */
        for (uint32_t s = (uint32_t)w->v[i].hash & w->mask; w->slots[s]; s = (s + 1) & w->mask)
            w->slots[s] = 0;
    w->n = 0;
    buf_clear(&w->bytes);
}

/* Counts one more of a folded word. */
static int words_add(struct words *w, const char *word, size_t len, bool unspaced)
{
    if (len == 0 || len > WORD_BYTES * 3)
        return 0; /* folding may lengthen a word, by three at most */
    if (w->n == w->cap) {
        int rc = w->cap < WORDS_MAX ? words_grow(w) : 0;
        if (rc < 0)
            return rc;
    }
    uint64_t hash = XXH3_64bits_withSeed(word, len, SEED_WORD);
    uint32_t s = (uint32_t)hash & w->mask;
    for (; w->slots[s]; s = (s + 1) & w->mask) {
        if (w->v[w->slots[s] - 1].hash == hash) {
            w->v[w->slots[s] - 1].count++;
            return 0;
        }
    }
    if (w->n == w->cap)
        return 0;
    int rc = buf_reserve(&w->bytes, len + 2);
    if (rc < 0)
        return rc;
    char *p = w->bytes.p + w->bytes.n;
    p[0] = ' ';
    memcpy(p + 1, word, len);
    p[len + 1] = ' ';
    w->v[w->n] = (struct word){.hash = hash,
                               .off = (uint32_t)w->bytes.n,
                               .len = (uint16_t)len,
                               .unspaced = unspaced,
                               .count = 1};
    w->bytes.n += len + 2;
    w->slots[s] = ++w->n;
    return 0;
}

/* ---- text to words --------------------------------------------------------------------------- */

/* The lower-case form of ASCII letters and digits; 0: not part of a word. */
static uint8_t ascii_fold(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return c;
    return c >= 'A' && c <= 'Z' ? c + 32 : 0;
}

static bool is_unspaced(ucs4_t c)
{
    return uc_is_property_ideographic(c) || (c >= 0x3040 && c <= 0x30ff);
}

/* Letters, marks and digits of any script. */
static bool is_word_char(ucs4_t c)
{
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M |
                                                   UC_CATEGORY_MASK_N);
}

static int add_folded(struct words *w, const uint8_t *p, size_t n, bool unspaced)
{
    uint8_t room[WORD_BYTES * 4];
    size_t len = sizeof room;
    /* NFKC: "é" in one character or two, and "ｗｉｄｅ" or "wide", are the same word. */
    uint8_t *folded = u8_casefold(p, n, NULL, UNINORM_NFKC, room, &len);
    if (!folded)
        return errno == ENOMEM ? err_set(ERR_NOMEM, "out of memory for a word") : 0;
    int rc = words_add(w, (const char *)folded, len, unspaced);
    if (folded != room)
        free(folded);
    return rc;
}

/* Takes a word with other than ASCII in it, which starts at p; *next is behind it. */
static int take_unicode(struct words *w, const uint8_t *p, const uint8_t *end, const uint8_t **next)
{
    uint8_t raw[WORD_BYTES + 8];
    size_t n = 0;
    int chars = 0;
    bool unspaced = false;
    while (p < end) {
        ucs4_t c;
        int len = u8_mbtouc(&c, p, (size_t)(end - p)); /* U+FFFD for what is no UTF-8 */
        if (!is_word_char(c))
            break;
        if (chars == 0)
            unspaced = is_unspaced(c);
        else if (is_unspaced(c) != unspaced && !uc_is_general_category(c, UC_CATEGORY_M))
            break; /* a change of script ends a word */
        if (n + (size_t)len <= WORD_BYTES) {
            memcpy(raw + n, p, (size_t)len);
            n += (size_t)len;
        }
        chars++;
        p += len;
    }
    if (chars == 0) { /* neither letter nor digit: skip it */
        ucs4_t c;
        *next = p + u8_mbtouc(&c, p, (size_t)(end - p));
        return 0;
    }
    *next = p;
    return add_folded(w, raw, n, unspaced);
}

static int split_text(struct words *w, struct slice text)
{
    const uint8_t *p = (const uint8_t *)text.p;
    const uint8_t *end = p + (text.n < TEXT_BYTES ? text.n : TEXT_BYTES);
    while (p < end) {
        char word[WORD_BYTES];
        size_t n = 0;
        const uint8_t *start = p;
        uint8_t c;
        while (p < end && (c = ascii_fold(*p))) {
            if (n < WORD_BYTES)
                word[n++] = (char)c;
            p++;
        }
        int rc = 0;
        if (p < end && *p >= 0x80)
            rc = take_unicode(w, start, end, &p); /* "naïve" begins as ASCII */
        else if (n > 0)
            rc = words_add(w, word, n, false);
        else
            p++;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- words to a vector ----------------------------------------------------------------------- */

static inline void add_feature(const struct hasher *h, uint64_t hash, float weight, float *v)
{
    uint32_t i = (uint32_t)(((hash >> 32) * (uint64_t)h->dim) >> 32);
    v[i] += hash & 1 ? weight : -weight;
}

static bool is_stop(const struct hasher *h, uint64_t hash)
{
    for (size_t s = hash & (STOP_SLOTS - 1); h->stop[s]; s = (s + 1) & (STOP_SLOTS - 1))
        if (h->stop[s] == hash)
            return true;
    return false;
}

/* Where each character of " word " starts; the result counts them, at[result] is the end. */
static int char_starts(const char *p, size_t n, uint16_t *at)
{
    int k = 0;
    for (size_t i = 0; i < n; i++) {
        if (((uint8_t)p[i] & 0xc0) == 0x80)
            continue;
        at[k] = (uint16_t)i;
        if (k++ == WORD_CHARS)
            return k - 1; /* this one's start is the end of those before */
    }
    at[k] = (uint16_t)n;
    return k;
}

static void add_runs(const struct hasher *h, const char *p, const struct word *w, float weight,
                     float *v)
{
    uint16_t at[WORD_CHARS + 2];
    int lo = 3, hi = 5;
    size_t n = (size_t)w->len + 2;
    if (w->unspaced) { /* no edges */
        p++;
        n -= 2;
        lo = 1;
        hi = 3;
    }
    int chars = char_starts(p, n, at), runs = 0;
    for (int k = lo; k <= hi && k <= chars; k++)
        runs += chars - k + 1;
    if (runs == 0)
        return;
    weight /= sqrtf((float)runs);
    for (int k = lo; k <= hi; k++)
        for (int i = 0; i + k <= chars; i++)
            add_feature(h, XXH3_64bits_withSeed(p + at[i], (size_t)(at[i + k] - at[i]), SEED_RUN),
                        weight, v);
}

static bool all_digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

static void add_words(const struct hasher *h, const struct words *w, float *v)
{
    for (int i = 0; i < w->n; i++) {
        const struct word *word = &w->v[i];
        const char *p = w->bytes.p + word->off;
        float tf = word->count == 1 ? 1 : 1 + logf((float)word->count);
        if (is_stop(h, word->hash)) {
            add_feature(h, word->hash, tf * W_STOP, v);
            continue;
        }
        add_feature(h, word->hash, tf * W_WORD, v);
        if (!all_digits(p + 1, word->len)) /* 1234 and 1235 are different numbers, not spellings */
            add_runs(h, p, word, tf * (word->unspaced ? W_WORD : W_RUNS), v);
    }
}

static void set_unit(float *v, int dim)
{
    float part[4] = {0, 0, 0, 0}, sum = 0; /* four chains of additions instead of one */
    for (int i = 0; i < dim; i++)
        part[i % 4] += v[i] * v[i];
    for (int i = 0; i < 4; i++)
        sum += part[i];
    /* Features that cancelled each other out leave nothing but rounding. */
    float scale = sum > 1e-9F ? 1 / sqrtf(sum) : 0;
    for (int i = 0; i < dim; i++)
        v[i] *= scale;
}

/* ---- the provider ---------------------------------------------------------------------------- */

static int hash_embed(void *self, const struct slice *texts, int n, float *out)
{
    const struct hasher *h = self;
    __attribute__((__cleanup__(words_free))) struct words w = {.n = 0};
    for (int i = 0; i < n; i++) {
        float *v = out + (size_t)i * (size_t)h->dim;
        int rc = split_text(&w, texts[i]);
        if (rc < 0)
            return rc;
        memset(v, 0, (size_t)h->dim * sizeof *v);
        add_words(h, &w, v);
        set_unit(v, h->dim);
        words_clear(&w);
    }
    return 0;
}

static void load_stop_words(struct hasher *h)
{
    for (const char *p = stop_words; *p;) {
        size_t n = strcspn(p, " ");
        uint64_t hash = XXH3_64bits_withSeed(p, n, SEED_WORD);
        size_t s = hash & (STOP_SLOTS - 1);
        while (h->stop[s])
            s = (s + 1) & (STOP_SLOTS - 1);
        h->stop[s] = hash;
        p += n + (p[n] == ' ');
    }
}

static int hash_open(const char *arg, void **self, int *dim)
{
    long d = DIM_DEFAULT;
    if (*arg) {
        char *end;
        d = strtol(arg, &end, 10);
        if (*end || d < DIM_MIN || d > DIM_MAX)
            return err_set(ERR_INVAL, "'%s' dimensions: a number from %d to %d is expected", arg,
                           DIM_MIN, DIM_MAX);
    }
    struct hasher *h = calloc(1, sizeof *h);
    if (!h)
        return err_set(ERR_NOMEM, "out of memory for the embedder");
    h->dim = (int)d;
    load_stop_words(h);
    *self = h;
    *dim = h->dim;
    return 0;
}

const struct embed_ops embed_hash_ops = {
    .name = "hash",
    .help = "built in: words and parts of words; hash:N for N dimensions, 256 by default",
    .open = hash_open,
    .close = free,
    .embed = hash_embed,
};
