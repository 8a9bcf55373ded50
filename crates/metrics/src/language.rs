//! The programming languages that code metrics know: grammar, keywords, names.
//!
//! Not here: toolchains (`hone-sandbox`). The grammars' versions are part of a metric's definition (a newer grammar
//! draws other trees), so they are pinned in Cargo.toml and named in signatures.

use std::cell::RefCell;
use std::sync::LazyLock;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use tree_sitter::{Parser, Tree};

/// A language whose code can be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Language {
    Python,
    Java,
    C,
    Cpp,
    CSharp,
    JavaScript,
    Go,
    Rust,
    Php,
    Ruby,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 10] = [
        Language::Python,
        Language::Java,
        Language::C,
        Language::Cpp,
        Language::CSharp,
        Language::JavaScript,
        Language::Go,
        Language::Rust,
        Language::Php,
        Language::Ruby,
    ];

    /// Its name in settings and signatures.
    pub fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::Java => "java",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::CSharp => "csharp",
            Language::JavaScript => "javascript",
            Language::Go => "go",
            Language::Rust => "rust",
            Language::Php => "php",
            Language::Ruby => "ruby",
        }
    }

    /// The language called `name`, also by the short names that fences and data sets use.
    pub fn named(name: &str) -> Option<Language> {
        Some(match name.to_ascii_lowercase().as_str() {
            "python" | "py" | "python3" => Language::Python,
            "java" => Language::Java,
            "c" => Language::C,
            "cpp" | "c++" | "cc" | "cxx" => Language::Cpp,
            "csharp" | "c_sharp" | "c#" | "cs" => Language::CSharp,
            "javascript" | "js" | "node" => Language::JavaScript,
            "go" | "golang" => Language::Go,
            "rust" | "rs" => Language::Rust,
            "php" => Language::Php,
            "ruby" | "rb" => Language::Ruby,
            _ => return None,
        })
    }

    /// The grammar and its version.
    pub fn grammar(self) -> &'static str {
        match self {
            Language::Python => "tree-sitter-python-0.21.0",
            Language::Java => "tree-sitter-java-0.21.0",
            Language::C => "tree-sitter-c-0.21.4",
            Language::Cpp => "tree-sitter-cpp-0.22.3",
            Language::CSharp => "tree-sitter-c-sharp-0.21.3",
            Language::JavaScript => "tree-sitter-javascript-0.23.1",
            Language::Go => "tree-sitter-go-0.21.2",
            Language::Rust => "tree-sitter-rust-0.21.2",
            Language::Php => "tree-sitter-php-0.22.8",
            Language::Ruby => "tree-sitter-ruby-0.21.0",
        }
    }

    pub(crate) fn tree_sitter(self) -> tree_sitter::Language {
        match self {
            Language::Python => tree_sitter_python::language(),
            Language::Java => tree_sitter_java::language(),
            Language::C => tree_sitter_c::language(),
            Language::Cpp => tree_sitter_cpp::language(),
            Language::CSharp => tree_sitter_c_sharp::language(),
            Language::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Language::Go => tree_sitter_go::language(),
            Language::Rust => tree_sitter_rust::language(),
            Language::Php => tree_sitter_php::language_php(),
            Language::Ruby => tree_sitter_ruby::language(),
        }
    }

    /// The syntax tree of any text at all; what cannot be parsed is an `ERROR` node within it.
    ///
    /// `None` only if the text is larger than a tree can address (4 GiB).
    pub fn parse(self, source: &str) -> Option<Tree> {
        thread_local! {
            static PARSERS: RefCell<[Option<Parser>; Language::ALL.len()]> = const { RefCell::new([const { None }; 10]) };
        }
        PARSERS.with_borrow_mut(|parsers| {
            let slot = &mut parsers[self as usize];
            if slot.is_none() {
                let mut parser = Parser::new();
                parser.set_language(&self.tree_sitter()).ok()?;
                *slot = Some(parser);
            }
            slot.as_mut()?.parse(source, None)
        })
    }

    /// Whether the whole text is a program of this language, as far as its grammar says.
    pub fn is_well_formed(self, source: &str) -> bool {
        self.parse(source).is_some_and(|tree| !tree.root_node().has_error())
    }

    /// Whether a word is one of `keywords`.
    pub(crate) fn is_keyword(self, word: &str) -> bool {
        static KEYWORDS: LazyLock<Vec<FxHashSet<&'static str>>> =
            LazyLock::new(|| Language::ALL.iter().map(|language| language.keywords().collect()).collect());
        KEYWORDS[self as usize].contains(word)
    }

    /// Words that weigh more in CodeBLEU's weighted n-gram match; codebleu 0.7.0's lists, their oddities included.
    pub fn keywords(self) -> impl Iterator<Item = &'static str> {
        let words = match self {
            Language::Python => {
                "False None True and as assert async await break case class continue def del elif else except finally \
                 for from global if import in is lambda match nonlocal not or pass raise return try type while with \
                 yield"
            }
            Language::Java => {
                "abstract assert boolean break byte case catch char class const continue default do double else enum \
                 extends final finally float for goto if implements import instanceof int interface long native new \
                 package private protected public return short static strictfp super switch synchronized this throw \
                 throws transient try void volatile while"
            }
            Language::C => {
                "_Packed auto break case char const continue default do double else enum extern float for goto if int \
                 long register return short signed sizeof static struct switch typedef union unsigned void volatile \
                 while"
            }
            Language::Cpp => {
                "INT_MAX INT_MIN MAX_RAND NULL and and_eq asm auto bitand bitor bool break case catch char cin class \
                 compl const const_cast continue cout default delete do double dynamic_cast else endl enum explicit \
                 extern false float for friend goto if include inline int iomanip iostream long main mutable \
                 namespace new not not_eq npos operator or or_eq private protected public register reinterpret_cast \
                 return short signed sizeof static static_cast std string struct switch template this throw true try \
                 typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq"
            }
            Language::CSharp => {
                "abstract add alias as ascending async await base bool break by byte case catch char checked class \
                 const continue decimal default delegate descending do double dynamic else enum equals event explicit \
                 extern false finally fixed float for foreach from get global goto group if implicit in int interface \
                 internal into is join let lock long nameof namespace new notnull null object on operator orderby out \
                 override params partial private protected public readonly ref remove return sbyte sealed select set \
                 short sizeof stackalloc static string struct switch this throw true try typeof uint ulong unchecked \
                 unmanaged unsafe ushort using value var virtual void volatile when where while yield"
            }
            Language::JavaScript => {
                "True await break case catch class const continue debugger default delete do else enum export extends \
                 false finally for function if implements import in instanceof interface let new null package private \
                 protected public return static super switch this throw try typeof var void while with yield"
            }
            Language::Go => {
                "break case chan const continue default defer else fallthrough false for func go goto if import \
                 interface map package range return select struct switch true type var"
            }
            Language::Rust => {
                "as async await block bool break char const continue crate default dyn else enum expr extern f32 f64 \
                 false fn for i128 i16 i32 i64 i8 ident if impl in isize item let lifetime literal loop macro_rules! \
                 match meta mod move mut pat path pub ref return self static stmt str struct super trait true tt ty \
                 type u128 u16 u32 u64 u8 union unsafe use usize vis where while yield"
            }
            Language::Php => {
                "__halt_compiler abstract and array as break callable case catch class clone const continue declare \
                 default die do echo else elseif empty enddeclare endfor endforeach endif endswitch endwhile eval \
                 exit extends final for foreach function global goto if implements include include_once instanceof \
                 insteadof interface isset list namespace new or print private protected public require require_once \
                 return static switch throw trait try unset use var while xor"
            }
            Language::Ruby => {
                "BEGIN END __ENCODING__ __FILE__ __LINE__ alias and begin break case class def defined? do else elsif \
                 end ensure false for if in module next nil not or redo rescue retry return self super then true \
                 undef unless until when while yield"
            }
        };
        words.split_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grammar_parses_its_own_language_and_survives_others() {
        for (language, source) in [
            (Language::Python, "def f(x):\n    return x\n"),
            (Language::Java, "class A { int f(int x) { return x; } }"),
            (Language::C, "int f(int x) { return x; }"),
            (Language::Cpp, "template <class T> T f(T x) { return x; }"),
            (Language::CSharp, "class A { int F(int x) => x; }"),
            (Language::JavaScript, "const f = (x) => x;"),
            (Language::Go, "package a\nfunc f(x int) int { return x }\n"),
            (Language::Rust, "fn f(x: u8) -> u8 { x }"),
            (Language::Php, "<?php function f($x) { return $x; }"),
            (Language::Ruby, "def f(x)\n  x\nend\n"),
        ] {
            assert!(language.is_well_formed(source), "{language:?}");
            assert!(!language.is_well_formed("<?php ((( \" \0 {"), "{language:?}");
            assert_eq!(Language::named(language.name()), Some(language));
            assert!(language.keywords().any(|word| word == "for"), "{language:?}");
            assert!(language.parse("").is_some());
        }
        assert_eq!(Language::named("cobol"), None);
        assert_eq!(Language::named("C++"), Some(Language::Cpp));
    }
}
