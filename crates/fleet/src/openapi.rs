//! The service's interface as an OpenAPI 3.1 document, served at `/openapi.json`.
//!
//! The schemas name every field of `wire.rs` and of the sandbox's values; a test holds them against what is really sent.

use serde_json::{Value, json};

/// The document.
pub fn description() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hone sandbox service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs, judges and measures untrusted programs. A wrong, crashing or endless program is an outcome, \
                            never an error. Give work again after 429 and 503, as Retry-After says.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": {
            "/health": { "get": {
                "summary": "Whether the service takes work", "operationId": "health", "security": [],
                "responses": { "200": { "description": "It does" }, "503": refused("It is ending") },
            } },
            "/openapi.json": { "get": {
                "summary": "This document", "operationId": "description", "security": [],
                "responses": { "200": { "description": "An OpenAPI document" } },
            } },
            "/v1/status": { "get": {
                "summary": "Workers, queue, isolation and limits", "operationId": "status",
                "responses": { "200": answered("Status"), "401": refused("No token, or a wrong one") },
            } },
            "/v1/run": { "post": work("Run one program", "run", "RunRequest", &schema("Outcome")) },
            "/v1/judge": { "post": work("Judge a solution by its tests", "judge", "Submission", &schema("Judgement")) },
            "/v1/cost": { "post": work(
                "Measure what a program costs, or what it costs beside a reference", "cost", "CostRequest",
                &json!({ "oneOf": [schema("Measured"), schema("Comparison")] }),
            ) },
        },
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn answered(name: &str) -> Value {
    json!({ "description": name, "content": content(&schema(name)) })
}

fn refused(why: &str) -> Value {
    json!({ "description": why, "content": content(&schema("Trouble")) })
}

fn work(summary: &str, id: &str, request: &str, answer: &Value) -> Value {
    json!({
        "summary": summary,
        "operationId": id,
        "requestBody": { "required": true, "content": content(&schema(request)) },
        "responses": {
            "200": { "description": "What the program did", "content": content(answer) },
            "401": refused("No token, or a wrong one"),
            "405": refused("The path takes POST"),
            "408": refused("The body did not arrive in time"),
            "413": refused("The body is too large"),
            "422": refused("The request makes no sense, asks for too much, or needs a toolchain that is not installed"),
            "429": refused("The queue is full; Retry-After says when to ask again"),
            "500": refused("A worker failed twice over this request"),
            "503": refused("The service is ending; Retry-After says when to ask again"),
            "504": refused("There was no answer within the service's limit"),
        },
    })
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "number" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let maybe = |kind: &str| json!({ "type": [kind, "null"] });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let one_of = |names: &[&str]| json!({ "type": "string", "enum": names });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false });
    let tagged = |name: &str, of: &str| object(&[name], json!({ name: schema(of) }));
    json!({
        "Language": one_of(&["python", "c", "cpp", "rust", "javascript", "go", "java", "bash"]),
        "Limits": object(&[], json!({
            "cpu_ms": count(), "wall_ms": count(), "memory_bytes": count(), "processes": count(), "open_files": count(),
            "output_bytes": count(), "disk_bytes": count(),
        })),
        "RunRequest": object(&["source"], json!({
            "language": schema("Language"), "source": text(), "stdin": text(),
            "stdin_base64": { "type": ["string", "null"], "contentEncoding": "base64", "description": "instead of stdin, if it is not text" },
            "limits": schema("Limits"),
        })),
        "TestSuite": {
            "type": "object", "required": ["kind"],
            "description": "As the `tests` of a task: docs/sandbox.md, ways of judging",
            "properties": { "kind": one_of(&["asserts", "check", "script", "calls", "stdio", "program", "unittest", "joint"]) },
        },
        "Submission": object(&["solution", "tests"], json!({
            "solution": text(), "tests": schema("TestSuite"), "limits": schema("Limits"),
        })),
        "CostProgram": object(&["source"], json!({ "language": schema("Language"), "source": text() })),
        "CostRequest": object(&["program"], json!({
            "program": schema("CostProgram"), "reference": { "oneOf": [schema("CostProgram"), { "type": "null" }] }, "inputs": list(text()),
            "limits": schema("Limits"),
        })),
        "ProgramError": object(&["kind", "message"], json!({
            "kind": text(), "message": text(), "line": maybe("integer"), "column": maybe("integer"),
        })),
        "LimitHit": object(&["limit", "value"], json!({
            "limit": one_of(&[
                "cpu_ms", "wall_ms", "memory_bytes", "output_bytes", "processes", "open_files", "disk_bytes", "disk_files",
            ]),
            "value": count(),
        })),
        "Cost": object(&["method", "unit", "amount"], json!({
            "method": one_of(&["perf-event", "callgrind", "cpu-time"]), "unit": one_of(&["instructions", "cpu-ns"]),
            "amount": count(),
        })),
        "Outcome": object(&["class", "stdout", "stderr", "cpu_ms", "wall_ms", "isolation"], json!({
            "class": one_of(&[
                "compile-error", "timeout", "memory-limit", "output-limit", "runtime-error", "wrong-answer", "passed",
            ]),
            "exit_code": maybe("integer"), "signal": maybe("integer"), "stdout": text(), "stderr": text(),
            "truncated_bytes": count(), "truncated_stderr_bytes": count(), "cpu_ms": number(), "wall_ms": number(),
            "peak_memory_bytes": maybe("integer"), "error": { "oneOf": [schema("ProgramError"), { "type": "null" }] },
            "limit_hit": schema("LimitHit"),
            "isolation": list(text()), "cost": schema("Cost"),
        })),
        "TestResult": object(&["is_passed"], json!({ "is_passed": { "type": "boolean" }, "message": maybe("string") })),
        "Judgement": object(&["outcome", "tests", "mode"], json!({
            "outcome": schema("Outcome"), "tests": list(schema("TestResult")), "mode": one_of(&["split", "joint"]),
        })),
        "Measured": { "oneOf": [tagged("cost", "Cost"), tagged("failed", "Outcome")] },
        "Comparison": { "oneOf": [
            object(&["costs"], json!({ "costs": object(&["solution", "reference"], json!({
                "solution": schema("Cost"), "reference": schema("Cost"),
            })) })),
            tagged("solution-failed", "Outcome"), tagged("reference-failed", "Outcome"),
        ] },
        "Status": object(&["version", "workers", "isolation"], json!({
            "version": text(), "workers": count(), "queue_capacity": count(), "queue_waiting": count(),
            "isolation": one_of(&["strict", "standard", "none"]), "layers": list(text()), "most": schema("Limits"),
            "request_limit_s": count(),
        })),
        "Trouble": object(&["code", "message"], json!({ "code": text(), "message": text(), "hint": text() })),
    })
}

#[cfg(test)]
mod tests {
    use hone_sandbox::{
        Cost, CostMethod, CostUnit, Judgement, LimitHit, LimitName, Limits, Outcome, OutcomeClass,
    };

    use super::*;
    use crate::wire::{Status, Trouble};

    /// Every key of a real value is described, and every required one is there.
    #[track_caller]
    fn check(name: &str, value: &Value) {
        let document = description();
        let schema = &document["components"]["schemas"][name];
        let described = schema["properties"].as_object().unwrap();
        for key in value.as_object().unwrap().keys() {
            assert!(described.contains_key(key), "{name}.{key} is not described");
        }
        for key in schema["required"].as_array().unwrap() {
            assert!(value.get(key.as_str().unwrap()).is_some(), "{name} lacks {key}");
        }
    }

    #[test]
    fn what_is_sent_is_described() {
        let cost = Cost { method: CostMethod::Callgrind, unit: CostUnit::Instructions, amount: 1 };
        let hit = LimitHit { limit: LimitName::DiskFiles, value: 1 };
        let outcome = Outcome {
            class: OutcomeClass::Passed,
            exit_code: Some(0),
            signal: None,
            stdout: String::new(),
            stderr: String::new(),
            truncated_bytes: 0,
            truncated_stderr_bytes: 0,
            cpu_ms: 1.0,
            wall_ms: 1.0,
            peak_memory_bytes: None,
            error: None,
            limit_hit: Some(hit),
            isolation: Vec::new(),
            cost: Some(cost),
        };
        let status = Status {
            version: String::new(),
            workers: 1,
            queue_capacity: 1,
            queue_waiting: 0,
            isolation: hone_sandbox::Isolation::Strict,
            layers: Vec::new(),
            most: Limits::default(),
            request_limit_s: 1,
        };
        check("Outcome", &json!(outcome));
        check("Cost", &json!(cost));
        check("LimitHit", &json!(hit));
        check("Limits", &json!(Limits::default()));
        check("Status", &json!(status));
        check("Trouble", &json!(Trouble::new("a", "b\nhint: c")));
        let mode = hone_sandbox::JudgeMode::Split;
        let test = hone_sandbox::TestResult { is_passed: true, message: None };
        check("TestResult", &json!(test));
        check("Judgement", &json!(Judgement { outcome, tests: vec![test], mode }));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(&target[1..]).is_some(), "{target} leads nowhere");
            }
            match value {
                Value::Array(values) => values.iter().for_each(|value| walk(value, document)),
                Value::Object(values) => values.values().for_each(|value| walk(value, document)),
                _ => {}
            }
        }
        let document = description();
        walk(&document, &document);
    }
}
