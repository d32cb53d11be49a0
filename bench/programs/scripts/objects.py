"""objects.py SIZE: builds formulas as trees of objects, derives and simplifies them.

Many small objects of a few classes, most of which die at once; prints a checksum.
"""
import random
import sys


class Number:
    def __init__(self, value):
        self.value = value

    def derive(self):
        return Number(0)

    def simplify(self):
        return Number(self.value)

    def at(self, x):
        return self.value


class Variable:
    def derive(self):
        return Number(1)

    def simplify(self):
        return Variable()

    def at(self, x):
        return x


class Operation:
    def __init__(self, left, right):
        self.left, self.right = left, right
        self.notes = {'size': 1, 'kind': type(self).__name__}

    def simplify(self):
        left, right = self.left.simplify(), self.right.simplify()
        if isinstance(left, Number) and isinstance(right, Number):
            return Number(type(self)(left, right).at(0))
        return type(self)(left, right)


class Sum(Operation):
    def derive(self):
        return Sum(self.left.derive(), self.right.derive())

    def at(self, x):
        return (self.left.at(x) + self.right.at(x)) % 1_000_003


class Product(Operation):
    def derive(self):
        return Sum(Product(self.left.derive(), self.right), Product(self.left, self.right.derive()))

    def at(self, x):
        return self.left.at(x) * self.right.at(x) % 1_000_003


def formula(rng, depth):
    if depth == 0:
        return Variable() if rng.random() < 0.4 else Number(rng.randrange(100))
    kind = Sum if rng.random() < 0.7 else Product
    return kind(formula(rng, depth - 1), formula(rng, depth - 1))


def main(size):
    rng = random.Random(1)
    kept, checksum = [], 0
    for n in range(size):
        tree = formula(rng, 8)
        slope = tree.derive().simplify()
        checksum = (checksum * 31 + slope.at(n) + tree.at(n)) % (1 << 61)
        kept.append(slope)
        if len(kept) > 100:
            kept[rng.randrange(100)] = kept.pop()
    print(checksum)


main(int(sys.argv[1]))
