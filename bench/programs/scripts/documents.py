"""documents.py SIZE: writes and reads SIZE orders as JSON, and changes them in between.

What a service does all day: strings, dictionaries and lists made by the thousand, kept for as long
as one request takes.  Prints a checksum.
"""
import json
import random
import sys
import zlib


def order(rng, number):
    return {
        'id': number,
        'customer': {'name': f'customer {rng.randrange(1000)}', 'tags': ['new', 'eu', None, True]},
        'lines': [{'article': rng.randbytes(6).hex(), 'count': rng.randrange(1, 9),
                   'price': rng.randrange(10_000) / 100} for _ in range(rng.randrange(1, 20))],
        'note': 'é\n' * rng.randrange(60),
    }


def main(size):
    rng = random.Random(2)
    checksum = 0
    for batch in range(0, size, 500):
        text = json.dumps([order(rng, batch + n) for n in range(min(500, size - batch))])
        orders = json.loads(text)
        for each in orders:
            each['total'] = round(sum(x['count'] * x['price'] for x in each['lines']), 2)
        orders.sort(key=lambda each: (each['total'], each['id']))
        text = json.dumps(orders, indent=1, sort_keys=True, ensure_ascii=False)
        checksum = zlib.crc32(text.encode(), checksum)
    print(checksum)


main(int(sys.argv[1]))
