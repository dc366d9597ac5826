# What scripts do all day: subshells, pipes, here-documents, substitutions of processes, traps, jobs: shell.sh N.
total=0
for ((i = 0; i < $1; i++)); do
    words=($(printf '%s\n' a b c | sed "s/$/$i/"))
    (exit $((i % 3)))
    total=$((total + $? + ${#words[@]}))
    read -r first < <(echo "$i" | tr 0-9 a-j)
    (trap 'exit 0' TERM; kill -TERM $BASHPID; exit 1) &
    wait $! || echo "a job fails with $?"
done
cat <<END
$total $first $(seq 100 | awk '{ sum += $1 } END { print sum }')
END
exit 5
