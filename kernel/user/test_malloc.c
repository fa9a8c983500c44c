/* SPDX-License-Identifier: MIT */
/* test_malloc.c: malloc over VMARs: every size, pieces that keep their bytes, memory that comes back, threads at once, misuse. */
#include "test.h"

#define PIECES 512

static struct piece {
    unsigned char *at;
    size_t size;
    unsigned char byte;
} pieces[PIECES];

static uint64_t random_state;

static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

static bool is_filled(const struct piece *piece)
{
    for (size_t i = 0; i < piece->size; i++)
        if (piece->at[i] != piece->byte)
            return false;
    return true;
}

static size_t mapped_bytes(void)
{
    zx_info_task_stats_t stats = {0};
    CHECK_STATUS(
        ZX_OK, zx_object_get_info(zx_process_self(), ZX_INFO_TASK_STATS, &stats, sizeof(stats), NULL, NULL));
    return stats.mem_mapped_bytes;
}

/* From 0 to beyond where pieces have regions of their own; the last byte of each is there. */
TEST(every_size)
{
    for (size_t size = 0; size < 9000; size += size < 300 ? 1 : 37) {
        unsigned char *piece = malloc(size);
        if (!CHECK(piece != NULL) || !CHECK_EQUAL((uintptr_t)piece % 16, 0))
            return;
        memset(piece, 0xa5, size);
        free(piece);
    }
    for (size_t size = 10000; size < (4u << 20); size *= 3) {
        unsigned char *piece = malloc(size);
        if (!CHECK(piece != NULL))
            return;
        CHECK_EQUAL(piece[0] | piece[size - 1], 0);
        piece[0] = piece[size - 1] = 1;
        free(piece);
    }
}

/* Whatever else is taken and given back, a piece keeps its bytes: none overlap. */
TEST(pieces_keep_their_bytes)
{
    random_state = 1;
    for (unsigned round = 0; round < 20000; round++) {
        struct piece *piece = &pieces[draw(&random_state, PIECES)];
        if (piece->at != NULL) {
            if (!CHECK(is_filled(piece)))
                return;
            free(piece->at);
            piece->at = NULL;
            continue;
        }
        piece->size = draw(&random_state, draw(&random_state, 20) == 0 ? 40000 : 600);
        piece->byte = (unsigned char)round;
        piece->at = malloc(piece->size);
        if (!CHECK(piece->at != NULL))
            return;
        memset(piece->at, piece->byte, piece->size);
    }
    for (unsigned i = 0; i < PIECES; i++) {
        free(pieces[i].at);
        pieces[i].at = NULL;
    }
}

TEST(memory_comes_back)
{
    static void *small[4000];
    void *first = malloc(100);
    size_t before = mapped_bytes();
    for (unsigned i = 0; i < 4000; i++)
        small[i] = malloc(100);
    void *large = malloc(1 << 20);
    CHECK(mapped_bytes() > before + (1 << 20) + 300000);
    free(large);
    for (unsigned i = 0; i < 4000; i++)
        free(small[i]);
    CHECK(mapped_bytes() <= before + (64 << 10));
    free(first);
}

TEST(calloc_and_realloc)
{
    unsigned char *piece = malloc(64);
    memset(piece, 0xff, 64);
    free(piece);
    piece = calloc(8, 8);
    for (unsigned i = 0; i < 64; i++)
        CHECK_EQUAL(piece[i], 0);
    for (unsigned i = 0; i < 64; i++)
        piece[i] = (unsigned char)i;
    for (size_t size = 64; size < 100000; size *= 2)
        piece = realloc(piece, size);
    for (size_t size = 100000; size >= 64; size /= 3)
        piece = realloc(piece, size);
    for (unsigned i = 0; i < 64; i++)
        CHECK_EQUAL(piece[i], i);
    free(piece);
    free(realloc(NULL, 10));
    free(NULL);
    CHECK(calloc(SIZE_MAX / 2, 3) == NULL);
    CHECK(malloc(SIZE_MAX) == NULL);
    CHECK(malloc(SIZE_MAX - 4096) == NULL);
}

struct worker {
    struct program_thread thread;
    uint64_t seed;
    bool fine;
};

static void work(void *context)
{
    struct worker *worker = context;
    struct piece own[64] = {{0}};
    uint64_t state = worker->seed;
    worker->fine = true;
    for (unsigned round = 0; round < 5000 && worker->fine; round++) {
        struct piece *piece = &own[draw(&state, 64)];
        if (piece->at == NULL) {
            *piece = (struct piece){NULL, draw(&state, 3000), (unsigned char)draw(&state, 256)};
            piece->at = malloc(piece->size);
            worker->fine = piece->at != NULL;
            if (worker->fine)
                memset(piece->at, piece->byte, piece->size);
        } else {
            worker->fine = is_filled(piece);
            free(piece->at);
            piece->at = NULL;
        }
    }
    for (unsigned i = 0; i < 64; i++)
        free(own[i].at);
}

TEST(threads_at_once)
{
    static struct worker workers[4];
    for (unsigned i = 0; i < 4; i++) {
        workers[i].seed = i + 7;
        if (!CHECK_STATUS(ZX_OK, thread_start(&workers[i].thread, "worker", work, &workers[i])))
            return;
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_STATUS(ZX_OK, thread_join(&workers[i].thread));
        CHECK(workers[i].fine);
    }
}

/* ---- Misuse ends the process: each in one of its own ---- */

static void misuse(const char *kind)
{
    char *piece = malloc(100), *large = malloc(100000), *other = malloc(100);
    if (text_equal(kind, "twice")) {
        free(piece);
        free(piece);
    } else if (text_equal(kind, "within")) {
        free(piece + 16);
    } else if (text_equal(kind, "within-large")) {
        free(large + 16);
    }
    free(other);
}

TEST(misuse_is_noticed)
{
    static const char *const kinds[] = {"twice", "within", "within-large"};
    for (unsigned i = 0; i < 3; i++) {
        const char *const words[] = {"malloc", kinds[i]};
        zx_handle_t process;
        int64_t code = 0;
        if (CHECK_STATUS(ZX_OK, spawn_self("misuse", 2, words, &process)) &&
            CHECK_STATUS(ZX_OK, process_wait(process, &code)))
            CHECK_EQUAL(code, 1);
    }
}

int main(int count, char **arguments)
{
    if (count == 2) {
        misuse(arguments[1]);
        return 0;
    }
    RUN(every_size);
    RUN(pieces_keep_their_bytes);
    RUN(memory_comes_back);
    RUN(calloc_and_realloc);
    RUN(threads_at_once);
    RUN(misuse_is_noticed);
    return test_end();
}
