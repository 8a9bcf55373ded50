"""Writes samples of HumanEval+ to score, as `cargo xtask bench evalplus` does it: some right, some wrong in different ways.

    python evalplus_samples.py HumanEvalPlus.jsonl.gz SAMPLES_A_TASK > samples.jsonl

Of ten samples six are the canonical solution (each with another comment, so that no two texts are equal) and four are wrong:
one does nothing, one is cut in the middle, one raises, one has an operator or a number changed.
"""

import gzip
import json
import sys

EDITS = [(" < ", " <= "), (" > ", " >= "), (" + ", " - "), (" == ", " != "), ("1", "2"), ("return ", "return not ")]


def edited(body):
    for old, new in EDITS:
        if old in body:
            return body.replace(old, new, 1)
    return "    return 0\n"


opener = gzip.open if sys.argv[1].endswith(".gz") else open
for line in opener(sys.argv[1], "rt", encoding="utf-8"):
    task = json.loads(line)
    body = task["canonical_solution"]
    wrong = ["    pass\n", body[: len(body) // 2], "    raise ValueError('no')\n", edited(body)]
    for index in range(int(sys.argv[2])):
        body_here = body if index % 10 < 6 else wrong[index % 10 - 6]
        solution = task["prompt"] + body_here + f"\n# sample {index}\n"
        print(json.dumps({"task_id": task["task_id"], "solution": solution}))
