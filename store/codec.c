/* codec.c - trees of JSON on top of json-c, the only file that includes it; see codec.h.
 *
 * json-c keeps and prints the trees; it does not parse them. Its tokener (0.16), even strict and
 * validating, takes NaN, raw line breaks in strings, unpaired surrogates and overlong UTF-8, turns
 * an integer beyond 64 bits into 18446744073709551615, and cuts names at a NUL. So text goes
 * through json_validate(), and the tree is built from json.h's reading of the same bytes.
 *
 * It may not be used for entities, and may not let a json_object out.
 */
#include "store/codec.h"
#include "store/base/err.h"

/* json-c has an enum of the same name as json.h's; in this file its own is json_c_type. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type
#include <math.h>

static struct json_object *obj_of(const struct codec_node *node)
{
    return (struct json_object *)(uintptr_t)node;
}

static struct codec_node *node_of(struct json_object *obj)
{
    return (struct codec_node *)obj;
}

static void put_object(struct json_object *obj)
{
    json_object_put(obj);
}
DEFINE_CLEANUP(struct json_object, put_object)

static int out_of_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a JSON tree");
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int build(struct json_val v, struct buf *scratch, struct json_object **out);

/* json-c counts string lengths in int. */
static int build_string(struct json_val v, struct buf *scratch, struct json_object **out)
{
    struct slice s;
    int rc = json_string(v, scratch, &s);
    if (rc < 0)
        return rc;
    if (s.n > INT32_MAX - 64)
        return err_set(ERR_TOOBIG, "a JSON string of %zu bytes", s.n);
    *out = json_object_new_string_len(s.n ? s.p : "", (int)s.n);
    return *out ? 0 : out_of_memory();
}

/* Not an integer of 64 bits: the double, and its text as written for printing. */
static int build_number(struct json_val v, struct buf *scratch, struct json_object **out)
{
    struct json_num num;
    json_number(v.raw, &num);
    if (num.is_int) {
        *out = json_object_new_int64(num.i);
        return *out ? 0 : out_of_memory();
    }
    buf_clear(scratch);
    int rc = buf_put(scratch, v.raw.p, v.raw.n);
    const char *text = rc < 0 ? NULL : buf_cstr(scratch);
    if (!text)
        return out_of_memory();
    *out = json_object_new_double_s(num.d, text);
    return *out ? 0 : out_of_memory();
}

static int member_name(struct slice key, struct buf *name, const char **out)
{
    buf_clear(name);
    int rc = json_unescape(key, name);
    if (rc < 0)
        return rc;
    if (name->n && memchr(name->p, 0, name->n))
        return err_set(ERR_INVAL, "a member name with a NUL character cannot be used here");
    *out = buf_cstr(name);
    return *out ? 0 : out_of_memory();
}

/* Depth is at most JSON_DEPTH_MAX: the text was validated. */
static int build_container(struct json_val v, struct buf *scratch, struct json_object **out)
{
    bool object = v.type == JSON_OBJECT;
    cleanup(put_object) struct json_object *made =
        object ? json_object_new_object() : json_object_new_array();
    if (!made)
        return out_of_memory();
    auto_buf name = BUF_INIT;
    struct json_iter it;
    struct slice key;
    struct json_val val;
    json_iter_init(&it, v);
    while (json_iter_next(&it, &key, &val)) {
        cleanup(put_object) struct json_object *child = NULL;
        const char *text = "";
        int rc = object ? member_name(key, &name, &text) : 0;
        if (rc == 0)
            rc = build(val, scratch, &child);
        if (rc < 0)
            return rc;
        if ((object ? json_object_object_add(made, text, child)
                    : json_object_array_add(made, child)) < 0)
            return out_of_memory();
        steal(&child);
    }
    *out = steal(&made);
    return 0;
}

static int build(struct json_val v, struct buf *scratch, struct json_object **out)
{
    *out = NULL;
    switch (v.type) {
    case JSON_NULL:
        return 0; /* json-c's null is a null pointer */
    case JSON_FALSE:
    case JSON_TRUE:
        *out = json_object_new_boolean(v.type == JSON_TRUE);
        return *out ? 0 : out_of_memory();
    case JSON_NUMBER:
        return build_number(v, scratch, out);
    case JSON_STRING:
        return build_string(v, scratch, out);
    default:
        return build_container(v, scratch, out);
    }
}

int codec_parse(struct slice text, struct codec_node **out)
{
    *out = NULL;
    int rc = json_validate(text, false);
    if (rc < 0)
        return rc;
    struct json_val root;
    if (!json_root(text, &root))
        return err_set(ERR_INVAL, "a JSON text without a value");
    auto_buf scratch = BUF_INIT;
    struct json_object *made = NULL;
    rc = build(root, &scratch, &made);
    if (rc == 0)
        *out = node_of(made);
    return rc;
}

void codec_free(struct codec_node *node)
{
    json_object_put(obj_of(node));
}

/* ---- reading --------------------------------------------------------------------------------- */

enum json_type codec_type(const struct codec_node *node)
{
    struct json_object *obj = obj_of(node);
    switch (json_object_get_type(obj)) {
    case json_type_boolean:
        return json_object_get_boolean(obj) ? JSON_TRUE : JSON_FALSE;
    case json_type_double:
    case json_type_int:
        return JSON_NUMBER;
    case json_type_string:
        return JSON_STRING;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

size_t codec_count(const struct codec_node *node)
{
    struct json_object *obj = obj_of(node);
    if (json_object_is_type(obj, json_type_array))
        return json_object_array_length(obj);
    if (json_object_is_type(obj, json_type_object))
        return (size_t)json_object_object_length(obj);
    return 0;
}

static bool find_member(const struct codec_node *object, const char *name, struct json_object **v)
{
    struct json_object *obj = obj_of(object);
    return json_object_is_type(obj, json_type_object) && json_object_object_get_ex(obj, name, v);
}

struct codec_node *codec_get(const struct codec_node *object, const char *name)
{
    struct json_object *v;
    return find_member(object, name, &v) ? node_of(v) : NULL;
}

bool codec_has(const struct codec_node *object, const char *name)
{
    struct json_object *v;
    return find_member(object, name, &v);
}

struct codec_node *codec_at(const struct codec_node *array, size_t index)
{
    struct json_object *obj = obj_of(array);
    if (!json_object_is_type(obj, json_type_array) || index >= json_object_array_length(obj))
        return NULL;
    return node_of(json_object_array_get_idx(obj, index));
}

int codec_each(const struct codec_node *object,
               int (*fn)(const char *name, struct codec_node *value, void *arg), void *arg)
{
    struct json_object *obj = obj_of(object);
    if (!json_object_is_type(obj, json_type_object))
        return 0;
    struct json_object_iterator it = json_object_iter_begin(obj), end = json_object_iter_end(obj);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        int rc =
            fn(json_object_iter_peek_name(&it), node_of(json_object_iter_peek_value(&it)), arg);
        if (rc != 0)
            return rc;
    }
    return 0;
}

bool codec_string(const struct codec_node *node, struct slice *out)
{
    struct json_object *obj = obj_of(node);
    if (!json_object_is_type(obj, json_type_string))
        return false;
    *out = slice_of(json_object_get_string(obj), (size_t)json_object_get_string_len(obj));
    return true;
}

bool codec_int(const struct codec_node *node, int64_t *out)
{
    struct json_object *obj = obj_of(node);
    if (!json_object_is_type(obj, json_type_int))
        return false;
    *out = json_object_get_int64(obj);
    return true;
}

bool codec_double(const struct codec_node *node, double *out)
{
    struct json_object *obj = obj_of(node);
    if (!json_object_is_type(obj, json_type_int) && !json_object_is_type(obj, json_type_double))
        return false;
    *out = json_object_get_double(obj);
    return true;
}

bool codec_bool(const struct codec_node *node, bool *out)
{
    struct json_object *obj = obj_of(node);
    if (!json_object_is_type(obj, json_type_boolean))
        return false;
    *out = json_object_get_boolean(obj);
    return true;
}

/* ---- building -------------------------------------------------------------------------------- */

struct codec_node *codec_new_object(void)
{
    return node_of(json_object_new_object());
}

struct codec_node *codec_new_array(void)
{
    return node_of(json_object_new_array());
}

struct codec_node *codec_new_string(struct slice utf8)
{
    if (utf8.n > INT32_MAX - 64)
        return NULL;
    return node_of(json_object_new_string_len(utf8.n ? utf8.p : "", (int)utf8.n));
}

struct codec_node *codec_new_int(int64_t v)
{
    return node_of(json_object_new_int64(v));
}

/* json-c's own form is %.17g, which shows 0.1 as 0.10000000000000001. */
struct codec_node *codec_new_double(double v)
{
    auto_buf text = BUF_INIT;
    if (json_put_double(&text, v) < 0 || !buf_cstr(&text))
        return NULL;
    return node_of(json_object_new_double_s(v, text.p));
}

struct codec_node *codec_new_bool(bool v)
{
    return node_of(json_object_new_boolean(v));
}

int codec_set(struct codec_node *object, const char *name, struct codec_node *value)
{
    cleanup(codec_free) struct codec_node *owned = value;
    if (!object || !owned)
        return out_of_memory();
    if (json_object_object_add(obj_of(object), name, obj_of(owned)) < 0)
        return out_of_memory();
    steal(&owned);
    return 0;
}

int codec_set_null(struct codec_node *object, const char *name)
{
    if (!object || json_object_object_add(obj_of(object), name, NULL) < 0)
        return out_of_memory();
    return 0;
}

int codec_append(struct codec_node *array, struct codec_node *value)
{
    cleanup(codec_free) struct codec_node *owned = value;
    if (!array || !owned || json_object_array_add(obj_of(array), obj_of(owned)) < 0)
        return out_of_memory();
    steal(&owned);
    return 0;
}

int codec_print(const struct codec_node *node, bool pretty, struct buf *out)
{
    int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
    flags |= pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN;
    size_t n = 0;
    const char *text = json_object_to_json_string_length(obj_of(node), flags, &n);
    return text ? buf_put(out, text, n) : out_of_memory();
}
