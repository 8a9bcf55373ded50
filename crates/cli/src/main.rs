//! The binary `hone`: one file per command, and the only place where the rooms are wired together.
//!
//! Never here: logic of a room. Exit codes: 0 done; 1 failed; 2 the command line, a recipe, a model or a tasks file is
//! wrong; 3 the machine lacks something (an isolation layer, Python, the network); 130 ended by Ctrl-C.

mod arguments;
mod commands;
mod comparison;
mod evaluation;
mod exit;
mod interrupt;
mod opened_model;
mod plan;
mod preferences;
mod progress;
mod recipe;
mod run_observer;
mod sandboxes;
mod tasks;
mod terminal;
mod training;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::install_panic_hook();
    let arguments = arguments::Arguments::parse();
    let terminal = terminal::Terminal::new(&arguments.global);
    terminal.start_logging();
    match commands::run(arguments.command, &terminal) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal.error(&error);
            ExitCode::from(exit::code(&error))
        }
    }
}
