# Prints argument lists for a function, one a line: those of the visible examples, then changed ones. Same seed, same lines.
import ast
import random

examples = {examples}
names = [{names}]
chance = random.Random(0)


def changed(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, value * 2, 0, -value, value + chance.randint(2, 9)])
    if isinstance(value, float):
        return chance.choice([value + 1.0, value / 2, -value, 0.0])
    if isinstance(value, str):
        at = chance.randint(0, len(value))
        return chance.choice([value[:at], value[at:], value + value, value[::-1], value.upper(), value[:at] + "a" + value[at:]])
    if isinstance(value, (list, tuple)):
        items = list(value)
        how = chance.randint(0, 4)
        if how == 0:
            chance.shuffle(items)
        elif how == 1:
            items = items[: len(items) // 2]
        elif how == 2:
            items = items + items
        elif how == 3:
            items = items[::-1]
        elif items:
            at = chance.randrange(len(items))
            items[at] = changed(items[at])
        return type(value)(items)
    if isinstance(value, set):
        return set(sorted(value, key=repr)[: len(value) // 2])
    if isinstance(value, dict):
        return {key: changed(item) for key, item in value.items()}
    return value


found = []
for node in ast.walk(ast.parse(examples)):
    if not isinstance(node, ast.Call):
        continue
    name = getattr(node.func, "id", getattr(node.func, "attr", None))
    if name not in names:
        continue
    try:
        positional = tuple(ast.literal_eval(argument) for argument in node.args)
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
    except ValueError:
        continue
    found.append((positional, named))

lines = []
for round in range({most} + 1):
    for positional, named in found:
        if round:
            places = list(range(len(positional))) + list(named)
            if not places:
                continue
            place = chance.choice(places)
            if isinstance(place, int):
                positional = positional[:place] + (changed(positional[place]),) + positional[place + 1 :]
            else:
                named = dict(named, **{place: changed(named[place])})
        line = repr((positional, named))
        if line not in lines and len(lines) < {most} and len(line) < 2000:
            lines.append(line)
print("\n".join(lines))
