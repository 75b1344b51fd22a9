/* json_split.c - see json_split.h. Knows bytes only. */
#include "fs/json_split.h"
#include "store/base/err.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int wrong(const struct json_split *s, const char *expected, char c)
{
    if (c >= 0x20 && c < 0x7f)
        return err_set(ERR_INVAL, "line %llu: expected %s, found '%c'", (unsigned long long)s->line,
                       expected, c);
    return err_set(ERR_INVAL, "line %llu: expected %s, found byte 0x%02x",
                   (unsigned long long)s->line, expected, (unsigned char)c);
}

/* Within an object: only its end matters. */
static void inside(struct json_split *s, char c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
    } else if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if ((c == '}' || c == ']') && --s->depth == 0) {
        s->state = SPLIT_AFTER;
    }
}

/* Between objects; sets *p to a space when it belongs to the array. */
static int between(struct json_split *s, char *p)
{
    char c = *p;
    if (is_space(c))
        return 0;
    switch (s->state) {
    case SPLIT_START:
        if (c != '[')
            return wrong(s, "'['", c);
        s->state = SPLIT_FIRST;
        break;
    case SPLIT_FIRST:
    case SPLIT_VALUE:
        if (c == '{') {
            s->state = SPLIT_INSIDE;
            s->depth = 1;
            return 0;
        }
        if (c != ']' || s->state == SPLIT_VALUE)
            return wrong(s, "an object", c);
        s->state = SPLIT_DONE;
        break;
    case SPLIT_AFTER:
        if (c != ',' && c != ']')
            return wrong(s, "',' or ']' after an object", c);
        s->state = c == ',' ? SPLIT_VALUE : SPLIT_DONE;
        break;
    default:
        return wrong(s, "nothing after the array", c);
    }
    *p = ' ';
    return 0;
}

int json_split_feed(struct json_split *s, char *p, size_t n)
{
    int rc = 0;
    s->line += s->line == 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (s->state == SPLIT_INSIDE)
            inside(s, p[i]);
        else
            rc = between(s, &p[i]);
        s->line += p[i] == '\n';
    }
    return rc;
}

int json_split_end(const struct json_split *s)
{
    if (s->state == SPLIT_DONE)
        return 0;
    return err_set(ERR_INVAL, "line %llu: the array is not finished", (unsigned long long)s->line);
}
