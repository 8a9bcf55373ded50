//! `hone completions`: a script that teaches a shell our commands.

use anyhow::Result;
use clap::CommandFactory;

use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone completions bash > ~/.local/share/bash-completion/completions/hone
  hone completions zsh > ~/.zfunc/_hone
  hone completions fish > ~/.config/fish/completions/hone.fish";

/// Which shell.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints the script on stdout.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut crate::arguments::Arguments::command(),
        "hone",
        &mut script,
    );
    terminal.piece(&String::from_utf8_lossy(&script));
    Ok(())
}
