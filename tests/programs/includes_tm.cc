// tm.h between headers that it might get in the way of: C's `struct tm` is in them. The program is calls_tm.c.
#include <ctime>
#include "calls_tm.c"
#include <cwchar>
#include <new>
#include <time.h>
