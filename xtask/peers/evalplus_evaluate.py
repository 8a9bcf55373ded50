"""Scores a samples file of HumanEval+ by EvalPlus's own runner, as `cargo xtask bench evalplus` measures it.

    python evalplus_evaluate.py TASKS.jsonl SAMPLES.jsonl WORKERS

TASKS.jsonl is HumanEvalPlus.jsonl unpacked, or some first lines of it. The expected outputs are kept in a folder beside it, where a second
call finds them. The results are where EvalPlus puts them: SAMPLES_eval_results.json.
"""

import os
import sys
import types

tasks, samples, workers = sys.argv[1:4]
os.environ["HUMANEVAL_OVERRIDE_PATH"] = tasks
os.environ["XDG_CACHE_HOME"] = os.path.join(os.path.dirname(os.path.abspath(tasks)), "evalplus-cache")
# EvalPlus imports `datasets` for another benchmark of it; it is not used here, and would bring a gigabyte of packages.
unused = types.ModuleType("datasets")
unused.load_dataset = None
sys.modules["datasets"] = unused

from evalplus.evaluate import evaluate  # noqa: E402

results = samples.replace(".jsonl", "_eval_results.json")
if os.path.exists(results):
    os.remove(results)
evaluate(dataset="humaneval", samples=samples, parallel=int(workers))
