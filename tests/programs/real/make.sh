# A C and C++ library of N files of each, built by make -j4 with link-time optimization: make.sh N. The output is a sum
# of the library, so it tells whether a compiler did anything else.
set -euo pipefail
for n in $(seq "$1"); do
    printf '#include <map>\n#include <string>\nstd::map<std::string, int> m%d;\n' "$n" >"f$n.cc"
    printf 'int f%d(const std::string &key) { return m%d[key] += %d; }\n' "$n" "$n" "$n" >>"f$n.cc"
    printf '#include <stdio.h>\nint g%d(int x) { return printf("%%d", x) * %d; }\n' "$n" "$n" >"g$n.c"
done
cat >Makefile <<'END'
objects := $(patsubst %.cc,%.o,$(wildcard *.cc)) $(patsubst %.c,%.o,$(wildcard *.c))
all: $(objects); g++ -O1 -shared -o library.so $^
%.o: %.cc; g++ -O1 -g -fPIC -pipe -frandom-seed=$@ -c $< -o $@
%.o: %.c; gcc -O1 -flto -fPIC -frandom-seed=$@ -c $< -o $@
END
make -s -j4
nm -D --defined-only library.so | cut -c18- | sort | cksum
make broken.o 2>&1 || echo "make fails with $?"
