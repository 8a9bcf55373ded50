//! Chat templates: Jinja as Hugging Face's tokenizers use it.
//!
//! Not here: tokenization of the rendered text. `strftime_now` is left undefined on purpose: templates that know it have a
//! fixed date for its absence, and a prompt must not depend on the day.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::ModelError;

const NAME: &str = "chat_template";

/// A compiled chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// Compiles a template; `bos_token` and `eos_token` are what it may insert under those names.
    pub fn new(source: &str, bos_token: &str, eos_token: &str) -> Result<ChatTemplate, ModelError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| failed("read", &e))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_filter("tojson", python_json);
        environment.add_template_owned(NAME, source.to_string()).map_err(|e| failed("read", &e))?;
        Ok(ChatTemplate {
            source: source.to_string(),
            environment,
            bos_token: bos_token.to_string(),
            eos_token: eos_token.to_string(),
        })
    }

    /// The text of a conversation of (role, content); `add_generation_prompt` opens the assistant's answer.
    pub fn render(
        &self,
        messages: &[(&str, &str)],
        add_generation_prompt: bool,
    ) -> Result<String, ModelError> {
        let messages: Vec<Value> =
            messages.iter().map(|&(role, content)| context! { role => role, content => content }).collect();
        let template = self.environment.get_template(NAME).map_err(|e| failed("read", &e))?;
        template
            .render(context! {
                messages,
                add_generation_prompt,
                bos_token => self.bos_token.as_str(),
                eos_token => self.eos_token.as_str(),
            })
            .map_err(|e| failed("render", &e))
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn failed(action: &str, error: &Error) -> ModelError {
    let line = error.line().map_or(String::new(), |line| format!(" (line {line})"));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    ModelError::Invalid(format!("failed to {action} the chat template: {detail}{line}"))
}

/// JSON as Python's `json.dumps(value, ensure_ascii=False, indent=indent)` writes it: with a space after `:` and `,`.
fn python_json(value: &Value, options: minijinja::value::Kwargs) -> Result<Value, Error> {
    use serde::Serialize;
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    let mut bytes = Vec::new();
    let result = match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(16));
            let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, SpacedFormatter)),
    };
    let invalid = |e: &dyn std::fmt::Display| Error::new(ErrorKind::BadSerialization, e.to_string());
    result.map_err(|e| invalid(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| invalid(&e))?;
    Ok(Value::from_safe_string(text))
}

struct SpacedFormatter;

impl serde_json::ser::Formatter for SpacedFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let template = ChatTemplate::new(template, "<s>", "</s>").unwrap();
        assert_eq!(template.render(&[("user", " hi "), ("assistant", "yes")], true).unwrap(), expected);
    }

    #[test]
    fn jinja_as_hugging_face_uses_it() {
        check("{{ bos_token }}{{ messages[0]['content'].strip() }}{{ eos_token }}", "<s>hi</s>");
        // A newline after a block and spaces before it vanish.
        check(
            "{% for m in messages %}\n  {% if loop.last %}\n{{ m.role }}\n  {% endif %}\n{% endfor %}\n",
            "assistant\n",
        );
        check("{{ messages[0] | tojson }}", r#"{"role": "user", "content": " hi "}"#);
        check("{{ [1, messages[1]['content']] | tojson }}", r#"[1, "yes"]"#);
        check(
            "{{ messages[1] | tojson(indent=1) }}",
            "{\n \"role\": \"assistant\",\n \"content\": \"yes\"\n}",
        );
        check("{% if strftime_now is defined %}now{% else %}then{% endif %}", "then");
        check(
            "{%- set ns = namespace(n=0) -%}{%- for m in messages -%}{%- set ns.n = ns.n + 1 -%}{%- endfor -%}{{ ns.n }}",
            "2",
        );
        check(
            "{% if add_generation_prompt and messages[1].content.startswith('y') %}{{ '<a>' }}{% endif %}",
            "<a>",
        );
        check("{{ '<b> & \"' }}", "<b> & \"");
    }

    #[test]
    fn a_templates_own_complaint_and_a_broken_template_are_errors() {
        let template = ChatTemplate::new("a\n{{ raise_exception('roles must alternate') }}", "", "").unwrap();
        let error = template.render(&[], false).unwrap_err().to_string();
        assert_eq!(error, "failed to render the chat template: roles must alternate (line 2)");
        let error = ChatTemplate::new("{% for x in %}", "", "").unwrap_err().to_string();
        assert!(error.starts_with("failed to read the chat template: "), "{error}");
    }
}
