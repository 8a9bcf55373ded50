//! Which nodes of each grammar bind, branch and repeat: tables for `walk.rs`.
//!
//! `Rules::published` are those of GraphCodeBERT (arXiv 2009.08366) as codebleu 0.7.0 ships them, for CodeBLEU's
//! compatible modes: C and C++ are read by C#'s table, and Rust's sees little more than function heads.
//! `Rules::corrected` mends what these miss: declarations of C, C++ and Rust, `:=` of Go, plain assignment of
//! JavaScript.

use std::sync::LazyLock;

use crate::Language;
use crate::codebleu::kinds::Kinds;

/// What a node does to the flow of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    /// Passes it on.
    #[default]
    Plain,
    /// Introduces a name, perhaps with a value.
    Definition,
    /// Gives names new values.
    Assignment,
    /// `x++`.
    Increment,
    /// One of several ways.
    Branch,
    /// A loop with a head that counts.
    CountedLoop,
    /// A loop over elements.
    EachLoop,
    /// A loop while something holds.
    WhileLoop,
}

/// How a definition's name and value are found.
#[derive(Debug, Clone, Copy)]
pub(super) enum DefinitionParts {
    /// By field names.
    Fields(&'static str, &'static str),
    /// The only two children, or the first child alone (C#).
    TwoChildren,
    /// The second and third child (Rust's function heads).
    FunctionHead,
}

/// How a counted loop is walked.
#[derive(Debug, Clone, Copy)]
pub(super) enum CountedLoop {
    /// Twice: the right side, its binding to the left side, the last child if it is a block (Python).
    PythonFor,
    /// Twice: value, binding to the pattern, body (Ruby).
    RubyFor,
    /// All children, then again those after the first one of this kind.
    RepeatAfter(&'static str),
    /// All children, then the update of the `for_clause` and what follows it (Go).
    GoFor,
}

/// How a loop over elements names its parts.
#[derive(Debug, Clone, Copy)]
pub(super) enum EachParts {
    /// Fields: the element, the collection, the body.
    Fields(&'static str, &'static str, &'static str),
    /// The first two variables among the children: the collection, the element (PHP).
    TwoVariables,
}

/// One language's table.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    definitions: &'static [&'static str],
    pub(super) definition: DefinitionParts,
    assignments: &'static [&'static str],
    /// Whether several left and right sides are paired one by one (Python, Ruby).
    pub(super) pairs_assignments: bool,
    increments: &'static [&'static str],
    branches: &'static [&'static str],
    /// Children of a branch that begin another way.
    alternatives: &'static [&'static str],
    /// Whether all children after the first alternative are alternatives.
    pub(super) is_switching: bool,
    /// Whether what was known before a branch stays possible even if there is an else.
    pub(super) keeps_entry: bool,
    counted_loops: &'static [&'static str],
    pub(super) counted_loop: CountedLoop,
    each_loops: &'static [&'static str],
    pub(super) each: EachParts,
    while_loops: &'static [&'static str],
    /// Children that are walked before the others.
    first: &'static [&'static str],
    /// Whether what a branch binds is bound in what was known before it, as Ruby's table has it.
    pub(super) is_aliased: bool,
}

/// A kind of node, looked up once for each grammar.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kind {
    pub(super) role: Role,
    pub(super) is_alternative: bool,
    pub(super) is_first: bool,
    pub(super) has_else: bool,
    pub(super) is_identifier: bool,
    pub(super) is_comma: bool,
    /// A literal that is one token though it has children.
    pub(super) is_literal: bool,
    pub(super) is_comment: bool,
}

/// A table with its kinds and fields by number.
#[derive(Debug)]
pub(super) struct Grammar {
    pub(super) rules: Rules,
    pub(super) fields: Fields,
    pub(super) kinds: &'static Kinds,
    roles: Vec<Kind>,
}

/// Numbers of the fields that tables name; 0 for one that the grammar does not have.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) left: u16,
    pub(super) right: u16,
    pub(super) pattern: u16,
    pub(super) value: u16,
    pub(super) body: u16,
    pub(super) update: u16,
    /// Name and value of a definition.
    pub(super) definition: (u16, u16),
    /// Element, collection and body of a loop over elements.
    pub(super) each: (u16, u16, u16),
}

impl Grammar {
    /// The published table of a language, or the corrected one.
    pub(super) fn of(language: Language, is_corrected: bool) -> &'static Grammar {
        static GRAMMARS: LazyLock<Vec<[Grammar; 2]>> = LazyLock::new(|| {
            let both = |language: Language| {
                [Rules::published(language), Rules::corrected(language)]
                    .map(|rules| Grammar::new(language, rules))
            };
            Language::ALL.into_iter().map(both).collect()
        });
        &GRAMMARS[language as usize][usize::from(is_corrected)]
    }

    fn new(language: Language, rules: Rules) -> Grammar {
        let kinds = Kinds::of(language);
        let roles = kinds.iter().map(|kind| rules.kind(kind.name)).collect();
        Grammar { roles, fields: Fields::of(&language.tree_sitter(), &rules), kinds, rules }
    }

    /// What is known of a node's kind; nothing of `ERROR`'s.
    pub(super) fn kind(&self, kind: u16) -> Kind {
        self.roles.get(usize::from(kind)).copied().unwrap_or_default()
    }
}

impl Fields {
    fn of(grammar: &tree_sitter::Language, rules: &Rules) -> Fields {
        let field = |name: &str| grammar.field_id_for_name(name).map_or(0, |field| field.get());
        let (element, collection, each_body) = match rules.each {
            EachParts::Fields(element, collection, body) => (element, collection, body),
            EachParts::TwoVariables => ("", "", "body"),
        };
        let (name, value) = match rules.definition {
            DefinitionParts::Fields(name, value) => (name, value),
            DefinitionParts::TwoChildren | DefinitionParts::FunctionHead => ("", ""),
        };
        Fields {
            left: field("left"),
            right: field("right"),
            pattern: field("pattern"),
            value: field("value"),
            body: field("body"),
            update: field("update"),
            definition: (field(name), field(value)),
            each: (field(element), field(collection), field(each_body)),
        }
    }
}

impl Rules {
    /// Whether the table wants some children walked before others.
    pub(super) fn has_first(&self) -> bool {
        !self.first.is_empty()
    }

    fn kind(&self, name: &str) -> Kind {
        let roles = [
            (self.definitions, Role::Definition),
            (self.assignments, Role::Assignment),
            (self.increments, Role::Increment),
            (self.branches, Role::Branch),
            (self.counted_loops, Role::CountedLoop),
            (self.each_loops, Role::EachLoop),
            (self.while_loops, Role::WhileLoop),
        ];
        let role = roles.iter().find(|(names, _)| names.contains(&name)).map(|(_, role)| *role);
        Kind {
            role: role.unwrap_or_default(),
            is_alternative: self.alternatives.contains(&name),
            is_first: self.first.contains(&name),
            has_else: name.contains("else"),
            is_identifier: name == "identifier",
            is_comma: name == ",",
            is_literal: matches!(name, "string_literal" | "string" | "character_literal"),
            is_comment: name == "comment",
        }
    }

    fn published(language: Language) -> Rules {
        match language {
            Language::Python => PYTHON,
            Language::Java => JAVA,
            Language::CSharp | Language::C | Language::Cpp => C_SHARP,
            Language::JavaScript => JAVASCRIPT,
            Language::Go => GO,
            Language::Rust => RUST,
            Language::Php => PHP,
            Language::Ruby => RUBY,
        }
    }

    fn corrected(language: Language) -> Rules {
        match language {
            Language::C | Language::Cpp => Rules {
                definitions: &["init_declarator"],
                definition: DefinitionParts::Fields("declarator", "value"),
                increments: &["update_expression"],
                branches: &["if_statement"],
                alternatives: &["else_clause"],
                counted_loop: CountedLoop::RepeatAfter("declaration"),
                each_loops: &["for_range_loop"],
                each: EachParts::Fields("declarator", "right", "body"),
                while_loops: &["while_statement", "do_statement"],
                ..C_SHARP
            },
            Language::Rust => Rules {
                definitions: &["let_declaration", "const_item", "static_item"],
                definition: DefinitionParts::Fields("pattern", "value"),
                assignments: &["assignment_expression", "compound_assignment_expr", "let_condition"],
                branches: &["if_expression"],
                alternatives: &["else_clause"],
                each_loops: &["for_expression"],
                each: EachParts::Fields("pattern", "value", "body"),
                counted_loops: &[],
                while_loops: &["while_expression", "loop_expression"],
                ..RUST
            },
            Language::Go => Rules {
                assignments: &["assignment_statement", "short_var_declaration", "range_clause"],
                increments: &["inc_statement", "dec_statement"],
                ..GO
            },
            Language::JavaScript => Rules {
                assignments: &[
                    "assignment_expression",
                    "assignment_pattern",
                    "augmented_assignment_expression",
                ],
                each_loops: &["for_in_statement"],
                each: EachParts::Fields("left", "right", "body"),
                ..JAVASCRIPT
            },
            Language::Ruby => Rules { is_aliased: false, ..RUBY },
            other => Rules::published(other),
        }
    }
}

const JAVA: Rules = Rules {
    definitions: &["variable_declarator"],
    definition: DefinitionParts::Fields("name", "value"),
    assignments: &["assignment_expression"],
    pairs_assignments: false,
    increments: &["update_expression"],
    branches: &["if_statement", "else"],
    alternatives: &["if_statement", "else"],
    is_switching: true,
    keeps_entry: false,
    counted_loops: &["for_statement"],
    counted_loop: CountedLoop::RepeatAfter("local_variable_declaration"),
    each_loops: &["enhanced_for_statement"],
    each: EachParts::Fields("name", "value", "body"),
    while_loops: &["while_statement"],
    first: &[],
    is_aliased: false,
};

const C_SHARP: Rules = Rules {
    definition: DefinitionParts::TwoChildren,
    increments: &["postfix_unary_expression"],
    each_loops: &["for_each_statement"],
    each: EachParts::Fields("left", "right", "body"),
    ..JAVA
};

const PYTHON: Rules = Rules {
    definitions: &["default_parameter"],
    assignments: &["assignment", "augmented_assignment", "for_in_clause"],
    pairs_assignments: true,
    increments: &[],
    branches: &["if_statement"],
    alternatives: &["elif_clause", "else_clause"],
    is_switching: false,
    counted_loop: CountedLoop::PythonFor,
    each_loops: &[],
    first: &["for_in_clause"],
    ..JAVA
};

const RUBY: Rules = Rules {
    definitions: &["keyword_parameter"],
    assignments: &["assignment", "operator_assignment"],
    pairs_assignments: true,
    increments: &[],
    branches: &["if", "elsif", "else", "unless", "when"],
    alternatives: &["if", "elsif", "else", "unless", "when"],
    is_switching: false,
    counted_loops: &["for"],
    counted_loop: CountedLoop::RubyFor,
    each_loops: &[],
    while_loops: &["while_modifier", "until"],
    is_aliased: true,
    ..JAVA
};

const GO: Rules = Rules {
    definitions: &["var_spec"],
    assignments: &["assignment_statement"],
    increments: &["inc_statement"],
    keeps_entry: true,
    counted_loop: CountedLoop::GoFor,
    each_loops: &[],
    while_loops: &[],
    ..JAVA
};

const PHP: Rules = Rules {
    definitions: &["simple_parameter"],
    definition: DefinitionParts::Fields("name", "default_value"),
    assignments: &["assignment_expression", "augmented_assignment_expression"],
    branches: &["if_statement", "else_clause"],
    alternatives: &["if_statement", "else_clause"],
    keeps_entry: true,
    counted_loop: CountedLoop::RepeatAfter("assignment_expression"),
    each_loops: &["foreach_statement"],
    each: EachParts::TwoVariables,
    ..JAVA
};

const JAVASCRIPT: Rules = Rules {
    assignments: &["assignment_pattern", "augmented_assignment_expression"],
    keeps_entry: true,
    counted_loop: CountedLoop::RepeatAfter("variable_declaration"),
    each_loops: &[],
    ..JAVA
};

const RUST: Rules = Rules {
    definitions: &["function_item"],
    definition: DefinitionParts::FunctionHead,
    assignments: &["assignment_expression", "compound_assignment_expr", "let_expression"],
    increments: &[],
    branches: &["if_expression", "if_let_expression", "match_expression", "else"],
    alternatives: &["if_expression", "if_let_expression", "match_expression", "else"],
    counted_loops: &["for_expression"],
    each_loops: &["for_each_statement"],
    each: EachParts::Fields("left", "right", "body"),
    while_loops: &["while_expression", "while_let_expression", "loop_expression"],
    ..JAVA
};
