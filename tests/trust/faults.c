/* What stands between a process and its disk: counts its writes below one folder, and at a chosen one kills the
 * process, kills it in the middle of the write, or answers that the disk is full or broken.
 *
 *     cc -shared -fPIC -O2 -o faults.so faults.c -ldl && LD_PRELOAD=faults.so python …
 *
 * Nothing happens until faults_arm() is called, through ctypes, in the process that is to fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT = 0, KILL = 1, TEAR = 2, FULL = 3, BROKEN = 4, FULL_FOR_GOOD = 5 };

static char folder[PATH_MAX];
static long wanted = -1, seen = 0, failed = 0;
static int action = COUNT;

/* Fail at the `at`-th write below `path`, counted from 1. */
void faults_arm(const char *path, long at, int what) {
    strncpy(folder, path, sizeof folder - 1);
    wanted = at;
    seen = failed = 0;
    action = what;
}
void faults_disarm(void) { wanted = -1; folder[0] = 0; }
long faults_seen(void) { return seen; }
long faults_failed(void) { return failed; }

static int below(const char *path) {
    return folder[0] && path && strncmp(path, folder, strlen(folder)) == 0;
}
static int of(int fd) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}
/* 0: go on; 1: fail with errno set; 2: write half, then die. */
static int now(int whole) {
    seen++;
    int hit = seen == wanted || (action == FULL_FOR_GOOD && wanted > 0 && seen > wanted);
    if (!hit || action == COUNT) return 0;
    if (action == KILL || (action == TEAR && whole)) kill(getpid(), SIGKILL);
    if (action == TEAR) return 2;
    failed++;
    errno = action == BROKEN ? EIO : ENOSPC;
    return 1;
}
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define FD(type, name, args, call, size)                                                     \
    type name args {                                                                         \
        static type(*next) args;                                                             \
        if (!next) next = real(#name);                                                       \
        if (of(fd)) {                                                                        \
            int verdict = now((size) < 2);                                                   \
            if (verdict == 1) return -1;                                                     \
            if (verdict == 2) { size_t n = (size) / 2; (void)!HALF; kill(getpid(), SIGKILL); } \
        }                                                                                    \
        return next call;                                                                    \
    }

#define HALF next(fd, data, n)
FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), size)
#undef HALF
#define HALF next(fd, data, n, at)
FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), size)
FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), size)
#undef HALF
#define HALF (n)
FD(ssize_t, writev, (int fd, const struct iovec *data, int count), (fd, data, count), 0)
FD(int, fsync, (int fd), (fd), 0)
FD(int, fdatasync, (int fd), (fd), 0)
FD(int, ftruncate, (int fd, off_t size), (fd, size), 0)
FD(int, ftruncate64, (int fd, off64_t size), (fd, size), 0)
FD(int, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), 0)

int posix_fallocate(int fd, off_t at, off_t size) { /* answers with the error itself */
    static int (*next)(int, off_t, off_t);
    if (!next) next = real("posix_fallocate");
    if (of(fd) && now(1)) return errno;
    return next(fd, at, size);
}

#define PATH(name, args, call, path)                            \
    int name args {                                             \
        static int(*next) args;                                 \
        if (!next) next = real(#name);                          \
        if (below(path) && now(1)) return -1;                   \
        return next call;                                       \
    }
PATH(unlink, (const char *path), (path), path)
PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags), path)
PATH(rename, (const char *from, const char *to), (from, to), to)
PATH(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), to)
PATH(link, (const char *from, const char *to), (from, to), to)
PATH(mkdir, (const char *path, mode_t mode), (path, mode), path)

#define OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                        \
        static int (*next)(const char *, int, ...);                                     \
        if (!next) next = real(#name);                                                  \
        va_list rest;                                                                   \
        va_start(rest, flags);                                                          \
        mode_t mode = va_arg(rest, mode_t);                                             \
        va_end(rest);                                                                   \
        if ((flags & O_CREAT) && below(path) && access(path, F_OK) && now(1)) return -1; \
        return next(path, flags, mode);                                                 \
    }
OPEN(open)
OPEN(open64)
