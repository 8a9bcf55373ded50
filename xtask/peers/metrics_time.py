"""Times CodeBLEU (package codebleu) and sentence BLEU (sacrebleu) on pairs of programs, as `cargo xtask bench metrics` runs it.

Prints one JSON object: seconds of CPU time a round and of wall time, the best of ROUNDS, and the sums of the scores.

    python metrics_time.py PAIRS.jsonl ROUNDS
"""

import json
import logging
import sys
import time

from codebleu import calc_codebleu
from sacrebleu.metrics import BLEU

logging.disable(logging.CRITICAL)
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
pairs = [(row["lang"], row["candidate"], row["reference"]) for row in rows if row["type"] == "pair"]


def codebleu():
    return sum(calc_codebleu([reference], [candidate], lang)["codebleu"] for lang, candidate, reference in pairs)


def bleu():
    # A new object a round: sacrebleu remembers the texts it has cut, which no file of new predictions profits from.
    metric = BLEU(effective_order=True)
    for holder in (metric.tokenizer, getattr(metric.tokenizer, "_post_tokenizer", None)):
        if holder is not None:
            type(holder).__call__.cache_clear()
    return sum(metric.sentence_score(candidate, [reference]).score for _, candidate, reference in pairs)


answer = {"pairs": len(pairs)}
for name, measure in (("codebleu", codebleu), ("bleu", bleu)):
    best = best_wall = float("inf")
    for _ in range(int(sys.argv[2])):
        start, wall_start = time.process_time(), time.perf_counter()
        answer[f"{name}_sum"] = measure()
        best, best_wall = min(best, time.process_time() - start), min(best_wall, time.perf_counter() - wall_start)
    answer[f"{name}_seconds"], answer[f"{name}_wall_seconds"] = best, best_wall
print(json.dumps(answer))
