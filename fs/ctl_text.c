/* ctl_text.c - control files that are just text: `.stats`, `.errors`, and what is in /.remfs. */
#include "fs/ctl.h"

#include <stdio.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

int ctl_stats_text(struct ctl_file *f, struct buf *out)
{
    return store_stats_json(f->fs->st, f->coll, out);
}

int ctl_errors_text(struct ctl_file *f, struct buf *out)
{
    return errors_text(f->fs, f->dir_ino, f->uid, out);
}

int ctl_version_text(struct ctl_file *f, struct buf *out)
{
    (void)f;
    return buf_puts(out, "remfs " PACKAGE_VERSION "\n");
}

static int put_json_text(struct buf *out, const char *s)
{
    int rc = buf_putc(out, '"');
    for (; *s && rc == 0; s++) {
        if (*s == '"' || *s == '\\')
            rc = buf_putf(out, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            rc = buf_putf(out, "\\u%04x", (unsigned)*s);
        else
            rc = buf_putc(out, *s);
    }
    return rc < 0 ? rc : buf_putc(out, '"');
}

int ctl_config_text(struct ctl_file *f, struct buf *out)
{
    int rc = buf_puts(out, "{\n  \"version\": \"" PACKAGE_VERSION "\",\n  \"mountpoint\": ");
    if (rc == 0)
        rc = put_json_text(out, f->fs->mountpoint);
    if (rc == 0)
        rc = buf_putf(out,
                      ",\n  \"read_only\": %s,\n  \"max_entity\": %llu,\n  \"cache_seconds\": %.0f\n}\n",
                      f->fs->read_only ? "true" : "false",
                      (unsigned long long)store_entity_max(f->fs->st), f->fs->ttl);
    return rc;
}

static const char skill_head[] =
    "# remfs: a store of JSON entities, as files\n"
    "\n"
    "`/<tenant>/<type>/<id>.json` is one entity. Any tool works: `ls`, `cat`, `grep`, `jq`, `mv`, "
    "`rm`.\n"
    "A tenant and a type are made with `mkdir`. A file that is not `<id>.json` is scratch: kept, in no "
    "query.\n"
    "\n"
    "    mkdir -p t1/person\n"
    "    echo '{\"name\": \"Ada\", \"age\": 36}' > t1/person/ada.json\n"
    "    cat t1/person/ada.json\n"
    "    echo \"age > 30 ORDER BY name LIMIT 5\" > t1/person/.query; cat t1/person/.query\n"
    "    echo \"COUNT(*)\" > t1/person/.query; cat t1/person/.query\n"
    "    echo \"SELECT name FROM person WHERE name LIKE 'A%'\" > t1/.query; cat t1/.query\n"
    "    echo \"who wrote programs\" > t1/person/.search; cat t1/person/.search\n"
    "    cat people.jsonl > t1/person/.insert\n"
    "    jq -c . t1/person/.all.jsonl\n"
    "\n"
    "A write of something that is not a JSON object fails with EINVAL and changes nothing; "
    "`cat .errors` says why.\n"
    "Answers are JSON Lines; `_path` is the entity's file, beside the directory of the file asked.\n"
    "Several agents in one session: ask and read on one open file, `exec 3<>.query; echo \"COUNT(*)\" "
    ">&3; cat <&3`.\n"
    "\n"
    "## Control files\n"
    "\n";

int ctl_skill_text(struct ctl_file *f, struct buf *out)
{
    (void)f;
    int rc = buf_puts(out, skill_head);
    for (unsigned i = 0; i < ctl_rows && rc == 0; i++) {
        const struct ctl_row *row = &ctl_table[i];
        const char *where = row->levels & LEVEL_ROOT     ? "/"
                            : row->levels & LEVEL_REMFS  ? "/.remfs/"
                            : row->levels & LEVEL_TENANT ? "<tenant>[/<type>]/"
                                                         : "<tenant>/<type>/";
        rc = buf_putf(out, "- `%s%s`: %s\n", where, row->name, row->help);
    }
    return rc;
}
