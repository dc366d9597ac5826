# clang compiles C++ of N functions, with warnings and with an error: clang.sh N.
set -euo pipefail
{
    printf '#include <algorithm>\n#include <regex>\n#include <string>\n#include <vector>\n'
    for n in $(seq "$1"); do
        printf 'int f%d(std::vector<std::string> &v) { std::sort(v.begin(), v.end()); return v.size() + %d; }\n' "$n" "$n"
    done
} >a.cc
clang++ -O2 -g -fPIC -shared -o a.so a.cc
objdump -d a.so | tail -n +4 | cksum
printf 'int f() { return unknown; }\n' | clang -xc - -c -o b.o || echo "clang fails with $?"
