/* names.c - which names tenants, types and files may have; doc/contract.md section 1.
 *
 * Looks at bytes only: it knows nothing of what exists.
 */
#include "store/json.h"
#include "store/store.h"

static bool dir_char(char c, bool first)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
        return true;
    return !first && (c == '.' || c == '-');
}

int name_check_dir(struct slice name)
{
    if (name.n == 0)
        return err_set(ERR_INVAL, "an empty name");
    if (name.n > STORE_NAME_MAX)
        return err_set(ERR_NAMETOOLONG, "a name of %zu bytes (%d at most)", name.n, STORE_NAME_MAX);
    for (size_t i = 0; i < name.n; i++)
        if (!dir_char(name.p[i], i == 0))
            return err_set(ERR_INVAL,
                           "the name of a tenant or type has letters, digits, '_', and after the "
                           "first also '.' and '-': byte %zu is another",
                           i + 1);
    return 0;
}

/* Control characters: C0, DEL, and C1, which are two bytes in UTF-8. */
static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
            return true;
    }
    return false;
}

int name_check_file(struct slice name, enum name_kind *kind, struct slice *id)
{
    static const char suffix[] = ".json";
    const size_t sn = sizeof suffix - 1;
    if (name.n == 0)
        return err_set(ERR_INVAL, "an empty name");
    if (name.n > STORE_FILE_NAME_MAX)
        return err_set(ERR_NAMETOOLONG, "a name of %zu bytes (%d at most)", name.n,
                       STORE_FILE_NAME_MAX);
    if (!utf8_valid(name))
        return err_set(ERR_INVAL, "a name that is not UTF-8");
    if (has_control(name) || memchr(name.p, '/', name.n))
        return err_set(ERR_INVAL, "a name with a control character or '/'");
    bool dot = name.p[0] == '.';
    if (dot && (name.n == 1 || (name.n == 2 && name.p[1] == '.')))
        return err_set(ERR_INVAL, "'.' and '..' are no files");
    bool entity = !dot && name.n > sn && memcmp(name.p + name.n - sn, suffix, sn) == 0;
    if (entity && name.n - sn > STORE_ID_MAX)
        return err_set(ERR_NAMETOOLONG, "an id of %zu bytes (%d at most)", name.n - sn,
                       STORE_ID_MAX);
    *kind = entity ? NAME_ENTITY : NAME_SCRATCH;
    *id = entity ? slice_of(name.p, name.n - sn) : slice_of(NULL, 0);
    return 0;
}
