/* fuzz_json.c - the properties of json_props.h on bytes that a fuzzer makes up.
 *
 * With clang -fsanitize=fuzzer it is a libFuzzer target; built with FUZZ_REPLAY it is a plain
 * program that runs the files it is given, for a corpus or a crash:  fuzz_json FILE…
 */
#include "tests/json_props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    props_check(slice_of(data, size));
    return 0;
}

#ifdef FUZZ_REPLAY
static int replay(const char *path)
{
    auto_file FILE *f = fopen(path, "rb");
    auto_buf text = BUF_INIT;
    char piece[4096];
    size_t n;
    if (!f) {
        perror(path);
        return 1;
    }
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        if (buf_put(&text, piece, n) < 0)
            return 1;
    /* exactly as large as the text, so that the sanitizers see a read one byte behind it */
    auto_free char *exact = malloc(text.n + !text.n);
    if (!exact)
        return 1;
    if (text.n)
        memcpy(exact, text.p, text.n);
    return LLVMFuzzerTestOneInput((const uint8_t *)exact, text.n);
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++)
        bad |= replay(argv[i]);
    printf("%d files\n", argc - 1);
    return bad;
}
#endif
