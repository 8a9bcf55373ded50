# Compares a candidate with the canonical solution on EvalPlus's inputs, by EvalPlus's rules: equal, or as near as ATOL and a relative 1e-7,
# where ATOL is not 0 (and 1e-6 where the expected value is a float or a flat list of floats). INPUTS, REFERENCE, ENTRY_POINT and ATOL
# stand before this text. The oracle runs in the tests' process, never in the candidate's.
import copy, json, math


def is_floats(value):
    return isinstance(value, float) or (isinstance(value, (list, tuple)) and all(isinstance(item, float) for item in value))


def is_near(found, expected, atol):
    if isinstance(expected, (list, tuple)):
        is_alike = isinstance(found, (list, tuple)) and len(found) == len(expected)
        return is_alike and all(is_near(one, other, atol) for one, other in zip(found, expected))
    if not isinstance(found, (int, float)) or not isinstance(expected, (int, float)):
        return found == expected
    if math.isnan(expected):
        return math.isnan(found)
    return found == expected or abs(found - expected) <= atol + 1e-7 * abs(expected)


def is_right(found, expected, arguments):
    if ENTRY_POINT == "find_zero":
        # A polynomial has several zeros: any is right.
        return abs(sum(factor * math.pow(found, power) for power, factor in enumerate(arguments[0]))) <= ATOL
    if found == expected:
        return True
    atol = ATOL or (1e-6 if is_floats(expected) else 0)
    return atol > 0 and is_near(found, expected, atol)


def check(candidate):
    names = {}
    exec(REFERENCE, names)
    for arguments in json.loads(INPUTS):
        expected = names[ENTRY_POINT](*copy.deepcopy(arguments))
        found = candidate(*copy.deepcopy(arguments))
        assert is_right(found, expected, arguments), "on %.200r: expected %.200r, found %.200r" % (arguments, expected, found)
