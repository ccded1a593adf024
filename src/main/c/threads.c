#define _GNU_SOURCE
#include "kernels.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The calling thread and some others take pieces of its work. Who finds none left is done, so a thread whose processor
 * another process took is waited for only while it holds a piece.
 */

/* Looks for work before a thread sleeps: some 50 microseconds, longer than the pause between two products of a layer. */
#define LOOKS 2000

static struct {
    piece *work;
    void *argument;
    int64_t pieces;
    int64_t limit;            /* threads that may take some */
    _Atomic int64_t next;     /* the first piece that nobody has */
    _Atomic int32_t round;    /* odd while there is work */
    _Atomic int32_t working;  /* threads that may hold pieces of this round */
    _Atomic int32_t sleeping; /* threads that must be woken */
    int64_t threads;
} pool = {.threads = 1};

/* Held by who uses the pool; others do their work alone. */
static pthread_mutex_t owned = PTHREAD_MUTEX_INITIALIZER;

static void take_pieces(int64_t thread) {
    for (int64_t i; (i = atomic_fetch_add(&pool.next, 1)) < pool.pieces;) pool.work(pool.argument, i, thread);
}

static void sleep_while(int32_t round) {
    atomic_fetch_add(&pool.sleeping, 1);
    syscall(SYS_futex, &pool.round, FUTEX_WAIT_PRIVATE, round, 0, 0, 0);
    atomic_fetch_sub(&pool.sleeping, 1);
}

static void *serve(void *thread) {
    for (int32_t seen = 0;;) {
        int32_t round = atomic_load(&pool.round);
        for (int looks = 0; round == seen || round % 2 == 0; round = atomic_load(&pool.round)) {
            if (++looks > LOOKS) sleep_while(round);
            __builtin_ia32_pause();
        }
        seen = round;
        /* Whoever is counted before it sees the round go on keeps the next from beginning. */
        atomic_fetch_add(&pool.working, 1);
        if (atomic_load(&pool.round) == round && (intptr_t)thread < pool.limit) take_pieces((intptr_t)thread);
        atomic_fetch_sub(&pool.working, 1);
    }
    return 0;
}

/* Signals are for the caller's process to handle, on threads of its own; only a fault must hit the thread that makes it. */
static void block_signals(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

void hydra_threads(int64_t count) {
    sigset_t before;
    pthread_mutex_lock(&owned);
    block_signals(&before); /* threads inherit what is blocked */
    while (pool.threads < count) {
        pthread_t thread;
        if (pthread_create(&thread, 0, serve, (void *)(intptr_t)pool.threads)) break;
        pthread_setname_np(thread, "hydra-kernels");
        pthread_detach(thread);
        pool.threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    pthread_mutex_unlock(&owned);
}

void in_parallel(int64_t threads, piece *work, void *argument, int64_t pieces) {
    if (threads == 1 || pieces == 1 || pthread_mutex_trylock(&owned)) {
        for (int64_t i = 0; i < pieces; i++) work(argument, i, 0);
        return;
    }
    pool.work = work;
    pool.argument = argument;
    pool.pieces = pieces;
    pool.limit = threads;
    atomic_store(&pool.next, 0);
    atomic_fetch_add(&pool.round, 1);
    if (atomic_load(&pool.sleeping)) syscall(SYS_futex, &pool.round, FUTEX_WAKE_PRIVATE, (int)pool.threads, 0, 0, 0);
    take_pieces(0);
    atomic_fetch_add(&pool.round, 1);
    for (int looks = 0; atomic_load(&pool.working); looks++) {
        if (looks > LOOKS) sched_yield();
        __builtin_ia32_pause();
    }
    pthread_mutex_unlock(&owned);
}
