// tm.h between all headers of C and C++ that it might get in the way of; the program is calls_tm.c.
#include <ctime>
#include <map>
#include <string>
#include "calls_tm.c"
#include <chrono>
#include <thread>
#include <time.h>
#include <vector>
