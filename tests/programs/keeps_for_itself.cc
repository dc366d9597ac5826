// The C++ library keeps memory for itself; the program loses an array and a string.
#include <cstdio>
#include <iostream>
#include <locale>
#include <string>

static void *volatile lost;

int main() {
    std::ios_base::sync_with_stdio(false);
    std::locale::global(std::locale("C.UTF-8"));
    std::cout << "hello " << 1.5 << std::endl;
    std::puts("again");
    lost = new int[25];
    lost = new std::string(200, 'x');
    lost = nullptr;
}
