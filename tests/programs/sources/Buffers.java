import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** What java takes from malloc: direct buffers, zlib streams, threads, the compiler's arenas. */
public class Buffers {
	static long direct(int seed) {
		Random random = new Random(seed);
		CRC32 crc = new CRC32();
		ByteBuffer[] held = new ByteBuffer[64];
		for (int i = 0; i < 4000; i++) {
			ByteBuffer buffer = ByteBuffer.allocateDirect(1 + random.nextInt(1 << random.nextInt(17)));
			while (buffer.hasRemaining())
				buffer.put((byte) (i + buffer.position()));
			ByteBuffer old = held[i % held.length];
			if (old != null)
				crc.update(old.flip());
			held[i % held.length] = buffer;
		}
		return crc.getValue();
	}

	static long packed(int seed) throws Exception {
		Random random = new Random(seed);
		CRC32 crc = new CRC32();
		for (int i = 0; i < 300; i++) {
			byte[] data = new byte[random.nextInt(50000)], small = new byte[60000];
			for (int k = 0; k < data.length; k++)
				data[k] = (byte) (k * k / (1 + i));
			Deflater deflater = new Deflater(1 + i % 9);
			deflater.setInput(data);
			deflater.finish();
			int length = deflater.deflate(small);
			deflater.end();
			Inflater inflater = new Inflater();
			inflater.setInput(small, 0, length);
			byte[] again = new byte[data.length];
			inflater.inflate(again);
			inflater.end();
			crc.update(again);
		}
		return crc.getValue();
	}

	static long threads() throws Exception {
		long[] sums = new long[300];
		for (int round = 0; round < 5; round++) {
			List<Thread> threads = new ArrayList<>();
			for (int n = 0; n < sums.length; n++) {
				int own = n;
				threads.add(new Thread(() -> {
					HashMap<String, Integer> map = new HashMap<>();
					for (int i = 0; i < 500; i++)
						map.merge("k" + i % 37, own, Integer::sum);
					sums[own] += map.values().stream().mapToInt(x -> x).sum();
				}));
			}
			for (Thread thread : threads)
				thread.start();
			for (Thread thread : threads)
				thread.join();
		}
		long sum = 0;
		for (long s : sums)
			sum += s;
		return sum;
	}

	public static void main(String[] args) throws Exception {
		var pool = Executors.newFixedThreadPool(4);
		List<Callable<Long>> tasks = new ArrayList<>();
		for (int n = 0; n < 6; n++) {
			int seed = n;
			tasks.add(() -> direct(seed));
			tasks.add(() -> packed(seed));
		}
		for (Future<Long> result : pool.invokeAll(tasks))
			System.out.println(result.get());
		pool.shutdown();
		System.out.println(threads());
	}
}
