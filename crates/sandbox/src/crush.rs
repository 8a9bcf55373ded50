//! Runs with as many processes as they may have, all of which do nothing but ask for more: fork bombs, in one word.
//!
//! Each process that a control group refuses has been copied in full before, so such a run takes more from others than it is
//! worth to keep until its time is over. An honest program that is refused processes gives up, or has some that wait; it
//! is none of those that are ended here.

use std::fs;

use crate::zygote::Zygote;

/// So many may be refused while all others are the same and none of them waits.
const MOST_REFUSALS: u64 = 8;

/// What is known of a run that was refused processes or threads.
#[derive(Debug, Default)]
pub(crate) struct Crush {
    /// How many refusals there were at the last look.
    seen: u64,
    /// How many refusals there were at the first look since which its threads are the same, and none of them waits.
    refused: Option<u64>,
    /// Ids of its threads, one a line.
    threads: String,
}

impl Crush {
    /// Whether the run came to be such a one. Never where there is no control group that counts refusals.
    pub(crate) fn is_hopeless(&mut self, zygote: &Zygote) -> bool {
        // One that rests, or waits for its turn, asks for nothing, and does not have to be looked at.
        let Some(refused) = zygote.refusals().filter(|&refused| refused > self.seen) else { return false };
        self.seen = refused;
        let Some(threads) = zygote.threads() else { return false };
        let pid = zygote.pid().to_string();
        if threads != self.threads || threads.lines().any(|thread| thread != pid && is_waiting(thread)) {
            *self = Crush { seen: refused, refused: None, threads };
            return false;
        }
        refused >= *self.refused.get_or_insert(refused) + MOST_REFUSALS
    }
}

/// Whether a thread sleeps; a stopped one does not.
fn is_waiting(thread: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['S', 'I']))
}
