/* The innermost loop of fan-out: the same bytes to many sockets, one send(2) each.
 *
 * It is optional. If it was not built, each transport writes the same frames itself: that keeps the same promises and
 * costs more time (docs/decisions/0013-native-send.md).
 *
 * It keeps the interpreter's lock, so that nobody can close one of the sockets meanwhile. It makes no Python object and
 * allocates no memory, so that it cannot fail half-way. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS; Python ignores SIGPIPE anyway */
#endif

static ssize_t send_once(int descriptor, const char *bytes, size_t length)
{
    ssize_t sent;

    if (descriptor < 0)
        return 0;
    do
        sent = send(descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    /* The socket is full, broken or gone. The transport finds out which when it writes the rest. */
    return sent < 0 ? 0 : sent;
}

static Py_ssize_t send_each(const int *descriptors, Py_ssize_t count, const Py_buffer *data, int *incomplete)
{
    Py_ssize_t found = 0;

    for (Py_ssize_t index = 0; index < count; index++) {
        ssize_t sent = send_once(descriptors[index], data->buf, (size_t)data->len);

        if (sent < data->len) {
            incomplete[2 * found] = (int)index;
            incomplete[2 * found + 1] = (int)sent;
            found++;
        }
    }
    return found;
}

static PyObject *send_to_all(PyObject *module, PyObject *const *arguments, Py_ssize_t argument_count)
{
    Py_buffer descriptors, data, incomplete;
    PyObject *answer = NULL;

    (void)module;
    if (argument_count != 3) {
        PyErr_SetString(PyExc_TypeError, "send_to_all takes descriptors, data, incomplete");
        return NULL;
    }
    if (PyObject_GetBuffer(arguments[0], &descriptors, PyBUF_SIMPLE) < 0)
        return NULL;
    if (PyObject_GetBuffer(arguments[1], &data, PyBUF_SIMPLE) < 0)
        goto no_data;
    if (PyObject_GetBuffer(arguments[2], &incomplete, PyBUF_WRITABLE) < 0)
        goto no_incomplete;

    Py_ssize_t count = descriptors.len / (Py_ssize_t)sizeof(int);
    if (incomplete.len / 2 / (Py_ssize_t)sizeof(int) < count || data.len > INT_MAX || count > INT_MAX / 2)
        PyErr_SetString(PyExc_ValueError, "no room for what stays unsent, or more than INT_MAX bytes");
    else
        answer = PyLong_FromSsize_t(send_each(descriptors.buf, count, &data, incomplete.buf));

    PyBuffer_Release(&incomplete);
no_incomplete:
    PyBuffer_Release(&data);
no_data:
    PyBuffer_Release(&descriptors);
    return answer;
}

static PyMethodDef methods[] = {
    {"send_to_all", (PyCFunction)(void (*)(void))send_to_all, METH_FASTCALL,
     "send_to_all(descriptors, data, incomplete) -> int\n\n"
     "Send `data` to every socket of `descriptors` (array of C int; negative ones are skipped) without waiting.\n"
     "Returns how many of them did not take all of it. Then `incomplete` (array of C int, twice as long) begins with\n"
     "a pair for each: its index in `descriptors`, and how many bytes it took. Raises ValueError if it is too short."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_send", "One send for each of many sockets.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__send(void)
{
    return PyModuleDef_Init(&definition);
}
