#!/bin/sh
# Installs the tar.zst's tree and the package for Debian on a clean system, and records and reports with each.
#
#   try_package.sh TREE DEB FINDS_LEAK    (finds_leak.c, compiled)
set -eu
tree=$1 deb=$2 finds_leak=$3
here=$(mktemp -d)
cd "$here"

fail() {
    echo "try_package.sh: $*" >&2
    exit 1
}

# A program of the system, 10,000 blocks at least; and one that asks for itself, for which the other library is loaded.
records() { # TMTOOL LIBRARY
    said=$("$1" run -q -o run.bin perl -e 'my @a = map { "x" x $_ } 1 .. 10000; print scalar @a')
    [ "$said" = 10000 ] || fail "$1 run: perl said '$said'"
    "$1" info --json run.bin >info.json
    grep -q '"lost_events": *0[,}]' info.json || fail "$1 has lost events: $(cat info.json)"
    "$1" stats run.bin --limit 3 | grep -q 'MiB live in' || fail "$1 stats"
    LD_PRELOAD=$2 TM_OUT=preload.bin "$finds_leak" >leak.txt
    grep -q '^leak: .*finds_leak.c:[0-9]' leak.txt || fail "$2 answers no question: $(cat leak.txt)"
    "$1" stats preload.bin --key lineno | grep -q finds_leak.c || fail "$1 stats of finds_leak"
    rm -f ./*.bin
}

records "$tree/bin/tmtool" "$tree/lib/libtm.so"

dpkg --install "$deb" >/dev/null
records tmtool libtm.so
for file in man/man1/tmtool.1.gz man/man1/tmtool-stats.1.gz doc/tmtool/copyright bash-completion/completions/tmtool; do
    [ -s "/usr/share/$file" ] || fail "there is no /usr/share/$file"
done
bash -c '. /usr/share/bash-completion/completions/tmtool; complete -p tmtool' >/dev/null || fail "completions for bash"
dpkg --purge tmtool >/dev/null
[ ! -e /usr/bin/tmtool ] || fail "tmtool is still there"
rm -rf "$here"
