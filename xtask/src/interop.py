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

import xllamacpp

# The keys and values of llama.cpp are f16 unless it is told; f32, as everywhere else here, leaves rounding alone.
parameters = xllamacpp.CommonParams()
parameters.model.path = job["gguf"]
parameters.n_ctx = 1024
parameters.n_parallel = 1
parameters.verbosity = 1
parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
server = xllamacpp.Server(parameters)
made = []
for prompt in job["prompts"]:
    request = {"prompt": prompt, "n_predict": job["tokens"], "temperature": 0.0, "samplers": ["temperature"],
               "cache_prompt": False}
    answer = server.handle_completions(request)
    made.append(answer["choices"][0]["text"])
good &= report("llama.cpp", made)
sys.exit(0 if good else 1)
