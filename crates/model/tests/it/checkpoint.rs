//! Model folders and files: read, written, read back, and refused with a reason.

use std::path::{Path, PathBuf};

use hone_model::weights::{Checkpoint, GgufType, StorageType, WeightMap, save_gguf, save_huggingface};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama")
}

fn tiny() -> Checkpoint {
    Checkpoint::open(&fixture()).unwrap()
}

/// A copy of the fixture with one file edited.
fn edited(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} does not hold {from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    folder
}

fn largest_difference(a: &WeightMap, b: &WeightMap) -> f32 {
    assert!(a.keys().eq(b.keys()));
    let difference = |name: &String| {
        assert_eq!(a[name].shape, b[name].shape, "{name}");
        let pairs = a[name].values.iter().zip(&b[name].values);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    a.keys().map(difference).fold(0.0, f32::max)
}

fn assert_same_but_weights(found: &Checkpoint, expected: &Checkpoint) {
    assert_eq!(found.config, expected.config);
    let text = "def f(x):\n    return sum(x) + 1234 # é🦀<|im_end|>";
    for allow_special in [false, true] {
        let tokens = expected.tokenizer.encode(text, allow_special).unwrap();
        assert_eq!(found.tokenizer.encode(text, allow_special).unwrap(), tokens);
        assert_eq!(found.tokenizer.decode(&tokens), text);
    }
    let render = |c: &Checkpoint| c.chat_template.as_ref().unwrap().render(&[("user", "hi")], true).unwrap();
    assert_eq!(render(found), render(expected));
}

#[test]
fn a_hugging_face_folder_opens() {
    let model = tiny();
    assert_eq!(model.weights.len(), 20);
    assert_eq!(model.weights["model.layers.1.self_attn.k_proj.weight"].shape, [32, 64]);
    assert_eq!(model.config.eos_token_ids, [2, 0]);
    assert_eq!(model.config.bos_token_id, Some(1));
    assert_eq!(model.source.description, "Hugging Face folder, BF16");
    // sha256sum tests/fixtures/tiny-llama/model.safetensors
    assert_eq!(model.source.sha256, "721209d7720531cfac35aae5ceee9ceef968dc46f12490d6be2d466dcdefcb63");
}

/// Tokens by Hugging Face's Python package `tokenizers` 0.23.3, text by transformers 5.23.0, on the fixture.
#[test]
fn tokens_and_chats_equal_transformers() {
    let model = tiny();
    let check = |text: &str, allow_special: bool, expected: &[u32]| {
        assert_eq!(model.tokenizer.encode(text, allow_special).unwrap(), expected, "{text:?}");
        assert_eq!(model.tokenizer.decode(expected), text);
    };
    let program = "def f(x):\n    return sum(x) + 1234\n";
    let tokens =
        [267, 35, 105, 43, 123, 282, 13, 259, 35, 298, 35, 284, 43, 123, 44, 286, 35, 52, 53, 54, 55, 13];
    check(program, true, &tokens);
    check(program, false, &tokens);
    let text = "héllo 🦀 the list\t<|im_end|>";
    let start = [107, 198, 172, 111, 111, 114, 35, 243, 162, 169, 131, 294, 35, 290, 12];
    check(text, true, &[start.as_slice(), &[2]].concat());
    check(text, false, &[start.as_slice(), &[63, 127, 108, 112, 98, 104, 113, 103, 127, 65]].concat());
    let template = model.chat_template.unwrap();
    let chat = template.render(&[("system", "Be brief."), ("user", "def f(x):")], true).unwrap();
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\ndef f(x):<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(chat, expected);
}

#[test]
fn half_a_character_decodes_without_loss() {
    let tokenizer = tiny().tokenizer;
    // "🦀" is four tokens here, one for each byte.
    let tokens = [243, 162, 169, 131];
    assert_eq!(tokenizer.decode(&tokens[..3]), "\u{fffd}");
    let parts = [tokenizer.decode_bytes(&tokens[..2]), tokenizer.decode_bytes(&tokens[2..])].concat();
    assert_eq!(String::from_utf8(parts).unwrap(), "🦀");
    assert_eq!(tokenizer.decode(&[1_000_000]), "\u{fffd}");
    assert_eq!(tokenizer.id_of("<|im_end|>"), Some(2));
    assert_eq!(tokenizer.token_of(298).as_deref(), Some("Ġreturn"));
    assert_eq!(tokenizer.vocab_size(), 300);
}

#[test]
fn a_saved_folder_opens_as_the_same_model() {
    let model = tiny();
    let folder = tempfile::tempdir().unwrap();
    // The fixture's numbers are bfloat16, so two of the types lose nothing.
    for (storage, tolerance) in [(StorageType::F32, 0.0), (StorageType::Bf16, 0.0), (StorageType::F16, 1e-6)]
    {
        save_huggingface(folder.path(), &model.export(), storage).unwrap();
        let back = Checkpoint::open(folder.path()).unwrap();
        assert_same_but_weights(&back, &model);
        assert!(largest_difference(&back.weights, &model.weights) <= tolerance, "{storage:?}");
    }
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_saved_gguf_file_opens_as_the_same_model() {
    let model = tiny();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    for (kind, tolerance) in [(GgufType::F32, 0.0), (GgufType::F16, 1e-6), (GgufType::Q8_0, 0.02)] {
        let digest = save_gguf(&path, "tiny", &model.export(), kind).unwrap();
        let back = Checkpoint::open(&path).unwrap();
        assert_same_but_weights(&back, &model);
        assert_eq!(back.source.sha256, digest);
        let difference = largest_difference(&back.weights, &model.weights);
        assert!(difference <= tolerance, "{kind:?}: {difference}");
    }
    assert!(Checkpoint::open(&path).unwrap().source.description.contains("Q8_0"));
}

#[test]
fn a_first_token_is_added_where_the_tokenizer_says_so() {
    let adds_bos = |model: &Checkpoint| model.tokenizer.adds_bos(model.config.bos_token_id);
    let bos = r#"{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}"#;
    let (a, b) = (r#"{"Sequence": {"id": "A", "type_id": 0}}"#, r#"{"Sequence": {"id": "B", "type_id": 0}}"#);
    let special = r#"{"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}"#;
    let template = format!(
        r#""post_processor": {{"type": "TemplateProcessing", "single": [{bos}, {a}], "pair": [{bos}, {a}, {b}], "special_tokens": {special}}}"#
    );
    let folder = edited("tokenizer.json", r#""post_processor": null"#, &template);
    let with = Checkpoint::open(folder.path()).unwrap();
    let path = folder.path().join("with.gguf");
    for (model, expected) in [(with, true), (tiny(), false)] {
        assert_eq!(adds_bos(&model), expected);
        save_gguf(&path, "tiny", &model.export(), GgufType::F32).unwrap();
        assert_eq!(adds_bos(&Checkpoint::open(&path).unwrap()), expected, "after a GGUF file");
    }
}

#[test]
fn shards_are_read_by_their_index() {
    let model = tiny();
    let folder = edited("config.json", "256", "256");
    let file = folder.path().join("model.safetensors");
    std::fs::rename(&file, folder.path().join("model-00001-of-00001.safetensors")).unwrap();
    let write_index = |name: &str| {
        let index = format!(r#"{{"weight_map": {{"model.norm.weight": "{name}"}}}}"#);
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    };
    write_index("model-00001-of-00001.safetensors");
    assert_eq!(Checkpoint::open(folder.path()).unwrap().weights, model.weights);
    write_index("../model-00001-of-00001.safetensors");
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("expected file names in weight_map"), "{error}");
}

#[test]
fn what_the_engine_cannot_compute_is_refused_by_name() {
    let check = |from: &str, to: &str, expected: &str| {
        let folder = edited("config.json", from, to);
        let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("config.json"), "{error}");
    };
    check(
        "\"LlamaForCausalLM\"",
        "\"Qwen2ForCausalLM\"",
        "expected LlamaForCausalLM (model_type llama), found Qwen2ForCausalLM (model_type llama)",
    );
    check("\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"", "(model_type gpt2)");
    check(
        "\"attention_bias\": false",
        "\"attention_bias\": true",
        "attention_bias: expected false, found true",
    );
    check(
        "\"rope_scaling\": null",
        "\"rope_scaling\": {\"rope_type\": \"llama3\"}",
        "rope_scaling: expected no rope scaling, found \"llama3\"",
    );
    check(
        "\"rope_scaling\": null",
        "\"rope_parameters\": {\"rope_type\": \"yarn\"}",
        "rope_parameters: expected no rope scaling, found \"yarn\"",
    );
    check("\"silu\"", "\"gelu\"", "hidden_act: expected \"silu\" or \"swish\", found \"gelu\"");
    check("\"hidden_size\": 64,", "", "hidden_size is missing");
    check(
        "\"hidden_size\": 64",
        "\"hidden_size\": -64",
        "hidden_size: expected a non-negative integer, found -64",
    );
    check(
        "\"num_key_value_heads\": 2",
        "\"num_key_value_heads\": 3",
        "expected num_key_value_heads to divide num_attention_heads, found 3 and 4",
    );
    check("{\n", "[", "expected a JSON object");
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let check = |from: &str, to: &str, expected: &str| {
        let folder = edited("config.json", from, to);
        let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let error = "tensor model.embed_tokens.weight: expected shape [310, 64], found [300, 64]";
    check("\"vocab_size\": 300", "\"vocab_size\": 310", error);
    let error = "tensor model.layers.2.input_layernorm.weight [64] is missing";
    check("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", error);
    let error = "tensor model.layers.1.input_layernorm.weight has no place in this architecture";
    check("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", error);
    check(
        "\"tie_word_embeddings\": true",
        "\"tie_word_embeddings\": false",
        "tensor lm_head.weight [300, 64] is missing",
    );

    let mut model = tiny();
    let name = "model.norm.weight".to_string();
    model.weights.get_mut(&name).unwrap().values[5] = f32::NAN;
    let folder = tempfile::tempdir().unwrap();
    let error = save_huggingface(folder.path(), &model.export(), StorageType::F32).unwrap_err().to_string();
    assert_eq!(error, "tensor model.norm.weight: value 5 is NaN");
}

#[test]
fn paths_that_are_no_model_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| {
        let error = Checkpoint::open(path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(folder.path(), "expected a folder with config.json, or the path of a GGUF file");
    std::fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    check(folder.path(), "this is an adapter, not a model");
    check(&folder.path().join("none.gguf"), "none.gguf: No such file");
    std::fs::remove_file(folder.path().join("adapter_config.json")).unwrap();
    std::fs::copy(fixture().join("config.json"), folder.path().join("config.json")).unwrap();
    check(folder.path(), "tokenizer.json: the file is missing");
    std::fs::copy(fixture().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    check(folder.path(), "expected model.safetensors or its index, found neither");
    // A GGUF file of an architecture that is not run, and one that is but has nothing in it.
    let quants = fixture().with_file_name("quants.gguf");
    check(&quants, "metadata llama.embedding_length is missing");
    let bytes = std::fs::read(&quants).unwrap();
    let at = bytes.windows(5).position(|w| w == b"llama").unwrap();
    let other = folder.path().join("other.gguf");
    std::fs::write(&other, [&bytes[..at], b"falco", &bytes[at + 5..]].concat()).unwrap();
    check(&other, "expected GGUF architecture llama, found falco");
}
