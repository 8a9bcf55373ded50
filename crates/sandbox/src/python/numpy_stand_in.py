"""The little of numpy that benchmarks' tests compare with (HumanEval+, MBPP+), for machines without it.

Tests see it only if they import numpy and it is not installed. Formulas are numpy's own, but `allclose` is strict.
"""

import math


class ndarray:
    """Nothing is one here; tests only ask whether a value is."""


class float32(float):
    """A name to compare types with."""


class float64(float):
    """A name to compare types with."""


nan = math.nan
inf = math.inf
pi = math.pi
e = math.e


def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """|a - b| <= atol + rtol * |b|, as numpy has it."""
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        return [isclose(x, y, rtol, atol, equal_nan) for x, y in _pairs(a, b)]
    if math.isnan(a) or math.isnan(b):
        return equal_nan and math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(a - b) <= atol + rtol * abs(b)


def _pairs(a, b):
    a_is_list, b_is_list = isinstance(a, (list, tuple)), isinstance(b, (list, tuple))
    if a_is_list and b_is_list:
        if len(a) != len(b):
            raise ValueError("operands could not be broadcast together with shapes (%d,) (%d,)" % (len(a), len(b)))
        return zip(a, b)
    return [(x, b) for x in a] if a_is_list else [(a, y) for y in b]


def _flat(value):
    return all(map(_flat, value)) if isinstance(value, (list, tuple)) else bool(value)


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all are close."""
    must_be_alike(_shape(a), _shape(b))
    return _flat(isclose(a, b, rtol, atol, equal_nan))


def _shape(value):
    """What tells two shapes apart."""
    return tuple(map(_shape, value)) if isinstance(value, (list, tuple)) else None


def must_be_alike(a, b):
    """numpy stretches what it compares: an empty list is close to every number, and [x] to x. Right answers are not so."""
    if a != b:
        raise ValueError("the shapes differ, and `allclose` compares what is of one shape here")


def make_strict(numpy):
    """Holds numpy itself to that, where it is installed; once. Arrays the tests have computed themselves: no solution sends any."""
    if numpy is None or numpy.allclose.__module__ == __name__:
        return
    close, shape, computed = numpy.allclose, numpy.shape, (numpy.ndarray, numpy.generic)

    def strict(a, b, *rest, **named):
        if not isinstance(a, computed):
            must_be_alike(shape(a), shape(b))
        return close(a, b, *rest, **named)

    strict.__module__ = __name__
    numpy.allclose = strict
