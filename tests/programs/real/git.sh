# A repository of N commits, cloned through the protocol, repacked by threads, checked and read: git.sh N. No hooks, no
# settings of the user's, nothing that goes on in the background.
set -euo pipefail
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2026-01-01 00:00:00 +0000'
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
git -c init.defaultBranch=main init -q origin
for n in $(seq "$1"); do
    for file in 1 2 3 4; do
        seq $((n * file)) $((n * file + 300)) >"origin/$file.txt"
    done
    git -C origin add .
    git -C origin -c maintenance.auto=false commit -q -m "commit $n"
done
git clone -q --no-local origin clone
cd clone
git -c pack.threads=2 gc --quiet --aggressive
git fsck --strict --no-progress
git log --stat | cksum
git blame 3.txt | cksum
git rev-parse HEAD
git checkout -q no-such-branch || echo "git fails with $?"
