/* SPDX-License-Identifier: MIT */
/*
 * zvt_file.c: the trace tool's files: read whole, written whole or not at all (to a temporary sibling that is renamed at the end).
 */
#define _DEFAULT_SOURCE /* mkstemp, fchmod, realpath */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zvt.h"

/* Far more than the largest trace, and than its text. */
#define READ_MAX (4u << 20)

struct zvt_bytes zvt_read(const char *path, const char *expected)
{
    struct zvt_bytes file = {.path = path};
    struct stat status;

    FILE *from = fopen(path, "rb");
    if (from == NULL)
        zvt_misuse("%s: cannot be opened: %s; expected %s", path, strerror(errno), expected);
    const bool directory = fstat(fileno(from), &status) == 0 && S_ISDIR(status.st_mode);
    file.bytes = directory ? NULL : malloc(READ_MAX + 1);
    file.size = file.bytes != NULL ? fread(file.bytes, 1, READ_MAX + 1, from) : 0;
    const int error = ferror(from) ? errno : 0;
    fclose(from);
    if (directory)
        zvt_misuse("%s: expected %s, found a directory", path, expected);
    if (file.bytes == NULL)
        zvt_misuse("%s: no memory to read it", path);
    if (error == 0 && file.size <= READ_MAX)
        return file;
    zvt_free(&file);
    if (error != 0)
        zvt_misuse("%s: cannot be read: %s; expected %s", path, strerror(error), expected);
    zvt_misuse("%s: expected %s, of at most %u bytes, found more", path, expected, READ_MAX);
}

void zvt_free(struct zvt_bytes *file)
{
    free(file->bytes);
    file->bytes = NULL;
}

/* The temporary file that is being written; for those who end the program in the middle. */
static char *volatile pending;

void zvt_abandon(void)
{
    if (pending != NULL)
        unlink(pending);
}

void zvt_disown(void)
{
    pending = NULL;
}

static bool cannot_write(struct zvt_output *output, int error)
{
    zvt_say("%s: cannot be written: %s; it is as it was", output->path, strerror(error));
    zvt_abandon();
    pending = NULL;
    free(output->temporary);
    free(output->target);
    return false;
}

/* Behind a symbolic link is the file that is meant; the one that is replaced in the end must be that. */
static bool find_target(struct zvt_output *output, bool there)
{
    struct stat link;

    if (!there && lstat(output->path, &link) == 0)
        zvt_misuse("%s: expected the name of a file to write, found a symbolic link that leads nowhere",
                   output->path);
    output->target = there ? realpath(output->path, NULL) : strdup(output->path);
    if (output->target == NULL || (there && access(output->target, W_OK) != 0))
        return cannot_write(output, errno);
    return true;
}

bool zvt_open(struct zvt_output *output, const char *path)
{
    struct stat status;
    const bool there = stat(path, &status) == 0;

    *output = (struct zvt_output){.path = path};
    if (there && S_ISDIR(status.st_mode))
        zvt_misuse("%s: expected the name of a file to write, found a directory", path);
    if (there && !S_ISREG(status.st_mode)) {
        output->file = fopen(path, "wb");
        return output->file != NULL || cannot_write(output, errno);
    }
    if (!find_target(output, there))
        return false;
    output->temporary = malloc(strlen(output->target) + sizeof ".XXXXXX");
    if (output->temporary == NULL)
        return cannot_write(output, ENOMEM);
    strcat(strcpy(output->temporary, output->target), ".XXXXXX");
    const int descriptor = mkstemp(output->temporary);
    if (descriptor < 0) {
        const int error = errno;
        free(output->temporary);
        output->temporary = NULL;
        if (error == ENOENT || error == ENOTDIR)
            free(output->target);
        if (error == ENOENT || error == ENOTDIR)
            zvt_misuse("%s: cannot be written: the folder that it is to be in does not exist; make it first",
                       path);
        return cannot_write(output, error);
    }
    const mode_t mask = umask(0);
    umask(mask);
    pending = output->temporary;
    if (there && fchown(descriptor, status.st_uid, status.st_gid) != 0)
        errno = 0; /* it becomes the writer's */
    fchmod(descriptor, there ? status.st_mode & 0777 : 0666 & ~mask);
    output->file = fdopen(descriptor, "wb");
    return output->file != NULL || cannot_write(output, errno);
}

bool zvt_commit(struct zvt_output *output)
{
    const bool failed = ferror(output->file) != 0;

    errno = 0;
    if (fclose(output->file) != 0 || failed)
        return cannot_write(output, errno != 0 ? errno : EIO);
    if (output->temporary != NULL && rename(output->temporary, output->target) != 0)
        return cannot_write(output, errno);
    pending = NULL;
    free(output->temporary);
    free(output->target);
    return true;
}

bool zvt_write(const char *path, const void *bytes, size_t size)
{
    struct zvt_output output;

    if (!zvt_open(&output, path))
        return false;
    fwrite(bytes, 1, size, output.file);
    return zvt_commit(&output);
}

bool zvt_flush_stdout(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "zvt: the standard output cannot be written: %s\n", strerror(errno != 0 ? errno : EIO));
    return false;
}

static void file_write(struct vm_sink *self, const char *text, size_t size)
{
    fwrite(text, 1, size, ((struct zvt_sink *)self)->file);
}

struct zvt_sink zvt_sink_to(FILE *file)
{
    return (struct zvt_sink){{file_write}, file};
}
