/* A library that does nothing, to be preloaded in place of libtm.so: what the loader and the thread library allocate
 * for a library with a thread-local block they allocate for this one too. */
__thread char block[64] __attribute__((tls_model("initial-exec")));
