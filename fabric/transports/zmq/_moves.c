/* The moves of a call between processes that share memory, made in one go.

   What `fabric.transports.zmq.byte_ring` does for one message at a time, for a list of them and
   with nothing of Python in between: its layout of rings and headers, its order of what is written
   and its fences. All state is in the rings' own words, so either may go on where the other has
   stopped. `compiled_moves.py` makes the list, calls this, and does without it where it was not
   built. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define LAYOUT 3 /* compared with compiled_moves.LAYOUT: change both with what a move or ring is */
#define LINE 64
#define HERE 0x33504C4Eu
#define SHARED 0x33504C50u
#define SLOTS 16       /* as in shm.py: how many messages are lent to one peer at a time */
#define LONG (1 << 15) /* bytes that take so long to move that other threads run meanwhile */
#define LOOKS 20       /* looks at a ring before others are let run: less than a microsecond */
#define LOOKS_MORE 2   /* and between two times at which they are */
#define AWAKE 200000 /* nanoseconds before a rank naps: to be woken takes long beside a small call */
#define SETTLING 1000000 /* nanoseconds that it is waited for what was lent: others must be let run */

/* One move, as compiled_moves.MOVE packs it. Places are of the buffers send, recv and work. */
typedef struct {
    int64_t kind, ring, ring_size, written, read, asleep, closed, slots, opened, nap, whose, size;
    int64_t source, source_at, into, into_at, base, base_at, combine, later;
} Move;

enum { SEND, TAKE, COPY, LEND, BORROW, SETTLE, NOTHING };

typedef struct {
    uint32_t kind, mark;
    uint64_t tag, size;
    uint64_t where, number, buffer, file; /* of a message that is lent */
} Header;

/* A buffer that this process shares, as shared_buffers.py lists them. */
typedef struct {
    uint64_t begin, end, number, file;
} Own;

/* Buffers of a neighbour that are open here, as shared_buffers.py lists them. */
typedef struct {
    uint64_t number, begin, size;
} Open;

typedef struct {
    uint64_t count;
    Open open[];
} Opened;

/* What all moves of a call have in common. */
typedef struct {
    char *buffers[3];
    uint64_t tag;
    uint32_t mark;
    int64_t until; /* when it is waited no longer */
    const Own *own;
    int64_t owned;
} Call;

/* Items lie at any address. */
#define ITEM(name, type) typedef type __attribute__((aligned(1), may_alias)) name
ITEM(f4, float);
ITEM(f8, double);
ITEM(u1, uint8_t);
ITEM(u2, uint16_t);
ITEM(u4, uint32_t);
ITEM(u8, uint64_t);
ITEM(i1, int8_t);
ITEM(i2, int16_t);
ITEM(i4, int32_t);
ITEM(i8, int64_t);

#define FEW 1024 /* items that a first-level cache keeps from one loop to the next */
/* As numpy's ufuncs: of two NaNs the first one stays, made quiet, whichever operand a compiler puts
   first. (Which one numpy keeps depends on where in an array they are.) */
#define FLOATS(name, type, bits, quiet, op)                                                                     \
    static void name##_few(type *into, const type *base, const type *come, int64_t n) {            \
        int64_t odd = 0;                                                                           \
        for (int64_t i = 0; i < n; i++) odd += (base[i] != base[i]) & (come[i] != come[i]);        \
        if (odd)                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                bits first = *(const bits *)(base + i);                                            \
                if ((base[i] != base[i]) & (come[i] != come[i]))                                   \
                    *(bits *)(into + i) = first | quiet;                                           \
                else                                                                               \
                    into[i] = base[i] op come[i];                                                  \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) into[i] = base[i] op come[i];                          \
    }                                                                                              \
    static void name(type *into, const type *base, const type *come, int64_t bytes) {              \
        int64_t n = bytes / (int64_t)sizeof(type);                                                 \
        for (int64_t i = 0; i < n; i += FEW)                                                       \
            name##_few(into + i, base + i, come + i, n - i < FEW ? n - i : FEW);                   \
    }
#define WHOLE(name, type, value)                                                                   \
    static void name(type *into, const type *base, const type *come, int64_t bytes) {              \
        int64_t n = bytes / (int64_t)sizeof(type);                                                 \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type a = base[i], b = come[i];                                                         \
            into[i] = (type)(value);                                                               \
        }                                                                                          \
    }
/* Integers wrap around: signed ones are added and multiplied as unsigned ones. */
#define SIZED(size)                                                                                \
    WHOLE(add##size, u##size, a + b)                                                               \
    WHOLE(multiply##size, u##size, (uint64_t)a *(uint64_t)b)                                       \
    WHOLE(and##size, u##size, a &b)                                                                \
    WHOLE(or##size, u##size, a | b)                                                                \
    WHOLE(xor##size, u##size, a ^ b)                                                               \
    WHOLE(least_u##size, u##size, a < b ? a : b)                                                   \
    WHOLE(most_u##size, u##size, a > b ? a : b)                                                    \
    WHOLE(least_i##size, i##size, a < b ? a : b)                                                   \
    WHOLE(most_i##size, i##size, a > b ? a : b)
SIZED(1)
SIZED(2)
SIZED(4)
SIZED(8)
#define QUIET4 0x00400000u
#define QUIET8 0x0008000000000000u
FLOATS(add_f4, f4, u4, QUIET4, +)
FLOATS(add_f8, f8, u8, QUIET8, +)
FLOATS(multiply_f4, f4, u4, QUIET4, *)
FLOATS(multiply_f8, f8, u8, QUIET8, *)

/* bfloat16 is the upper half of a float; results are rounded to the nearest, ties to even. */
static float wide(uint16_t item) {
    uint32_t bits = (uint32_t)item << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)((bits >> 16 & 0x8000) | 0x7FC0);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

#define BFLOATS(name, op)                                                                          \
    static void name(u2 *into, const u2 *base, const u2 *come, int64_t bytes) {                    \
        for (int64_t i = 0; i < bytes / 2; i++) {                                                  \
            float a = wide(base[i]), b = wide(come[i]);                                            \
            into[i] = rounded(a != a ? a : a op b);                                                \
        }                                                                                          \
    }
BFLOATS(add_bfloat16, +)
BFLOATS(multiply_bfloat16, *)

typedef void Combine(void *into, const void *base, const void *come, int64_t bytes);

typedef struct {
    const char *name; /* of the ufunc, and of the type as numpy writes it */
    Combine *combine;
} Named;

#define NAMED_SIZE(size)                                                                           \
    {"add u" #size, (Combine *)add##size}, {"add i" #size, (Combine *)add##size},                  \
        {"multiply u" #size, (Combine *)multiply##size},                                           \
        {"multiply i" #size, (Combine *)multiply##size},                                           \
        {"bitwise_and u" #size, (Combine *)and##size},                                             \
        {"bitwise_and i" #size, (Combine *)and##size},                                             \
        {"bitwise_or u" #size, (Combine *)or##size}, {"bitwise_or i" #size, (Combine *)or##size},  \
        {"bitwise_xor u" #size, (Combine *)xor##size},                                             \
        {"bitwise_xor i" #size, (Combine *)xor##size},                                             \
        {"minimum u" #size, (Combine *)least_u##size},                                             \
        {"minimum i" #size, (Combine *)least_i##size},                                             \
        {"maximum u" #size, (Combine *)most_u##size}, {"maximum i" #size, (Combine *)most_i##size}
static const Named COMBINES[] = {
    NAMED_SIZE(1), NAMED_SIZE(2), NAMED_SIZE(4), NAMED_SIZE(8),
    {"add f4", (Combine *)add_f4}, {"add f8", (Combine *)add_f8},
    {"add bfloat16", (Combine *)add_bfloat16},
    {"multiply bfloat16", (Combine *)multiply_bfloat16}, {"multiply f4", (Combine *)multiply_f4}, {"multiply f8", (Combine *)multiply_f8},
};
#define NAMES ((int64_t)(sizeof COMBINES / sizeof *COMBINES))

static uint64_t word(int64_t at) {
    return __atomic_load_n((uint64_t *)(intptr_t)at, __ATOMIC_ACQUIRE);
}

/* Publishes a counter; whether its other side sleeps and must be woken. */
static int publish(const Move *move, int64_t counter, uint64_t value) {
    __atomic_store_n((uint64_t *)(intptr_t)counter, value, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return word(move->asleep) != 0;
}

static uint64_t lines(uint64_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void rest(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* A rank naps until one writer has written: it notes whose message it lacks, and looks once more.
   Who has written looks for that note, takes it away and wakes the rank; so does another thread of
   the rank that wants to make calls. */
#ifdef __linux__
static int napped(const Move *move, uint64_t read, int64_t until) {
    uint32_t *note = (uint32_t *)(intptr_t)move->nap, whose = (uint32_t)move->whose;
    __atomic_store_n(note, whose, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (int64_t left = until - now(); left > 0; left = until - now()) {
        struct timespec time = {left / 1000000000, left % 1000000000};
        if (word(move->written) != read || __atomic_load_n(note, __ATOMIC_ACQUIRE) != whose) break;
        syscall(SYS_futex, note, FUTEX_WAIT, whose, &time, NULL, 0);
    }
    __atomic_store_n(note, 0, __ATOMIC_RELAXED);
    return word(move->written) != read;
}

static void wake(uint32_t *note, uint32_t whose) {
    if (whose && __atomic_load_n(note, __ATOMIC_RELAXED) == whose
        && __atomic_compare_exchange_n(note, &whose, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        syscall(SYS_futex, note, FUTEX_WAKE, 1, NULL, NULL, 0);
}
#else
static int napped(const Move *move, uint64_t read, int64_t until) {
    do sched_yield();
    while (word(move->written) == read && now() < until);
    return word(move->written) != read;
}

static void wake(uint32_t *note, uint32_t whose) { (void)note, (void)whose; }
#endif

/* Waits until the ring has something to read, or `until`; others run meanwhile. */
static int come(const Move *move, uint64_t read, int64_t until) {
    for (int look = 0; look < LOOKS; look++, rest())
        if (word(move->written) != read) return 1;
    int found = 0;
    Py_BEGIN_ALLOW_THREADS
    int64_t time = now(), awake = move->nap && until > time + AWAKE ? time + AWAKE : until;
    do {
        sched_yield();
        for (int look = 0; look < LOOKS_MORE && !found; look++) found = word(move->written) != read;
    } while (!found && now() < awake);
    if (!found && awake < until) found = napped(move, read, until);
    Py_END_ALLOW_THREADS
    return found;
}

/* Publishes what was written; as `publish`. */
static int publish_written(const Move *move, uint64_t written) {
    int asleep = publish(move, move->written, written);
    wake((uint32_t *)(intptr_t)move->nap, (uint32_t)move->whose);
    return asleep;
}

/* What became of a move. */
enum { MADE, MADE_BUT_ASLEEP, NOT_MADE };

static int sent(const Move *move, const Call *call, const char *data) {
    uint64_t written = word(move->written), size = (uint64_t)move->size;
    uint64_t after = written + LINE + lines(size), last = (uint64_t)move->ring_size - 1;
    if (after - word(move->read) > (uint64_t)move->ring_size || word(move->closed)) return NOT_MADE;
    char *ring = (char *)(intptr_t)move->ring;
    Header header = {HERE, call->mark, call->tag, size, 0, 0, 0, 0};
    memcpy(ring + (written & last), &header, sizeof header);
    uint64_t at = (written + LINE) & last, first = size;
    if (at + size > (uint64_t)move->ring_size) first = (uint64_t)move->ring_size - at;
    memcpy(ring + at, data, first);
    memcpy(ring, data + first, size - first);
    return publish_written(move, after) ? MADE_BUT_ASLEEP : MADE;
}

/* The word of the ring's writer with the number of the last message that it has lent. */
static uint64_t *lent_last(const Move *move) { return (uint64_t *)(intptr_t)move->written + 1; }

/* Where the reader writes the number of a message that it gives back. */
static int64_t slot(const Move *move, uint64_t number) {
    return move->slots + (int64_t)(number % SLOTS * sizeof(uint64_t));
}

static const Own *owner(const Call *call, uint64_t begin, uint64_t size) {
    for (const Own *own = call->own; own < call->own + call->owned; own++)
        if (own->begin <= begin && begin + size <= own->end) return own;
    return NULL;
}

static int lent(const Move *move, const Call *call, const char *data) {
    uint64_t written = word(move->written), size = (uint64_t)move->size;
    uint64_t number = *lent_last(move) + 1, begin = (uint64_t)(uintptr_t)data;
    const Own *own = owner(call, begin, size);
    if (own == NULL || written + LINE - word(move->read) > (uint64_t)move->ring_size) return NOT_MADE;
    if (number > SLOTS && word(slot(move, number)) != number - SLOTS) return NOT_MADE;
    if (word(move->closed)) return NOT_MADE;
    Header header = {SHARED, call->mark, call->tag, size, begin - own->begin, number, own->number, own->file};
    char *ring = (char *)(intptr_t)move->ring;
    memcpy(ring + (written & ((uint64_t)move->ring_size - 1)), &header, sizeof header);
    *lent_last(move) = number;
    return publish_written(move, written + LINE) ? MADE_BUT_ASLEEP : MADE;
}

/* Whether the message that was lent before the `later` last ones was given back. */
static int settled(const Move *move, int64_t until) {
    uint64_t number = *lent_last(move) - (uint64_t)move->later;
    int64_t at = slot(move, number);
    if (word(at) == number) return MADE;
    Py_BEGIN_ALLOW_THREADS
    if (until > now() + SETTLING) until = now() + SETTLING;
    do sched_yield();
    while (word(at) != number && !word(move->closed) && now() < until);
    Py_END_ALLOW_THREADS
    return word(at) == number ? MADE : NOT_MADE;
}

static void put_all(const Move *move, char *into, const char *base, const char *data, int64_t bytes) {
    if (move->combine < 0)
        memmove(into, data, (size_t)bytes);
    else
        COMBINES[move->combine].combine(into, base, data, bytes);
}

static void put(const Move *move, char *into, const char *base, const char *data, int64_t bytes) {
    if (bytes < LONG) {
        put_all(move, into, base, data, bytes);
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    put_all(move, into, base, data, bytes);
    Py_END_ALLOW_THREADS
}

static const char *place(const Move *move, const Header *header) {
    const Opened *opened = (const Opened *)(intptr_t)move->opened;
    for (uint64_t n = 0; n < opened->count; n++) {
        const Open *open = &opened->open[n];
        if (open->number == header->buffer)
            return header->where + header->size <= open->size
                ? (const char *)(uintptr_t)(open->begin + header->where) : NULL;
    }
    return NULL;
}

static int borrowed(const Move *move, const Call *call, char *into, const char *base) {
    uint64_t read = word(move->read);
    if (word(move->written) == read && !come(move, read, call->until)) return NOT_MADE;
    Header header;
    const char *ring = (const char *)(intptr_t)move->ring;
    memcpy(&header, ring + (read & ((uint64_t)move->ring_size - 1)), sizeof header);
    if (header.kind != SHARED || header.mark != call->mark || header.tag != call->tag
        || header.size != (uint64_t)move->size)
        return NOT_MADE;
    const char *data = place(move, &header);
    if (data == NULL || word(move->closed)) return NOT_MADE;
    put(move, into, base, data, move->size);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* first the bytes, and then the look at `closed` */
    /* What was read may have been freed then: whoever takes it again will find that out. */
    if (word(move->closed)) return NOT_MADE;
    __atomic_store_n((uint64_t *)(intptr_t)slot(move, header.number), header.number, __ATOMIC_RELEASE);
    return publish(move, move->read, read + LINE) ? MADE_BUT_ASLEEP : MADE;
}

static int taken(const Move *move, const Call *call, char *into, const char *base) {
    uint64_t read = word(move->read), size = (uint64_t)move->size;
    uint64_t after = read + LINE + lines(size), last = (uint64_t)move->ring_size - 1;
    if (word(move->written) == read && !come(move, read, call->until)) return NOT_MADE;
    if (word(move->written) - read < after - read) return NOT_MADE; /* a part of it, or another */
    const char *ring = (const char *)(intptr_t)move->ring;
    Header header;
    memcpy(&header, ring + (read & last), sizeof header);
    if (header.kind != HERE || header.mark != call->mark || header.tag != call->tag
        || header.size != size)
        return NOT_MADE;
    uint64_t at = (read + LINE) & last, first = size;
    if (at + size > (uint64_t)move->ring_size) first = (uint64_t)move->ring_size - at;
    put(move, into, base, ring + at, (int64_t)first); /* lines hold whole items */
    if (first < size) put(move, into + first, base + first, ring, (int64_t)(size - first));
    return publish(move, move->read, after) ? MADE_BUT_ASLEEP : MADE;
}

static int made(const Move *move, const Call *call) {
    char *source = call->buffers[move->source] + move->source_at;
    char *into = call->buffers[move->into] + move->into_at;
    const char *base = call->buffers[move->base] + move->base_at;
    switch (move->kind) {
    case SEND:
        return sent(move, call, source);
    case TAKE:
        return taken(move, call, into, base);
    case LEND:
        return lent(move, call, source);
    case BORROW:
        return borrowed(move, call, into, base);
    case SETTLE:
        return settled(move, call->until);
    case COPY:
        put(move, into, base, source, move->size);
        return MADE;
    default: /* NOTHING */
        return MADE;
    }
}

/* Whether a move keeps within buffers of these lengths: a mistake elsewhere must not write there. */
static int fits(const Move *move, const Py_buffer *buffers) {
    const int64_t places[][2] = {
        {move->source, move->source_at}, {move->into, move->into_at}, {move->base, move->base_at},
    };
    if (move->size < 0 || move->combine >= NAMES) return 0;
    for (int place = 0; place < 3; place++) {
        int64_t buffer = places[place][0], at = places[place][1];
        int reads = move->kind == SEND || move->kind == LEND || move->kind == COPY;
        int writes = move->kind == TAKE || move->kind == BORROW || move->kind == COPY;
        int used = place == 0 ? reads : writes && (place == 1 || move->combine >= 0);
        if (buffer < 0 || buffer > 2) return 0;
        if (used && (at < 0 || at + move->size > buffers[buffer].len)) return 0;
    }
    return 1;
}

static PyObject *run_moves(const Py_buffer *moves, const Py_buffer *buffers, long long first,
                           const Call *call) {
    const Move *move = (const Move *)moves->buf;
    int64_t count = moves->len / (int64_t)sizeof(Move), number = first;
    int became = MADE;
    for (; number < count && became == MADE; number++) {
        if (!fits(&move[number], buffers)) {
            PyErr_Format(PyExc_ValueError, "move %lld is beyond its buffers", (long long)number);
            return NULL;
        }
        became = made(&move[number], call);
        if (became == NOT_MADE) break;
    }
    /* Negative: the last move was made, and its peer must be woken. */
    return PyLong_FromLongLong(became == MADE_BUT_ASLEEP ? -number : number);
}

PyDoc_STRVAR(run_doc,
"run(moves, first, tag, mark, wait, send, recv, work, own)\n--\n\n"
"Make moves from number ``first`` on; returns how many are made then.\n\n"
"It stops before one that cannot be made, and after one whose peer sleeps: then the number is\n"
"negative. ``wait``: nanoseconds that it waits at most, for all messages together. ``own``: the\n"
"buffers that this process shares.");

static PyObject *run(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    (void)self;
    if (count != 9) {
        PyErr_Format(PyExc_TypeError, "run() takes 9 arguments, and got %zd", count);
        return NULL;
    }
    Call call;
    long long first = PyLong_AsLongLong(given[1]);
    call.tag = PyLong_AsUnsignedLongLong(given[2]);
    call.mark = (uint32_t)PyLong_AsUnsignedLong(given[3]);
    call.until = now() + PyLong_AsLongLong(given[4]);
    if (PyErr_Occurred()) return NULL;
    Py_buffer moves, buffers[4];
    if (PyObject_GetBuffer(given[0], &moves, PyBUF_SIMPLE)) return NULL;
    int held = 0;
    PyObject *result = NULL;
    /* What is sent may be read-only; whoever asks for moves has seen what may be written. */
    while (held < 4 && PyObject_GetBuffer(given[5 + held], &buffers[held], PyBUF_SIMPLE) == 0) held++;
    if (held == 4) {
        for (int number = 0; number < 3; number++) call.buffers[number] = buffers[number].buf;
        call.own = (const Own *)buffers[3].buf;
        call.owned = buffers[3].len / (int64_t)sizeof(Own);
        result = run_moves(&moves, buffers, first, &call);
    }
    while (held > 0) PyBuffer_Release(&buffers[--held]);
    PyBuffer_Release(&moves);
    return result;
}

PyDoc_STRVAR(rouse_doc,
"rouse(nap, whose)\n--\n\n"
"Wake the rank whose word at the address ``nap`` says that it naps until ``whose`` message comes.");

static PyObject *rouse(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    (void)self;
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "rouse() takes 2 arguments, and got %zd", count);
        return NULL;
    }
    long long nap = PyLong_AsLongLong(given[0]), whose = PyLong_AsLongLong(given[1]);
    if (PyErr_Occurred()) return NULL;
    wake((uint32_t *)(intptr_t)nap, (uint32_t)whose);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(named_doc,
"named(what)\n--\n\n"
"The number of a reduction such as \"add f4\", -1 for one that there is not.");

static PyObject *named(PyObject *self, PyObject *what) {
    (void)self;
    PyObject *bytes = PyUnicode_AsUTF8String(what);
    if (bytes == NULL) return NULL;
    long number = 0;
    while (number < NAMES && strcmp(COMBINES[number].name, PyBytes_AsString(bytes))) number++;
    Py_DECREF(bytes);
    return PyLong_FromLong(number < NAMES ? number : -1);
}

static PyMethodDef METHODS[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL, run_doc},
    {"rouse", (PyCFunction)(void (*)(void))rouse, METH_FASTCALL, rouse_doc},
    {"named", named, METH_O, named_doc},
    {NULL, NULL, 0, NULL},
};

static int begin(PyObject *module) { return PyModule_AddIntConstant(module, "LAYOUT", LAYOUT); }

static PyModuleDef_Slot PARTS[] = {{Py_mod_exec, begin}, {0, NULL}};

static PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_moves", "Moves of messages; see compiled_moves.py.", 0,
    METHODS, PARTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__moves(void) { return PyModuleDef_Init(&MODULE); }
