# javac and the virtual machine: threads, a child process, native memory (Deflater), an exception: java.sh N.
set -euo pipefail
cat >Task.java <<'END'
import java.util.*;
import java.util.concurrent.*;
import java.util.zip.Deflater;

public class Task {
    record Row(int id, String name) {}

    public static void main(String[] arguments) throws Exception {
        int n = Integer.parseInt(arguments[0]);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> sizes = new ArrayList<>();
        for (int thread = 0; thread < 8; thread++) {
            int step = thread;
            sizes.add(pool.submit(() -> {
                Map<String, Row> rows = new TreeMap<>();
                for (int i = 0; i < n; i++) rows.put("key " + i * step, new Row(i, "row " + i));
                return rows.size();
            }));
        }
        for (Future<Integer> size : sizes) System.out.println(size.get());
        pool.shutdown();
        for (int i = 0; i < 100; i++) {
            Deflater deflater = new Deflater();
            deflater.setInput(new byte[10000 + i]);
            deflater.finish();
            if (i == 99) System.out.println(deflater.deflate(new byte[10000]));
            deflater.end();
        }
        System.out.print(new String(new ProcessBuilder("echo", "from a child").start().getInputStream().readAllBytes()));
        throw new IllegalStateException("on purpose");
    }
}
END
javac -J-XX:+UseSerialGC Task.java
java -XX:+UseSerialGC -Xmx256m Task "$1" || echo "java fails with $?"
