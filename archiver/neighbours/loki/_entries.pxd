# The C types of _loki_entries.py. Nothing else belongs here: what the loop does stands there, once.
cimport cython

cdef Py_ssize_t _INTEGER

@cython.locals(value="unsigned long long", byte="unsigned long long", shift="int")
cdef Py_ssize_t _integer(const unsigned char[::1] data, Py_ssize_t position, Py_ssize_t end, unsigned long long[::1] cursor) except? -100

@cython.locals(
    value="unsigned long long", byte="unsigned long long", shift="int", start="Py_ssize_t", position="Py_ssize_t", next_position="Py_ssize_t", entry="Py_ssize_t",
    line_bytes="Py_ssize_t", pairs="Py_ssize_t", capacity="Py_ssize_t", copy_bytewise="bint", status="int",
    length="Py_ssize_t", index="Py_ssize_t", count="Py_ssize_t", end="Py_ssize_t",
)
cpdef int walk(
    const unsigned char[::1] data, Py_ssize_t size, Py_ssize_t stop, long long symbols, long long[::1] times,
    int[::1] line_ends, unsigned char[::1] lines, int[::1] pair_ends, int[::1] names, int[::1] values,
    unsigned long long[::1] cursor,
) except -1

@cython.locals(
    value="unsigned long long", position="Py_ssize_t", next_position="Py_ssize_t", entry="Py_ssize_t",
    line_bytes="Py_ssize_t", copy_bytewise="bint", status="int", length="Py_ssize_t", index="Py_ssize_t",
)
cpdef int read_symbols(
    const unsigned char[::1] data, Py_ssize_t size, Py_ssize_t count, int[::1] ends, unsigned char[::1] text,
    unsigned long long[::1] cursor,
) except -1
