"""Times GRPO steps of TRL on CPU, as `cargo xtask bench grpo` runs them beside hone's. Prints one JSON object.

f32, LoRA on all linear layers (r = 16), every completion forced to its full length, no gradient checkpointing, no KL; prompts
and completions per step as asked for. The reward is a cheap function of the text (distinct characters), and nothing is
executed: what is timed is generation, log-probs and update. `generate_seconds` is TRL's own `_generate`; the rest of the step,
reward included, is `update_seconds`.

    python trl_grpo_step.py --model FOLDER --prompts 4 --samples 8 --tokens 128 --steps 2 --threads 2
"""

import argparse
import json
import os
import resource
import tempfile
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--model", required=True)
for name, default in [("prompts", 4), ("samples", 8), ("tokens", 128), ("steps", 2), ("threads", os.cpu_count())]:
    arguments.add_argument(f"--{name}", type=int, default=default)
options = arguments.parse_args()
os.environ.update(OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import datasets  # noqa: E402
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import trl  # noqa: E402

TASKS = [
    "Write a Python function `total(numbers)` that returns the sum of a list of numbers.",
    "Write a Python function `is_even(number)` that says whether a number is even.",
    "Write a Python function `reverse(text)` that returns a text from its end to its start.",
    "Write a Python function `count_words(text)` that returns how many words a text has.",
]


class Clock(transformers.TrainerCallback):
    def __init__(self):
        self.steps, self.generate_seconds, self.start = [], 0.0, 0.0

    def on_step_begin(self, *_, **__):
        self.start, self.generate_seconds = time.perf_counter(), 0.0

    def on_step_end(self, *_, **__):
        seconds, generate = time.perf_counter() - self.start, self.generate_seconds
        self.steps.append({"seconds": seconds, "generate_seconds": generate, "update_seconds": seconds - generate})


def reward(completions, **_):
    return [float(len(set(text))) for text in completions]


def main():
    torch.set_num_threads(options.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    texts = [TASKS[i % len(TASKS)] for i in range(options.prompts)]
    render = lambda text: tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
    prompts = [render(text) for text in texts]
    config = trl.GRPOConfig(
        output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False, seed=0, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, dataloader_pin_memory=False, max_steps=options.steps,
        per_device_train_batch_size=options.prompts * options.samples, num_generations=options.samples,
        max_completion_length=options.tokens, generation_kwargs={"min_new_tokens": options.tokens},
        gradient_checkpointing=False, learning_rate=1e-4, beta=0.0, temperature=1.0,
    )
    trainer = trl.GRPOTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32),
        reward_funcs=reward, args=config, processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_dict({"prompt": prompts}),
        peft_config=peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    clock = Clock()
    trainer.add_callback(clock)
    lengths = []
    inner = trainer._generate

    def timed(*args, **kwargs):
        start = time.perf_counter()
        answer = inner(*args, **kwargs)
        clock.generate_seconds += time.perf_counter() - start
        lengths.extend(len(ids) for ids in answer[1])
        return answer

    trainer._generate = timed
    trainer.train()
    assert set(lengths) == {options.tokens}, f"completions of {sorted(set(lengths))} tokens, expected {options.tokens}"
    print(json.dumps({
        "steps": clock.steps, "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "prompt_tokens": sum(len(tokenizer.encode(p, add_special_tokens=False)) for p in prompts),
        "threads": torch.get_num_threads(), "dtype": str(next(trainer.model.parameters()).dtype),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, trl, peft)},
    }))


if __name__ == "__main__":
    main()
