"""pipeline.py SIZE: four threads unpack, hash and pack SIZE buffers handed over by queues.

Buffers of 4 to 256 KiB are made in one thread and freed in another; zlib and hashlib let go of
python's lock, so that threads meet in malloc.  Prints a checksum.
"""
import hashlib
import queue
import random
import sys
import threading
import zlib

THREADS = 4


def work(jobs, results):
    while (job := jobs.get()) is not None:
        number, packed = job
        data = zlib.decompress(packed)
        head, tail = data[:len(data) // 3], data[len(data) // 3:]
        results.put((number, hashlib.sha256(tail + head).digest(), zlib.compress(tail, 1)))


def main(size):
    rng = random.Random(3)
    text = rng.randbytes(1 << 15).hex().encode() * 5
    jobs, results = queue.Queue(maxsize=32), queue.Queue()
    threads = [threading.Thread(target=work, args=(jobs, results)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for number in range(size):
        at = rng.randrange(1 << 15)
        jobs.put((number, zlib.compress(text[at:at + (4096 << rng.randrange(7))], 1)))
    for _ in threads:
        jobs.put(None)
    for thread in threads:
        thread.join()
    done = sorted(results.get() for _ in range(size))
    print(hashlib.sha256(b''.join(digest + packed for _, digest, packed in done)).hexdigest())


main(int(sys.argv[1]))
