//! libtm.so.
