// The extension module `taker`: allocates, and writes down what the interpreter itself says at that moment, by its public
// functions: the size, and of each Python frame from the innermost outward its file, qualified name and line.
//
//     size TAB file US name US line TAB file US name US line ... NEWLINE
//
// It also calls Python code back through C functions, whose names tests/tests/all/python_stacks.rs looks for between the frames.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h> // declares PyFrame_GetBack before 3.11
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static FILE *notes;

static void write_name(PyCodeObject *code) {
#if PY_VERSION_HEX >= 0x030b0000
    PyObject *name = PyObject_GetAttrString((PyObject *)code, "co_qualname");
#else
    PyObject *name = PyObject_GetAttrString((PyObject *)code, "co_name");
#endif
    PyObject *file = PyObject_GetAttrString((PyObject *)code, "co_filename");
    fprintf(notes, "\t%s\x1f%s", PyUnicode_AsUTF8(file), PyUnicode_AsUTF8(name));
    Py_DECREF(file);
    Py_DECREF(name);
}

static int line_of(PyFrameObject *frame, PyCodeObject *code) {
#if PY_VERSION_HEX < 0x030a0000
    // Of a frame that was traced, PyFrame_GetLineNumber says the last line that its tracer saw.
    return PyCode_Addr2Line(code, frame->f_lasti);
#else
    return PyFrame_GetLineNumber(frame);
#endif
}

static void note(size_t size) {
    fprintf(notes, "%zu", size);
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    while (frame) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        write_name(code);
        fprintf(notes, "\x1f%d", line_of(frame, code));
        Py_DECREF(code);
        PyFrameObject *caller = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = caller;
    }
    fputc('\n', notes);
}

static PyObject *taker_open(PyObject *self, PyObject *path) {
    notes = fopen(PyUnicode_AsUTF8(path), "w");
    if (!notes) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *taker_close(PyObject *self, PyObject *none) {
    fclose(notes);
    Py_RETURN_NONE;
}

// Writes down the stack, for an allocation of the same line that somebody else makes.
static PyObject *taker_mark(PyObject *self, PyObject *size) {
    note(PyLong_AsSize_t(size));
    Py_RETURN_NONE;
}

static void *(*volatile take_malloc)(size_t) = malloc; // not to be optimised away
static void *(*volatile take_calloc)(size_t, size_t) = calloc;

__attribute__((noinline)) void take_in_c(size_t size) {
    switch (size / 80 % 4) {
    case 0: free(take_malloc(size)); break;
    case 1: free(take_calloc(1, size)); break;
    case 2: PyMem_RawFree(PyMem_RawMalloc(size)); break;
    default: PyMem_Free(PyMem_Malloc(size)); break;
    }
    note(size);
}

static PyObject *taker_take(PyObject *self, PyObject *size) {
    take_in_c(PyLong_AsSize_t(size));
    Py_RETURN_NONE;
}

// The same without the list that the interpreter makes of several arguments, and with another way in.
static PyObject *taker_take_fast(PyObject *self, PyObject *const *arguments, Py_ssize_t n) {
    take_in_c(PyLong_AsSize_t(arguments[0]));
    Py_RETURN_NONE;
}

__attribute__((noinline)) PyObject *call_through_c(PyObject *function) {
    PyObject *result = PyObject_CallObject(function, NULL);
    __asm__ volatile("" ::: "memory"); // no tail call
    return result;
}

static PyObject *taker_call(PyObject *self, PyObject *function) {
    PyObject *result = call_through_c(function);
    return result;
}

__attribute__((noinline)) PyObject *call_deep_in_c(PyObject *function, long depth) {
    PyObject *result = depth ? call_deep_in_c(function, depth - 1) : PyObject_CallObject(function, NULL);
    __asm__ volatile("" ::: "memory");
    return result;
}

static PyObject *taker_call_deep(PyObject *self, PyObject *arguments) {
    PyObject *function;
    long depth;
    if (!PyArg_ParseTuple(arguments, "Ol", &function, &depth)) return NULL;
    return call_deep_in_c(function, depth);
}

static PyObject *compared;

static int compare_in_c(const void *one, const void *other) {
    PyObject *result = PyObject_CallObject(compared, NULL);
    Py_XDECREF(result);
    return *(const char *)one - *(const char *)other;
}

// The C library's qsort, whose comparison runs Python code.
static PyObject *taker_sort(PyObject *self, PyObject *function) {
    char letters[] = "ba";
    PyObject *outer = compared;
    compared = function;
    qsort(letters, 2, 1, compare_in_c);
    compared = outer;
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static void *foreign_thread(void *function) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallObject(function, NULL);
    if (!result) PyErr_Print();
    Py_XDECREF(result);
    PyGILState_Release(state);
    return NULL;
}

// A thread that Python did not make.
static PyObject *taker_on_thread(PyObject *self, PyObject *function) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, foreign_thread, function)) return PyErr_SetFromErrno(PyExc_OSError);
    Py_BEGIN_ALLOW_THREADS
    pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *taker_run(PyObject *self, PyObject *arguments) {
    const char *source;
    PyObject *names;
    if (!PyArg_ParseTuple(arguments, "sO", &source, &names)) return NULL;
    return PyRun_String(source, Py_file_input, names, names);
}

// Sets the thread state aside and takes it back, as a library does that releases the lock by hand.
static PyObject *taker_swap(PyObject *self, PyObject *function) {
    PyThreadState *own = PyThreadState_Swap(NULL);
    PyThreadState_Swap(own);
    return PyObject_CallObject(function, NULL);
}

// Runs a function in a second thread state of the same thread: none of the frames of the first are its callers.
static PyObject *taker_second_state(PyObject *self, PyObject *function) {
    PyThreadState *own = PyThreadState_Get();
    PyThreadState *second = PyThreadState_New(PyThreadState_GetInterpreter(own));
    PyThreadState_Swap(second);
    PyObject *result = PyObject_CallObject(function, NULL);
    if (!result) PyErr_Print();
    Py_XDECREF(result);
    PyThreadState_Clear(second);
    PyThreadState_Swap(own);
    PyThreadState_Delete(second);
    Py_RETURN_NONE;
}

// Allocates without the lock.
static PyObject *taker_released(PyObject *self, PyObject *count) {
    long n = PyLong_AsLong(count);
    Py_BEGIN_ALLOW_THREADS
    for (long i = 0; i < n; i++) free(take_malloc(100 + i % 1000));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"open", taker_open, METH_O, NULL},
    {"close", taker_close, METH_NOARGS, NULL},
    {"mark", taker_mark, METH_O, NULL},
    {"take", taker_take, METH_O, NULL},
    {"take_fast", (PyCFunction)(void (*)(void))taker_take_fast, METH_FASTCALL, NULL},
    {"call", taker_call, METH_O, NULL},
    {"call_deep", taker_call_deep, METH_VARARGS, NULL},
    {"sort", taker_sort, METH_O, NULL},
    {"on_thread", taker_on_thread, METH_O, NULL},
    {"run", taker_run, METH_VARARGS, NULL},
    {"swap", taker_swap, METH_O, NULL},
    {"second_state", taker_second_state, METH_O, NULL},
    {"released", taker_released, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "taker", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_taker(void) { return PyModule_Create(&module); }
