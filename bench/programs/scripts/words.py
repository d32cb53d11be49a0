"""words.py SIZE FILE: an index of the words and word pairs of a text, SIZE times over.

Strings split, changed, joined and counted; dictionaries that grow.  Prints a checksum.
"""
import collections
import re
import sys
import zlib


def index(text, salt):
    words = re.findall(r"[a-z']+", text.lower())
    counts = collections.Counter(words)
    places, pairs = collections.defaultdict(list), {}
    for at, word in enumerate(words):
        places[f'{word}-{salt}'].append((at, len(word)))
    for pair in zip(words, words[1:]):
        pairs[pair] = pairs.get(pair, 0) + 1
    lines = [f'{word}: {counts[word.split("-")[0]]} {at[:3]}' for word, at in places.items()]
    lines += [' '.join(pair).title().replace('e', 'ee') + f' {n}' for pair, n in pairs.items()]
    return '\n'.join(sorted(lines))


def main(size, path):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    checksum, kept = 0, collections.deque(maxlen=5)
    for n in range(size):
        kept.append(index(text, n))
        checksum = zlib.crc32(kept[-1].encode(), checksum)
    print(checksum)


main(int(sys.argv[1]), sys.argv[2])
