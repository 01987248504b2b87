/* replay -- gives every file named on the command line (folders: every file in them) to a fuzz
 * target, as `make test` does with tests/fuzz/corpus: a crash found once is looked for for ever. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay_file(const char *path, size_t n)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(n ? n : 1); /* exactly n: a sanitizer sees a read past the end */
    int ok = file && data && fread(data, 1, n, file) == n;
    if (ok)
        (void)LLVMFuzzerTestOneInput(data, n);
    else
        (void)fprintf(stderr, "%s: cannot be read\n", path);
    if (file) (void)fclose(file);
    free(data);
    return ok ? 0 : 1;
}

static int replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        (void)fprintf(stderr, "%s: is not there\n", path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode)) return replay_file(path, (size_t)st.st_size);
    int failed = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char inner[4096];
        if (e->d_name[0] == '.') continue;
        (void)snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        failed += replay(inner);
    }
    if (dir) (void)closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) failed += replay(argv[i]);
    return failed ? 1 : 0;
}
