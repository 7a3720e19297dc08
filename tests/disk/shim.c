/* Stands between a process and its disk (LD_PRELOAD): writes down what is done to files below one folder, or refuses it.
 *
 * DISK_ROOT names the folder. With DISK_LOG, every change is appended to that file, in the order in which it was done: a header of
 * 24 bytes (struct entry) and two strings of bytes. disk_fail(n, errno) lets n changes pass and refuses all later ones; a refused
 * write puts half of its bytes down first, as a full disk does. disk_mark writes a note of the caller's into the log. With DISK_FAST, flushes
 * are written down and not done: the machine is not going to lose power.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct entry {
    char kind;
    char flags; /* of an open: 1 created, 2 cut to nothing, 4 durable with each write */
    uint16_t unused;
    int32_t file; /* descriptor */
    uint64_t offset;
    uint32_t first, second; /* bytes that follow */
};

static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char root[PATH_MAX];
static int out = -1;
static int refusal = 0; /* 0: nothing is refused */
static long left = 0;   /* changes that still pass */
static int halved = 0;  /* whether a write was cut in half since disk_fail */
static long done = 0;
static char mine[65536]; /* descriptors below the root: 1 appends, 2 others */

static void put(const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        long wrote = syscall(SYS_write, out, at, size);
        if (wrote < 0) abort();
        at += wrote;
        size -= (size_t)wrote;
    }
}

static void log_entry(char kind, char flags, int file, uint64_t offset, const void *a, size_t na, const void *b, size_t nb) {
    if (out < 0) return;
    struct entry head = {kind, flags, 0, file, offset, (uint32_t)na, (uint32_t)nb};
    put(&head, sizeof head);
    put(a, na);
    put(b, nb);
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("DISK_ROOT"), *log = getenv("DISK_LOG");
    if (folder) snprintf(root, sizeof root, "%s", folder);
    if (log) out = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void disk_fail(long passing, int code) {
    pthread_mutex_lock(&turn);
    left = passing;
    refusal = code;
    halved = 0;
    pthread_mutex_unlock(&turn);
}

long disk_changes(void) { return done; }

void disk_mark(const char *note, size_t size) {
    pthread_mutex_lock(&turn);
    log_entry('K', 0, 0, 0, note, size, "", 0);
    pthread_mutex_unlock(&turn);
}

/* Where a path leads, in full, if that is below the root. */
static int below(int folder, const char *path, char *full) {
    if (!root[0] || !path) return 0;
    if (path[0] == '/') {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        char start[PATH_MAX], link[64];
        if (folder == AT_FDCWD) {
            if (!getcwd(start, sizeof start)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t size = readlink(link, start, sizeof start - 1);
            if (size < 0) return 0;
            start[size] = 0;
        }
        size_t size = strlen(start);
        snprintf(full, PATH_MAX, "%s", start);
        snprintf(full + size, PATH_MAX - size, "/%s", path);
    }
    size_t size = strlen(root);
    return strncmp(full, root, size) == 0 && (full[size] == '/' || full[size] == 0);
}

static int known(int file) { return file >= 0 && file < (int)sizeof mine && mine[file]; }

/* Whether this change is refused: 1 from now on all are. ENOSPC spares what needs no room. */
static int refused(int needs_room) {
    done++;
    if (!refusal) return 0;
    if (left > 0) {
        left--;
        return 0;
    }
    if (refusal == ENOSPC && !needs_room) return 0;
    errno = refusal;
    return 1;
}

#define ENTER pthread_mutex_lock(&turn)
#define LEAVE(value)                     \
    do {                                 \
        int kept = errno;                \
        pthread_mutex_unlock(&turn);     \
        errno = kept;                    \
        return value;                    \
    } while (0)

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    if (!below(folder, path, full)) return (int)syscall(SYS_openat, folder, path, flags, mode);
    ENTER;
    struct stat before;
    int there = stat(full, &before) == 0, writes = (flags & O_ACCMODE) != O_RDONLY;
    int creates = (flags & O_CREAT) && !there;
    if (creates || (there && (flags & O_TRUNC))) {
        if (refused(1)) LEAVE(-1);
    } else if (writes && refusal == EROFS && left == 0) {
        errno = EROFS;
        LEAVE(-1);
    }
    int file = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (file >= 0 && file < (int)sizeof mine) {
        mine[file] = (flags & O_APPEND) ? 1 : 2;
        int sync = (flags & O_DSYNC) == O_DSYNC;
        char said = (char)((creates ? 1 : 0) | ((flags & O_TRUNC) && writes ? 2 : 0) | (sync ? 4 : 0));
        log_entry('O', said, file, 0, full, strlen(full), "", 0);
    }
    LEAVE(file);
}

#define OPEN(name)                                                 \
    int name(const char *path, int flags, ...) {                   \
        va_list rest;                                              \
        va_start(rest, flags);                                     \
        mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                              \
        return opened(AT_FDCWD, path, flags, mode);                \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                \
    int name(int folder, const char *path, int flags, ...) {        \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;  \
        va_end(rest);                                               \
        return opened(folder, path, flags, mode);                   \
    }
OPENAT(openat)
OPENAT(openat64)
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char *path, int flags) { return opened(folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags) { return opened(folder, path, flags, 0); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }

int close(int file) {
    if (known(file)) mine[file] = 0;
    return (int)syscall(SYS_close, file);
}

static ssize_t written(int file, const void *data, size_t size, off_t offset, int at_offset) {
    ENTER;
    int fails = refused(1), code = errno;
    if (fails && (code != ENOSPC || size < 1024 || halved)) LEAVE(-1);
    if (fails) {
        size /= 2; /* what still fitted */
        halved = 1;
    }
    struct stat now;
    if (!at_offset) offset = mine[file] == 1 && fstat(file, &now) == 0 ? now.st_size : lseek(file, 0, SEEK_CUR);
    ssize_t wrote = at_offset ? syscall(SYS_pwrite64, file, data, size, offset) : syscall(SYS_write, file, data, size);
    if (wrote > 0) log_entry('W', 0, file, (uint64_t)offset, data, (size_t)wrote, "", 0);
    LEAVE(wrote);
}

ssize_t write(int file, const void *data, size_t size) {
    return known(file) ? written(file, data, size, 0, 0) : syscall(SYS_write, file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    return known(file) ? written(file, data, size, offset, 1) : syscall(SYS_pwrite64, file, data, size, offset);
}
ssize_t pwrite64(int file, const void *data, size_t size, off_t offset) { return pwrite(file, data, size, offset); }

static ssize_t gathered(int file, const struct iovec *parts, int count, off_t offset, int at_offset) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    char *all = malloc(size ? size : 1), *at = all;
    for (int i = 0; i < count; i++) {
        memcpy(at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    ssize_t wrote = written(file, all, size, offset, at_offset);
    int kept = errno;
    free(all);
    errno = kept;
    return wrote;
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return known(file) ? gathered(file, parts, count, 0, 0) : syscall(SYS_writev, file, parts, count);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    if (known(file)) return gathered(file, parts, count, offset, 1);
    return syscall(SYS_pwritev, file, parts, count, (long)offset, 0L);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t offset) { return pwritev(file, parts, count, offset); }

/* Copying in the kernel is not seen here: callers fall back to reading and writing. */
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    if (known(to)) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_sendfile, to, from, offset, size);
}
ssize_t sendfile64(int to, int from, off_t *offset, size_t size) { return sendfile(to, from, offset, size); }

static int cut(int file, off_t size) {
    if (!known(file)) return (int)syscall(SYS_ftruncate, file, size);
    ENTER;
    if (refused(1)) LEAVE(-1);
    int result = (int)syscall(SYS_ftruncate, file, size);
    if (result == 0) log_entry('T', 0, file, (uint64_t)size, "", 0, "", 0);
    LEAVE(result);
}
int ftruncate(int file, off_t size) { return cut(file, size); }
int ftruncate64(int file, off_t size) { return cut(file, size); }

/* Room that is set aside ahead is not modelled: callers do without. */
int fallocate(int file, int mode, off_t offset, off_t size) {
    if (known(file)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_fallocate, file, mode, offset, size);
}
int fallocate64(int file, int mode, off_t offset, off_t size) { return fallocate(file, mode, offset, size); }
int posix_fallocate(int file, off_t offset, off_t size) {
    return known(file) ? EOPNOTSUPP : (syscall(SYS_fallocate, file, 0, offset, size) == 0 ? 0 : errno);
}
int posix_fallocate64(int file, off_t offset, off_t size) { return posix_fallocate(file, offset, size); }

static int flushed(int file, int number, char kind) {
    if (!known(file)) return (int)syscall(number, file);
    ENTER;
    if (refused(0)) LEAVE(-1);
    int result = getenv("DISK_FAST") ? 0 : (int)syscall(number, file);
    if (result == 0) log_entry(kind, 0, file, 0, "", 0, "", 0);
    LEAVE(result);
}
int fsync(int file) { return flushed(file, SYS_fsync, 'S'); }
int fdatasync(int file) { return flushed(file, SYS_fdatasync, 'S'); }

static int named(char kind, int needs_room, int one_folder, const char *one, int two_folder, const char *two, mode_t mode) {
    char first[PATH_MAX] = "", second[PATH_MAX] = "";
    int seen = below(one_folder, one, first) | (two ? below(two_folder, two, second) : 0);
    int result;
    ENTER;
    if (seen && refused(needs_room)) LEAVE(-1);
    switch (kind) {
        case 'R': result = (int)syscall(SYS_renameat2, one_folder, one, two_folder, two, 0); break;
        case 'L': result = (int)syscall(SYS_linkat, one_folder, one, two_folder, two, mode); break;
        case 'U': result = (int)syscall(SYS_unlinkat, one_folder, one, 0); break;
        case 'X': result = (int)syscall(SYS_unlinkat, one_folder, one, AT_REMOVEDIR); break;
        default: result = (int)syscall(SYS_mkdirat, one_folder, one, mode); break;
    }
    if (result == 0 && seen) log_entry(kind, 0, 0, 0, first, strlen(first), second, strlen(second));
    LEAVE(result);
}
int rename(const char *a, const char *b) { return named('R', 0, AT_FDCWD, a, AT_FDCWD, b, 0); }
int renameat(int f, const char *a, int g, const char *b) { return named('R', 0, f, a, g, b, 0); }
int link(const char *a, const char *b) { return named('L', 1, AT_FDCWD, a, AT_FDCWD, b, 0); }
int linkat(int f, const char *a, int g, const char *b, int flags) { return named('L', 1, f, a, g, b, (mode_t)flags); }
int unlink(const char *a) { return named('U', 0, AT_FDCWD, a, 0, 0, 0); }
int unlinkat(int f, const char *a, int flags) { return named(flags & AT_REMOVEDIR ? 'X' : 'U', 0, f, a, 0, 0, 0); }
int rmdir(const char *a) { return named('X', 0, AT_FDCWD, a, 0, 0, 0); }
int mkdir(const char *a, mode_t mode) { return named('M', 1, AT_FDCWD, a, 0, 0, mode); }
int mkdirat(int f, const char *a, mode_t mode) { return named('M', 1, f, a, 0, 0, mode); }
