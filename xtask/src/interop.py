"""Loads what `hone model export` wrote in transformers, peft and llama.cpp and compares greedy completions.

Arguments: a JSON file {"hf": DIR, "gguf": FILE, "peft": DIR or null, "prompts": [...], "expected": [[...], ...],
"tokens": N}, where expected holds the text Hone completed each prompt with. Prints one line a loader; exit code 1 if one differs.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

job = json.load(open(sys.argv[1]))
torch.manual_seed(0)


def complete(model, tokenizer, prompt):
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=job["tokens"])
    return tokenizer.decode(made[0, ids.shape[1]:], skip_special_tokens=True)


def report(name, made):
    wrong = [(p, e, m) for p, e, m in zip(job["prompts"], job["expected"], made) if e != m]
    for prompt, expected, found in wrong:
        print(f"{name}: {prompt!r}\n  hone:  {expected!r}\n  found: {found!r}")
    print(f"{name}: {len(made) - len(wrong)} of {len(made)} greedy completions equal", flush=True)
    return not wrong


good = True
tokenizer = AutoTokenizer.from_pretrained(job["hf"])
model = AutoModelForCausalLM.from_pretrained(job["hf"], dtype=torch.float32).eval()
good &= report("transformers", [complete(model, tokenizer, prompt) for prompt in job["prompts"]])

if job.get("peft"):
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(job["base"], dtype=torch.float32).eval()
    adapted = PeftModel.from_pretrained(base, job["peft"]).eval()
    good &= report("peft", [complete(adapted, tokenizer, prompt) for prompt in job["prompts"]])

from llama_cpp import Llama

llama = Llama(model_path=job["gguf"], n_ctx=1024, verbose=False, seed=0)
made = []
for prompt in job["prompts"]:
    ids = llama.tokenize(prompt.encode(), add_bos=False, special=False)
    out = []
    llama.reset()
    for token in llama.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0):
        if token == llama.token_eos() or len(out) == job["tokens"]:
            break
        out.append(token)
    made.append(llama.detokenize(out).decode(errors="replace"))
good &= report("llama.cpp", made)
sys.exit(0 if good else 1)
