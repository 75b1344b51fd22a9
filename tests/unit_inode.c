/* unit_inode.c - the table of files that the kernel knows: look-ups, parting, stale names,
 * sessions. */
#include "fs/ctl.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

static struct inodes *t;
static const struct coll people = {7, 3};

static void setup(void)
{
    t = inodes_new();
    ck_assert_ptr_nonnull(t);
}

static void teardown(void)
{
    inodes_free(t);
}

static struct file_attr attr_of(uint64_t ino, uint64_t version)
{
    return (struct file_attr){.ino = ino, .version = version, .kind = FILE_ENTITY, .size = version};
}

static uint64_t look(const char *name, uint64_t ino, uint64_t version)
{
    struct file_attr a = attr_of(ino, version);
    uint64_t nodeid;
    bool writing;
    ck_assert_int_eq(inodes_lookup(t, people, slice_str(name), &a, &nodeid, &writing), 0);
    return nodeid;
}

static void open_read(uint64_t nodeid, uint64_t version, bool *keep, bool *direct)
{
    struct file_attr a = attr_of(100, version);
    inodes_open_read(t, nodeid, 1, &a, true, keep, direct);
}

START_TEST(lookups_are_counted)
{
    ck_assert_uint_eq(look("a.json", 100, 1), 100);
    ck_assert_uint_eq(look("a.json", 100, 1), 100);
    ck_assert_uint_eq(inodes_count(t), 1);
    inodes_forget(t, 100, 1);
    ck_assert_uint_eq(inodes_count(t), 1);
    inodes_forget(t, 100, 1);
    ck_assert_uint_eq(inodes_count(t), 0);
    inodes_forget(t, 4711, 9); /* a directory's: no node */
}
END_TEST

START_TEST(ref_follows_rename_and_unlink)
{
    struct file_ref ref;
    struct file_attr a = attr_of(100, 1);
    look("a.json", 100, 1);
    inodes_renamed(t, (struct coll){7, 4}, slice_str("b.json"), &a);
    ck_assert(inodes_ref(t, 100, &ref));
    ck_assert_str_eq(ref.name, "b.json");
    ck_assert_uint_eq(ref.coll.type, 4);
    a.size = 55;
    inodes_gone(t, &a, NULL, 0);
    ck_assert(inodes_ref(t, 100, &ref));
    ck_assert(ref.gone);
    ck_assert_uint_eq(ref.pinned.size, 55);
    ck_assert(!inodes_ref(t, 101, &ref));
}
END_TEST

START_TEST(page_cache_is_kept_for_one_version)
{
    bool keep, direct;
    look("a.json", 100, 1);
    open_read(100, 1, &keep, &direct);
    ck_assert(!keep && !direct);
    inodes_close_read(t, 100, direct);
    open_read(100, 1, &keep, &direct);
    ck_assert(keep && !direct);
    /* a newer version while the older is open: past the cache */
    open_read(100, 2, &keep, &direct);
    ck_assert(direct);
    inodes_close_read(t, 100, true);
    inodes_close_read(t, 100, false);
    open_read(100, 2, &keep, &direct);
    ck_assert(!keep && !direct);
    inodes_close_read(t, 100, false);
}
END_TEST

START_TEST(writer_never_shares_with_cached_readers)
{
    bool keep, direct;
    int64_t mtime = 0;
    struct file_ref ref;
    look("a.json", 100, 1);
    open_read(100, 1, &keep, &direct);
    ck_assert(!inodes_open_write(t, 100, 2, &mtime));
    inodes_reserve(t, 100, 2, true);
    ck_assert(inodes_ref(t, 100, &ref));
    ck_assert(ref.parted);
    uint64_t fresh = look("a.json", 100, 1);
    ck_assert_uint_ge(fresh, INO_PARTED_BASE);
    open_read(fresh, 1, &keep, &direct);
    ck_assert(direct); /* reserved for the writer that is coming back */
    ck_assert(inodes_open_write(t, fresh, 2, &mtime));
    ck_assert(inodes_ref(t, fresh, &ref));
    ck_assert(ref.writing && ref.ino == 100);
    open_read(fresh, 1, &keep, &direct);
    ck_assert(direct); /* beside a writer */
    inodes_set_mtime(t, fresh, 42);
    ck_assert_int_eq(mtime, 42);
    inodes_close_write(t, fresh, &mtime);
    inodes_close_read(t, 100, false);
    inodes_forget(t, 100, 1);
    ck_assert_uint_eq(look("a.json", 100, 2), fresh); /* still the current one */
    inodes_forget(t, fresh, 2);
    ck_assert_uint_eq(inodes_count(t), 0);
    ck_assert_uint_eq(look("a.json", 100, 2), 100); /* its own number is free again */
}
END_TEST

START_TEST(batches_say_what_is_stale)
{
    bool keep, direct;
    uint64_t nodeid;
    ck_assert_int_eq(inodes_replaced(t, 100, &nodeid), STALE_NONE);
    look("a.json", 100, 1);
    ck_assert_int_eq(inodes_replaced(t, 100, &nodeid), STALE_ATTR);
    ck_assert_uint_eq(nodeid, 100);
    open_read(100, 1, &keep, &direct);
    ck_assert_int_eq(inodes_replaced(t, 100, &nodeid), STALE_ENTRY);
    struct file_ref ref;
    ck_assert(inodes_ref(t, 100, &ref));
    ck_assert(ref.parted);
    ck_assert_uint_eq(ref.pinned.version, 1); /* what the readers opened */
    ck_assert_int_eq(inodes_replaced(t, 100, &nodeid),
                     STALE_ENTRY); /* until it is looked up again */
    inodes_close_read(t, 100, false);
}
END_TEST

START_TEST(absent_names_and_listings)
{
    ck_assert(!inodes_maybe_absent(t, 9, slice_str("x.json")));
    inodes_note_absent(t, 9, slice_str("x.json"));
    ck_assert(inodes_maybe_absent(t, 9, slice_str("x.json")));
    ck_assert(!inodes_maybe_absent(t, 10, slice_str("x.json")));
    ck_assert(!inodes_listing_current(t, 9, 5));
    ck_assert(inodes_listing_current(t, 9, 5));
    ck_assert(!inodes_listing_current(t, 9, 6));
}
END_TEST

START_TEST(scratch_bytes_outlive_the_name)
{
    struct file_attr a = {.ino = 100, .kind = FILE_SCRATCH};
    uint64_t nodeid;
    bool writing, drop;
    inodes_lookup(t, people, slice_str("tmp"), &a, &nodeid, &writing);
    inodes_open_scratch(t, nodeid);
    inodes_open_scratch(t, nodeid);
    ck_assert(inodes_scratch_open(t, 100));
    inodes_gone(t, &a, NULL, 0);
    inodes_close_scratch(t, nodeid, &drop);
    ck_assert(!drop);
    inodes_close_scratch(t, nodeid, &drop);
    ck_assert(drop);
    ck_assert(!inodes_scratch_open(t, 100));
}
END_TEST

/* ---- sessions -------------------------------------------------------------------------------- */

START_TEST(statements_belong_to_user_and_session)
{
    struct sessions *s = sessions_new();
    auto_buf b = BUF_INIT;
    ck_assert_int_eq(sessions_get(s, 1, 1000, 50, &b), 0);
    ck_assert_int_eq(sessions_put(s, 1, 1000, 50, slice_str("one")), 0);
    ck_assert_int_eq(sessions_get(s, 1, 1000, 50, &b), 1);
    ck_assert(slice_eq(slice_buf(&b), slice_str("one")));
    buf_clear(&b);
    ck_assert_int_eq(sessions_get(s, 1, 1000, 51, &b), 1); /* the only session that wrote */
    ck_assert_int_eq(sessions_get(s, 1, 1001, 50, &b), 0); /* another user's: never */
    ck_assert_int_eq(sessions_get(s, 2, 1000, 50, &b), 0); /* another file's: never */
    ck_assert_int_eq(sessions_put(s, 1, 1000, 51, slice_str("two")), 0);
    ck_assert_int_eq(sessions_get(s, 1, 1000, 52, &b), -ERR_BUSY);
    buf_clear(&b);
    ck_assert_int_eq(sessions_get(s, 1, 1000, 51, &b), 1);
    ck_assert(slice_eq(slice_buf(&b), slice_str("two")));
    ck_assert_int_eq(sessions_put(s, 1, 1000, 51, slice_str("")), 0); /* `: > .query` */
    ck_assert_int_eq(sessions_get(s, 1, 1000, 51, &b), 0);
    sessions_free(s);
}
END_TEST

START_TEST(session_table_is_bounded)
{
    struct sessions *s = sessions_new();
    auto_buf b = BUF_INIT;
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(sessions_put(s, (uint64_t)i, 1, 1, slice_str("q")), 0);
    ck_assert_int_eq(sessions_get(s, 0, 1, 1, &b), 0);
    ck_assert_int_eq(sessions_get(s, 4999, 1, 1, &b), 1);
    sessions_free(s);
}
END_TEST

START_TEST(session_id_is_read)
{
    ck_assert_int_eq(session_of(getpid()), getsid(0));
    ck_assert_int_eq(session_of(0x3ffffff), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("inode");
    TCase *c = tcase_create("inode");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, lookups_are_counted);
    tcase_add_test(c, ref_follows_rename_and_unlink);
    tcase_add_test(c, page_cache_is_kept_for_one_version);
    tcase_add_test(c, writer_never_shares_with_cached_readers);
    tcase_add_test(c, batches_say_what_is_stale);
    tcase_add_test(c, absent_names_and_listings);
    tcase_add_test(c, scratch_bytes_outlive_the_name);
    suite_add_tcase(s, c);
    c = tcase_create("sessions");
    tcase_add_test(c, statements_belong_to_user_and_session);
    tcase_add_test(c, session_table_is_bounded);
    tcase_add_test(c, session_id_is_read);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
