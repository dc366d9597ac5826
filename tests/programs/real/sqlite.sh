# A database that is written, indexed, rolled back, attacked with bad statements, vacuumed and dumped: sqlite.sh N.
set -euo pipefail
sqlite3 a.db <<END
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
    INSERT INTO t SELECT i, 'name ' || (i * 7919 % 30011), i / 3.0 FROM n;
CREATE INDEX by_name ON t(name);
BEGIN; DELETE FROM t; ROLLBACK;
SELECT name, count(*), total(value) FROM t GROUP BY substr(name, 1, 7) ORDER BY 3 DESC LIMIT 5;
DELETE FROM t WHERE id % 3 = 0;
VACUUM;
PRAGMA integrity_check;
END
sqlite3 a.db 'SELECT * FROM nothing' || echo "sqlite3 fails with $?"
sqlite3 a.db .dump | sqlite3 b.db
sqlite3 b.db 'SELECT count(*), sum(length(name)) FROM t'
