# python.py with all that its processes leave behind: at the end of the pipe, they have ended too. python.sh PYTHON N
set -o pipefail
PYTHONHASHSEED=0 PYTHONMALLOC=malloc "$1" -s -B "${0%/*}/python.py" "$2" 2>&1 | cat
