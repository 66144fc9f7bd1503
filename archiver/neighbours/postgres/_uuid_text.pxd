# The C types of _uuid_text.py. Nothing else belongs here: what the loop does stands there, once.
cimport cython

@cython.locals(
    position="Py_ssize_t", index="Py_ssize_t", start="Py_ssize_t", place="int", at="Py_ssize_t", byte="int", high="int",
    low="int",
)
cpdef Py_ssize_t write_texts(
    const unsigned char[::1] data, Py_ssize_t count, unsigned char[::1] text, int[::1] ends
) except -1
