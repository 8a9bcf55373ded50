"""Times `generate` of transformers on CPU, as `cargo xtask bench generate` runs it beside hone's. Prints one JSON object.

f32, sampling at temperature 1, every completion forced to its full length; the same prompt in every row. The time includes the
prompt; a short run before it warms up. With --gemm it instead measures the matrix product that bounds both programs.

    python transformers_generate.py --model FOLDER --batch 8 --tokens 128 --threads 2
    python transformers_generate.py --gemm --threads 2
"""

import argparse
import json
import os
import resource
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--model")
arguments.add_argument("--gemm", action="store_true")
for name, default in [("batch", 8), ("tokens", 128), ("threads", os.cpu_count())]:
    arguments.add_argument(f"--{name}", type=int, default=default)
options = arguments.parse_args()
os.environ.update(OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch  # noqa: E402

TASK = "Write a Python function `total(numbers)` that returns the sum of a list of numbers."


def generate():
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    text = tokenizer.apply_chat_template([{"role": "user", "content": TASK}], tokenize=False, add_generation_prompt=True)
    prompt = torch.tensor([tokenizer.encode(text, add_special_tokens=False)] * options.batch)

    def run(tokens):
        torch.manual_seed(0)
        start = time.perf_counter()
        made = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=True, temperature=1.0, top_k=0,
                              top_p=1.0, min_new_tokens=tokens, max_new_tokens=tokens)
        assert made.shape == (options.batch, prompt.shape[1] + tokens), made.shape
        return time.perf_counter() - start

    run(4)
    seconds = run(options.tokens)
    tokens = options.batch * options.tokens
    return {
        "batch": options.batch, "tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds,
        "prompt_tokens": prompt.shape[1], "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {m.__name__: m.__version__ for m in (torch, transformers)},
    }


def gemm():
    """GFLOP/s of the best of many products [1024, 576] × [576, 1536], and of a large one."""
    best = 0.0
    for m, k, n in [(1024, 576, 1536), (2048, 2048, 2048)]:
        a, b = torch.randn(m, k), torch.randn(k, n)
        for _ in range(30):
            start = time.perf_counter()
            torch.mm(a, b)
            best = max(best, 2e-9 * m * k * n / (time.perf_counter() - start))
    return {"gemm_gflops": best}


if __name__ == "__main__":
    torch.set_num_threads(options.threads)
    print(json.dumps(gemm() if options.gemm else generate()))
