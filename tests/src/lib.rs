//! Runs programs under libtm.so for the end-to-end tests.
